import Cryptography
import Primitives

/// Intents up to the moment they get a nonce.
extension EVMManager {
    mutating func submit(
        _ intent: EVMIntent, at now: Timestamp, _ actions: inout [EVMManagerAction]
    ) throws(EVMManagerRejection) {
        let content = Self.content(of: intent)
        if let entry = index[intent.id] {
            guard entry.content == content else { throw .otherContent }
            if let outcome = knownOutcome(of: entry) { actions.append(.report(intent.id, outcome)) }
            return
        }
        guard let lane = laneIndex(intent.from), !lanes[lane].isRetiring else { throw .noSuchLane }
        guard intent.data.count <= EVMIntent.maximumData, intent.feeLimit > 0,
            intent.gasLimit <= EVMManagerPolicy.maximumGas
        else { throw .invalidIntent }
        guard index.count < policy.maximumIntents,
            lanes[lane].waitingCount < policy.maximumWaiting
        else { throw .tooManyIntents }
        index[intent.id] = IntentEntry(content: content, place: .waiting(intent.from))
        lanes[lane].enqueue(intent)
        startIntents(in: lane, at: now, &actions)
    }

    /// What tells two intents of one id apart.
    static func content(of intent: EVMIntent) -> Digest {
        Keccak256.hash(intent.canonicalBytes())
    }

    private func knownOutcome(of entry: IntentEntry) -> EVMIntentOutcome? {
        switch entry.place {
        case .waiting: return nil
        case .closed(let place): return closed[place].outcome
        case .slot(let address, let nonce):
            guard let lane = lane(address), let place = lane.place(of: nonce) else { return nil }
            return lane.slots[place].reported
        }
    }

    mutating func cancel(
        _ id: Digest, at now: Timestamp, _ actions: inout [EVMManagerAction]
    ) throws(EVMManagerRejection) {
        guard let entry = index[id] else { throw .noSuchIntent }
        switch entry.place {
        case .closed: throw .alreadyClosed
        case .waiting: withdraw(id, .failed(.cancelled), &actions)
        case .slot(let address, let nonce):
            guard let lane = laneIndex(address), let place = lanes[lane].place(of: nonce),
                lanes[lane].slots[place].filling == nil
            else { return }
            fill(place, in: lane, .cancelled, at: now, &actions)
        }
    }

    /// Ends an intent that has no nonce.
    mutating func withdraw(
        _ id: Digest, _ outcome: EVMIntentOutcome, _ actions: inout [EVMManagerAction]
    ) {
        guard case .waiting(let address)? = index[id]?.place, let lane = laneIndex(address) else {
            return
        }
        lanes[lane].withdraw(id)
        close(id, outcome, &actions)
    }

    /// An estimate is taken with a fifth more, since the chain moves on until the transaction runs.
    mutating func estimated(
        _ id: Digest, gas: UInt64, at now: Timestamp, _ actions: inout [EVMManagerAction]
    ) {
        guard case .waiting(let address)? = index[id]?.place, let lane = laneIndex(address),
            let place = lanes[lane].aside.firstIndex(where: { $0.intent.id == id }),
            lanes[lane].aside[place].gas == 0, gas > 0
        else { return }
        let bounded = min(gas, EVMManagerPolicy.maximumGas)
        lanes[lane].aside[place].gas = min(bounded + bounded / 5, EVMManagerPolicy.maximumGas)
        startIntents(in: lane, at: now, &actions)
    }

    // MARK: Starting

    /// Gives nonces to intents while the lane has room: first to those set aside, then in the
    /// order of submission.
    mutating func startIntents(
        in lane: Int, at now: Timestamp, _ actions: inout [EVMManagerAction]
    ) {
        if let day = lanes[lane].overDay, day < now.day {
            setOverDay(false, lane, at: now, &actions)
        }
        guard let fees = startingFees(at: now), lanes[lane].first != nil,
            !lanes[lane].isBalanceLow
        else { return }
        var room = policy.inFlight - lanes[lane].slots.count { $0.inclusion == nil }
        room = min(room, policy.maximumTracked - lanes[lane].slots.count)
        var free = lanes[lane].balance
        let committed = lanes[lane].committed
        free = free > committed ? free - committed : 0
        var place = 0
        while room > 0, place < lanes[lane].aside.count {
            let started = tryStart(place, in: lane, fees, &free, at: now, &actions)
            if started { room -= 1 } else { place += 1 }
        }
        while room > 0, lanes[lane].aside.count < policy.inFlight, !lanes[lane].isBalanceLow,
            let intent = lanes[lane].dequeue()
        {
            lanes[lane].aside.append(
                IntentAside(
                    intent: intent, gas: intent.gasLimit, askedAt: .zero, isOverLimit: false))
            let last = lanes[lane].aside.count - 1
            if tryStart(last, in: lane, fees, &free, at: now, &actions) { room -= 1 }
        }
    }

    /// What first attempts offer now; `nil` while nothing may start.
    private func startingFees(at now: Timestamp) -> EVMFees? {
        guard !breaker.isOpen, let market, !now.hasPassed(policy.staleAfter, since: observedAt)
        else { return nil }
        return policy.feeRule.first(market)
    }

    /// Gives the next nonce to an intent that was set aside, unless its gas is not known, costs
    /// too much or is not covered.
    private mutating func tryStart(
        _ place: Int, in lane: Int, _ fees: EVMFees, _ free: inout UInt128, at now: Timestamp,
        _ actions: inout [EVMManagerAction]
    ) -> Bool {
        let aside = lanes[lane].aside[place]
        guard aside.gas > 0 else {
            if now.hasPassed(policy.retryAfter, since: aside.askedAt) {
                lanes[lane].aside[place].askedAt = now
                actions.append(.estimate(aside.intent))
            }
            return false
        }
        guard let cost = fees.cost(gas: aside.gas), cost <= aside.intent.feeLimit else {
            if !aside.isOverLimit { actions.append(.alert(.feeLimit(aside.intent.id))) }
            lanes[lane].aside[place].isOverLimit = true
            return false
        }
        let need = cost.saturatingSum(aside.intent.value)
        guard isWithinDay(need, in: lane, at: now) else {
            setOverDay(true, lane, at: now, &actions)
            return false
        }
        guard need <= free else {
            lanes[lane].isBalanceLow = true
            lanes[lane].shortfall = need
            actions.append(.alert(.opened(.lowBalance(lanes[lane].address))))
            return false
        }
        guard let nonce = lanes[lane].next else { return false }
        free -= need
        setOverDay(false, lane, at: now, &actions)
        lanes[lane].aside.remove(at: place)
        index[aside.intent.id]?.place = .slot(aside.intent.from, nonce: nonce)
        lanes[lane].slots.append(
            NonceSlot(
                nonce: nonce, intent: aside.intent, gasLimit: aside.gas, reservedAt: now,
                pendingFees: fees))
        requestSignature(lanes[lane].slots.count - 1, in: lane, at: now, &actions)
        return true
    }
}
