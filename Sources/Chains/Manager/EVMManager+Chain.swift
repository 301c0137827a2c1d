import Primitives

/// What the chain says: where transactions stand, and what follows from it.
extension EVMManager {
    mutating func observed(
        _ observation: EVMObservation, at now: Timestamp, _ actions: inout [EVMManagerAction]
    ) {
        observedAt = now
        head = observation.head
        market = observation.market
        if let alert = breaker.answered() { actions.append(.alert(alert)) }
        let cap = policy.feeRule.first(observation.market)?.cap
        if let alert = breaker.priced(cap, maximum: policy.maximumFeePerGas) {
            actions.append(.alert(alert))
        }
        followFinality(observation, &actions)
        for (place, address) in observation.question.lanes.enumerated() {
            guard let lane = laneIndex(address) else { continue }
            followAccount(lane, observation.accounts[place], at: now, &actions)
        }
        var views: [Digest: EVMReceiptView] = [:]
        for (hash, view) in zip(observation.question.transactions, observation.receipts) {
            views[hash] = view
        }
        for lane in lanes.indices {
            let asked = observation.question.lanes.firstIndex(of: lanes[lane].address)
            let answer = asked.map { observation.accounts[$0] }
            for place in lanes[lane].slots.indices where !lanes[lane].slots[place].isFinal {
                followReceipts(place, in: lane, views, &actions)
                followEnd(place, in: lane, finalCount: answer?.finalCount, views, &actions)
            }
            releaseFinal(lane)
        }
        dropDrainedLanes(&actions)
        advance(at: now, &actions)
    }

    /// Moves the final height up, and looks whether the last block that was final is still there.
    private mutating func followFinality(
        _ observation: EVMObservation, _ actions: inout [EVMManagerAction]
    ) {
        if let anchor, observation.question.anchorHeight == anchor.height,
            let hash = observation.anchorHash, hash != anchor.hash, breaker.deepReorg == nil
        {
            breaker.deepReorg = anchor.height
            actions.append(.alert(.opened(.deepReorg(anchor.height))))
        }
        guard breaker.deepReorg == nil else { return }
        if let height = finalHeight, observation.question.finalHeight == height,
            let hash = observation.finalHash
        {
            anchor = BlockName(height: height, hash: hash)
        }
        let height = policy.finalHeight(
            head: observation.head, finalized: observation.finalized)
        if let height { finalHeight = max(finalHeight ?? 0, height) }
    }

    private mutating func followAccount(
        _ lane: Int, _ answer: EVMAccountAnswer, at now: Timestamp,
        _ actions: inout [EVMManagerAction]
    ) {
        lanes[lane].count = answer.count
        lanes[lane].balance = answer.balance
        let isNew = lanes[lane].first == nil
        if isNew { lanes[lane].first = answer.count }
        // Nonces that another program used or left waiting are nobody's here, and are filled if
        // the chain does not take them.
        let used = isNew ? max(answer.count, answer.pendingCount) : answer.count
        while let next = lanes[lane].next, next < used,
            lanes[lane].slots.count < policy.maximumTracked
        {
            lanes[lane].slots.append(
                NonceSlot(nonce: next, intent: nil, gasLimit: 0, reservedAt: now))
        }
        let least = max(policy.minimumBalance, 1)
        let need = lanes[lane].committed.saturatingSum(lanes[lane].shortfall)
        let isLow = answer.balance < max(least, need)
        guard isLow != lanes[lane].isBalanceLow else { return }
        lanes[lane].isBalanceLow = isLow
        if !isLow { lanes[lane].shortfall = 0 }
        let cause = EVMBreakerCause.lowBalance(lanes[lane].address)
        actions.append(.alert(isLow ? .opened(cause) : .closed(cause)))
    }

