import Primitives

/// Payouts up to their transaction: looking at recipients, making batches, signing, sending.
extension SolanaManager {
    /// Does what is due: questions, looks, broadcasts and new batches.
    mutating func advance(at now: Timestamp, _ actions: inout [SolanaManagerAction]) {
        if now.hasPassed(policy.pollInterval, since: askedAt) {
            askedAt = now
            actions.append(.ask(question(at: now)))
        }
        for place in batches.indices { advance(place, at: now, &actions) }
        while let first = quarantine.first, first.due <= now {
            quarantine.removeFirst()
            switch entries[first.id]?.place {
            case .quarantined?, .fresh?: refresh(first.id)
            case .looking?, .ready?, .missing?, .batch?, .closed?, nil: break
            }
        }
        look(at: now, &actions)
        form(at: now, &actions)
    }

    mutating func refresh(_ id: Digest) {
        entries[id]?.place = .fresh
        fresh.append(id)
    }

    private func question(at now: Timestamp) -> SolanaQuestion {
        var transactions: [SolanaQuestion.Transaction] = []
        // Those that are no longer to be used are followed as long as a batch uses them.
        let nonces = policy.nonces + noncesInUse.filter { !policy.nonces.contains($0) }
        for batch in batches {
            let use = batch.nonce.flatMap { nonce in
                nonces.firstIndex(of: nonce.account).map {
                    // The value is read a moment after the height is told.
                    SolanaQuestion.NonceUse(
                        place: $0, value: nonce.value,
                        height: nonce.height.saturatingSum(policy.expiryMargin))
                }
            }
            let asks = batch.after > 0 || batch.isOld(policy, at: now)
            // Accounts may be made twice: nobody has to know that they were not.
            let since = asks && batch.kind == .pay ? batch.earliest : nil
            transactions += batch.attempts.map {
                .init(
                    id: $0.id, nonce: use, since: since,
                    lastValidHeight: batch.nonce == nil ? $0.lastValidHeight : 0)
            }
        }
        return SolanaQuestion(transactions: transactions, nonces: nonces)
    }

    // MARK: Recipients

    private mutating func look(at now: Timestamp, _ actions: inout [SolanaManagerAction]) {
        guard now.hasPassed(policy.retryAfter, since: lookedAt) || looking.isEmpty else { return }
        if looking.isEmpty {
            // Whoever waits for an account that cannot be made now holds up nobody who has one.
            let waiting = ready.count + (isMakingHeldUp ? 0 : missing.count)
            guard waiting < 2 * Self.lookLimit else { return }
            while looking.count < Self.lookLimit, let id = fresh.next() {
                guard entries[id]?.place == .fresh else { continue }
                entries[id]?.place = .looking
                looking.append(id)
            }
        }
        guard !looking.isEmpty else { return }
        lookedAt = now
        actions.append(.look(looking.compactMap { entries[$0]?.payout.owner }))
    }

    /// Whether it was for want of money that no accounts were made when that was last tried.
    private var isMakingHeldUp: Bool {
        isOverLimit || open.contains(.dayLimit) || open.contains(.lowLamports)
    }

    mutating func looked(
        _ recipients: [SolanaRecipient], at now: Timestamp, _ actions: inout [SolanaManagerAction]
    ) {
        var states: [SolanaAddress: TokenRecipient] = [:]
        for recipient in recipients { states[recipient.owner] = recipient.state }
        var left: [Digest] = []
        for id in looking {
            guard let entry = entries[id], entry.place == .looking else { continue }
            switch states[entry.payout.owner] {
            case nil: left.append(id)
            case .ready?:
                entries[id]?.place = .ready
                ready.append(id)
            case .missing? where missing.count < 3 * Self.lookLimit:
                entries[id]?.place = .missing
                missing.append(id)
            case .missing?:
                // So many are there only while no accounts are made. It is looked at again later:
                // it may have an account by then.
                entries[id]?.place = .fresh
                quarantine.append(Quarantined(id: id, due: now + policy.recheckAfter))
            case .quarantined(let reason)?: putAside(id, reason.rawValue, at: now, &actions)
            }
        }
        looking = left
        if left.isEmpty { lookedAt = .zero }
        advance(at: now, &actions)
    }

