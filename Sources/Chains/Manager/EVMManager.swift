public import Primitives

/// The transaction manager of one EVM chain: what is to be carried out goes in, what a driver has
/// to do comes out, and every intent is carried out at most once and, while the chain goes on,
/// at last.
///
/// It is a value without clock, network or randomness: the same inputs at the same times give the
/// same state and the same actions. The rule for who drives it: **the input is durable before its
/// actions are carried out**, as a log of inputs (each has canonical bytes) or as the canonical
/// bytes of the state; after a crash the state is made again and told `restarted`. An action may
/// be lost or carried out twice: a nonce counts once, a signature that is not in the state was
/// never given to a node, and reports are repeated until acknowledged.
///
/// A nonce belongs to one intent from its reservation until a block that is final holds one of
/// the transactions signed for it, and all of those stay known so long: see
/// docs/internals/settlement.md.
public struct EVMManager: Sendable {
    /// The numbers it works by.
    public internal(set) var policy: EVMManagerPolicy
    var lanes: [NonceLane] = []
    var breaker = CircuitBreaker()
    var market: EVMFeeMarket?
    var head: UInt64 = 0
    /// The height up to which blocks are final.
    var finalHeight: UInt64?
    /// The last final block whose hash is known.
    var anchor: BlockName?
    var observedAt = Timestamp.zero
    var askedAt = Timestamp.zero
    /// Intents that are over, in the order they ended.
    var closed: [ClosedIntent] = []
    /// Empty transactions that filled nonces and are final, in that order.
    var fillers: [EVMInclusion] = []
    /// Reports that were not acknowledged, oldest first.
    var outbox: [IntentReport] = []
    /// Every intent by its id. Never iterated; made anew of the rest when the state is read.
    var index: [Digest: IntentEntry] = [:]

    struct BlockName: Hashable, Sendable {
        let height: UInt64
        let hash: Digest
    }

    struct ClosedIntent: Hashable, Sendable {
        let id: Digest
        let content: Digest
        let outcome: EVMIntentOutcome
    }

    struct IntentReport: Hashable, Sendable {
        let id: Digest
        let outcome: EVMIntentOutcome
    }

    struct IntentEntry: Hashable, Sendable {
        let content: Digest
        var place: IntentPlace
    }

    enum IntentPlace: Hashable, Sendable {
        case waiting(EVMAddress)
        case slot(EVMAddress, nonce: UInt64)
        case closed(Int)
    }

    /// A manager without lanes.
    public init(policy: EVMManagerPolicy) {
        self.policy = policy
    }

    /// Takes an input and returns what is to be done, in order. Throws, and changes nothing, for
    /// a lane, an intent or a cancellation that is refused; all other inputs are taken, those that
    /// fit nothing without effect.
    ///
    /// O(nonces that are not final) for a tick or an observation, O(1) for a submission and
    /// O(nonces of a lane) for the others; a cancellation before its turn is O(waiting).
    public mutating func apply(
        _ input: EVMManagerInput, at now: Timestamp
    ) throws(EVMManagerRejection) -> [EVMManagerAction] {
        var actions: [EVMManagerAction] = []
        switch input {
        case .configured(let policy):
            self.policy = policy
            advance(at: now, &actions)
        case .openLane(let address): try openLane(address, at: now, &actions)
        case .retireLane(let address): retireLane(address, at: now, &actions)
        case .submit(let intent): try submit(intent, at: now, &actions)
        case .cancel(let id): try cancel(id, at: now, &actions)
        case .estimated(let id, let gas): estimated(id, gas: gas, at: now, &actions)
        case .estimateReverted(let id, let text):
            withdraw(id, .failed(.wouldRevert(String(text.prefix(200)))), &actions)
        case .signed(let transaction): signed(transaction, at: now, &actions)
        case .declined(let draft, let address, let nonce, let words):
            declined(draft, by: address, nonce: nonce, words, at: now, &actions)
        case .answered(let hash, let answer, let text):
            answered(hash, answer, text, at: now, &actions)
        case .observed(let observation): observed(observation, at: now, &actions)
        case .unanswered:
            if let alert = breaker.unanswered(allowed: policy.failuresAllowed) {
                actions.append(.alert(alert))
            }
        case .acknowledged(let id, let outcome):
            let report = IntentReport(id: id, outcome: outcome)
            if let place = outbox.firstIndex(of: report) { outbox.remove(at: place) }
        case .tick: advance(at: now, &actions)
        case .restarted: restarted(at: now, &actions)
        case .resumed: resumed(at: now, &actions)
        }
        return actions
    }

