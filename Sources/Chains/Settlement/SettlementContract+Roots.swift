public import Primitives

/// How long the settlement contract waits, in seconds. Fixed at its deployment.
public struct SettlementDelays: Hashable, Sendable {
    /// Until a bond that was asked back may be taken; at most 90 days.
    public var unbonding: UInt64
    /// In which a committed root can be disputed; 0: it is active at once. At most 30 days.
    public var activation: UInt64
    /// In which a slash can be appealed and vetoed; 0: it is executed at once. At most 30 days.
    public var veto: UInt64
    /// Until granted roles count; at most 30 days.
    public var roles: UInt64
    /// Without a sign of life of a settler until anyone may declare the house abandoned; more than
    /// the delays of roots and roles, at most a year.
    public var escape: UInt64

    /// Delays; a house that acts at once unless told otherwise.
    public init(
        unbonding: UInt64, activation: UInt64 = 0, veto: UInt64 = 0, roles: UInt64 = 0,
        escape: UInt64 = 90 * 86_400
    ) {
        self.unbonding = unbonding
        self.activation = activation
        self.veto = veto
        self.roles = roles
        self.escape = escape
    }
}

/// What a root was committed with, as the chain tells it: what `activateRoot` takes.
public struct CommittedRoot: Hashable, Sendable {
    /// The batch.
    public let batch: UInt64
    /// The root of the claims.
    public let root: Digest
    /// The head hash of the house's journal then.
    public let journalHead: Digest
    /// The root of everything the house owed then.
    public let liabilities: Digest

    /// A root of these parts.
    public init(batch: UInt64, root: Digest, journalHead: Digest, liabilities: Digest) {
        self.batch = batch
        self.root = root
        self.journalHead = journalHead
        self.liabilities = liabilities
    }
}

extension SettlementContract {
    /// Where deposits, bonds and the incentive reserve lie. The contract itself holds what active
    /// roots promise and nobody claimed.
    public func vault() async throws(ChainError) -> EVMAddress {
        try await contract.readOne("VAULT") { value throws(ABIError) in
            try value.address("VAULT")
        }
    }

    /// Who grants and revokes roles.
    public func owner() async throws(ChainError) -> EVMAddress {
        try await contract.readOne("owner") { value throws(ABIError) in
            try value.address("owner")
        }
    }

    /// The roles by their bits, the lowest first.
    public static let roleNames = ["settler", "slasher", "pauser", "guardian", "arbiter"]

    /// The names of the roles whose bits are set.
    public static func roleNames(_ bits: UInt64) -> [String] {
        roleNames.enumerated().filter { bits >> UInt64($0.offset) & 1 == 1 }.map(\.element)
    }

    /// An account's roles: settler 1, slasher 2, pauser 4, guardian 8, arbiter 16.
    public func roles(of account: EVMAddress) async throws(ChainError) -> UInt64 {
        try await contract.readOne("roles", [.address(account)]) { value throws(ABIError) in
            try value.uint64("roles")
        }
    }

    /// The change of an account's roles that waits, and from which Unix second it can be enacted;
    /// 0: none waits.
    public func roleChange(
        of account: EVMAddress
    ) async throws(ChainError) -> (granted: UInt64, revoked: UInt64, effectiveFrom: UInt64) {
        try await contract.readOne("roleChanges", [.address(account)]) { value throws(ABIError) in
            guard case .tuple(let parts) = value, parts.count == 3 else {
                throw .badArgument("roleChanges")
            }
            return (
                try parts[0].uint64("granted"), try parts[1].uint64("revoked"),
                try parts[2].uint64("effectiveFrom")
            )
        }
    }

    /// Whether a committed root waits to be active.
    public func isRootWaiting() async throws(ChainError) -> Bool {
        try await contract.readOne("rootWaiting") { value throws(ABIError) in
            try value.flag("rootWaiting")
        }
    }

    /// The Unix second from which the last committed root could be active.
    public func activeFrom() async throws(ChainError) -> UInt64 {
        try await contract.readOne("activeFrom") { value throws(ABIError) in
            try value.uint64("activeFrom")
        }
    }

    /// The last root that was committed, found in the contract's logs from the newest block down;
    /// `nil` if there is none down to `first`.
    public func lastCommittedRoot(
        downTo first: UInt64 = 0, blocksPerPage: UInt64 = 2_000
    ) async throws(ChainError) -> CommittedRoot? {
        try await committedRoot(topics: [], downTo: first, blocksPerPage: blocksPerPage)
    }

    /// What a batch's root was committed with, found in the same way.
    public func committedRoot(
        ofBatch batch: UInt64, downTo first: UInt64 = 0, blocksPerPage: UInt64 = 2_000
    ) async throws(ChainError) -> CommittedRoot? {
        try await committedRoot(
            topics: [[UInt256(low: UInt128(batch)).word]], downTo: first,
            blocksPerPage: blocksPerPage)
    }

    private func committedRoot(
        topics: [[Digest]], downTo first: UInt64, blocksPerPage: UInt64
    ) async throws(ChainError) -> CommittedRoot? {
        let topic = try abi { () throws(ABIError) in
            try contract.artifact.event("RootCommitted").topic
        }
        let filter = LogFilter(contract: address, topics: [[topic]] + topics)
        var last = try await contract.chain.head().number
        while true {
            let start = max(first, last < blocksPerPage ? 0 : last - (blocksPerPage - 1))
            let logs = try await contract.chain.logs(filter, from: start, to: last)
            guard logs.allSatisfy(filter.takes) else {
                throw .inconsistentNode("a log that was not asked for")
            }
            if let found = try logs.committedRoots(of: address, contract.artifact).last {
                return found
            }
            if start <= first { return nil }
            last = start - 1
        }
    }

    /// Carries out a requested slash whose veto window is over. Anyone may send it.
    public func executeSlash(
        _ verdict: Digest, from sender: EVMSender
    ) async -> TransactionOutcome {
        await contract.send("executeSlash", [.bytes32(verdict)], from: sender)
    }

    /// Makes the committed root the one that pays, once its delay is over. Anyone may send it.
    public func activate(
        _ root: CommittedRoot, from sender: EVMSender
    ) async -> TransactionOutcome {
        await contract.send(
            "activateRoot",
            [.bytes32(root.root), .bytes32(root.journalHead), .bytes32(root.liabilities)],
            from: sender)
    }
}
