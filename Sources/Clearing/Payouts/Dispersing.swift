import Ledger
public import Primitives

/// Settlements by plan: what is sent, and what becomes of it.
extension ClearingHouse {
    /// Settles everything payable by the cheapest plan for these quotes. O(parties).
    mutating func settle(
        _ quotes: SettlementQuotes, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        let nettings = parties.map { netting(of: $0) }
        let newHolders = Set(quotes.newHolders?.all ?? [])
        var positions: [SettlementPlan.Position] = []
        for (party, netting) in zip(parties, nettings) {
            for asset in Asset.allCases {
                let units = asset.chainUnits(netting.due[asset])
                if units == 0 { continue }
                var position = position(of: party, asset, units, quotes)
                position.isNewHolder = newHolders.contains(.init(party.id, asset))
                positions.append(position)
            }
        }
        if positions.isEmpty { throw .nothingToSettle }
        let isRootFree = batches.last.map { $0.state == .confirmed } ?? true
        let plan = SettlementPlan(
            positions, unreserved(quotes), isRootFree: isRootFree,
            isPoolFree: isPoolFree(quotes, for: positions))
        if !plan.paysAnybody { throw isRootFree ? .nothingToSettle : .batchOpen }
        var netted = Amount.zero
        for (place, netting) in nettings.enumerated() {
            netted += book(netting, of: parties[place].id, at: time)
        }
        let first = DispersalID(UInt64(dispersals.count) + 1)
        for rail in [PayoutRail.push, .solana, .pool] where plan.count(rail) > 0 {
            let payer = party(for: quotes.payer, at: time, into: &events)
            disperse(rail, positions, plan, quotes, payer: payer, at: time, into: &events)
        }
        for (position, choice) in zip(positions, plan.choices) where choice == .paid(.voucher) {
            promise(
                position.party, position.asset, position.units, dated: quotes.datesVouchers,
                at: time, into: &events)
        }
        let leaves = zip(positions, plan.choices).filter { $1 == .paid(.root) }
        if !leaves.isEmpty {
            allot(leaves.map { ($0.0.party, $0.0.asset, $0.0.units) }, at: time, into: &events)
        }
        settlements.append(
            SettlementRecord(
                madeAt: time, quotes: quotes, gas: plan.gas,
                batch: leaves.isEmpty ? .none : BatchID(UInt64(batches.count)),
                firstDispersal: first,
                dispersals: UInt32(UInt64(dispersals.count) + 1 - first.rawValue),
                carried: UInt32(
                    plan.choices.count { if case .carried = $0 { true } else { false } }),
                netted: netted, vouchers: UInt32(plan.count(.voucher)),
                lamports: quotes.pool == nil ? 0 : plan.lamports))
        events.append(.settlementPlanned(UInt64(settlements.count)))
    }

    private func position(
        of party: Party, _ asset: Asset, _ units: UInt128, _ quotes: SettlementQuotes
    ) -> SettlementPlan.Position {
        var position = SettlementPlan.Position(party.id, asset, units: units)
        position.isPushable = party.isPushable
        position.isPayer = party.address == quotes.payer
        position.wantsSolana = party.payout.solana != nil && !position.isPayer
        if let owner = party.payout.solana, let pool = quotes.pool?.pool {
            position.hasRecord = owed(to: owner, through: pool) > 0
        }
        if quotes.vouches, let channel = usableChannel(of: party.id, asset, payer: quotes.payer) {
            position.hasChannel = channel.room >= units
        }
        return position
    }

