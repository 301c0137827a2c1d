import Ledger
import Primitives

/// What confirmed logs of the settlement contract change in the books. Logs are processed in chain
/// order, each exactly once: the cursor is part of the state.
extension ClearingHouse {
    mutating func observeChain(
        _ reference: ChainReference, _ observation: ChainObservation, at time: Timestamp,
        into events: inout [Event]
    ) throws(Rejection) {
        let cursor = ChainCursor(reference)
        if cursor <= chainCursor { throw .chainEventReplayed }
        if reference.chain != chain { throw .wrongChain }
        switch observation {
        case .deposited(let account, let units):
            let amount = try ledgerAmount(.usd, units)
            let party = party(for: account, at: time, into: &events)
            credit(amount, .deposit, party, reference, at: time)
            events.append(.deposited(party, asset: .usd, amount: amount))
        case .bonded(let account, let units):
            let amount = try ledgerAmount(.usd, units)
            let party = party(for: account, at: time, into: &events)
            credit(amount, .bond, party, reference, at: time)
            events.append(.bonded(party, amount: amount))
        case .unbondRequested(let account, let units):
            try unbond(account, units, reference, at: time, into: &events)
        case .bondWithdrawn(let account, let units):
            try withdrawBond(account, units, reference, at: time, into: &events)
        case .slashed(let account, let units, let burned, let key):
            try settleSlash(account, units, burned, key, at: time, into: &events)
        case .rootCommitted(let batch, let root):
            try confirmBatch(batch, root: root, reference, into: &events)
        case .claimed(let account, let asset, let units):
            try settleClaim(account, asset, units, reference, at: time, into: &events)
        case .dispersed(let name):
            try settleDispersal(name, reference.transaction, at: time, into: &events)
        case .rootDisputed(let batch):
            try disputeBatch(batch, into: &events)
        case .slashReleased(let key):
            try releaseSlash(key, at: time, into: &events)
        case .channelMoved(let key, let move):
            try moveChannel(key, move, reference, into: &events)
        case .channelClaimed(let key, let total, let units):
            try claimVoucher(key, total: total, units, at: time, into: &events)
        case .bondCut(let account, let units, let burned, let key):
            try cutBond(account, units, burned, key, at: time, into: &events)
        case .rootDropped(let batch):
            try dropRoot(batch, into: &events)
        }
        chainCursor = cursor
        chainBlock = reference.blockHash
    }

    func ledgerAmount(_ asset: Asset, _ units: UInt128) throws(Rejection) -> Amount {
        // Balances of all owners together must stay inside 128 bits.
        let booked = ledger.account(AccountID(.chain, asset))?.debitsPosted ?? .zero
        guard units > 0, let amount = asset.amount(chainUnits: units),
            amount.units < 1 << 120, booked.units < 1 << 126
        else { throw .invalidAmount }
        return amount
    }

    /// Credits what came in, less what the house advanced for the same when a reorganisation took
    /// it back: then this is that money.
    private mutating func credit(
        _ amount: Amount, _ credit: Advance.Credit, _ party: PartyID,
        _ reference: ChainReference, at time: Timestamp
    ) {
        let chain = AccountID(.chain, .usd)
        let rest = repay(
            credit, of: party, upTo: amount, from: chain, .repayment, reference.block, at: time)
        let (purpose, reason): (Purpose, TransferReason) =
            credit == .deposit ? (.available, .deposit) : (.bonded, .bond)
        move(
            rest, from: chain, to: .init(purpose, .usd, of: party), reason, reference.block,
            at: time)
    }

    /// The chain lets a provider announce more than the books still have after a slash: what is
    /// left goes.
    private mutating func unbond(
        _ account: EVMAddress, _ units: UInt128, _ reference: ChainReference, at time: Timestamp,
        into events: inout [Event]
    ) throws(Rejection) {
        let asked = try ledgerAmount(.usd, units)
        guard let party = index.partyByAddress[account] else { throw .partyNotFound }
        let amount = min(asked, balance(.bonded, .usd, of: party))
        move(
            amount, from: .init(.bonded, .usd, of: party), to: .init(.unbonding, .usd, of: party),
            .unbond, reference.block, at: time)
        events.append(.unbonding(party, amount: amount))
    }

    private mutating func withdrawBond(
        _ account: EVMAddress, _ units: UInt128, _ reference: ChainReference, at time: Timestamp,
        into events: inout [Event]
    ) throws(Rejection) {
        let amount = try ledgerAmount(.usd, units)
        guard let party = index.partyByAddress[account] else { throw .partyNotFound }
        // The contract cuts what is bonded first and the books what a verdict captured, so what
        // is left can lie in the other pot here. The money is gone whatever the books say: what
        // they cannot find with the party is the house's loss.
        var rest = amount
        var lent = Amount.zero
        let pots: [AccountID] = [
            .init(.unbonding, .usd, of: party), .init(.bonded, .usd, of: party),
            .init(.insurance, .usd), .init(.burn, .usd),
        ]
        for pot in pots {
            let part = min(rest, ledger.account(pot)?.creditAvailable ?? .zero)
            move(
                part, from: pot, to: .init(.chain, .usd), .bondWithdrawal, reference.block, at: time
            )
            rest -= part
            if pot.owner == .none { lent += part }
        }
        // A house that settles by plan takes it from what the party earns.
        if !settlements.isEmpty { parties[party].payee.debt += lent + rest }
        if !rest.isZero { events.append(.bondShortfall(party, amount: rest)) }
        events.append(.bondWithdrawn(party, amount: amount))
    }

