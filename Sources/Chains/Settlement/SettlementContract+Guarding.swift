public import Cryptography
public import Primitives

/// How the contract stands at the end of one block. Unix seconds.
public struct SettlementStanding: Hashable, Sendable {
    /// The block's height.
    public let block: UInt64
    /// The block's time.
    public let timestamp: UInt64
    /// The number of the last committed root, active, waiting or disputed; 0 for none.
    public let batch: UInt64
    /// The root that pays; zero for none.
    public let root: Digest
    /// Whether the last committed root waits.
    public let isRootWaiting: Bool
    /// The second from which it may be active, and before which it can be disputed.
    public let activeFrom: UInt64
    /// Whether the contract's entries are closed.
    public let isPaused: Bool
    /// When that ends by itself; `nil` if they are not, or if nothing but the owner ends it.
    public let pausedUntil: UInt64?
    /// Whether the house was given up for good.
    public let isAbandoned: Bool
    /// The last second in which nobody may declare it abandoned.
    public let abandonableFrom: UInt64
}

/// A slash that was requested and neither carried out, vetoed nor dropped. In chain units.
public struct RequestedSlash: Hashable, Sendable {
    /// The verdict that ordered it, by which it is named.
    public let verdict: Digest
    /// Whose bond.
    public let provider: EVMAddress
    /// How much is taken, of which `burned` is destroyed.
    public let amount: UInt128
    /// How much of it is destroyed.
    public let burned: UInt128
    /// The Unix second from which it can be carried out, and before which it can be vetoed.
    public let executableFrom: UInt64
    /// Whether the accused has appealed, which counts once.
    public let isAppealed: Bool
}

/// What guardians, arbiters, pausers, the accused and anybody may do about a house, and deposits
/// by signature.
extension SettlementContract {
    /// How the contract stands at the newest block. Nine calls at most.
    public func standing() async throws(ChainError) -> SettlementStanding {
        let head = try await contract.chain.head()
        let isPaused = try await flag("paused", head.number)
        // Contracts of before do not tell it.
        let end = isPaused ? try? await uint64("pausedUntil", head.number) : nil
        return SettlementStanding(
            block: head.number, timestamp: head.timestamp,
            batch: try await uint64("batch", head.number),
            root: try await value("root", head.number) { value throws(ABIError) in
                try value.digest("root")
            },
            isRootWaiting: try await flag("rootWaiting", head.number),
            activeFrom: try await uint64("activeFrom", head.number),
            isPaused: isPaused, pausedUntil: end,
            isAbandoned: try await flag("abandoned", head.number),
            abandonableFrom: try await uint64("abandonableFrom", head.number))
    }

    /// The slashes that were requested since block `first` and wait, oldest first. A call for each
    /// page of blocks and for each request.
    public func requestedSlashes(
        since first: UInt64 = 0, blocksPerPage: UInt64 = 2_000
    ) async throws(ChainError) -> [RequestedSlash] {
        let topic = try abi { () throws(ABIError) in
            try contract.artifact.event("SlashRequested").topic
        }
        let filter = LogFilter(contract: address, topics: [[topic]])
        let last = try await contract.chain.head().number
        var found: [RequestedSlash] = []
        var start = first
        while start <= last {
            let end = min(last, start.saturatingSum(blocksPerPage - 1))
            for log in try await contract.chain.logs(filter, from: start, to: end) {
                // Provider and verdict are indexed.
                guard filter.takes(log), log.topics.count == 3 else {
                    throw .inconsistentNode("a log that was not asked for")
                }
                if let one = try await requestedSlash(log.topics[2]) { found.append(one) }
            }
            start = end + 1
        }
        return found
    }