    /// The quotes less what open dispersals will still take of the payer's accounts.
    private func unreserved(_ quotes: SettlementQuotes) -> SettlementQuotes {
        var spare = quotes
        for dispersal in openDispersals {
            let taken = dispersal.asset.amount(chainUnits: dispersal.openUnits) ?? .zero
            switch dispersal.rail {
            case .push:
                guard let held = spare.pushFloat?[dispersal.asset] else { continue }
                spare.pushFloat?[dispersal.asset] = held - min(held, taken)
            case .pool where dispersal.root?.isFunded == true: continue
            case .solana, .pool:
                guard let held = spare.solanaFloat else { continue }
                spare.solanaFloat = held - min(held, taken)
            case .root, .voucher: continue
            }
        }
        for channel in channels where channel.terms.payer == quotes.payer {
            guard let held = spare.pushFloat?[channel.asset] else { continue }
            let taken = channel.asset.amount(chainUnits: channel.openDeposit) ?? .zero
            spare.pushFloat?[channel.asset] = held - min(held, taken)
        }
        return spare
    }

    private mutating func disperse(
        _ rail: PayoutRail, _ positions: [SettlementPlan.Position], _ plan: SettlementPlan,
        _ quotes: SettlementQuotes, payer: PartyID, at time: Timestamp, into events: inout [Event]
    ) {
        for asset in Asset.allCases {
            let chosen = zip(positions, plan.choices).filter {
                $0.asset == asset && $1 == .paid(rail)
            }
            // A root is one, whatever the number of its leaves.
            let size = rail == .pool ? Int.max : SettlementPlan.payeesPerDispersal
            for start in stride(from: 0, to: chosen.count, by: size) {
                let end = start + min(size, chosen.count - start)
                let part = chosen[start..<end].map { position, _ in
                    payment(position.party, rail, units: position.units)
                }
                addDispersal(
                    rail, asset, part, payer: payer, name: quotes.name,
                    pool: rail == .pool ? quotes.pool?.pool : nil, reserving: .payable, at: time,
                    into: &events)
            }
        }
    }

    private func payment(_ id: PartyID, _ rail: PayoutRail, units: UInt128) -> Payment {
        let party = parties[Int(id.rawValue) - 1]
        let receiver: PayoutReceiver =
            if rail != .push, let owner = party.payout.solana {
                .solana(owner)
            } else {
                .evm(party.address)
            }
        return Payment(party: id, receiver: receiver, units: units)
    }

    /// Adds a dispersal and reserves its money, unless it is reserved already.
    private mutating func addDispersal(
        _ rail: PayoutRail, _ asset: Asset, _ payments: [Payment], payer: PartyID, name: Digest,
        withdrawal: Digest? = nil, pool: Digest? = nil, reserving source: Purpose?,
        at time: Timestamp, into events: inout [Event]
    ) {
        let id = DispersalID(UInt64(dispersals.count) + 1)
        let words = name.words
        let own = Digest(words: (words.0, words.1, words.2, id.rawValue))
        if let source {
            for payment in payments {
                move(
                    asset.amount(chainUnits: payment.units) ?? .zero,
                    from: .init(source, asset, of: payment.party),
                    to: .init(.inTransit, asset, of: payment.party), .dispersal, id.rawValue,
                    at: time)
            }
        }
        var dispersal = Dispersal(
            id: id, rail: rail, asset: asset, madeAt: time, payer: payer, name: own,
            withdrawal: withdrawal, payments: payments)
        dispersal.root = pool.map { PoolRoot(pool: $0) }
        dispersals.append(dispersal)
        index.add(leavesOf: dispersal)
        index.dispersalByName[own] = id
        events.append(.dispersalMade(id))
    }

    // MARK: Outcomes

    /// The contract has logged a dispersal of the payer's: everybody in it is paid.
    mutating func settleDispersal(
        _ name: Digest, _ transaction: Digest, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        guard let id = index.dispersalByName[name] else { throw .dispersalNotFound }
        let record = dispersals[id]
        guard record.rail == .push, record.isOpen else { throw .wrongPaymentState }
        dispersals[id].transaction = transaction
        for place in record.payments.indices { paid(id, place, at: time, into: &events) }
        passEndedDispersals()
    }