    mutating func putAside(
        _ id: Digest, _ reason: String, at now: Timestamp,
        _ actions: inout [SolanaManagerAction]
    ) {
        entries[id]?.place = .quarantined(reason)
        quarantine.append(Quarantined(id: id, due: now + policy.recheckAfter))
        report(id, .quarantined(reason), &actions)
    }

    // MARK: New batches

    private mutating func form(at now: Timestamp, _ actions: inout [SolanaManagerAction]) {
        guard let market, !open.contains(.nodesUnreachable),
            market.lamports >= policy.minimumLamports,
            !now.hasPassed(policy.staleAfter, since: observedAt)
        else { return }
        guard batches.count < policy.inFlight else { return }
        var all: [Forming] = []
        repeat {
            let kind: SolanaBatchKind = missing.isEmpty ? .pay : .makeAccounts
            all.append(form(kind, market, at: now, &actions))
            if kind == .makeAccounts, all.last?.isForMoney == true {
                // Accounts cost much more than payments, which they must not hold up.
                all.append(form(.pay, market, at: now, &actions))
            }
        } while all.last == .batch && batches.count < policy.inFlight
        tell(all, &actions)
    }

    /// Says what new batches wait for, and what they no longer wait for.
    private mutating func tell(_ all: [Forming], _ actions: inout [SolanaManagerAction]) {
        set(.dayLimit, all.contains(.overDay), &actions)
        let isTooDear = all.contains(.tooDear)
        if isTooDear, !isOverLimit { actions.append(.alert(.feeLimit)) }
        if isTooDear || all.contains(.batch) { isOverLimit = isTooDear }
        if all.contains(.tooFewLamports) {
            set(.lowLamports, true, &actions)
        } else if missing.isEmpty || !all.contains(.afterOthers) && all.first != .nothing {
            set(.lowLamports, false, &actions)
        }
    }

    /// What comes of forming a batch.
    private enum Forming {
        case batch
        /// Nobody can be in one now.
        case nothing
        /// It would cost more than one may.
        case tooDear
        /// It would cost more than the day has left.
        case overDay
        /// It would cost more than the payer has left.
        case tooFewLamports
        /// The same, unless what others in a block cost is gone already from what it has.
        case afterOthers

        /// Whether a cheaper one may be formed all the same.
        var isForMoney: Bool { self != .batch && self != .nothing }
    }

    /// A nonce that no batch uses.
    private func freeNonce(_ market: Market) -> SolanaNonce? {
        market.nonces.first { nonce in
            policy.nonces.contains(nonce.account)
                && !batches.contains { $0.nonce?.account == nonce.account }
        }
    }

    /// Those at the front of a queue that may be in one batch, and those between them who have the
    /// account that it makes for one of them.
    private mutating func take(_ kind: SolanaBatchKind) -> (ids: [Digest], alike: [Digest]) {
        let queue = kind == .pay ? ready : missing
        let place: Place = kind == .pay ? .ready : .missing
        var ids: [Digest] = []
        var alike: [Digest] = []
        var limit = SolanaMessage.accountLimit
        var owners: Set<SolanaAddress> = []
        var used = 0
        for id in queue {
            guard ids.count < limit else { break }
            used += 1
            guard let entry = entries[id], entry.place == place else { continue }
            limit = min(limit, Int(entry.limit))
            guard ids.count < limit || ids.isEmpty else {
                used -= 1
                break
            }
            if kind == .makeAccounts, !owners.insert(entry.payout.owner).inserted {
                alike.append(id)
                continue
            }
            ids.append(id)
        }
        if kind == .pay { ready.removeFirst(used) } else { missing.removeFirst(used) }
        return (ids, alike)
    }

    private mutating func putBack(_ ids: some Collection<Digest>, _ kind: SolanaBatchKind) {
        if kind == .pay {
            ready.insert(contentsOf: ids, at: 0)
        } else {
            missing.insert(contentsOf: ids, at: 0)
        }
    }

