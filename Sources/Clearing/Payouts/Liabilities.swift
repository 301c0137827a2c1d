import Ledger
public import Primitives

extension Purpose {
    /// Whether money in such an account is owed to a party: spendable balances, bonds, what waits
    /// for settlement or a claim, and what is held in escrow until it is decided who gets it. The
    /// rest is the house's own, or a source.
    public var isLiability: Bool {
        switch self {
        case .available, .bonded, .unbonding, .escrow, .payable, .inTransit: true
        case .fee, .burn, .insurance, .captured, .emission, .chain, .networkCost: false
        }
    }
}

/// What the house owes.
extension ClearingHouse {
    /// What every party is owed, in order of party, and before them what is in escrow. Reserved
    /// money (a hold, a captured bond) is its owner's until it is taken. O(accounts).
    public func liabilities() -> [Liability] {
        var owed = [Liability(holder: Liability.escrow, sums: .zero)]
        owed.reserveCapacity(parties.count + 1)
        for party in parties { owed.append(Liability(holder: party.address, sums: .zero)) }
        for account in ledger.accounts {
            guard let asset = account.id.asset, account.id.purpose?.isLiability == true else {
                continue
            }
            // The ledger lets no such account be overdrawn.
            let held = account.creditsPosted - account.debitsPosted
            owed[Int(account.id.owner.rawValue)].sums[asset] += held
        }
        // Nobody has the key of the zero address, which stands for the escrow.
        if let lost = index.partyByAddress[Liability.escrow] {
            let sums = owed.remove(at: Int(lost.rawValue)).sums
            for asset in Asset.allCases { owed[0].sums[asset] += sums[asset] }
        }
        return owed
    }

    /// What everybody is owed together. By double entry it is what the house's own accounts and
    /// the sources do not hold, so nobody's account is looked at. O(1).
    public func owed(_ asset: Asset) -> Amount {
        var net: UInt128 = 0
        for purpose in Purpose.allCases where !purpose.isLiability {
            guard let account = ledger.account(AccountID(purpose, asset)) else { continue }
            // The result is not negative; what lies between may be, and wraps around twice.
            net &+= account.debitsPosted.units &- account.creditsPosted.units
        }
        return Amount(net)
    }

    /// The newest batch that says what is owed; `nil` if none does yet.
    public var lastCommitted: Batch? { batches.last { $0.liabilities != nil } }
}