    mutating func notePayment(
        _ id: DispersalID, payment: UInt32, _ note: PaymentNote, at time: Timestamp,
        into events: inout [Event]
    ) throws(Rejection) {
        guard let record = dispersals.at(id) else { throw .dispersalNotFound }
        let place = Int(payment)
        guard record.rail == .solana, place < record.payments.count,
            record.payments[place].state.isOpen
        else { throw .wrongPaymentState }
        switch note {
        case .paid(let transaction):
            dispersals[id].payments[place].transaction = transaction
            index.add(payment: transaction, of: id)
            paid(id, place, at: time, into: &events)
        case .quarantined:
            if record.payments[place].state == .quarantined { throw .wrongPaymentState }
            dispersals[id].payments[place].state = .quarantined
            events.append(.paymentQuarantined(id, record.payments[place].party))
        case .returned: giveBack(id, place, at: time, into: &events)
        }
        passEndedDispersals()
    }

    mutating func paid(
        _ id: DispersalID, _ place: Int, at time: Timestamp, into events: inout [Event]
    ) {
        let dispersal = dispersals[id]
        let payment = dispersal.payments[place]
        guard payment.state.isOpen else { return }
        let amount = dispersal.asset.amount(chainUnits: payment.units) ?? .zero
        move(
            amount, from: .init(.inTransit, dispersal.asset, of: payment.party),
            to: .init(.payable, dispersal.asset, of: dispersal.payer), .reimbursement, id.rawValue,
            at: time)
        dispersals[id].payments[place].state = .paid
        events.append(.paymentMade(id, payment.party, asset: dispersal.asset, amount: amount))
    }

    mutating func giveBack(
        _ id: DispersalID, _ place: Int, at time: Timestamp, into events: inout [Event]
    ) {
        let dispersal = dispersals[id]
        let payment = dispersal.payments[place]
        let amount = dispersal.asset.amount(chainUnits: payment.units) ?? .zero
        move(
            amount, from: .init(.inTransit, dispersal.asset, of: payment.party),
            to: .init(.payable, dispersal.asset, of: payment.party), .payoutReturn, id.rawValue,
            at: time)
        dispersals[id].payments[place].state = .returned
        events.append(.paymentReturned(id, payment.party, asset: dispersal.asset, amount: amount))
    }

    /// The chain refuses a dispersal: its halves are tried apart, until one payee alone is refused,
    /// who is paid by roots from then on.
    mutating func splitDispersal(
        _ id: DispersalID, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        guard let record = dispersals.at(id) else { throw .dispersalNotFound }
        guard record.rail == .push, record.isOpen else { throw .wrongPaymentState }
        if record.payments.count == 1 {
            parties[record.payments[0].party].payee.refusals += 1
            giveBack(id, 0, at: time, into: &events)
        } else {
            let middle = record.payments.count / 2
            for half in [record.payments[..<middle], record.payments[middle...]] {
                addDispersal(
                    .push, record.asset, Array(half), payer: record.payer, name: record.name,
                    reserving: nil, at: time, into: &events)
            }
            for place in record.payments.indices { dispersals[id].payments[place].state = .moved }
        }
        passEndedDispersals()
    }

    // MARK: On demand

    /// Refuses a withdrawal for what needs no chain to be known. O(dispersals of the last hour).
    public func checkWithdrawal(
        of id: PartyID, _ asset: Asset, _ amount: Amount, key: Digest, minimum: AssetSums,
        at time: Timestamp
    ) throws(Rejection) {
        guard let party = parties.at(id) else { throw .partyNotFound }
        let units = asset.chainUnits(amount)
        guard units > 0, asset.amount(chainUnits: units) == amount, amount >= minimum[asset]
        else { throw .invalidAmount }
        let earned = balance(.payable, asset, of: id)
        let owed = asset == .usd ? party.debt : .zero
        guard let held = earned.checkedAdding(balance(.available, asset, of: id)), held >= owed,
            held - owed >= amount
        else { throw .insufficientBalance }
        if withdrawal(of: id, key: key) != nil { throw .withdrawalKeyUsed }
        if recentWithdrawals(of: id, at: time) >= Limits.withdrawalsPerHour {
            throw .tooManyWithdrawals
        }
    }

