import Ledger
import Primitives

/// What a reorganisation took out of the chain is taken out of the books, by entries: nothing that
/// was booked is deleted. Logs go in the reverse of their order, so the cursor moves back with them
/// and what the chain has in their place is booked like any other log.
extension ClearingHouse {
    mutating func reverseChain(
        _ reference: ChainReference, _ observation: ChainObservation,
        previous: ChainReference?, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        if reference.chain != chain { throw .wrongChain }
        guard ChainCursor(reference) == chainCursor, reference.blockHash == chainBlock,
            previous.map({ ChainCursor($0) < chainCursor && $0.chain == chain }) ?? true
        else { throw .notTheLastLog }
        switch observation {
        case .deposited(let account, let units):
            try takeBack(units, .deposit, from: account, reference, at: time, into: &events)
        case .bonded(let account, let units):
            try takeBack(units, .bond, from: account, reference, at: time, into: &events)
        case .unbondRequested(let account, let units):
            let asked = try ledgerAmount(.usd, units)
            guard let party = index.partyByAddress[account] else { throw .partyNotFound }
            move(
                min(asked, balance(.unbonding, .usd, of: party)),
                from: .init(.unbonding, .usd, of: party), to: .init(.bonded, .usd, of: party),
                .reversal, reference.block, at: time)
        case .bondWithdrawn(let account, let units):
            try giveBack(.usd, units, to: account, .unbonding, reference, at: time)
        case .claimed(let account, let asset, let units):
            try giveBack(asset, units, to: account, .inTransit, reference, at: time)
        case .slashed(_, let units, let burned, let key):
            try reopenSlash(key, taken: units, burned: burned, at: time)
        case .slashReleased(let key):
            try recaptureSlash(key, at: time, into: &events)
        case .rootCommitted(let batch, _):
            guard batches.at(batch)?.state == .confirmed else { throw .wrongBatchState }
            batches[batch].state = .sealed
            batches[batch].transaction = .zero
        case .rootDisputed(let batch):
            guard batches.at(batch)?.state == .disputed else { throw .wrongBatchState }
            batches[batch].state = .confirmed
        case .dispersed(let name):
            try reopenDispersal(name, reference, at: time)
        case .channelMoved(let key, let move): try reverseChannel(key, move, into: &events)
        case .channelClaimed(let key, let total, let units):
            try reverseVoucher(key, total: total, units, reference, at: time)
        case .bondCut(_, _, _, let key): try uncutBond(key, at: time, into: &events)
        case .rootDropped(let batch):
            guard batches.at(batch)?.state == .disputed else { throw .wrongBatchState }
            batches[batch].state = .confirmed
            let next = BatchID(batch.rawValue + 1)
            if batches.at(next)?.state == .held { letGo(next) }
        }
        chainCursor = previous.map { ChainCursor($0) } ?? .init(block: 0, logIndex: 0, any: false)
        chainBlock = previous?.blockHash ?? .zero
        events.append(.chainReversed(reference))
    }

    /// Moves up to `amount` out of several accounts: of the first ones at most so much each, of the
    /// others what is there. What was not found.
    mutating func collect(
        _ amount: Amount, _ bounded: [(pot: AccountID, most: Amount)], orElse pots: [AccountID],
        into target: AccountID, _ reason: TransferReason, _ reference: UInt64,
        at time: Timestamp
    ) -> Amount {
        var rest = amount
        for (pot, most) in bounded + pots.map({ ($0, amount) }) {
            let part = min(rest, most, creditAvailable(pot))
            move(part, from: pot, to: target, reason, reference, at: time)
            rest -= part
        }
        return rest
    }

    private mutating func giveBack(
        _ asset: Asset, _ units: UInt128, to account: EVMAddress, _ purpose: Purpose,
        _ reference: ChainReference, at time: Timestamp
    ) throws(Rejection) {
        guard let party = index.partyByAddress[account] else { throw .partyNotFound }
        guard let amount = asset.amount(chainUnits: units) else { throw .invalidAmount }
        move(
            amount, from: .init(.chain, asset), to: .init(purpose, asset, of: party), .reversal,
            reference.block, at: time)
    }

