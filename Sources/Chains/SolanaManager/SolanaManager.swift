public import Primitives

/// The transaction manager of one token on Solana: payouts go in, what a driver has to do comes
/// out, and every payout is carried out at most once and, while the chain goes on, at last.
///
/// A value without clock, network or randomness, as `EVMManager` is, with the same rule for who
/// drives it: the input is durable before its actions are carried out.
///
/// Two transactions that pay the same would both be carried out, since nothing like an account's
/// nonce keeps them apart. So a payout belongs to one batch, and the batch has one transaction,
/// until that can no longer be carried out: its blockhash is too old in a final block, and it is in
/// none. With durable nonces a batch may have several, which use up the same value of one nonce.
public struct SolanaManager: Sendable {
    /// The numbers it works by.
    public internal(set) var policy: SolanaManagerPolicy
    /// Every payout, by its id. Never iterated.
    var entries: [Digest: Entry] = [:]
    /// Every payout's id, in the order of submission.
    var order: [Digest] = []
    /// Those that wait to be looked at.
    var fresh = IDQueue()
    /// Those that are being looked at.
    var looking: [Digest] = []
    /// Those that can be paid, and those whose accounts have to be made first.
    var ready: [Digest] = []
    var missing: [Digest] = []
    /// Those that cannot be paid now, and `fresh` ones for which there was no room among those
    /// whose accounts are missing; and when they are looked at again, soonest first.
    var quarantine: [Quarantined] = []
    var batches: [SolanaBatch] = []
    var nextBatch: UInt64 = 1
    /// Of batches that pay on a blockhash, in their order.
    var imprints: [SolanaImprint] = []
    var tables: [SolanaLookupTable] = []
    /// The last look at the chain, without its statuses.
    var market: Market?
    var observedAt = Timestamp.zero
    var askedAt = Timestamp.zero
    var lookedAt = Timestamp.zero
    var failures: UInt32 = 0
    /// What new batches wait for, in the order of its causes' numbers.
    var open: [SolanaBreakerCause] = []
    var isOverLimit = false
    /// Reports that were not acknowledged, oldest first.
    var outbox: [Report] = []
    var openCount = 0
    /// The last day on which a transaction ended, and what those of that day cost in lamports.
    var day: UInt64 = 0
    var spent: UInt64 = 0
    /// A slot that was final at the last look: what is signed from now on is in a later one.
    var slot: UInt64 = 0
    /// How far the record of what was signed is.
    public internal(set) var mark = SolanaMark()
    /// Nothing that was forgotten was carried out in a later slot.
    var forgottenSlot: UInt64 = 0

    /// The most bytes of a node's words that are kept.
    static let maximumText = 1 << 20
    /// Owners that are looked at together.
    static let lookLimit = 100

    struct Market: Hashable, Sendable {
        let recent: SolanaRecentHash?
        let price: UInt64
        let lamports: UInt64
        let tokens: UInt64
        let nonces: [SolanaNonce]
    }

    struct Quarantined: Hashable, Sendable {
        let id: Digest
        let due: Timestamp
    }

    struct Report: Hashable, Sendable {
        let id: Digest
        let outcome: SolanaPayoutOutcome
    }

    enum Place: Hashable, Sendable {
        case fresh
        case looking
        case ready
        case missing
        case quarantined(String)
        case batch(UInt64)
        case closed(SolanaPayoutOutcome)
    }

    struct Entry: Hashable, Sendable {
        let payout: SolanaPayout
        var place = Place.fresh
        var reported: SolanaPayoutOutcome?
        /// With how many others at most it may be in a batch, itself included: fewer after a batch
        /// was undone.
        var limit: UInt8 = 64
        /// What the last transaction offered.
        var price: UInt64 = 0
    }

    /// A manager without payouts.
    public init(policy: SolanaManagerPolicy) {
        self.policy = policy
    }

    /// Takes an input and returns what is to be done, in order. Throws, and changes nothing, for a
    /// payout, a cancellation or a forgetting that is refused; all other inputs are taken, those
    /// that fit nothing without effect.
    ///
    /// O(payouts on their way) for a tick or an observation, O(1) for a submission, O(payouts) for
    /// a forgetting.
    public mutating func apply(
        _ input: SolanaManagerInput, at now: Timestamp
    ) throws(SolanaManagerRejection) -> [SolanaManagerAction] {
        var actions: [SolanaManagerAction] = []
        switch input {
        case .configured(let policy):
            self.policy = policy
            advance(at: now, &actions)
        case .submit(let payout): try submit(payout, &actions)
        case .cancel(let id): try cancel(id, &actions)
        case .looked(let recipients): looked(recipients, at: now, &actions)
        case .tables(let tables): self.tables = tables
        case .signed(let batch, let id, let bytes): signed(batch, id, bytes, at: now, &actions)
        case .accepted(let batch, let id): accepted(batch, id, &actions)
        case .observed(let observation): observed(observation, at: now, &actions)
        case .unanswered:
            failures = failures == .max ? .max : failures + 1
            set(.nodesUnreachable, failures >= policy.failuresAllowed, &actions)
        case .acknowledged(let id, let outcome):
            let report = Report(id: id, outcome: outcome)
            if let place = outbox.firstIndex(of: report) { outbox.remove(at: place) }
        case .tick: advance(at: now, &actions)
        case .began(let mark):
            if order.isEmpty, self.mark == SolanaMark() { self.mark = mark }
        case .forget(let ids, let round): try forget(ids, in: round)
        case .restarted:
            askedAt = .zero
            lookedAt = .zero
            for place in batches.indices { batches[place].actedAt = .zero }
            for report in outbox { actions.append(.report(report.id, report.outcome)) }
            advance(at: now, &actions)
        }
        return actions
    }

