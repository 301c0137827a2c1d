import Clearing
import Economics
import Ledger
import Primitives

/// The end of a step in the production house: time passes, the epoch closes, a batch is settled.
extension TwinHouse {
    mutating func close(_ books: inout Books, _ result: inout StepResult) {
        guard let rules = house.parameters else { preconditionFailure("it is configured") }
        now += rules.epochLength.nanoseconds
        while let due = house.nextDeadline, due.nanoseconds <= now { note(apply(.pulse), &result) }
        apply(.closeEpoch)
        result.emitted = house.epochs.last?.emitted.units ?? 0
        settleSlashes()
        read(&books, &result)
    }

    private mutating func settleSlashes() {
        for id in taken {
            guard let record = house.verdict(id), let party = house.party(record.accused),
                Asset.usd.chainUnits(record.captured) > 0
            else { continue }
            observe(
                .slashed(
                    account: party.address, chainUnits: Asset.usd.chainUnits(record.captured),
                    burned: Asset.usd.chainUnits(record.burned), verdict: record.slashKey))
        }
        taken.removeAll(keepingCapacity: true)
    }

    mutating func settle(
        fees: UInt128, _ books: inout Books, _ result: inout StepResult
    ) {
        if fees > 0 {
            apply(
                .collectFees(
                    PartyID(UInt64(roster.operatorPlace) + 1), amount: Amount(fees)))
        }
        guard case .success = apply(.cutBatch, mayFail: true) else {
            result.paidDollars.fill(0)
            result.paidTokens.fill(0)
            return read(&books, &result)
        }
        let batch = BatchID(UInt64(house.batches.count))
        let root = TwinHouse.digest(12, batch.rawValue)
        apply(.sealBatch(batch, root: root))
        observe(.rootCommitted(batch: batch, root: root))
        for party in 0..<roster.parties {
            result.paidDollars[party] = claim(.usd, party)
            result.paidTokens[party] = claim(.tly, party)
        }
        read(&books, &result)
    }

    private mutating func claim(_ asset: Asset, _ party: Int) -> Int64 {
        let units = asset.chainUnits(
            house.balance(.inTransit, asset, of: PartyID(UInt64(party) + 1)))
        if units == 0 { return 0 }
        observe(
            .claimed(account: TwinHouse.address(party), asset: asset, chainUnits: units))
        return Int64(units)
    }

    /// What everybody has now.
    private func read(_ books: inout Books, _ result: inout StepResult) {
        for place in 0..<roster.parties {
            let party = PartyID(UInt64(place) + 1)
            books.available[place] = units(.available, .usd, party)
            books.bonded[place] = units(.bonded, .usd, party)
            books.unbonding[place] = units(.unbonding, .usd, party)
            books.payable[place] = units(.payable, .usd, party)
            books.tally[place] = units(.payable, .tly, party)
            guard place < roster.bonded, let record = house.party(party) else { continue }
            if place < roster.providers {
                books.exposure[place] = Int64(record.exposure.units)
            }
            if record.tombstoned, books.tombstoned[place] == 0 {
                books.tombstoned[place] = 1
                result.tombstones += 1
                // The house has taken its offer back.
                if place < roster.providers {
                    books.offered[place] = 0
                    offers[place] = 0
                }
            }
        }
        books.escrow = house.balance(.escrow, .usd).units
        books.fee = house.balance(.fee, .usd).units
        books.burn = house.balance(.burn, .usd).units
        books.insurance = house.balance(.insurance, .usd).units
        books.captured = house.ledger.account(AccountID(.captured, .usd))?.creditsPending.units ?? 0
        books.chain = net(.chain, .usd)
        books.minted = house.ledger.account(AccountID(.emission, .tly))?.debitsPosted.units ?? 0
        books.claimed = house.ledger.account(AccountID(.chain, .tly))?.creditsPosted.units ?? 0
    }

    private func units(_ purpose: Purpose, _ asset: Asset, _ party: PartyID) -> Int64 {
        Int64(house.balance(purpose, asset, of: party).units)
    }

    private func net(_ purpose: Purpose, _ asset: Asset) -> UInt128 {
        guard let account = house.ledger.account(AccountID(purpose, asset)) else { return 0 }
        return account.debitsPosted.units - account.creditsPosted.units
    }
}