    /// The slash has to be carried out again: what it had moved out of burn and insurance is back.
    private mutating func reopenSlash(
        _ key: Digest, taken units: UInt128, burned: UInt128, at time: Timestamp
    ) throws(Rejection) {
        guard let id = index.verdictBySlashKey[key], let record = verdicts.at(id),
            record.settledOnChain
        else { throw .verdictNotFound }
        let taken = Asset.usd.amount(chainUnits: units) ?? .zero
        let destroyed = Asset.usd.amount(chainUnits: burned) ?? .zero
        let missing = record.captured - min(record.captured, taken)
        let unburned = min(missing, record.burned - min(record.burned, destroyed))
        for (purpose, part) in [
            (Purpose.burn, destroyed + unburned), (.insurance, missing - unburned),
        ] {
            move(
                part, from: .init(.chain, .usd), to: .init(purpose, .usd), .reversal, id.rawValue,
                at: time)
        }
        verdicts[id].settledOnChain = false
    }

    /// The payments are to be made again. The claims that the payer took over go back to the
    /// payees; what the payer has turned into a leaf or spent by now, the house lends it. If even
    /// the house cannot, nothing is reversed: a payment that is due has its money.
    private mutating func reopenDispersal(
        _ name: Digest, _ reference: ChainReference, at time: Timestamp
    ) throws(Rejection) {
        guard let id = index.dispersalByName[name] else { throw .dispersalNotFound }
        let record = dispersals[id]
        guard record.rail == .push, !record.isOpen else { throw .wrongPaymentState }
        let paid = record.payments.indices.filter { record.payments[$0].state == .paid }
        let due = paid.map { place in
            let payment = record.payments[place]
            return (payment.party, record.asset.amount(chainUnits: payment.units) ?? .zero)
        }
        try returnClaims(due, record.asset, from: record.payer, reference, at: time)
        for place in paid { dispersals[id].payments[place].state = .due }
        dispersals[id].transaction = .zero
        oldestOpenDispersal = min(oldestOpenDispersal, Int(id.rawValue) - 1)
    }

    /// Gives payees back the claims that a payer took over, in transit again; what the payer does
    /// not have any more, the house lends it. Throws, and moves nothing, if even the house cannot.
    mutating func returnClaims(
        _ due: [(party: PartyID, amount: Amount)], _ asset: Asset, from payer: PartyID,
        _ reference: ChainReference, at time: Timestamp
    ) throws(Rejection) {
        let own = [Purpose.payable, .available].map { AccountID($0, asset, of: payer) }
        let house = [Purpose.fee, .insurance].map { AccountID($0, asset) }
        let total = due.reduce(Amount.zero) { $0 + $1.amount }
        let owned = own.reduce(Amount.zero) { $0 + creditAvailable($1) }
        let lendable = house.reduce(Amount.zero) { $0 + creditAvailable($1) }
        if owned + lendable < total { throw .insufficientBalance }
        for (party, amount) in due {
            _ = collect(
                amount, [], orElse: own + house, into: .init(.inTransit, asset, of: party),
                .reversal, reference.block, at: time)
        }
        if asset == .usd, owned < total { parties[payer].payee.debt += total - owned }
    }

    private func creditAvailable(_ account: AccountID) -> Amount {
        ledger.account(account)?.creditAvailable ?? .zero
    }

    private mutating func recaptureSlash(
        _ key: Digest, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        guard let id = index.verdictBySlashKey[key], let record = verdicts.at(id),
            record.settledOnChain
        else { throw .verdictNotFound }
        verdicts[id].settledOnChain = false
        if record.state == .forgone { return }
        let pots = [Purpose.bonded, .unbonding].map {
            AccountID($0, .usd, of: record.accused)
        }
        var lost = Amount.zero
        for transfer in lastTransfers(of: id, [.slashRelease]) {
            lost += collect(
                transfer.amount, [], orElse: pots, into: transfer.debitAccount, .reversal,
                id.rawValue, at: time)
        }
        if !lost.isZero { events.append(.bondShortfall(record.accused, amount: lost)) }
    }

    /// What a log last moved for a verdict, the last transfer first. O(transfers).
    func lastTransfers(of id: VerdictID, _ reasons: [TransferReason]) -> [Transfer] {
        var found: [Transfer] = []
        var number = nextTransfer
        while number > 1 {
            number -= 1
            guard let transfer = ledger.transfer(TransferID(number)) else { continue }
            let isOurs =
                reasons.contains { $0.rawValue == transfer.code }
                && transfer.userData64 == id.rawValue
            // They were made one after the other.
            if !isOurs, !found.isEmpty { break }
            if isOurs { found.append(transfer) }
        }
        return found
    }
}

extension ChainCursor {
    init(_ reference: ChainReference) {
        self.init(block: reference.block, logIndex: reference.logIndex, any: true)
    }
}