    /// Makes a batch of those at the front.
    private mutating func form(
        _ kind: SolanaBatchKind, _ market: Market, at now: Timestamp,
        _ actions: inout [SolanaManagerAction]
    ) -> Forming {
        var nonce: SolanaNonce?
        if kind == .pay, !policy.nonces.isEmpty {
            nonce = freeNonce(market)
            if nonce == nil { return .nothing }
        }
        guard let base = nonce?.value ?? market.recent?.hash else { return .nothing }
        let (end, _) = (market.recent?.height ?? 0).addingReportingOverflow(
            policy.blockhashLifetime)
        let taken = take(kind)
        var ids = taken.ids
        guard !ids.isEmpty else { return .nothing }
        if kind == .pay {
            let count = affordable(ids, of: market.tokens)
            putBack(ids.dropFirst(count), kind)
            ids.removeLast(ids.count - count)
            set(.lowTokens, ids.isEmpty, &actions)
            guard !ids.isEmpty else { return .nothing }
        }
        let last = ids.map { entries[$0]?.price ?? 0 }.max() ?? 0
        let price = policy.bounded(max(market.price, last > 0 ? policy.bumped(last) : 0))
        let wanted = SolanaDraft(
            batch: nextBatch, kind: kind, payouts: ids.compactMap { payout($0) },
            blockhash: base, lastValidHeight: nonce == nil ? end : .max, nonce: nonce?.account,
            price: price, tables: kind == .pay ? tables : [])
        switch shape(wanted, market, at: now) {
        case .waits(let cause):
            putBack(ids + taken.alike, kind)
            return cause
        case .fits(let draft):
            let count = draft.payouts.count
            putBack(ids.dropFirst(count), kind)
            // Their account is being made: they are looked at again afterwards.
            for id in taken.alike { refresh(id) }
            begin(draft, Array(ids.prefix(count)), nonce, at: now)
            actions.append(.sign(draft))
            return .batch
        }
    }

    private mutating func begin(
        _ draft: SolanaDraft, _ ids: [Digest], _ nonce: SolanaNonce?, at now: Timestamp
    ) {
        for id in ids {
            entries[id]?.place = .batch(nextBatch)
            entries[id]?.price = draft.price
        }
        var tokens: UInt64 = 0
        if draft.kind == .pay { tokens = draft.payouts.reduce(0) { $0 + $1.amount } }
        if draft.kind == .pay, nonce == nil {
            imprints.append(
                SolanaImprint(digest: draft.imprint, batch: nextBatch, madeAt: now))
        }
        batches.append(
            SolanaBatch(
                number: nextBatch, kind: draft.kind, ids: ids, nonce: nonce, formedAt: now,
                pending: draft, actedAt: now, tokens: tokens, after: slot))
        nextBatch += 1
    }

    private enum Shape {
        case fits(SolanaDraft)
        case waits(Forming)
    }

    /// A draft with as many of its payouts as fit and as the payer and the day have money for. If
    /// another batch on the blockhash pays the same at the same price, it offers a millionth of a
    /// lamport more a unit, or less if it is dear: alike, the two would be one transaction, and one
    /// would not be paid.
    private func shape(_ wanted: SolanaDraft, _ market: Market, at now: Timestamp) -> Shape {
        guard let first = withinFeeLimit(wanted, market) else { return .waits(.tooDear) }
        var draft = first
        var goesDown = first.price > policy.maximumPrice / 2
        while true {
            let whole = draft.payouts.count
            guard policy.isWithinFeeLimit(draft.kind, whole, price: draft.price) else {
                // It can offer no more than it does: so it offers less.
                guard !goesDown, draft.price > first.price else { return .waits(.tooDear) }
                goesDown = true
                draft = first.prefix(whole, price: first.price - 1)
                continue
            }
            var count = countWithinLamports(
                whole, draft, of: market.lamports, isSeenGone: draft.kind == .pay)
            guard count > 0 else {
                let most = countWithinLamports(1, draft, of: market.lamports, isSeenGone: true)
                return .waits(most > 0 ? .afterOthers : .tooFewLamports)
            }
            count = countWithinDay(count, draft.kind, price: draft.price, at: now)
            guard count > 0 else { return .waits(.overDay) }
            let found = draft.prefix(count)
            guard draft.kind == .pay, draft.nonce == nil,
                imprints.contains(where: { $0.digest == found.imprint }), draft.price > 0
            else { return .fits(found) }
            draft = draft.prefix(whole, price: goesDown ? draft.price - 1 : draft.price + 1)
        }
    }

