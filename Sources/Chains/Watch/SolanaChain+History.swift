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

    /// What a transaction did; `nil` if the node has it in no final block. Calls come with their
    /// data only where events are told from it: what others hand to programs of their own may be
    /// much, and is not looked at.
    ///
    /// - Parameter program: the payout program, if its claims and roots are asked for.
    public func trace(
        of transaction: Signature, program: SolanaAddress? = nil
    ) async throws(ChainError) -> VaultTrace? {
        let options = JSONValue.object([
            "commitment": "finalized", "encoding": "json",
            "maxSupportedTransactionVersion": .integer(0),
        ])
        let name = JSONValue.string(Base58.encode(transaction.bytes))
        let found: TracedTransaction?
        do {
            found = try await rpc.callOptional("getTransaction", [name, options])
        } catch {
            throw .rpc(error)
        }
        return try found?.trace(program)
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
    private let listing: VaultListing
    private let instructions: [Instruction]
    private let before: [VaultTrace.Holding]
    private let after: [VaultTrace.Holding]

    private struct Instruction: Sendable {
        let program: SolanaAddress
        let accounts: [SolanaAddress]
        /// As the node tells it, in base58.
        let data: String
    }

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
        func instruction(_ call: Call) throws -> Instruction {
            Instruction(
                program: try key(call.programIdIndex), accounts: try call.accounts.map(key),
                data: call.data)
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
        var all: [Instruction] = []
        for (index, call) in message.instructions.enumerated() {
            all.append(try instruction(call))
            for part in inner where part.index == index {
                all += try part.instructions.map(instruction)
            }
        }
        listing = VaultListing(
            transaction: try signature(name, decoder), slot: outer.slot,
            isUndone: meta.err != nil)
        instructions = all
        before = try holdings(meta.preTokenBalances)
        after = try holdings(meta.postTokenBalances)
    }

    /// With the data that events are told from, of the payout program too, if it is given. What is
    /// longer tells none: what moved with it is seen by the balances.
    func trace(_ program: SolanaAddress?) throws(ChainError) -> VaultTrace {
        let memos = instructions.count { SolanaAddress.memoPrograms.contains($0.program) }
        var all: [VaultTrace.Instruction] = []
        for call in instructions {
            let most = VaultTrace.readBytes(of: call.program, pool: program, memos: memos)
            let letters = call.data.utf8.count
            var data: [UInt8] = []
            if most > 0, letters <= Base58.mostLetters(for: most) {
                guard let read = Base58.decode(call.data, limit: letters) else {
                    throw .rpc(.malformed("getTransaction: data that is not base58"))
                }
                data = read
            }
            all.append(
                VaultTrace.Instruction(
                    program: call.program, accounts: call.accounts, data: data))
        }
        return VaultTrace(listing: listing, instructions: all, before: before, after: after)
    }
}
