import Clearing
import Economics
import Primitives

/// Whose money may be stuck, as the books tell it.
extension BookView {
    mutating func findHolders(
        _ house: borrowing ClearingHouse, except payers: Set<PartyID>, at now: Timestamp,
        _ rules: StrandingRules
    ) {
        for party in house.parties {
            let bonded = house.balance(.bonded, .usd, of: party.id)
            // Nobody acts for it here.
            let isOwnerless = party.keys.isEmpty && party.nodes.isEmpty && party.name.isEmpty
            if isOwnerless, !party.tombstoned, !payers.contains(party.id) {
                for purpose in [Purpose.available, .bonded] {
                    let units = Asset.usd.chainUnits(house.balance(purpose, .usd, of: party.id))
                    guard units > 0,
                        let since = house.untouchedSince(purpose, .usd, of: party.id),
                        since + rules.ownerless <= now
                    else { continue }
                    ownerless.append(
                        Holder(account: party.address, asset: .usd, amount: units, since: since))
                }
            }
            if party.tombstoned, !bonded.isZero {
                shutOut.append(
                    Holder(
                        account: party.address, asset: .usd,
                        amount: Asset.usd.chainUnits(bonded), since: nil))
            }
            if !house.balance(.unbonding, .usd, of: party.id).isZero {
                leaving.append(party.address)
            }
        }
    }

    /// What an old batch allots and was not claimed was not claimed for at least so long.
    mutating func findUnclaimed(
        _ house: borrowing ClearingHouse, at now: Timestamp, _ rules: StrandingRules
    ) {
        let old = house.batches.last { $0.state == .confirmed && $0.cutAt + rules.unclaimed <= now }
        let sent = Dictionary(
            uniqueKeysWithValues: Asset.allCases.map { ($0, house.sentUnits($0)) })
        for line in old?.lines ?? [] {
            guard let party = house.party(line.party) else { continue }
            let waiting = house.leafUnits(line.asset, of: party.id, sent[line.asset] ?? [:])
            let all = party.allotted(line.asset)
            let taken = all - min(all, waiting)
            guard line.cumulative > taken else { continue }
            unclaimed.append(
                Holder(
                    account: line.address, asset: line.asset, amount: line.cumulative - taken,
                    since: old?.cutAt))
        }
    }

    mutating func findVouchers(
        _ house: borrowing ClearingHouse, at now: Timestamp, _ rules: StrandingRules
    ) {
        // What has no date was promised before the first settlement that gave any.
        let dated =
            house.settlements.first { $0.quotes.datesVouchers }
            ?? house.settlements.last { $0.quotes.vouches }
        for channel in house.channels where channel.unclaimed > 0 {
            guard let party = house.party(channel.party),
                let since = channel.waitingSince ?? dated?.madeAt, since + rules.unclaimed <= now
            else { continue }
            vouchers.append(
                Holder(
                    account: party.address, asset: channel.asset, amount: channel.unclaimed,
                    since: since, channel: channel.id.rawValue))
        }
    }
}

/// What is to be paid out and was not for long.
struct UnpaidView: Sendable {
    /// To whom.
    private(set) var holders: [BookView.Holder] = []
    /// By asset how many wait for less than what is paid at all, and the sum.
    private(set) var belowMinimum: [Asset: (parties: UInt64, units: UInt128)] = [:]

    /// What settlements left, one after the other: the account that would pay is empty, or no root
    /// can be made, or it is less than what is paid at all. The payers' own claims stay by design.
    /// O(parties), and O(log transfers) for each that waits.
    init(
        _ house: borrowing ClearingHouse, except payers: Set<PartyID>, at now: Timestamp,
        _ rules: StrandingRules
    ) {
        let epoch = house.parameters?.epochLength.nanoseconds ?? 0
        let (two, isHuge) = epoch.multipliedReportingOverflow(by: 2)
        let isAnything = rules.unpaid == .seconds(0)
        let patience = max(rules.unpaid.nanoseconds, isAnything ? 0 : isHuge ? .max : two)
        let minimum = house.settlements.last?.quotes.minimum ?? .zero
        for party in house.parties where !payers.contains(party.id) {
            let due = house.due(party.id)
            for asset in Asset.allCases {
                let units = asset.chainUnits(due[asset])
                guard units > 0, let since = house.unpaidSince(asset, of: party.id) else {
                    continue
                }
                if due[asset] >= minimum[asset] {
                    guard since + Timestamp.Span(nanoseconds: patience) <= now else { continue }
                    holders.append(
                        BookView.Holder(
                            account: party.address, asset: asset, amount: units, since: since))
                } else if since + rules.unclaimed <= now {
                    let (parties, sum) = belowMinimum[asset] ?? (0, 0)
                    belowMinimum[asset] = (parties + 1, sum.saturatingSum(units))
                }
            }
        }
    }
}

extension ClearingHouse {
    /// Parties that pay others out of their own pockets: what they are owed is set off, and waits.
    func payers(_ now: EVMAddress?) -> Set<PartyID> {
        var found = Set(dispersals.map(\.payer) + channels.map(\.payer))
        if let depositPayer { found.insert(depositPayer) }
        if let party = now.flatMap({ party(address: $0) }) { found.insert(party.id) }
        return found
    }
}

extension HouseChannel {
    /// Whether money of the payer's is on its way in or out, or lies in a channel that is of no use
    /// to who pays now.
    func hasOwnMoney(_ payer: EVMAddress?) -> Bool {
        if isOver { return false }
        return openDeposit > 0 || (rest > 0 && (isClosing || isWithdrawing || terms.payer != payer))
    }
}