    private func payout(_ id: Digest) -> TokenPayout? {
        entries[id].map { TokenPayout(to: $0.payout.owner, amount: $0.payout.amount) }
    }

    /// How many of the first the account's tokens are enough for, beside what is on its way.
    private func affordable(_ ids: [Digest], of tokens: UInt64) -> Int {
        let spare = tokens - min(tokens, batches.reduce(0) { $0 + $1.tokens })
        var sum: UInt64 = 0
        for (count, id) in ids.enumerated() {
            let amount = entries[id]?.payout.amount ?? 0
            let (next, overflow) = sum.addingReportingOverflow(amount)
            guard !overflow, next <= spare else { return count }
            sum = next
        }
        return ids.count
    }

    // MARK: Signing and sending

    mutating func signed(
        _ number: UInt64, _ id: Signature, _ bytes: [UInt8], at now: Timestamp,
        _ actions: inout [SolanaManagerAction]
    ) {
        guard let place = batches.firstIndex(where: { $0.number == number }),
            let draft = batches[place].pending
        else { return }
        guard let message = try? draft.message(policy), message.signers == [policy.payer],
            bytes == [1] + id.bytes + message.bytes
        else { return actions.append(.alert(.wrongSignature(batch: number))) }
        batches[place].pending = nil
        batches[place].attempts.append(
            SolanaAttempt(
                id: id, lastValidHeight: draft.lastValidHeight, price: draft.price, signedAt: now))
        batches[place].raw = bytes
        mark.sign(id)
        broadcast(place, at: now, &actions)
    }

    private mutating func broadcast(
        _ place: Int, at now: Timestamp, _ actions: inout [SolanaManagerAction]
    ) {
        guard let last = batches[place].attempts.last else { return }
        batches[place].actedAt = now
        actions.append(
            .broadcast(batch: batches[place].number, last.id, batches[place].raw))
    }

    mutating func accepted(
        _ number: UInt64, _ id: Signature, _ actions: inout [SolanaManagerAction]
    ) {
        guard policy.reportsSubmission,
            let batch = batches.first(where: { $0.number == number }), batch.kind == .pay,
            batch.attempts.contains(where: { $0.id == id })
        else { return }
        for payout in batch.ids where entries[payout]?.reported == nil {
            report(payout, .submitted(id), &actions)
        }
    }

    private mutating func advance(
        _ place: Int, at now: Timestamp, _ actions: inout [SolanaManagerAction]
    ) {
        let batch = batches[place]
        if let draft = batch.pending {
            if now.hasPassed(policy.retryAfter, since: batch.actedAt) {
                batches[place].actedAt = now
                actions.append(.sign(draft))
            }
            if batch.attempts.isEmpty { return }
        }
        guard !batch.isSeen else { return }
        if now.hasPassed(policy.rebroadcastAfter, since: batch.actedAt) {
            broadcast(place, at: now, &actions)
        }
        replace(place, at: now, &actions)
    }

    /// With a nonce, signs anew at a better price; the two exclude each other.
    private mutating func replace(
        _ place: Int, at now: Timestamp, _ actions: inout [SolanaManagerAction]
    ) {
        let batch = batches[place]
        guard let nonce = batch.nonce, batch.pending == nil, let last = batch.attempts.last,
            batch.attempts.count < policy.maximumAttempts,
            now.hasPassed(policy.resubmitAfter, since: last.signedAt), let market
        else { return }
        let price = policy.bounded(max(market.price, policy.bumped(last.price)))
        let whole = batch.ids.count
        guard price > last.price,
            countWithinDay(whole, batch.kind, price: price, besides: place, at: now) == whole
        else { return }
        let draft = SolanaDraft(
            batch: batch.number, kind: batch.kind, payouts: batch.ids.compactMap { payout($0) },
            blockhash: nonce.value, lastValidHeight: .max, nonce: nonce.account, price: price,
            tables: tables)
        guard (try? draft.message(policy)) != nil else { return }
        batches[place].pending = draft
        actions.append(.sign(draft))
    }
}