    // MARK: What can be seen from outside

    /// How far an intent is. O(1) and the number of its transactions.
    public func status(of id: Digest) -> EVMIntentStatus {
        guard let entry = index[id] else { return .absent }
        switch entry.place {
        case .waiting: return .waiting
        case .closed(let place): return .closed(closed[place].outcome)
        case .slot(let address, let nonce):
            let slot = lane(address).flatMap { lane in
                lane.place(of: nonce).map { lane.slots[$0] }
            }
            return .inFlight(nonce: nonce, transactions: slot?.attempts.map(\.hash) ?? [])
        }
    }

    /// The intents that have no nonce, in no order. O(intents).
    public var waitingIntents: [Digest] {
        index.compactMap { if case .waiting = $0.value.place { $0.key } else { nil } }
    }

    /// How many intents are not over. O(1).
    public var openIntents: Int { index.count - closed.count }

    /// Why new intents wait, lanes with too little money last. O(lanes).
    public var openBreakers: [EVMBreakerCause] {
        var causes: [EVMBreakerCause] = []
        if breaker.areNodesUnreachable { causes.append(.nodesUnreachable) }
        if breaker.isFeeSpike { causes.append(.feeSpike) }
        if let height = breaker.deepReorg { causes.append(.deepReorg(height)) }
        if let key = breaker.takenKey { causes.append(.keyUsedElsewhere(key)) }
        causes += lanes.filter { $0.overDay != nil }.map { .dayLimit($0.address) }
        return causes + lanes.filter(\.isBalanceLow).map { .lowBalance($0.address) }
    }

    func lane(_ address: EVMAddress) -> NonceLane? {
        lanes.first { $0.address == address }
    }

    func laneIndex(_ address: EVMAddress) -> Int? {
        lanes.firstIndex { $0.address == address }
    }

    // MARK: Ends and reports

    /// Ends an intent: its entry stays, so that its id never starts another.
    mutating func close(
        _ id: Digest, _ outcome: EVMIntentOutcome, reported: EVMIntentOutcome? = nil,
        _ actions: inout [EVMManagerAction]
    ) {
        guard let entry = index[id] else { return }
        index[id]?.place = .closed(closed.count)
        closed.append(ClosedIntent(id: id, content: entry.content, outcome: outcome))
        if reported != outcome { report(id, outcome, &actions) }
    }

    mutating func report(
        _ id: Digest, _ outcome: EVMIntentOutcome, _ actions: inout [EVMManagerAction]
    ) {
        // Only the last word counts, also after a restart.
        outbox.removeAll { $0.id == id }
        outbox.append(IntentReport(id: id, outcome: outcome))
        actions.append(.report(id, outcome))
    }

    private mutating func restarted(at now: Timestamp, _ actions: inout [EVMManagerAction]) {
        askedAt = .zero
        for lane in lanes.indices {
            for place in lanes[lane].slots.indices { lanes[lane].slots[place].actedAt = .zero }
            for place in lanes[lane].aside.indices { lanes[lane].aside[place].askedAt = .zero }
        }
        for report in outbox { actions.append(.report(report.id, report.outcome)) }
        advance(at: now, &actions)
    }

    private mutating func resumed(at now: Timestamp, _ actions: inout [EVMManagerAction]) {
        if let height = breaker.deepReorg { actions.append(.alert(.closed(.deepReorg(height)))) }
        if let key = breaker.takenKey { actions.append(.alert(.closed(.keyUsedElsewhere(key)))) }
        breaker.deepReorg = nil
        breaker.takenKey = nil
        anchor = nil
        finalHeight = nil
        advance(at: now, &actions)
    }
}

extension Timestamp {
    /// Whether `span` has passed since `start`. A start of zero is long ago.
    func hasPassed(_ span: Span, since start: Timestamp) -> Bool {
        start == .zero || start + span <= self
    }
}
