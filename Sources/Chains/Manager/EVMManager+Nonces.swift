import Primitives

/// Nonces between their reservation and their inclusion: signing, sending, replacing, filling.
extension EVMManager {
    /// What is to be signed next for a nonce.
    private func draft(_ slot: NonceSlot, in lane: Int, _ fees: EVMFees) -> EVMTransaction {
        let isFiller = slot.filling != nil
        let intent = isFiller ? nil : slot.intent
        return EVMTransaction(
            chainID: policy.chainID, nonce: slot.nonce, maxPriorityFeePerGas: fees.tip,
            maxFeePerGas: fees.cap,
            gasLimit: isFiller ? EVMManagerPolicy.emptyGas : slot.gasLimit,
            to: intent?.to ?? lanes[lane].address, value: intent?.value ?? 0,
            data: intent?.data ?? [])
    }

    mutating func requestSignature(
        _ place: Int, in lane: Int, at now: Timestamp, _ actions: inout [EVMManagerAction]
    ) {
        let slot = lanes[lane].slots[place]
        guard let fees = slot.pendingFees else { return }
        lanes[lane].slots[place].actedAt = now
        actions.append(.sign(draft(slot, in: lane, fees), by: lanes[lane].address))
    }

    /// The hash is known from here on, before any node has seen the transaction.
    mutating func signed(
        _ transaction: SignedTransaction, at now: Timestamp, _ actions: inout [EVMManagerAction]
    ) {
        guard let lane = laneIndex(transaction.sender),
            let place = lanes[lane].place(of: transaction.nonce),
            let fees = lanes[lane].slots[place].pendingFees
        else { return }
        let slot = lanes[lane].slots[place]
        guard draft(slot, in: lane, fees).isSigned(in: transaction.raw) else {
            let address = lanes[lane].address
            return actions.append(.alert(.wrongSignature(address, nonce: slot.nonce)))
        }
        let attempt = SignedAttempt(
            hash: transaction.hash, fees: fees, isFiller: slot.filling != nil)
        lanes[lane].slots[place].pendingFees = nil
        lanes[lane].slots[place].wantsBump = false
        lanes[lane].slots[place].attempts.append(attempt)
        lanes[lane].slots[place].raw = transaction.raw
        lanes[lane].slots[place].signedAt = now
        broadcast(place, in: lane, at: now, &actions)
    }

    /// The signer refuses what was to be signed for a nonce. If nothing ever was, the intent is
    /// over: no node can have heard of it, and its nonce is the next intent's, or is filled if a
    /// later one has begun. A replacement is given up until the market asks for another; the one it
    /// was to replace stays. For an empty transaction the signer is asked again.
    mutating func declined(
        _ hash: Digest, by address: EVMAddress, nonce: UInt64, _ text: String, at now: Timestamp,
        _ actions: inout [EVMManagerAction]
    ) {
        guard let lane = laneIndex(address), let place = lanes[lane].place(of: nonce) else {
            return
        }
        let slot = lanes[lane].slots[place]
        guard let fees = slot.pendingFees, draft(slot, in: lane, fees).signingHash == hash else {
            return
        }
        let words = String(text.prefix(200))
        guard slot.isUnsigned, slot.filling == nil, let intent = slot.intent else {
            if !slot.isOverLimit { actions.append(.alert(.stuck(address, nonce: nonce))) }
            lanes[lane].slots[place].isOverLimit = true
            guard slot.filling == nil, slot.intent != nil else { return }
            lanes[lane].slots[place].pendingFees = nil
            lanes[lane].slots[place].wantsBump = false
            lanes[lane].slots[place].signedAt = now
            return
        }
        guard place == lanes[lane].slots.count - 1 else {
            return fill(place, in: lane, .declined(words), at: now, &actions)
        }
        lanes[lane].slots.removeLast()
        close(intent.id, .failed(.declined(words)), &actions)
        startIntents(in: lane, at: now, &actions)
    }

    private mutating func broadcast(
        _ place: Int, in lane: Int, at now: Timestamp, _ actions: inout [EVMManagerAction]
    ) {
        guard let hash = lanes[lane].slots[place].attempts.last?.hash else { return }
        lanes[lane].slots[place].actedAt = now
        actions.append(.broadcast(transaction: hash, raw: lanes[lane].slots[place].raw))
    }

    /// Only the answer to the last attempt says anything about what to do next.
    mutating func answered(
        _ hash: Digest, _ answer: BroadcastAnswer, _ text: String, at now: Timestamp,
        _ actions: inout [EVMManagerAction]
    ) {
        guard let (lane, place) = place(ofLastAttempt: hash) else { return }
        if answer != .refused { lanes[lane].slots[place].refusals = 0 }
        switch answer {
        case .accepted, .alreadyKnown:
            let slot = lanes[lane].slots[place]
            guard policy.finality == .submitted, slot.reported == nil, let intent = slot.intent,
                slot.filling == nil
            else { return }
            lanes[lane].slots[place].reported = .submitted(hash)
            report(intent.id, .submitted(hash), &actions)
        case .replacementUnderpriced, .underpriced:
            lanes[lane].slots[place].wantsBump = true
        case .nonceTooLow:
            askedAt = .zero
        case .nonceTooHigh:
            for lower in 0..<place where lanes[lane].slots[lower].inclusion == nil {
                lanes[lane].slots[lower].actedAt = .zero
            }
        case .insufficientFunds:
            guard !lanes[lane].isBalanceLow else { return }
            lanes[lane].isBalanceLow = true
            actions.append(.alert(.opened(.lowBalance(lanes[lane].address))))
        case .refused:
            refused(place, in: lane, hash, text, at: now, &actions)
        case .busy, .unknown:
            break
        }
    }

