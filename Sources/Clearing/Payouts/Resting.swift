import Ledger
public import Primitives

/// Since when money rests where it is, as the ledger's transfers tell.
extension ClearingHouse {
    /// What a party would be paid if all of it could be: what is payable less what is set off.
    /// O(1).
    public func due(_ party: PartyID) -> AssetSums {
        parties.at(party).map { netting(of: $0).due } ?? .zero
    }

    /// Since when what is due to a party waits: since the first credit after it was last paid
    /// anything of this asset, by whatever way. What is set off meanwhile is no payment. `nil` if
    /// nothing came since. O(log transfers), and what was set off since.
    public func unpaidSince(_ asset: Asset, of party: PartyID) -> Timestamp? {
        let account = AccountID(.payable, asset, of: party)
        let paid = [TransferReason.settlement, .dispersal, .voucher].compactMap {
            newestDebit(of: account, code: $0.rawValue)
        }.max()
        var filter = AccountFilter(account: account, limit: 1, flags: [.credits])
        if let paid { filter.timestampMin = paid + Timestamp.Span(nanoseconds: 1) }
        return first(filter)
    }

    /// Since when nothing was taken from an account: since its last debit, or its first credit.
    /// `nil` if nothing came. O(log transfers).
    public func untouchedSince(
        _ purpose: Purpose, _ asset: Asset, of party: PartyID
    ) -> Timestamp? {
        let account = AccountID(purpose, asset, of: party)
        return newestDebit(of: account)
            ?? first(AccountFilter(account: account, limit: 1, flags: [.credits]))
    }

    private func newestDebit(of account: AccountID, code: UInt16 = 0) -> Timestamp? {
        var filter = AccountFilter(account: account, limit: 1, flags: [.debits, .reversed])
        filter.code = code
        return first(filter)
    }

    private func first(_ filter: AccountFilter) -> Timestamp? {
        do throws(QueryRefusal) {
            return try ledger.accountTransfers(filter).records.first?.timestamp
        } catch {
            preconditionFailure("the question is one that makes sense")
        }
    }
}