    private mutating func settleSlash(
        _ account: EVMAddress, _ units: UInt128, _ burned: UInt128, _ key: Digest,
        at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        guard index.partyByAddress[account] != nil else { throw .partyNotFound }
        guard let id = index.verdictBySlashKey[key] else { throw .verdictNotFound }
        let amount = Asset.usd.amount(chainUnits: burned) ?? .zero
        if balance(.burn, .usd) < amount { throw .insufficientBalance }
        let taken = Asset.usd.amount(chainUnits: units) ?? .zero
        bookSlash(id, taken: taken, burned: amount, at: time, into: &events)
    }

    /// The contract had no bond left to take.
    mutating func writeOffSlash(
        _ id: VerdictID, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        guard let record = verdicts.at(id) else { throw .verdictNotFound }
        if record.state != .executed || record.settledOnChain { throw .malformedVerdict }
        bookSlash(id, taken: .zero, burned: .zero, at: time, into: &events)
    }

    /// The burned part of a penalty has left the contract. If less bond was there than the books
    /// took, what is missing was never burned, or is the insurance's loss.
    private mutating func bookSlash(
        _ id: VerdictID, taken: Amount, burned: Amount, at time: Timestamp,
        into events: inout [Event]
    ) {
        move(
            burned, from: .init(.burn, .usd), to: .init(.chain, .usd), .burnSettlement,
            id.rawValue, at: time)
        let captured = verdicts[id].captured
        var missing = captured - min(captured, taken)
        let unburned = verdicts[id].burned - min(verdicts[id].burned, burned)
        for (purpose, most) in [(Purpose.burn, unburned), (.insurance, missing)] {
            let part = min(missing, most, balance(purpose, .usd))
            move(
                part, from: .init(purpose, .usd), to: .init(.chain, .usd), .burnSettlement,
                id.rawValue, at: time)
            missing -= part
        }
        let party = verdicts[id].accused
        if !missing.isZero { events.append(.bondShortfall(party, amount: missing)) }
        verdicts[id].settledOnChain = true
        events.append(.slashSettled(party, amount: captured))
    }

    private mutating func settleClaim(
        _ account: EVMAddress, _ asset: Asset, _ units: UInt128, _ reference: ChainReference,
        at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        let amount = try ledgerAmount(asset, units)
        guard let party = index.partyByAddress[account] else { throw .partyNotFound }
        if balance(.inTransit, asset, of: party) < amount { throw .insufficientBalance }
        move(
            amount, from: .init(.inTransit, asset, of: party), to: .init(.chain, asset), .claim,
            reference.block, at: time)
        events.append(.claimed(party, asset: asset, amount: amount))
    }

    private mutating func confirmBatch(
        _ id: BatchID, root: Digest, _ reference: ChainReference, into events: inout [Event]
    ) throws(Rejection) {
        guard let batch = batches.at(id), batch.state == .sealed || batch.state == .held else {
            throw .wrongBatchState
        }
        if batch.root != root { throw .rootMismatch }
        batches[id].state = .confirmed
        batches[id].transaction = reference.transaction
        events.append(.batchConfirmed(id))
    }

    private mutating func disputeBatch(
        _ id: BatchID, into events: inout [Event]
    ) throws(Rejection) {
        guard batches.at(id)?.state == .confirmed else { throw .wrongBatchState }
        batches[id].state = .disputed
        events.append(.batchDisputed(id))
    }

    /// A batch that was cut behind the disputed one has all its sums: it waits until a person lets
    /// it go on.
    private mutating func dropRoot(
        _ id: BatchID, into events: inout [Event]
    ) throws(Rejection) {
        try disputeBatch(id, into: &events)
        let next = BatchID(id.rawValue + 1)
        if let behind = batches.at(next), behind.state == .cut || behind.state == .sealed {
            batches[next].state = .held
        }
    }

    /// The contract did not take what the books took: it goes back to the bond, from what the
    /// penalty was split into and, as the verifier's bounty is paid out, from the house's own.
    private mutating func releaseSlash(
        _ key: Digest, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        guard let id = index.verdictBySlashKey[key], let record = verdicts.at(id) else {
            throw .verdictNotFound
        }
        if record.settledOnChain { throw .malformedVerdict }
        // What was forgone was never taken, so there is nothing to give back.
        if record.state == .forgone {
            verdicts[id].settledOnChain = true
            return events.append(.slashReleased(record.accused, amount: .zero))
        }
        if record.state != .executed { throw .malformedVerdict }
        let rest = collect(
            record.captured, [(.init(.burn, .usd), record.burned)],
            orElse: [.init(.insurance, .usd), .init(.fee, .usd)],
            into: .init(.bonded, .usd, of: record.accused), .slashRelease, id.rawValue, at: time)
        if !rest.isZero { events.append(.bondShortfall(record.accused, amount: rest)) }
        verdicts[id].settledOnChain = true
        events.append(.slashReleased(record.accused, amount: record.captured))
    }
}