    /// Pays a party at once what it asks for: of what it has earned first, then of what it could
    /// spend.
    mutating func payOut(
        _ id: PartyID, _ asset: Asset, _ amount: Amount, key: Digest, _ quotes: SettlementQuotes,
        at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        try checkWithdrawal(
            of: id, asset, amount, key: key, minimum: quotes.minimum, at: time)
        let units = asset.chainUnits(amount)
        let earned = balance(.payable, asset, of: id)
        let position = position(of: parties[id], asset, units, quotes)
        let rail = try railOnDemand(position, amount, unreserved(quotes))
        let payer = self.party(for: quotes.payer, at: time, into: &events)
        let spent = amount - min(amount, earned)
        move(
            spent, from: .init(.available, asset, of: id), to: .init(.payable, asset, of: id),
            .withdrawal, at: time)
        index.withdrawalByKey[Index.WithdrawalKey(party: id, key: key)] = DispersalID(
            UInt64(dispersals.count) + 1)
        addDispersal(
            rail, asset, [payment(id, rail, units: units)], payer: payer, name: quotes.name,
            withdrawal: key, reserving: .payable, at: time, into: &events)
    }

    private func railOnDemand(
        _ position: SettlementPlan.Position, _ amount: Amount, _ quotes: SettlementQuotes
    ) throws(Rejection) -> PayoutRail {
        if position.wantsSolana, position.asset == .usd, let held = quotes.solanaFloat {
            if held >= amount { return .solana }
            throw .noPayoutRail
        }
        if !position.isPayer, position.isPushable, let held = quotes.pushFloat?[position.asset],
            held >= amount
        {
            return .push
        }
        throw .noPayoutRail
    }

    /// How often a party has asked within the last hour. O(dispersals of that hour).
    private func recentWithdrawals(of party: PartyID, at time: Timestamp) -> Int {
        var count = 0
        for dispersal in dispersals.reversed() {
            if dispersal.madeAt + .seconds(3_600) <= time { break }
            if dispersal.withdrawal != nil, dispersal.payments[0].party == party { count += 1 }
        }
        return count
    }
}

extension ClearingHouse {
    /// The dispersal with this number.
    public func dispersal(_ id: DispersalID) -> Dispersal? { dispersals.at(id) }

    /// The dispersals that are not over, in the order of their numbers; among them may be some that
    /// are. O(1).
    public var openDispersals: ArraySlice<Dispersal> {
        dispersals[min(oldestOpenDispersal, dispersals.count)...]
    }

    /// Whether a payment on Solana that is put aside is to be called off: its party has named
    /// another account, or none, or it waits for longer than `Limits.quarantine`. What waits for
    /// ever would keep all that came after it from being forgotten. O(1).
    public func isForsaken(_ dispersal: Dispersal, payment place: Int) -> Bool {
        let payment = dispersal.payments[place]
        guard payment.state == .quarantined, case .solana(let owner) = payment.receiver else {
            return false
        }
        return party(payment.party)?.payout.solana != owner
            || dispersal.madeAt + Limits.quarantine <= now
    }

    /// The withdrawal that a party asked for under a key of its own.
    public func withdrawal(of party: PartyID, key: Digest) -> Dispersal? {
        index.withdrawalByKey[Index.WithdrawalKey(party: party, key: key)].flatMap(dispersals.at)
    }

    /// Moves the mark before which every dispersal is over. Amortised O(1).
    mutating func passEndedDispersals() {
        while oldestOpenDispersal < dispersals.count, !dispersals[oldestOpenDispersal].isOpen {
            oldestOpenDispersal += 1
        }
    }
}