    /// The slash of a verdict, if it was requested and waits.
    public func requestedSlash(
        _ verdict: Digest
    ) async throws(ChainError) -> RequestedSlash? {
        let fields = try await contract.readOne("slashes", [.bytes32(verdict)]) {
            value throws(ABIError) in
            guard case .tuple(let parts) = value, parts.count == 5 else {
                throw .badArgument("slashes")
            }
            return parts
        }
        return try abi { () throws(ABIError) in
            let provider = try fields[0].address("provider")
            if provider == .zero { return nil }
            return RequestedSlash(
                verdict: verdict, provider: provider, amount: try fields[1].uint128("amount"),
                burned: try fields[2].uint128("burned"),
                executableFrom: try fields[3].uint64("executableFrom"),
                isAppealed: try fields[4].flag("isAppealed"))
        }
    }

    /// Drops the committed root of a batch before it pays. For a guardian.
    public func disputeRoot(
        batch: UInt64, reason: Digest, from sender: EVMSender
    ) async -> TransactionOutcome {
        await contract.send(
            "disputeRoot", [.uint(UInt128(batch)), .bytes32(reason)], from: sender)
    }

    /// Sets a requested slash aside for good, within its window. For an arbiter.
    public func vetoSlash(_ verdict: Digest, from sender: EVMSender) async -> TransactionOutcome {
        await contract.send("vetoSlash", [.bytes32(verdict)], from: sender)
    }

    /// Objects to a requested slash, which gives the arbiters another window. For the accused,
    /// once.
    public func appealSlash(
        _ verdict: Digest, statement: Digest, from sender: EVMSender
    ) async -> TransactionOutcome {
        await contract.send(
            "appealSlash", [.bytes32(verdict), .bytes32(statement)], from: sender)
    }

    /// Frees what a requested slash froze that nobody carried out in time. Anyone may send it.
    public func lapseSlash(_ verdict: Digest, from sender: EVMSender) async -> TransactionOutcome {
        await contract.send("lapseSlash", [.bytes32(verdict)], from: sender)
    }

    /// Closes the contract's entries; its exits stay open. For a pauser.
    public func pause(from sender: EVMSender) async -> TransactionOutcome {
        await contract.send("pause", [], from: sender)
    }

    /// Opens the entries again. For the owner.
    public func unpause(from sender: EVMSender) async -> TransactionOutcome {
        await contract.send("unpause", [], from: sender)
    }

    /// Closes the house for good after its silence. Anyone may send it.
    public func declareAbandoned(from sender: EVMSender) async -> TransactionOutcome {
        await contract.send("declareAbandoned", [], from: sender)
    }

    /// Pays into the house for the signer of a permit, which has to be the sender.
    public func deposit(
        _ permit: TokenPermit, signature: RecoverableSignature, from sender: EVMSender
    ) async -> TransactionOutcome {
        await contract.send("depositWithPermit", permit.arguments(signature), from: sender)
    }

    /// Pays into the house for the signer of an authorization. Anyone may send it.
    public func deposit(
        _ authorization: ReceiveAuthorization, signature: RecoverableSignature,
        from sender: EVMSender
    ) async -> TransactionOutcome {
        await contract.send(
            "depositWithAuthorization", authorization.arguments(signature), from: sender)
    }

    private func uint64(_ view: String, _ height: UInt64) async throws(ChainError) -> UInt64 {
        try await value(view, height) { value throws(ABIError) in try value.uint64(view) }
    }

    private func flag(_ view: String, _ height: UInt64) async throws(ChainError) -> Bool {
        try await value(view, height) { value throws(ABIError) in try value.flag(view) }
    }

    private func value<Value>(
        _ view: String, _ height: UInt64, _ convert: (ABIValue) throws(ABIError) -> Value
    ) async throws(ChainError) -> Value {
        let values = try await contract.read(view, at: height)
        return try abi { () throws(ABIError) in
            guard let first = values.first else { throw .truncated }
            return try convert(first)
        }
    }
}

extension SettlementContract {
    /// The tokens that it pays: dollars and the incentive.
    public func tokens() async throws(ChainError) -> (usd: EVMAddress, tly: EVMAddress) {
        let usd = try await contract.readOne("USDC") { value throws(ABIError) in
            try value.address("USDC")
        }
        let tly = try await contract.readOne("TLY") { value throws(ABIError) in
            try value.address("TLY")
        }
        return (usd, tly)
    }
}
