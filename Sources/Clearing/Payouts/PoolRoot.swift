import Ledger
public import Primitives

/// A pool of the payout program on Solana, and what it costs to pay through a root of it, in
/// lamports.
public struct PoolQuote: Hashable, Sendable {
    /// The pool: the 32 bytes of its address.
    public var pool: Digest
    /// Committing a root, with the transfer of what it adds into the pool's vault.
    public var commit: UInt64
    /// Making it the one that pays.
    public var activate: UInt64
    /// A payee's claim.
    public var claim: UInt64
    /// A payee's record, which it takes once: the rent, and the fee of making it.
    public var record: UInt64

    /// What paying through this pool costs.
    public init(
        pool: Digest, commit: UInt64, activate: UInt64, claim: UInt64, record: UInt64
    ) {
        self.pool = pool
        self.commit = commit
        self.activate = activate
        self.claim = claim
        self.record = record
    }
}

/// Where the root of a pool stands that a dispersal is.
///
/// Its leaves are all that owners were ever owed through the pool, this dispersal's payments
/// included. What it adds is moved into the vault by the transaction that commits it, which the
/// program takes once: each epoch is used once.
public struct PoolRoot: Hashable, Sendable {
    /// How far it is. Numbers are stable for ever.
    public enum Stage: UInt8, CaseIterable, Hashable, Sendable {
        /// It is to be committed.
        case due = 1
        /// A final block has it in waiting, and its money in the vault.
        case committed = 2
        /// A guardian dropped it before it paid. A person has to say that it is committed anew.
        case disputed = 3
        /// It pays.
        case active = 4
    }

    /// The pool.
    public let pool: Digest
    /// How far it is.
    public internal(set) var stage = Stage.due
    /// The last epoch under which it was committed; 0 before.
    public internal(set) var epoch: UInt64 = 0
    /// The transaction that moved what it adds into the vault, if it is known.
    public internal(set) var funding: Signature?

    /// Whether what it adds is in the vault.
    public var isFunded: Bool { epoch > 0 }

    init(pool: Digest) { self.pool = pool }
}

/// What the house learned of a root of a pool.
public enum PoolNote: Hashable, Sendable {
    /// A final block has it in waiting under this epoch. The transaction is not known if the
    /// record of what was signed is lost.
    case committed(epoch: UInt64, Signature?)
    /// It was dropped before it paid.
    case disputed
    /// It pays.
    case active
    /// A person says that it is to be committed anew.
    case again
    /// It was never committed and never will be: its money is its payees' again.
    case returned
}

extension ClearingHouse {
    /// Books what became of a root of a pool. O(its payments) when it pays.
    mutating func notePool(
        _ id: DispersalID, _ note: PoolNote, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        guard let record = dispersals.at(id) else { throw .dispersalNotFound }
        guard var root = record.root, record.isOpen else { throw .wrongPaymentState }
        switch (note, root.stage) {
        case (.committed(let epoch, let transaction), .due):
            // An epoch that is in the books was another commit.
            if epoch <= lastEpoch(of: root.pool) { throw .wrongPaymentState }
            if !root.isFunded { root.funding = transaction }
            root.epoch = epoch
            root.stage = .committed
            index.poolCommitted[root.pool] = id
        case (.returned, .due) where !root.isFunded:
            index.remove(leavesOf: record)
            for place in record.payments.indices { giveBack(id, place, at: time, into: &events) }
            return passEndedDispersals()
        case (.disputed, .committed): root.stage = .disputed
        case (.again, .disputed): root.stage = .due
        // Whatever it was taken for: what pays, the chain says.
        case (.active, .committed), (.active, .disputed): root.stage = .active
        default: throw .wrongPaymentState
        }
        dispersals[id].root = root
        events.append(.poolRootMoved(id, root.stage, epoch: root.epoch))
        guard root.stage == .active else { return }
        index.poolPaying[root.pool] = id
        for place in record.payments.indices {
            dispersals[id].payments[place].transaction = root.funding
            paid(id, place, at: time, into: &events)
        }
        passEndedDispersals()
    }

    /// The first root of a pool that does not pay yet; of each pool there is one at most. O(open
    /// dispersals).
    public var openPoolRoot: Dispersal? {
        openDispersals.first { $0.rail == .pool && $0.isOpen }
    }

    /// The root of one pool that does not pay yet. O(open dispersals).
    public func openPoolRoot(in pool: Digest) -> Dispersal? {
        openDispersals.first { $0.root?.pool == pool && $0.isOpen }
    }

    /// All that an owner was ever owed through a pool, in the dollar's chain units, with what is
    /// in a root that does not pay yet. O(1).
    public func owed(to owner: Digest, through pool: Digest) -> UInt128 {
        index.poolOwed[Index.PoolPayee(pool: pool, owner: owner)] ?? 0
    }

    /// Through which pools, and as which owners, a party was ever paid, in the order of its first
    /// payments. O(those).
    public func poolOwners(of party: PartyID) -> [(pool: Digest, owner: Digest)] {
        (index.poolOwners[party] ?? []).map { ($0.pool, $0.owner) }
    }

