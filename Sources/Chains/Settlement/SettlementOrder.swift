import Cryptography
public import Primitives

/// Something the settlement contract is to do, once. The contract takes each at most once too: a
/// verdict counts once, and a root has its number.
public enum SettlementOrder: Hashable, Sendable {
    /// Cut a provider's bond for a verdict; `burned` of it is destroyed. In chain units.
    case slash(provider: EVMAddress, amount: UInt128, burned: UInt128, verdict: Digest)
    /// Commit the root of a batch: the last batch plus one, with the sums of all its leaves, and
    /// the root of everything the house owes.
    case commitRoot(
        batch: UInt64, root: Digest, totalUSD: UInt128, totalTLY: UInt128, journalHead: Digest,
        liabilities: Digest)

    /// What the order is, whatever else it carries: the verdict's key, or a hash of batch and root.
    public var key: Digest {
        switch self {
        case .slash(_, _, _, let verdict): verdict
        case .commitRoot(let batch, let root, _, _, _, _): Self.key(ofBatch: batch, root: root)
        }
    }

    /// The key of a root's order.
    public static func key(ofBatch batch: UInt64, root: Digest) -> Digest {
        var writer = ByteWriter()
        writer.write(batch)
        writer.write(root)
        return Keccak256.hash(Array("exchequer root".utf8) + writer.bytes)
    }

    /// The id of the intent that tries an order for the given attempt, counted from 0. An intent's
    /// id is used up when it ends, so what was refused needs another one.
    static func id(of key: Digest, attempt: Int) -> Digest {
        guard attempt > 0 else { return key }
        var writer = ByteWriter()
        writer.write(key)
        writer.write(UInt64(attempt))
        return Keccak256.hash(Array("exchequer attempt".utf8) + writer.bytes)
    }

    /// The data of the call.
    public func callData(
        _ artifact: ContractArtifact
    ) throws(ABIError) -> [UInt8] {
        switch self {
        case .slash(let provider, let amount, let burned, let verdict):
            try artifact.callData(
                "slash", [.address(provider), .uint(amount), .uint(burned), .bytes32(verdict)])
        case .commitRoot(
            let batch, let root, let usd, let tly, let journalHead, let liabilities):
            try artifact.callData(
                "commitRoot",
                [
                    .uint(UInt128(batch)), .bytes32(root), .uint(usd), .uint(tly),
                    .bytes32(journalHead), .bytes32(liabilities),
                ])
        }
    }
}

/// Which intents stand for which orders, and when one that was refused is tried again.
///
/// A value that remembers nothing that matters: what an intent's id is follows from the order, and
/// what became of it is in the manager. So after a crash the same orders lead to the same intents.
public struct SettlementOrders: Sendable {
    /// What comes next of an order.
    public enum Step: Hashable, Sendable {
        /// Submit it as an intent of this id; see `intent`.
        case submit(Digest)
        /// It is on its way, or its outcome is not known: its reserve stays.
        case wait(EVMIntentStatus)
        /// It was refused, and is tried again later.
        case refused(EVMIntentFailure)
        /// There is no bond left to take: the order is to be written off.
        case withoutBond
        /// It is carried out, as deep in the chain as the manager's finality asks.
        case done(EVMInclusion)
    }

    private struct Attempt {
        var number: Int
        var retryAt: Timestamp
    }

    private let contract: EVMAddress
    private let artifact: ContractArtifact
    private let sender: EVMAddress
    private let feeLimit: UInt128
    private var attempts: [Digest: Attempt] = [:]

    /// How long to wait after the first refusal; twice as long after each further one, up to
    /// sixteen times.
    static let pause: UInt64 = 30

    /// Orders of `sender` to a contract; each may cost `feeLimit` wei of gas.
    public init(
        contract: EVMAddress, artifact: ContractArtifact, sender: EVMAddress, feeLimit: UInt128
    ) {
        self.contract = contract
        self.artifact = artifact
        self.sender = sender
        self.feeLimit = feeLimit
    }

    /// What comes next of the order with a key, by the status of its intents in the manager.
    /// O(refusals) for the first look, O(1) for each further one.
    public mutating func step(
        of key: Digest, at now: Timestamp, status: (Digest) -> EVMIntentStatus
    ) -> Step {
        let isFirstLook = attempts[key] == nil
        var attempt = attempts[key] ?? Attempt(number: 0, retryAt: .zero)
        defer { attempts[key] = attempt }
        while true {
            let id = SettlementOrder.id(of: key, attempt: attempt.number)
            switch status(id) {
            case .absent:
                if now < attempt.retryAt { return .refused(lastFailure(key, attempt, status)) }
                return .submit(id)
            case .closed(.failed(let failure)):
                if Self.findsNoBond(failure) { return .withoutBond }
                // What was called off because the key is changed is the new key's at once.
                if !isFirstLook, failure != .cancelled {
                    let factor: UInt64 = 1 << UInt64(min(attempt.number, 4))
                    attempt.retryAt = now + .seconds(Self.pause * factor)
                }
                attempt.number += 1
            case .closed(.settled(let inclusion)): return .done(inclusion)
            case let other: return .wait(other)
            }
        }
    }

    /// The intent of an id that carries an order out.
    public func intent(
        _ id: Digest, for order: SettlementOrder
    ) throws(ABIError) -> EVMIntent {
        EVMIntent(
            id: id, from: sender, to: contract, data: try order.callData(artifact), gasLimit: 0,
            feeLimit: feeLimit)
    }

    /// The id of an order's last intent, whether it was submitted or comes next.
    public func lastID(of key: Digest) -> Digest {
        SettlementOrder.id(of: key, attempt: attempts[key]?.number ?? 0)
    }

    private func lastFailure(
        _ key: Digest, _ attempt: Attempt, _ status: (Digest) -> EVMIntentStatus
    ) -> EVMIntentFailure {
        let last = SettlementOrder.id(of: key, attempt: max(attempt.number, 1) - 1)
        guard case .closed(.failed(let failure)) = status(last) else { return .cancelled }
        return failure
    }

    /// Forgets the pauses: what was refused is tried again at once.
    public mutating func retryNow() {
        for key in attempts.keys { attempts[key]?.retryAt = .zero }
    }

    /// Whether the contract says for good that there is no bond left to take.
    private static func findsNoBond(_ failure: EVMIntentFailure) -> Bool {
        if case .wouldRevert(let text) = failure { text.contains("no bond") } else { false }
    }
}
