import Ledger
import Primitives

/// A party's credits and debits against each other, before anything is paid out.
///
/// Credits are what is payable. Debits are what the party owes the house, and what it wants to have
/// for buying: paying that out, only for it to be deposited again, would cost two transfers.
struct Netting: Hashable, Sendable {
    /// What pays off its debt, in dollars.
    var repaid = Amount.zero
    /// What goes to its spendable balance, in dollars.
    var kept = Amount.zero
    /// What is left to be paid out.
    var due = AssetSums.zero

    /// Nets `credits`: the debt first, then what is missing of the wanted balance.
    init(credits: AssetSums, debt: Amount, available: Amount, keep: Amount) {
        due = credits
        repaid = min(debt, due[.usd])
        due[.usd] = due[.usd] - repaid
        kept = min(keep > available ? keep - available : .zero, due[.usd])
        due[.usd] = due[.usd] - kept
    }
}

extension ClearingHouse {
    /// A party's position in the next settlement. O(1).
    func netting(of party: Party) -> Netting {
        var credits = AssetSums.zero
        for asset in Asset.allCases { credits[asset] = balance(.payable, asset, of: party.id) }
        return Netting(
            credits: credits, debt: party.payee.debt,
            available: balance(.available, .usd, of: party.id), keep: party.payee.settings.keep)
    }

    /// Books what was netted; returns it.
    mutating func book(_ netting: Netting, of party: PartyID, at time: Timestamp) -> Amount {
        let payable = AccountID(.payable, .usd, of: party)
        var rest = netting.repaid
        for credit in Advance.Credit.allCases {
            rest = repay(credit, of: party, upTo: rest, from: payable, .netting, at: time)
        }
        move(rest, from: payable, to: .init(.insurance, .usd), .netting, at: time)
        move(
            netting.kept, from: payable, to: .init(.available, .usd, of: party), .netting, at: time)
        parties[party].payee.debt -= rest
        return netting.repaid + netting.kept
    }
}