    /// The leaves of the root that a dispersal is, ascending by owner, each owner once. O(payments
    /// of the pool's dispersals up to it).
    public func poolLeaves(of dispersal: DispersalID) -> [(owner: Digest, cumulative: UInt128)] {
        guard let pool = self.dispersal(dispersal)?.root?.pool else { return [] }
        var sums: [Digest: UInt128] = [:]
        for one in dispersals.prefix(Int(dispersal.rawValue)) where one.root?.pool == pool {
            for payment in one.payments where payment.state != .returned {
                guard case .solana(let owner) = payment.receiver else { continue }
                sums[owner, default: 0] += payment.units
            }
        }
        return sums.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// The last epoch of a pool that is in the books; 0 for none. O(1).
    public func lastEpoch(of pool: Digest) -> UInt64 {
        index.poolCommitted[pool].flatMap { dispersals[$0].root?.epoch } ?? 0
    }

    /// What was moved into a pool's vault, and what its roots promise that wait or pay. O(open
    /// dispersals and payments of the root that does not pay).
    public func poolSums(_ pool: Digest) -> (funded: UInt128, promised: UInt128) {
        let all = index.poolTotals[pool] ?? 0
        guard let open = openPoolRoot(in: pool), let root = open.root else {
            return (all, all)
        }
        let before = all - min(all, open.units)
        return (root.isFunded ? all : before, root.stage == .committed ? all : before)
    }

    /// The root of a pool that pays, as far as is booked. O(1).
    public func lastPaying(in pool: Digest) -> DispersalID? { index.poolPaying[pool] }

    /// The root of a pool that was committed under an epoch. O(dispersals).
    public func poolRoot(committedIn pool: Digest, epoch: UInt64) -> Dispersal? {
        // One is committed until it pays, and only then is there another.
        dispersals.first { $0.root?.pool == pool && $0.root?.epoch ?? 0 >= epoch }
    }

    /// Whether there can be another root of a pool that adds what these are due: none waits, and
    /// the sum of its leaves fits. O(positions).
    func isPoolFree(_ quotes: SettlementQuotes, for due: [SettlementPlan.Position]) -> Bool {
        guard let pool = quotes.pool?.pool, openPoolRoot(in: pool) == nil else { return false }
        let sum = due.reduce(index.poolTotals[pool] ?? 0) { sum, position in
            position.isOnSolana ? sum.saturatingSum(position.units) : sum
        }
        return sum <= UInt128(UInt64.max)
    }
}

extension Index {
    /// An owner who is paid through a pool.
    struct PoolPayee: Hashable, Sendable {
        let pool, owner: Digest
    }

    /// A dispersal that is a root of a pool adds to what its payees are owed through it.
    mutating func add(leavesOf dispersal: Dispersal) {
        guard let root = dispersal.root else { return }
        if root.stage == .active { poolPaying[root.pool] = dispersal.id }
        if root.isFunded { poolCommitted[root.pool] = dispersal.id }
        for payment in dispersal.payments where payment.state != .returned {
            guard case .solana(let owner) = payment.receiver else { continue }
            let payee = PoolPayee(pool: root.pool, owner: owner)
            poolOwed[payee] = (poolOwed[payee] ?? 0).saturatingSum(payment.units)
            if poolOwners[payment.party]?.contains(payee) != true {
                poolOwners[payment.party, default: []].append(payee)
            }
            poolTotals[root.pool] = (poolTotals[root.pool] ?? 0).saturatingSum(payment.units)
        }
    }

    /// One that is given up takes that back.
    mutating func remove(leavesOf dispersal: Dispersal) {
        guard let pool = dispersal.root?.pool else { return }
        for payment in dispersal.payments {
            guard case .solana(let owner) = payment.receiver else { continue }
            poolOwed[PoolPayee(pool: pool, owner: owner)]? -= payment.units
            poolTotals[pool]? -= payment.units
        }
    }
}

extension PoolQuote: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(pool)
        for lamports in [commit, activate, claim, record] { writer.write(lamports) }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            pool: try reader.readDigest(), commit: try reader.readUInt64(),
            activate: try reader.readUInt64(), claim: try reader.readUInt64(),
            record: try reader.readUInt64())
    }
}

extension PoolRoot: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(pool)
        writer.write(stage.rawValue)
        writer.write(epoch)
        writer.write(funding)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(pool: try reader.readDigest())
        guard let stage = Stage(rawValue: try reader.readUInt8()) else {
            throw .invalidValue("stage of a root")
        }
        self.stage = stage
        epoch = try reader.readUInt64()
        funding = try reader.readOptional()
        let isCommitted = stage != .due || funding != nil
        if isCommitted, epoch == 0 { throw .invalidValue("epoch of a root") }
    }
}

extension PoolNote: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .committed(let epoch, let transaction):
            writer.write(UInt8(1))
            writer.write(epoch)
            writer.write(transaction)
        case .disputed: writer.write(UInt8(2))
        case .active: writer.write(UInt8(3))
        case .again: writer.write(UInt8(4))
        case .returned: writer.write(UInt8(5))
        }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        switch try reader.readUInt8() {
        case 1: self = .committed(epoch: try reader.readUInt64(), try reader.readOptional())
        case 2: self = .disputed
        case 3: self = .active
        case 4: self = .again
        case 5: self = .returned
        default: throw .invalidValue("note of a root")
        }
    }
}