    /// Takes over where a nonce's transaction stands; what is not agreed on changes nothing.
    private mutating func followReceipts(
        _ place: Int, in lane: Int, _ views: [Digest: EVMReceiptView],
        _ actions: inout [EVMManagerAction]
    ) {
        let slot = lanes[lane].slots[place]
        var found: EVMInclusion?
        var areAllAbsent = true
        for attempt in slot.attempts {
            switch views[attempt.hash] {
            case .included(let inclusion, _, _)?: found = inclusion
            case .absent?: break
            case .unknown?, nil: areAllAbsent = false
            }
        }
        if var found {
            if let before = slot.inclusion, before.plain == found.plain {
                // What enough endpoints told once counts when one that leaves it out votes instead.
                found.rollupFee = max(found.rollupFee, before.rollupFee)
            }
            lanes[lane].slots[place].inclusion = found
            lanes[lane].slots[place].missingLooks = 0
        } else if areAllAbsent, let lost = slot.inclusion {
            // It was reorganised away: the last attempt goes to the nodes again.
            lanes[lane].slots[place].inclusion = nil
            lanes[lane].slots[place].actedAt = .zero
            actions.append(.alert(.reorganised(lost.transaction)))
        }
        lanes[lane].slots[place].missingLooks =
            found == nil && areAllAbsent ? slot.missingLooks : 0
    }

    /// Reports what is deep enough and ends what is final.
    private mutating func followEnd(
        _ place: Int, in lane: Int, finalCount: UInt64?, _ views: [Digest: EVMReceiptView],
        _ actions: inout [EVMManagerAction]
    ) {
        let slot = lanes[lane].slots[place]
        guard let inclusion = slot.inclusion else {
            return followForeign(place, in: lane, finalCount: finalCount, views, &actions)
        }
        // Only what this very look confirms, seen from heads that are as high, ends anything.
        guard case .included(let seen, let head, let finalized)? = views[inclusion.transaction],
            seen.plain == inclusion.plain
        else { return }
        let finalHeight = policy.finalHeight(head: head, finalized: finalized)
        let isFinal = finalHeight.map { inclusion.blockNumber <= $0 } ?? false
        if isFinal, breaker.deepReorg == nil {
            lanes[lane].slots[place].isFinal = true
            lanes[lane].spend(slot.included, on: observedAt.day)
            if !slot.isIntentIncluded { fillers.append(inclusion) }
            if let intent = slot.intent {
                close(intent.id, outcome(of: slot, inclusion), reported: slot.reported, &actions)
            }
            return
        }
        guard let intent = slot.intent, policy.finality != .submitted,
            policy.isReportable(
                inclusion.blockNumber, head: head, finalHeight: finalHeight)
        else { return }
        let outcome = outcome(of: slot, inclusion)
        guard slot.reported?.plain != outcome.plain else { return }
        if let reported = slot.reported, reported != .unknown {
            actions.append(.alert(.reportChanged(intent.id)))
        }
        lanes[lane].slots[place].reported = outcome
        report(intent.id, outcome, &actions)
    }

    private func outcome(of slot: NonceSlot, _ inclusion: EVMInclusion) -> EVMIntentOutcome {
        guard slot.isIntentIncluded else {
            switch slot.filling {
            case .refused(let words)?: return .failed(.refused(words))
            case .declined(let words)?: return .failed(.declined(words))
            case .cancelled?, .gap?, nil: return .failed(.cancelled)
            }
        }
        return inclusion.succeeded ? .settled(inclusion) : .failed(.reverted(inclusion))
    }

    /// A nonce that is used for good, and by none of the transactions known for it, several looks
    /// in a row: another program has the key. That is a person's business.
    private mutating func followForeign(
        _ place: Int, in lane: Int, finalCount: UInt64?, _ views: [Digest: EVMReceiptView],
        _ actions: inout [EVMManagerAction]
    ) {
        let slot = lanes[lane].slots[place]
        guard let finalCount, finalCount > slot.nonce,
            slot.attempts.allSatisfy({ views[$0.hash] == .absent })
        else { return }
        lanes[lane].slots[place].missingLooks += 1
        guard lanes[lane].slots[place].missingLooks >= policy.replacedLooks else { return }
        lanes[lane].slots[place].isFinal = true
        guard let intent = slot.intent else { return }
        close(intent.id, .failed(.replaced), reported: slot.reported, &actions)
        guard breaker.takenKey == nil else { return }
        breaker.takenKey = lanes[lane].address
        actions.append(.alert(.foreignNonce(lanes[lane].address, nonce: slot.nonce)))
        actions.append(.alert(.opened(.keyUsedElsewhere(lanes[lane].address))))
    }

    private mutating func releaseFinal(_ lane: Int) {
        let count = lanes[lane].slots.prefix { $0.isFinal }.count
        guard count > 0, let first = lanes[lane].first else { return }
        lanes[lane].slots.removeFirst(count)
        lanes[lane].first = first + UInt64(count)
    }
}
