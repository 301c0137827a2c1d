import Foundation
public import Primitives

/// How sure a Solana node is of what it says.
public enum SolanaCommitment: String, Sendable {
    /// In a block that this node has seen.
    case processed
    /// In a block that two thirds of the stake voted for; may still be left for another fork.
    case confirmed
    /// Rooted: 31 blocks were built on it.
    case finalized
}

/// A Solana account as a node tells it.
public struct SolanaAccount: Hashable, Sendable {
    /// The program that may change it.
    public let owner: SolanaAddress
    /// What it holds of the chain's coin.
    public let lamports: UInt64
    /// What it holds otherwise.
    public let data: [UInt8]

    /// An account of these parts.
    public init(owner: SolanaAddress, lamports: UInt64, data: [UInt8]) {
        self.owner = owner
        self.lamports = lamports
        self.data = data
    }

    /// What it holds in its token's units, if it is a token account of either token program: eight
    /// bytes at 64, the lowest first.
    public var tokens: UInt64? {
        guard [.token, .token2022].contains(owner), data.count >= 165 else { return nil }
        return data[64..<72].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// Where a transaction is, as a node tells it.
public struct SolanaStatus: Hashable, Sendable {
    /// The slot of its block.
    public let slot: UInt64
    /// How sure that is.
    public let commitment: SolanaCommitment
    /// Why it was undone; `nil` if it was carried out. Words of the node's.
    public let failure: String?
}

/// What is known about a Solana transaction. There is no way to read "unknown" as "failed".
public enum SolanaOutcome: Hashable, Sendable {
    /// It was carried out, and its block is final.
    case settled(slot: UInt64)
    /// It is in a final block and was undone there; only its fee was paid.
    case undone(String, slot: UInt64)
    /// It is in no block, and no block can take it any more.
    case expired
    /// The node refused it before anybody else saw it, and does not know it.
    case refused(String)
    /// It may or may not be carried out. Ask again.
    case unknown(ChainError)
}

/// A Solana cluster as seen through one node.
public struct SolanaChain: Sendable {
    /// The node.
    public let rpc: JSONRPC
    /// Accounts that one call asks for, the most a node answers.
    private static let accountsPerCall = 100

    /// A chain; checks nothing yet.
    public init(rpc: JSONRPC) { self.rpc = rpc }

    /// The cluster's name: the hash of its first block.
    public func genesis() async throws(ChainError) -> Digest {
        let text: Base58Digest = try await ask("getGenesisHash")
        return text.value
    }

    /// How many blocks there are up to the newest of a commitment. Slots without a block do not
    /// count.
    public func blockHeight(
        _ commitment: SolanaCommitment = .finalized
    ) async throws(ChainError) -> UInt64 {
        try await ask("getBlockHeight", [Self.options(commitment)])
    }

    /// A blockhash to build on, and the last block height whose block may take a transaction with
    /// it. One of a confirmed block is best: it is young, and seldom left for another fork.
    public func latestBlockhash(
        _ commitment: SolanaCommitment = .confirmed
    ) async throws(ChainError) -> (hash: Digest, lastValidHeight: UInt64) {
        let found: InContext<Blockhash> = try await ask(
            "getLatestBlockhash", [Self.options(commitment)])
        return (found.value.blockhash.value, found.value.lastValidBlockHeight)
    }

    /// Whether a transaction may be built on a blockhash, as of the newest block of a commitment.
    func isRecent(
        _ hash: Digest, _ commitment: SolanaCommitment
    ) async throws(ChainError) -> Bool {
        let text = JSONValue.string(SolanaAddress(hash).description)
        let found: InContext<Bool> = try await ask(
            "isBlockhashValid", [text, Self.options(commitment)])
        return found.value
    }

    /// The accounts at these addresses, `nil` where there is none. A call for each hundred.
    ///
    /// - Parameter slot: throws `inconsistentNode` for an answer of an older one.
    public func accounts(
        _ addresses: [SolanaAddress], _ commitment: SolanaCommitment = .confirmed,
        since slot: UInt64 = 0
    ) async throws(ChainError) -> [SolanaAccount?] {
        var all: [SolanaAccount?] = []
        for start in stride(from: 0, to: addresses.count, by: Self.accountsPerCall) {
            let part = addresses[start..<min(start + Self.accountsPerCall, addresses.count)]
            let found: InContext<[SolanaAccount?]> = try await ask(
                "getMultipleAccounts",
                [.array(part.map { .string($0.description) }), Self.options(commitment)])
            guard found.value.count == part.count else {
                throw .inconsistentNode("\(part.count) accounts asked, \(found.value.count) told")
            }
            guard found.context.slot >= slot else {
                throw .inconsistentNode("slot \(slot) is not there yet: the node is behind")
            }
            all += found.value
        }
        return all
    }

    /// Where transactions are, `nil` for one that the node does not know, also among old ones.
    ///
    /// - Parameter ids: at most 256.
    public func statuses(
        _ ids: [Signature]
    ) async throws(ChainError) -> (slot: UInt64, all: [SolanaStatus?]) {
        let found: InContext<[SolanaStatus?]> = try await ask(
            "getSignatureStatuses",
            [
                .array(ids.map { .string(Base58.encode($0.bytes)) }),
                .object(["searchTransactionHistory": true]),
            ])
        guard found.value.count == ids.count else {
            throw .inconsistentNode("\(ids.count) transactions asked, \(found.value.count) told")
        }
        return (found.context.slot, found.value)
    }

    /// Gives a signed transaction to the node, which tries it out first. Safe to repeat.
    ///
    /// Returns `nil` when it is on its way or may be; the outcome must then be waited for.
    public func broadcast(_ transaction: SolanaTransaction) async -> SolanaOutcome? {
        let refusal: RPCError
        do {
            let name: String = try await rpc.call(
                "sendTransaction",
                [
                    .string(Data(transaction.bytes).base64EncodedString()),
                    .object([
                        "encoding": "base64", "preflightCommitment": "confirmed",
                        "maxRetries": .integer(0),
                    ]),
                ])
            // Another name is a lie, but the transaction may be on its way all the same.
            _ = name
            return nil
        } catch {
            refusal = error
        }
        guard case .server(_, let message, _) = refusal else {
            return refusal.isOutcomeUnknown ? nil : .refused("\(refusal)")
        }
        // "Already processed", or a trial that fails because this very transaction has run.
        do throws(ChainError) {
            if try await statuses([transaction.id]).all[0] != nil { return nil }
        } catch {
            return nil
        }
        return .refused(message)
    }

    /// What a compute unit has cost of late, in millionths of a lamport: the median of what the
    /// node tells of the last blocks; 0 if it tells nothing.
    public func recentPrice() async throws(ChainError) -> UInt64 {
        let found: [RecentFee] = try await ask("getRecentPrioritizationFees")
        let fees = found.map(\.prioritizationFee).sorted()
        return fees.isEmpty ? 0 : fees[fees.count / 2]
    }

    /// Gives a signed transaction to the node without a trial: what would fail is then undone in a
    /// block, which is an end, where a refusal would be none. Whether the node took it.
    func submit(_ bytes: [UInt8], named id: Signature) async -> Bool {
        let name: String? = try? await rpc.call(
            "sendTransaction",
            [
                .string(Data(bytes).base64EncodedString()),
                .object(["encoding": "base64", "skipPreflight": true, "maxRetries": .integer(0)]),
            ])
        return name == Base58.encode(id.bytes)
    }

    /// What a transaction in a final block cost its payer; `nil` if the node has none there.
    public func charge(of id: Signature) async throws(ChainError) -> SolanaCharge? {
        let options: JSONValue = .object([
            "commitment": "finalized", "encoding": "base64",
            "maxSupportedTransactionVersion": .integer(0),
        ])
        do {
            let found: ChargedTransaction? = try await rpc.callOptional(
                "getTransaction", [.string(Base58.encode(id.bytes)), options])
            return found.map { SolanaCharge($0.meta) }
        } catch {
            throw .rpc(error)
        }
    }

    /// The slot of the newest block of a commitment.
    public func slot(_ commitment: SolanaCommitment) async throws(ChainError) -> UInt64 {
        try await ask("getSlot", [Self.options(commitment)])
    }

    /// What has become of a transaction, from the chain's evidence alone.
    ///
    /// - Parameter lastValidHeight: the last block height whose block may take it.
    public func resolve(_ id: Signature, lastValidHeight: UInt64) async -> SolanaOutcome {
        do throws(ChainError) {
            // The height first: whatever block could still take it is final then, and known to a
            // node whose answer is of no earlier slot.
            let slot = try await slot(.finalized)
            let height = try await blockHeight(.finalized)
            let (seen, all) = try await statuses([id])
            if let status = all[0] {
                guard status.commitment == .finalized else { return .unknown(.timedOut) }
                return status.failure.map { .undone($0, slot: status.slot) }
                    ?? .settled(slot: status.slot)
            }
            guard seen >= slot else {
                throw .inconsistentNode("the node answered of an earlier slot than before")
            }
            return height > lastValidHeight ? .expired : .unknown(.timedOut)
        } catch {
            return .unknown(error)
        }
    }

    static func options(_ commitment: SolanaCommitment) -> JSONValue {
        .object(["commitment": .string(commitment.rawValue), "encoding": "base64"])
    }

    func ask<Result: Decodable & Sendable>(
        _ method: String, _ parameters: [JSONValue] = []
    ) async throws(ChainError) -> Result {
        do {
            return try await rpc.call(method, parameters)
        } catch {
            throw .rpc(error)
        }
    }
}

// MARK: The node's forms

private struct InContext<Value: Decodable & Sendable>: Decodable, Sendable {
    struct Context: Decodable, Sendable {
        let slot: UInt64
    }

    let context: Context
    let value: Value
}

private struct ChargedTransaction: Decodable, Sendable {
    struct Meta: Decodable, Sendable {
        let err: SolanaFailure?
        let fee: UInt64
        let preBalances: [UInt64]
        let postBalances: [UInt64]
    }

    let meta: Meta
}

/// What a transaction cost its payer, in lamports.
public struct SolanaCharge: Hashable, Sendable {
    /// For being carried out: its signatures, and price times limit.
    public let fee: UInt64
    /// In all: with the rent of what it made, and less what it got back; 0 if it gained.
    public let spent: UInt64
    /// What its payer had more afterwards: rent that it got back, less the fee.
    public let gained: UInt64
    /// Whether it was undone: then only the fee was paid.
    public let isUndone: Bool

    fileprivate init(_ meta: ChargedTransaction.Meta) {
        fee = meta.fee
        let before = meta.preBalances.first ?? 0
        let after = meta.postBalances.first ?? 0
        spent = before > after ? before - after : 0
        gained = after > before ? after - before : 0
        isUndone = meta.err != nil
    }
}

private struct RecentFee: Decodable, Sendable {
    let prioritizationFee: UInt64
}

private struct Blockhash: Decodable, Sendable {
    let blockhash: Base58Digest
    let lastValidBlockHeight: UInt64
}

/// 32 bytes in base58.
struct Base58Digest: Decodable, Sendable {
    let value: Digest

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let address = SolanaAddress(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "not 32 bytes of base58")
        }
        value = address.value
    }
}

