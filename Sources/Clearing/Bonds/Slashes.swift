import Ledger
import Primitives

/// What the chain makes of a slash. The mirror of the chain moves by what a log says left the
/// contract, and by nothing else: of a bond that is smaller there than the books took, a
/// withdrawal has charged the house already.
extension ClearingHouse {
    /// The reasons of what `cutBond` moves.
    private static let cutting: [TransferReason] = [.burnSettlement, .repayment]

    /// The contract has no bond left for a slash. What was to be burned never will be, and makes
    /// up for what the house lent when that bond was withdrawn.
    mutating func forgoSlash(
        _ id: VerdictID, isRequested: Bool, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        guard let record = verdicts.at(id) else { throw .verdictNotFound }
        if record.state != .executed || record.settledOnChain { throw .malformedVerdict }
        keepUnburned(record.burned, .slashRelease, id, at: time)
        verdicts[id].state = .forgone
        verdicts[id].settledOnChain = !isRequested
        events.append(.slashSettled(record.accused, amount: .zero))
    }

    /// A bond was cut: as the books had captured it, or, if they had given it up, out of what the
    /// accused has bonded since.
    mutating func cutBond(
        _ account: EVMAddress, _ units: UInt128, _ burned: UInt128, _ key: Digest,
        at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        guard index.partyByAddress[account] != nil else { throw .partyNotFound }
        guard let id = index.verdictBySlashKey[key], let record = verdicts.at(id) else {
            throw .verdictNotFound
        }
        let taken = Asset.usd.amount(chainUnits: units) ?? .zero
        let destroyed = min(Asset.usd.amount(chainUnits: burned) ?? .zero, taken)
        let house = [Purpose.burn, .insurance, .fee].map { AccountID($0, .usd) }
        var missing: Amount
        if record.state == .forgone || record.settledOnChain {
            let own = [Purpose.bonded, .unbonding].map { AccountID($0, .usd, of: record.accused) }
            missing = collect(
                destroyed, [], orElse: own + house, into: .init(.chain, .usd), .burnSettlement,
                id.rawValue, at: time)
            let kept = taken - destroyed
            let short = collect(
                kept, [], orElse: own, into: .init(.insurance, .usd), .repayment, id.rawValue,
                at: time)
            missing += short
            let advanced = parties[record.accused].advances.total ?? .zero
            let debt = parties[record.accused].debt
            parties[record.accused].payee.debt -= min(taken, debt - min(debt, advanced))
            verdicts[id].state = .forgone
        } else {
            missing = collect(
                destroyed, [], orElse: house, into: .init(.chain, .usd), .burnSettlement,
                id.rawValue, at: time)
            let unburned = record.burned - min(record.burned, destroyed)
            keepUnburned(unburned, .repayment, id, at: time)
        }
        if !missing.isZero { events.append(.bondShortfall(record.accused, amount: missing)) }
        verdicts[id].settledOnChain = true
        events.append(.slashSettled(record.accused, amount: taken))
    }

    /// What of a penalty's burn is not burned on chain insures buyers.
    private mutating func keepUnburned(
        _ amount: Amount, _ reason: TransferReason, _ id: VerdictID, at time: Timestamp
    ) {
        move(
            min(amount, balance(.burn, .usd)), from: .init(.burn, .usd),
            to: .init(.insurance, .usd), reason, id.rawValue, at: time)
    }

    /// The log of a cut is no longer in the chain: what it moved is moved back, as far as it is
    /// still there. A debt that it paid stays paid: the same log comes again.
    mutating func uncutBond(
        _ key: Digest, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        guard let id = index.verdictBySlashKey[key], let record = verdicts.at(id),
            record.settledOnChain
        else { throw .verdictNotFound }
        let mirror = AccountID(.chain, .usd)
        let house = [Purpose.insurance, .burn, .fee].map { AccountID($0, .usd) }
        var lost = Amount.zero
        for transfer in lastTransfers(of: id, Self.cutting) {
            if transfer.creditAccount == mirror {
                move(
                    transfer.amount, from: mirror, to: transfer.debitAccount, .reversal,
                    id.rawValue, at: time)
            } else {
                lost += collect(
                    transfer.amount, [], orElse: house, into: transfer.debitAccount, .reversal,
                    id.rawValue, at: time)
            }
        }
        if !lost.isZero { events.append(.bondShortfall(record.accused, amount: lost)) }
        verdicts[id].settledOnChain = false
    }
}