    private mutating func refused(
        _ place: Int, in lane: Int, _ hash: Digest, _ text: String, at now: Timestamp,
        _ actions: inout [EVMManagerAction]
    ) {
        lanes[lane].slots[place].refusals += 1
        guard lanes[lane].slots[place].refusals >= policy.refusalsAllowed else { return }
        lanes[lane].slots[place].refusals = 0
        let words = String(text.prefix(200))
        actions.append(.alert(.refused(hash, words)))
        guard lanes[lane].slots[place].filling == nil else { return }
        fill(place, in: lane, .refused(words), at: now, &actions)
    }

    private func place(ofLastAttempt hash: Digest) -> (lane: Int, place: Int)? {
        for lane in lanes.indices {
            for place in lanes[lane].slots.indices
            where lanes[lane].slots[place].attempts.last?.hash == hash {
                return (lane, place)
            }
        }
        return nil
    }

    /// From now on an empty transaction of the account to itself competes for the nonce. Whatever
    /// was signed for it before stays known, and may still win.
    mutating func fill(
        _ place: Int, in lane: Int, _ reason: FillReason, at now: Timestamp,
        _ actions: inout [EVMManagerAction]
    ) {
        lanes[lane].slots[place].filling = reason
        lanes[lane].slots[place].pendingFees = nil
        lanes[lane].slots[place].wantsBump = true
        reprice(place, in: lane, at: now, &actions)
    }

    /// Signs for a nonce anew if that is due and allowed: at least the threshold over the last
    /// attempt, never beyond the intent's limit or the manager's. Over a limit it waits.
    private mutating func reprice(
        _ place: Int, in lane: Int, at now: Timestamp, _ actions: inout [EVMManagerAction]
    ) {
        let slot = lanes[lane].slots[place]
        guard let market else { return }
        let fees: EVMFees?
        if let last = slot.attempts.last {
            fees = policy.feeRule.replacement(of: last.fees, market, isForced: slot.wantsBump)
        } else {
            fees = policy.feeRule.first(market)
        }
        guard let fees else {
            lanes[lane].slots[place].signedAt = now
            return
        }
        let limit = slot.filling == nil ? slot.intent?.feeLimit ?? .max : .max
        guard slot.attempts.count < policy.maximumAttempts,
            fees.cap <= policy.maximumFeePerGas, let cost = fees.cost(gas: slot.gasLimit),
            cost <= limit,
            isWithinDay(
                cost.saturatingSum(slot.intent?.value ?? 0), in: lane, besides: place, at: now)
        else {
            if !slot.isOverLimit {
                let address = lanes[lane].address
                actions.append(.alert(.stuck(address, nonce: slot.nonce)))
            }
            lanes[lane].slots[place].isOverLimit = true
            lanes[lane].slots[place].signedAt = now
            return
        }
        lanes[lane].slots[place].isOverLimit = false
        lanes[lane].slots[place].pendingFees = fees
        requestSignature(place, in: lane, at: now, &actions)
    }

    // MARK: Time

    /// Does what is due: signatures, prices, broadcasts, new intents and the next look.
    mutating func advance(at now: Timestamp, _ actions: inout [EVMManagerAction]) {
        for lane in lanes.indices {
            for place in lanes[lane].slots.indices
            where lanes[lane].slots[place].inclusion == nil && !lanes[lane].slots[place].isFinal {
                advance(place, in: lane, at: now, &actions)
            }
            startIntents(in: lane, at: now, &actions)
        }
        if now.hasPassed(policy.pollInterval, since: askedAt) {
            askedAt = now
            actions.append(.ask(question))
        }
    }

    private mutating func advance(
        _ place: Int, in lane: Int, at now: Timestamp, _ actions: inout [EVMManagerAction]
    ) {
        let slot = lanes[lane].slots[place]
        if let intent = slot.intent, slot.reported == nil,
            now.hasPassed(policy.unknownAfter, since: slot.reservedAt)
        {
            lanes[lane].slots[place].reported = .unknown
            report(intent.id, .unknown, &actions)
        }
        // Somebody's transaction has the nonce already; which one, the next looks will tell.
        guard slot.nonce >= lanes[lane].count else { return }
        if slot.pendingFees != nil {
            if now.hasPassed(policy.retryAfter, since: slot.actedAt) {
                requestSignature(place, in: lane, at: now, &actions)
            }
            return
        }
        if slot.attempts.isEmpty {
            guard now.hasPassed(policy.gapAfter, since: slot.reservedAt) else { return }
            if slot.filling == nil {
                let address = lanes[lane].address
                actions.append(.alert(.foreignNonce(address, nonce: slot.nonce)))
            }
            return fill(place, in: lane, slot.filling ?? .gap, at: now, &actions)
        }
        if slot.wantsBump || now.hasPassed(policy.resubmitAfter, since: slot.signedAt) {
            reprice(place, in: lane, at: now, &actions)
        }
        let isSigning = lanes[lane].slots[place].pendingFees != nil
        if !isSigning, now.hasPassed(policy.rebroadcastAfter, since: slot.actedAt) {
            broadcast(place, in: lane, at: now, &actions)
        }
    }

    /// Receipts are wanted of every transaction of a nonce that the chain has used or had used.
    private var question: EVMQuestion {
        var transactions: [Digest] = []
        for lane in lanes {
            for slot in lane.slots where slot.inclusion != nil || slot.nonce < lane.count {
                transactions += slot.attempts.map(\.hash)
            }
        }
        return EVMQuestion(
            finalHeight: finalHeight, anchorHeight: anchor?.height, lanes: lanes.map(\.address),
            transactions: transactions)
    }
}