    /// How far a payout is. O(batches).
    public func status(of id: Digest) -> SolanaPayoutStatus {
        guard let entry = entries[id] else { return .absent }
        switch entry.place {
        case .fresh, .looking, .ready, .missing: return .waiting
        case .quarantined(let reason): return .quarantined(reason)
        case .closed(let outcome): return .closed(outcome)
        case .batch(let number):
            let batch = batches.first { $0.number == number }
            guard let batch, batch.kind == .pay else { return .waiting }
            return .inFlight(batch.attempts.map(\.id))
        }
    }

    /// What was submitted under an id; `nil` if nothing was, or it is forgotten. O(1).
    public func submitted(_ id: Digest) -> SolanaPayout? { entries[id]?.payout }

    /// Whether a payout was last reported as settled. It may be in no final block yet. O(1).
    public func isReportedSettled(_ id: Digest) -> Bool {
        if case .settled? = entries[id]?.reported { true } else { false }
    }

    /// How many payouts are not over. O(1).
    public var openPayouts: Int { openCount }

    /// Why new batches wait.
    public var openBreakers: [SolanaBreakerCause] { open }

    /// Whether the next batch waits since it would cost more than one may.
    public var isOverFeeLimit: Bool {
        // What was called off is taken out when the next batch is formed.
        isOverLimit
            && (ready.contains { entries[$0]?.place == .ready }
                || missing.contains { entries[$0]?.place == .missing })
    }

    // MARK: Payouts

    private mutating func submit(
        _ payout: SolanaPayout, _ actions: inout [SolanaManagerAction]
    ) throws(SolanaManagerRejection) {
        if let entry = entries[payout.id] {
            guard entry.payout == payout else { throw .otherContent }
            if let outcome = entry.reported { actions.append(.report(payout.id, outcome)) }
            return
        }
        guard payout.amount > 0 else { throw .invalidPayout }
        guard order.count < policy.maximumPayouts else { throw .tooManyPayouts }
        entries[payout.id] = Entry(payout: payout)
        order.append(payout.id)
        fresh.append(payout.id)
        openCount += 1
    }

    private mutating func cancel(
        _ id: Digest, _ actions: inout [SolanaManagerAction]
    ) throws(SolanaManagerRejection) {
        guard let entry = entries[id] else { throw .noSuchPayout }
        switch entry.place {
        case .closed: throw .alreadyClosed
        case .batch: throw .onItsWay
        case .fresh, .looking, .ready, .missing, .quarantined: close(id, .cancelled, &actions)
        }
    }

    /// Ends a payout: its entry stays until it is forgotten, so that its id starts no other.
    mutating func close(
        _ id: Digest, _ outcome: SolanaPayoutOutcome, _ actions: inout [SolanaManagerAction]
    ) {
        entries[id]?.place = .closed(outcome)
        openCount -= 1
        report(id, outcome, &actions)
    }

    mutating func report(
        _ id: Digest, _ outcome: SolanaPayoutOutcome, _ actions: inout [SolanaManagerAction]
    ) {
        guard let entry = entries[id], entry.reported != outcome else { return }
        if case .settled? = entry.reported, outcome != .unknown {
            actions.append(.alert(.reportChanged(id)))
        }
        entries[id]?.reported = outcome
        // Only the last word counts, also after a restart.
        outbox.removeAll { $0.id == id }
        outbox.append(Report(id: id, outcome: outcome))
        actions.append(.report(id, outcome))
    }

    mutating func set(
        _ cause: SolanaBreakerCause, _ isOpen: Bool, _ actions: inout [SolanaManagerAction]
    ) {
        guard open.contains(cause) != isOpen else { return }
        if isOpen {
            open.append(cause)
            open.sort { $0.rawValue < $1.rawValue }
        } else {
            open.removeAll { $0 == cause }
        }
        actions.append(.alert(isOpen ? .opened(cause) : .closed(cause)))
    }
}

/// Ids in the order they came. Taking from the front is O(1) on average.
struct IDQueue: Sendable {
    private(set) var items: [Digest] = []
    private var taken = 0

    var rest: ArraySlice<Digest> { items[taken...] }
    var isEmpty: Bool { taken == items.count }

    mutating func append(_ id: Digest) { items.append(id) }

    mutating func removeAll(where isGone: (Digest) -> Bool) {
        items = rest.filter { !isGone($0) }
        taken = 0
    }

    mutating func next() -> Digest? {
        guard taken < items.count else { return nil }
        defer {
            taken += 1
            if taken >= 1_024, taken * 2 >= items.count {
                items.removeFirst(taken)
                taken = 0
            }
        }
        return items[taken]
    }
}

extension SolanaManager: LoggedMachine {
    /// Time passed.
    public static var tick: SolanaManagerInput { .tick }

    /// Whether a tick now would do nothing at all: nothing waits, and it is not time to ask.
    public func isIdle(at now: Timestamp) -> Bool {
        batches.isEmpty && fresh.isEmpty && looking.isEmpty && ready.isEmpty && missing.isEmpty
            && !open.contains(.dayLimit) && !now.hasPassed(policy.pollInterval, since: askedAt)
            && quarantine.first.map { $0.due > now } ?? true
    }

    /// Whether an action changes nothing anywhere.
    public static func onlyAsks(_ action: SolanaManagerAction) -> Bool {
        switch action {
        case .look, .ask: true
        case .sign, .broadcast, .report, .alert: false
        }
    }

    /// The payout that a report is about.
    public static func told(by action: SolanaManagerAction) -> Digest? {
        if case .report(let id, _) = action { id } else { nil }
    }
}
