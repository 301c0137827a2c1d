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
    /// Send accounts the sender's own tokens, all or none, under a name that counts once. The call
    /// carries under which books it is made, if that is fixed.
    case disperse(
        token: EVMAddress, name: Digest, payments: [EVMPayment], books: PushedBooks? = nil)
    /// Let the contract take the owner's tokens, which only `disperse` of the owner's own does.
    case approve(token: EVMAddress, spender: EVMAddress, owner: EVMAddress)
    /// Make a committed root the one that pays, once its delay is over.
    case activateRoot(CommittedRoot)
    /// Carry out a requested slash whose veto window is over.
    case executeSlash(verdict: Digest)
    /// Take back a requested slash that nobody carried out in time, so that it freezes no bond.
    case lapseSlash(verdict: Digest)
    /// Show that the house is there. `last` is the second of the last time it did, so each sign is
    /// an order of its own.
    case heartbeat(last: UInt64)
    /// Call another contract, once for this key, which is its id for ever.
    case call(key: Digest, contract: EVMAddress, data: [UInt8])

    /// What the order is, whatever else it carries: the verdict's key, or a hash of batch and root.
    public var key: Digest {
        switch self {
        case .slash(_, _, _, let verdict): verdict
        case .commitRoot(let batch, let root, _, _, _, _): Self.key(ofBatch: batch, root: root)
        case .disperse(_, let name, _, _): Self.key(ofDispersal: name)
        case .approve(let token, _, let owner): Self.key(ofApproval: token, by: owner)
        case .activateRoot(let committed):
            Self.key(ofActivation: committed.batch, root: committed.root)
        case .executeSlash(let verdict): Self.key(ofExecution: verdict)
        case .lapseSlash(let verdict): Self.key(ofLapse: verdict)
        case .heartbeat(let last):
            Keccak256.hash(
                Array("exchequer heartbeat".utf8) + UInt256(low: UInt128(last)).word.bytes)
        case .call(let key, _, _): key
        }
    }

    /// The key of a dispersal's order.
    public static func key(ofDispersal name: Digest) -> Digest {
        Keccak256.hash(Array("exchequer dispersal".utf8) + name.bytes)
    }

    /// The key of the order by which an account lets the contract take its tokens: another
    /// account's leave is another order.
    public static func key(ofApproval token: EVMAddress, by owner: EVMAddress) -> Digest {
        Keccak256.hash(Array("exchequer approve".utf8) + owner.bytes + token.bytes)
    }

    /// The key of the order that makes a root pay.
    public static func key(ofActivation batch: UInt64, root: Digest) -> Digest {
        Keccak256.hash(Array("exchequer activation".utf8) + key(ofBatch: batch, root: root).bytes)
    }

    /// The key of the order that carries out a requested slash.
    public static func key(ofExecution verdict: Digest) -> Digest {
        Keccak256.hash(Array("exchequer execution".utf8) + verdict.bytes)
    }

    /// The key of the order that takes back a requested slash.
    public static func key(ofLapse verdict: Digest) -> Digest {
        Keccak256.hash(Array("exchequer lapse".utf8) + verdict.bytes)
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
        case .activateRoot(let committed):
            try artifact.callData(
                "activateRoot",
                [
                    .bytes32(committed.root), .bytes32(committed.journalHead),
                    .bytes32(committed.liabilities),
                ])
        case .executeSlash(let verdict):
            try artifact.callData("executeSlash", [.bytes32(verdict)])
        case .lapseSlash(let verdict): try artifact.callData("lapseSlash", [.bytes32(verdict)])
        case .heartbeat: try artifact.callData("heartbeat", [])
        case .disperse(let token, let name, let payments, let books):
            try artifact.callData(
                "disperse",
                [
                    .address(token), .bytes32(name), .array(payments.map { .address($0.account) }),
                    .array(payments.map { .uint($0.units) }),
                ]) + (books?.bytes ?? [])
        case .approve(_, let spender, _): Self.approval(of: spender)
        case .call(_, _, let data): data
        }
    }

    /// Who is called: the contract, the token that is to let it, or another.
    func target(_ contract: EVMAddress) -> EVMAddress {
        switch self {
        case .approve(let token, _, _): token
        case .call(_, let other, _): other
        default: contract
        }
    }

    /// `approve(address,uint256)` of ERC-20, for as much as there may ever be.
    private static func approval(of spender: EVMAddress) -> [UInt8] {
        let selector = Keccak256.hash(Array("approve(address,uint256)".utf8)).bytes.prefix(4)
        var data = Array(selector)
        data += [UInt8](repeating: 0, count: 12) + spender.bytes
        data += [UInt8](repeating: 0xFF, count: 32)
        return data
    }
}

/// Under which books a dispersal is made: 64 bytes behind the arguments of `disperse`, which the
/// contract does not read and the chain keeps (docs/reference/settling.md).
public struct PushedBooks: Hashable, Sendable {
    /// The head hash of the house's journal, by which the dispersal was decided.
    public let journalHead: Digest
    /// The root of everything the house owed then.
    public let liabilities: Digest

    /// How many bytes they are.
    static let size = 64

    /// These books.
    public init(journalHead: Digest, liabilities: Digest) {
        self.journalHead = journalHead
        self.liabilities = liabilities
    }

    var bytes: [UInt8] { journalHead.bytes + liabilities.bytes }
}

/// What an account is sent, in chain units.
public struct EVMPayment: Hashable, Sendable {
    /// Who.
    public let account: EVMAddress
    /// How much.
    public let units: UInt128

    /// So much for an account.
    public init(to account: EVMAddress, units: UInt128) {
        self.account = account
        self.units = units
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
    ///
    /// - Parameter orphans: hashes of blocks that were final and are gone: what was carried out in
    ///   one of them has to be sent again.
    /// - Parameter writesOff: whether an order that found no bond is over, and not tried again.
    public mutating func step(
        of key: Digest, at now: Timestamp, without orphans: Set<Digest> = [],
        writesOff: Bool = true, status: (Digest) -> EVMIntentStatus
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
                if writesOff, Self.findsNoBond(failure) { return .withoutBond }
                // What was called off because the key is changed is the new key's at once.
                if !isFirstLook, failure != .cancelled {
                    let factor: UInt64 = 1 << UInt64(min(attempt.number, 4))
                    attempt.retryAt = now + .seconds(Self.pause * factor)
                }
                attempt.number += 1
            case .closed(.settled(let inclusion)):
                guard orphans.contains(inclusion.blockHash) else { return .done(inclusion) }
                attempt.number += 1
            case let other: return .wait(other)
            }
        }
    }

    /// The blocks that an order's transactions are in, those that were undone included, and whether
    /// none of them is still on its way. O(refusals).
    public func inclusions(
        of key: Digest, status: (Digest) -> EVMIntentStatus
    ) -> (found: [EVMInclusion], isClosed: Bool) {
        var found: [EVMInclusion] = []
        var number = 0
        while true {
            switch status(SettlementOrder.id(of: key, attempt: number)) {
            case .absent: return (found, true)
            case .closed(.settled(let inclusion)), .closed(.failed(.reverted(let inclusion))):
                found.append(inclusion)
            case .closed: break
            case .waiting, .inFlight: return (found, false)
            }
            number += 1
        }
    }

    /// The intent of an id that carries an order out.
    public func intent(
        _ id: Digest, for order: SettlementOrder
    ) throws(ABIError) -> EVMIntent {
        EVMIntent(
            id: id, from: sender, to: order.target(contract), data: try order.callData(artifact),
            gasLimit: 0, feeLimit: feeLimit)
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