extension SolanaAccount: Decodable {
    private enum Keys: CodingKey {
        case owner, lamports, data
    }

    /// Reads the node's form with data in base64.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Keys.self)
        owner = SolanaAddress(try fields.decode(Base58Digest.self, forKey: .owner).value)
        lamports = try fields.decode(UInt64.self, forKey: .lamports)
        let parts = try fields.decode([String].self, forKey: .data)
        guard parts.count == 2, parts[1] == "base64",
            let content = Data(base64Encoded: parts[0])
        else {
            throw DecodingError.dataCorruptedError(
                forKey: .data, in: fields, debugDescription: "not base64")
        }
        data = Array(content)
    }
}

extension SolanaStatus: Decodable {
    private enum Keys: CodingKey {
        case slot, confirmationStatus, err
    }

    /// Reads the node's form.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Keys.self)
        slot = try fields.decode(UInt64.self, forKey: .slot)
        let text = try fields.decode(String.self, forKey: .confirmationStatus)
        guard let found = SolanaCommitment(rawValue: text) else {
            throw DecodingError.dataCorruptedError(
                forKey: .confirmationStatus, in: fields, debugDescription: "no commitment")
        }
        commitment = found
        failure = try fields.decodeIfPresent(SolanaFailure.self, forKey: .err)?.words
    }
}

/// The reason for which a transaction was undone: a name, or an object of a name and its details.
struct SolanaFailure: Decodable, Sendable {
    let words: String

    private struct AnyKey: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private struct InInstruction: Decodable {
        let words: String

        init(from decoder: any Decoder) throws {
            var parts = try decoder.unkeyedContainer()
            let place = try parts.decode(UInt32.self)
            if let name = try? parts.decode(String.self) {
                words = "instruction \(place): \(name.cut(toBytes: 200))"
            } else {
                let code = try parts.decode([String: UInt32].self).values.first ?? 0
                words = "instruction \(place): code \(code)"
            }
        }
    }

    init(from decoder: any Decoder) throws {
        if let name = try? decoder.singleValueContainer().decode(String.self) {
            words = name.cut(toBytes: 200)
            return
        }
        let fields = try decoder.container(keyedBy: AnyKey.self)
        guard let key = fields.allKeys.first else {
            words = "undone"
            return
        }
        words =
            (try? fields.decode(InInstruction.self, forKey: key).words)
            ?? key.stringValue.cut(toBytes: 200)
    }
}
