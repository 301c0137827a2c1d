public import Primitives

// What a node tells of the past, at finalized commitment.
extension SolanaChain {
    /// The most transactions that a node lists at once.
    public static let listedAtOnce = 1_000

    /// The first slot of which the node has the block.
    public func firstAvailableSlot() async throws(ChainError) -> UInt64 {
        try await ask("getFirstAvailableBlock")
    }

    /// Transactions that name an account, the newest first; those before one, if given. An empty
    /// list says that the node has no more.
    public func transactions(
        naming account: SolanaAddress, before: Signature? = nil, limit: Int = listedAtOnce
    ) async throws(ChainError) -> [VaultListing] {
        var options: [String: JSONValue] = [
            "commitment": "finalized", "limit": .integer(Int64(limit)),
        ]
        if let before { options["before"] = .string(Base58.encode(before.bytes)) }
        let rows: [ListedTransaction] = try await ask(
            "getSignaturesForAddress", [.string(account.description), .object(options)])
        return rows.map(\.listing)
    }

    /// What a transaction did; `nil` if the node has it in no final block.
    public func trace(of transaction: Signature) async throws(ChainError) -> VaultTrace? {
        let options = JSONValue.object([
            "commitment": "finalized", "encoding": "json",
            "maxSupportedTransactionVersion": .integer(0),
        ])
        let name = JSONValue.string(Base58.encode(transaction.bytes))
        do {
            let found: TracedTransaction? = try await rpc.callOptional(
                "getTransaction", [name, options])
            return found?.trace
        } catch {
            throw .rpc(error)
        }
    }
}

// MARK: The node's forms

private func signature(_ text: String, _ decoder: any Decoder) throws -> Signature {
    guard let bytes = Base58.decode(text), let signature = Signature(bytes) else {
        throw DecodingError.dataCorrupted(
            .init(codingPath: decoder.codingPath, debugDescription: "not a signature"))
    }
    return signature
}

private struct ListedTransaction: Decodable, Sendable {
    let listing: VaultListing

    private enum Keys: CodingKey {
        case signature, slot, err
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Keys.self)
        let failure = try fields.decodeIfPresent(SolanaFailure.self, forKey: .err)
        listing = VaultListing(
            transaction: try signature(fields.decode(String.self, forKey: .signature), decoder),
            slot: try fields.decode(UInt64.self, forKey: .slot), isUndone: failure != nil)
    }
}

private struct TracedTransaction: Decodable, Sendable {
    let trace: VaultTrace

    private struct Outer: Decodable {
        let slot: UInt64
        let meta: Meta
        let transaction: Body
    }

    private struct Body: Decodable {
        struct Message: Decodable {
            let accountKeys: [Base58Digest]
            let instructions: [Call]
        }
        let signatures: [String]
        let message: Message
    }

    private struct Call: Decodable {
        let programIdIndex: Int
        let accounts: [Int]
        let data: String
    }

    private struct Meta: Decodable {
        struct Inner: Decodable {
            let index: Int
            let instructions: [Call]
        }
        struct Loaded: Decodable {
            let writable: [Base58Digest]
            let readonly: [Base58Digest]
        }
        struct Balance: Decodable {
            struct Amount: Decodable {
                let amount: String
            }
            let accountIndex: Int
            let owner: Base58Digest?
            let uiTokenAmount: Amount
        }
        let err: SolanaFailure?
        let innerInstructions: [Inner]?
        let loadedAddresses: Loaded?
        let preTokenBalances: [Balance]?
        let postTokenBalances: [Balance]?
    }

    init(from decoder: any Decoder) throws {
        let outer = try Outer(from: decoder)
        let (message, meta) = (outer.transaction.message, outer.meta)
        func refuse(_ what: String) -> DecodingError {
            .dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: what))
        }
        guard let name = outer.transaction.signatures.first else { throw refuse("no signature") }
        let loaded = meta.loadedAddresses
        let keys = (message.accountKeys + (loaded?.writable ?? []) + (loaded?.readonly ?? []))
            .map { SolanaAddress($0.value) }
        func key(_ index: Int) throws -> SolanaAddress {
            guard keys.indices.contains(index) else { throw refuse("no such account") }
            return keys[index]
        }
        func instruction(_ call: Call) throws -> VaultTrace.Instruction {
            guard let data = Base58.decode(call.data, limit: 10_240) else {
                throw refuse("not base58")
            }
            return VaultTrace.Instruction(
                program: try key(call.programIdIndex), accounts: try call.accounts.map(key),
                data: data)
        }
        func holdings(_ balances: [Meta.Balance]?) throws -> [VaultTrace.Holding] {
            // A node that kept no balances cannot say that there were none.
            guard let balances else { throw refuse("no token balances") }
            return try balances.map { balance in
                guard let amount = UInt64(balance.uiTokenAmount.amount) else {
                    throw refuse("no amount")
                }
                return VaultTrace.Holding(
                    account: try key(balance.accountIndex),
                    owner: balance.owner.map { SolanaAddress($0.value) }, amount: amount)
            }
        }
        guard let inner = meta.innerInstructions else { throw refuse("no inner instructions") }
        var all: [VaultTrace.Instruction] = []
        for (index, call) in message.instructions.enumerated() {
            all.append(try instruction(call))
            for part in inner where part.index == index {
                all += try part.instructions.map(instruction)
            }
        }
        trace = VaultTrace(
            listing: VaultListing(
                transaction: try signature(name, decoder), slot: outer.slot,
                isUndone: meta.err != nil),
            instructions: all, before: try holdings(meta.preTokenBalances),
            after: try holdings(meta.postTokenBalances))
    }
}
