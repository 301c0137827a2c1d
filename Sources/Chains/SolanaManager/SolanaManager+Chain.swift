import Primitives

/// What the chain says: where transactions stand, and what follows from it.
extension SolanaManager {
    mutating func observed(
        _ observation: SolanaObservation, at now: Timestamp,
        _ actions: inout [SolanaManagerAction]
    ) {
        observedAt = now
        failures = 0
        slot = max(slot, observation.slot ?? 0)
        let wasLow = market.map { $0.lamports < policy.minimumLamports } ?? false
        let isLow = observation.lamports < policy.minimumLamports
        market = Market(
            recent: observation.recent, price: observation.price, lamports: observation.lamports,
            tokens: observation.tokens, nonces: observation.nonces)
        set(.nodesUnreachable, false, &actions)
        // That it is enough for nothing is seen here, for what it is enough when that is formed.
        if isLow || wasLow { set(.lowLamports, isLow, &actions) }
        var views: [Signature: SolanaStatusView] = [:]
        for (id, view) in zip(observation.transactions, observation.statuses) { views[id] = view }
        var kept: [SolanaBatch] = []
        let all = batches
        batches = []
        for batch in all {
            if let batch = follow(batch, views, observation.nonces, at: now, &actions) {
                kept.append(batch)
            }
        }
        batches = kept
        imprints.removeAll { imprint in
            now.hasPassed(SolanaImprint.kept, since: imprint.madeAt)
                && !batches.contains { $0.number == imprint.batch }
        }
        advance(at: now, &actions)
    }

    /// A batch as the chain shows it now; `nil` if it is over.
    private mutating func follow(
        _ old: SolanaBatch, _ views: [Signature: SolanaStatusView], _ nonces: [SolanaNonce],
        at now: Timestamp, _ actions: inout [SolanaManagerAction]
    ) -> SolanaBatch? {
        var batch = old
        batch.isSeen = false
        for attempt in batch.attempts {
            guard case .seen(let sighting, let commitment)? = views[attempt.id] else { continue }
            batch.isSeen = true
            if commitment == .finalized {
                end(batch, attempt.id, sighting, at: now, &actions)
                return nil
            }
            if commitment == .confirmed, policy.finality == .confirmed, sighting.failure == nil,
                batch.kind == .pay
            {
                let outcome = SolanaPayoutOutcome.settled(attempt.id, slot: sighting.slot)
                for id in batch.ids { report(id, outcome, &actions) }
            }
        }
        if batch.isSeen { return batch }
        if isDead(&batch, views, nonces, at: now, &actions) {
            for attempt in batch.attempts { actions.append(.alert(.expired(attempt.id))) }
            dissolve(batch, &actions)
            return nil
        }
        if !batch.isUnknown, !batch.attempts.isEmpty,
            now.hasPassed(policy.unknownAfter, since: batch.formedAt)
        {
            batch.isUnknown = true
            if batch.kind == .pay { for id in batch.ids { report(id, .unknown, &actions) } }
        }
        return batch
    }

    /// Whether nothing that was signed for a batch can be carried out any more. A draft that was
    /// never signed, as far as the log says, was given to no node.
    private func isDead(
        _ batch: inout SolanaBatch, _ views: [Signature: SolanaStatusView],
        _ nonces: [SolanaNonce], at now: Timestamp, _ actions: inout [SolanaManagerAction]
    ) -> Bool {
        guard !batch.attempts.isEmpty else {
            return now.hasPassed(policy.unknownAfter, since: batch.formedAt)
        }
        var isProven = true
        for attempt in batch.attempts {
            let height: UInt64
            switch views[attempt.id] {
            case .absent(let seen)?: (height, isProven) = (seen, false)
            case .absentThroughout(let seen)?: height = seen
            case .seen?, .unknown?, nil: return false
            }
            if batch.nonce == nil {
                let (end, _) = attempt.lastValidHeight.addingReportingOverflow(policy.expiryMargin)
                guard height > end else { return false }
            }
        }
        // A nonce's other value is part of what `absent` means; enough endpoints must name it too.
        if let nonce = batch.nonce {
            let known = nonces.first { $0.account == nonce.account }
            guard let known, known.value != nonce.value else { return false }
        }
        // Accounts that are made twice are made once. Logs of before slots were told knew no such
        // thing, and are read as they were.
        let isHarmless = batch.kind == .makeAccounts && slot > 0
        let isOld = batch.isOld(policy, at: now)
        if isProven || isHarmless || batch.after == 0 && !isOld { return true }
        let isLate = now.hasPassed(policy.unknownAfter, since: batch.attempts[0].signedAt)
        if !batch.isTooOld, isOld || isLate {
            actions.append(.alert(.tooOld(batch.attempts[0].id)))
            batch.isTooOld = true
        }
        return false
    }

    /// One of a batch's transactions is in a final block.
    private mutating func end(
        _ batch: SolanaBatch, _ transaction: Signature, _ sighting: SolanaSighting,
        at now: Timestamp, _ actions: inout [SolanaManagerAction]
    ) {
        spend(batch, transaction, isUndone: sighting.failure != nil, at: now)
        if let failure = sighting.failure {
            let words = String(failure.prefix(200))
            actions.append(.alert(.undone(transaction, words)))
            return undo(batch, words, at: now, &actions)
        }
        for id in batch.ids {
            switch batch.kind {
            case .pay: close(id, .settled(transaction, slot: sighting.slot), &actions)
            case .makeAccounts: refresh(id)
            }
        }
        if batch.kind == .makeAccounts { actions.append(.alert(.accountsMade(transaction))) }
    }

    /// Nothing of it was carried out: whose fault it is comes out in smaller batches.
    private mutating func undo(
        _ batch: SolanaBatch, _ words: String, at now: Timestamp,
        _ actions: inout [SolanaManagerAction]
    ) {
        for id in batch.ids {
            guard batch.ids.count > 1 else {
                entries[id]?.limit = 1
                putAside(id, words, at: now, &actions)
                continue
            }
            entries[id]?.limit = UInt8(clamping: max(batch.ids.count / 2, 1))
            refresh(id)
        }
    }

    private mutating func dissolve(
        _ batch: SolanaBatch, _ actions: inout [SolanaManagerAction]
    ) {
        for id in batch.ids {
            if case .settled? = entries[id]?.reported {
                actions.append(.alert(.reportChanged(id)))
                report(id, .unknown, &actions)
            }
            refresh(id)
        }
    }
}
