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
            if case .quarantined? = entries[first.id]?.place { refresh(first.id) }
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
            let since = asks ? batch.earliest : nil
            transactions += batch.attempts.map { .init(id: $0.id, nonce: use, since: since) }
        }
        return SolanaQuestion(transactions: transactions, nonces: nonces)
    }

    // MARK: Recipients

    private mutating func look(at now: Timestamp, _ actions: inout [SolanaManagerAction]) {
        guard now.hasPassed(policy.retryAfter, since: lookedAt) || looking.isEmpty else { return }
        if looking.isEmpty {
            guard ready.count + missing.count < 2 * Self.lookLimit else { return }
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
            case .missing?:
                entries[id]?.place = .missing
                missing.append(id)
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
        guard let market, !open.contains(.nodesUnreachable), !open.contains(.lowLamports),
            !now.hasPassed(policy.staleAfter, since: observedAt)
        else { return }
        guard batches.count < policy.inFlight else { return }
        var isOverDay = false
        repeat {
            var came = form(missing.isEmpty ? .pay : .makeAccounts, market, at: now, &actions)
            if came == .overDay, !missing.isEmpty {
                // Accounts cost much more than payments, which they must not hold up.
                isOverDay = true
                came = form(.pay, market, at: now, &actions)
            }
            if came == .overDay { isOverDay = true }
            guard came == .batch else { break }
        } while batches.count < policy.inFlight
        set(.dayLimit, isOverDay, &actions)
    }

    /// What comes of forming a batch.
    private enum Forming {
        case batch
        /// Nobody can be in one now.
        case nothing
        /// It would cost more than the day has left.
        case overDay
    }

    /// A nonce that no batch uses.
    private func freeNonce(_ market: Market) -> SolanaNonce? {
        market.nonces.first { nonce in
            policy.nonces.contains(nonce.account)
                && !batches.contains { $0.nonce?.account == nonce.account }
        }
    }

    /// Those at the front of a queue that may be in one batch.
    private mutating func take(_ kind: SolanaBatchKind) -> [Digest] {
        let queue = kind == .pay ? ready : missing
        let place: Place = kind == .pay ? .ready : .missing
        var ids: [Digest] = []
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
                // Its account is being made already: it is looked at again afterwards.
                refresh(id)
                continue
            }
            ids.append(id)
        }
        if kind == .pay { ready.removeFirst(used) } else { missing.removeFirst(used) }
        return ids
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
        var ids = take(kind)
        guard !ids.isEmpty else { return .nothing }
        let spare = market.tokens - min(market.tokens, batches.reduce(0) { $0 + $1.tokens })
        var tokens: UInt64 = 0
        if kind == .pay {
            let count = affordable(ids, spare, &tokens)
            putBack(ids.dropFirst(count), kind)
            ids.removeLast(ids.count - count)
            set(.lowTokens, ids.isEmpty, &actions)
            guard !ids.isEmpty else { return .nothing }
        }
        let last = ids.map { entries[$0]?.price ?? 0 }.max() ?? 0
        let price = policy.bounded(max(market.price, last > 0 ? policy.bumped(last) : 0))
        var draft = SolanaDraft(
            batch: nextBatch, kind: kind, payouts: ids.compactMap { payout($0) },
            blockhash: base, lastValidHeight: nonce == nil ? end : .max, nonce: nonce?.account,
            price: price, tables: kind == .pay ? tables : [])
        switch shape(draft, at: now) {
        case .fits(let fitting): draft = fitting
        case .tooDear:
            putBack(ids, kind)
            if !isOverLimit { actions.append(.alert(.feeLimit)) }
            isOverLimit = true
            return .nothing
        case .overDay:
            putBack(ids, kind)
            return .overDay
        }
        isOverLimit = false
        putBack(ids.dropFirst(draft.payouts.count), kind)
        ids.removeLast(ids.count - draft.payouts.count)
        for id in ids {
            entries[id]?.place = .batch(nextBatch)
            entries[id]?.price = draft.price
        }
        if kind == .pay { tokens = draft.payouts.reduce(0) { $0 + $1.amount } }
        if kind == .pay, nonce == nil {
            imprints.append(
                SolanaImprint(digest: draft.imprint, batch: nextBatch, madeAt: now))
        }
        batches.append(
            SolanaBatch(
                number: nextBatch, kind: kind, ids: ids, nonce: nonce, formedAt: now,
                pending: draft, actedAt: now, tokens: tokens, after: slot))
        nextBatch += 1
        actions.append(.sign(draft))
        return .batch
    }

    private enum Shape {
        case fits(SolanaDraft)
        case tooDear
        case overDay
    }

    /// A draft with as many of its payouts as fit and the day has room for. If another batch on the
    /// blockhash pays the same at the same price, it offers a millionth of a lamport more a unit,
    /// or less if it is dear: alike, the two would be one transaction, and one would not be paid.
    private func shape(_ whole: SolanaDraft, at now: Timestamp) -> Shape {
        var draft = whole
        let goesDown = whole.price > policy.maximumPrice / 2
        while true {
            guard let fitting = try? draft.fitting(policy).count, fitting > 0 else {
                return .tooDear
            }
            let count = countWithinDay(fitting, draft.kind, price: draft.price, at: now)
            guard count > 0 else { return .overDay }
            let found = draft.prefix(count)
            guard draft.kind == .pay, draft.nonce == nil,
                imprints.contains(where: { $0.digest == found.imprint }), draft.price > 0
            else { return .fits(found) }
            draft = draft.prefix(
                draft.payouts.count, price: goesDown ? draft.price - 1 : draft.price + 1)
        }
    }

    private func payout(_ id: Digest) -> TokenPayout? {
        entries[id].map { TokenPayout(to: $0.payout.owner, amount: $0.payout.amount) }
    }

    /// How many of the first the account's tokens are enough for.
    private func affordable(_ ids: [Digest], _ spare: UInt64, _ sum: inout UInt64) -> Int {
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
