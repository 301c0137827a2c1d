public import Primitives

/// Who is paid how in one settlement: a function of what is due and what it costs, and of nothing
/// else (docs/reference/settling.md).
///
/// Four ways are reckoned through: everybody who can be is sent the money, or everybody is a leaf
/// of the root; each with those paid by voucher who have a channel, or without. The cheapest in
/// gas is taken, the earlier of two that cost the same; while there can be no root, the one that
/// pays most parties comes before the cheapest. Whoever cannot be sent money is a leaf, and if
/// there is a root anyway, so is all the dust. Whoever chose Solana is paid there: everybody is
/// sent the money, or everybody is a leaf of a pool's root, whichever is cheaper in lamports.
public struct SettlementPlan: Hashable, Sendable {
    /// What one party is due in one asset.
    public struct Position: Hashable, Sendable {
        /// Who.
        public var party: PartyID
        /// In what.
        public var asset: Asset
        /// How much, in the asset's chain units.
        public var units: UInt128
        /// Whether it can be sent money on the EVM chain.
        public var isPushable = true
        /// Whether it wants to be paid on Solana.
        public var wantsSolana = false
        /// Whether the pool has a record of it already, as far as the books tell.
        public var hasRecord = false
        /// Whether it has a payment channel of the payer's with enough left in it.
        public var hasChannel = false
        /// Whether it is the one whose money is sent.
        public var isPayer = false
        /// Whether it holds none of that asset on the EVM chain.
        public var isNewHolder = false

        /// A position of a payee that can be sent money.
        public init(_ party: PartyID, _ asset: Asset, units: UInt128) {
            self.party = party
            self.asset = asset
            self.units = units
        }

        /// The same in the ledger's units.
        var amount: Amount { asset.amount(chainUnits: units) ?? .zero }
        /// Whether it is paid on Solana, if the house pays there.
        var isOnSolana: Bool { wantsSolana && asset == .usd }
    }

    /// Why a position waits for a later settlement.
    public enum Carry: UInt8, CaseIterable, Hashable, Sendable {
        /// It is less than the minimum, and there is no root to take it along.
        case belowMinimum = 1
        /// The account that would pay does not hold so much.
        case noFloat = 2
        /// The last root is not final yet.
        case rootWaits = 3
    }

    /// What becomes of a position.
    public enum Choice: Hashable, Sendable {
        /// It is paid this way.
        case paid(PayoutRail)
        /// It waits.
        case carried(Carry)
    }

    /// What becomes of each position, in their order.
    public let choices: [Choice]
    /// The gas that counts.
    public let gas: UInt64
    /// What that gas costs in wei; the greatest number if it does not fit.
    public let wei: UInt128
    /// What Solana costs, in lamports, without making token accounts.
    public let lamports: UInt64

    /// The most payees of one dispersal.
    public static let payeesPerDispersal = 500
    /// Transfers in one Solana transaction, with lookup tables.
    public static let payeesPerTransaction = 54

    /// The plan for some positions. O(positions).
    ///
    /// - Parameters:
    ///   - isRootFree: whether the last root is final, so that there can be another.
    ///   - isPoolFree: the same of the pool on Solana.
    public init(
        _ positions: [Position], _ quotes: SettlementQuotes, isRootFree: Bool,
        isPoolFree: Bool = false
    ) {
        let solana = SolanaDraft.best(positions, quotes, isPoolFree: isPoolFree)
        var best: Draft?
        for pushes in isRootFree ? [true, false] : [true] {
            for vouches in [false, true] {
                let draft = Draft(
                    positions, quotes, solana, isRootFree: isRootFree, pushes: pushes,
                    vouches: vouches)
                if best.map({ draft.isBetter(than: $0, isRootFree: isRootFree) }) ?? true {
                    best = draft
                }
            }
        }
        guard let best else { preconditionFailure("there is always a first draft") }
        choices = best.choices
        gas = best.gas
        let (cost, overflow) = quotes.gasPrice.multipliedReportingOverflow(by: UInt128(best.gas))
        wei = overflow ? .max : cost
        lamports = solana?.lamports ?? 0
    }

    /// How many positions are paid one way.
    public func count(_ rail: PayoutRail) -> Int { choices.count { $0 == .paid(rail) } }

    /// Whether anybody is paid.
    public var paysAnybody: Bool {
        choices.contains { if case .paid = $0 { true } else { false } }
    }
}

/// One of the ways that are compared on the EVM chain.
private struct Draft {
    var choices: [SettlementPlan.Choice] = []
    var gas: UInt64 = 0

    init(
        _ positions: [SettlementPlan.Position], _ quotes: SettlementQuotes,
        _ solana: SolanaDraft?, isRootFree: Bool, pushes: Bool, vouches: Bool
    ) {
        var floats = pushes ? quotes.pushFloat : nil
        var leaves: [Int] = []
        var callsForRoot = false
        for (place, position) in positions.enumerated() {
            let amount = position.amount
            let isEnough = amount >= quotes.minimum[position.asset]
            if position.isOnSolana, let choice = solana?.choices[place] {
                choices.append(choice)
            } else if vouches, quotes.vouches, position.hasChannel, isEnough {
                choices.append(.paid(.voucher))
            } else if let held = floats?[position.asset], position.isPushable,
                !position.isPayer, isEnough, held >= amount
            {
                choices.append(.paid(.push))
                floats?[position.asset] = held - amount
            } else {
                let least = position.isPayer ? quotes.refundAbove : quotes.minimum
                let isWorthARoot = amount >= least[position.asset]
                callsForRoot = callsForRoot || isWorthARoot
                choices.append(.carried(isWorthARoot ? .rootWaits : .belowMinimum))
                leaves.append(place)
            }
        }
        if callsForRoot, isRootFree {
            for place in leaves { choices[place] = .paid(.root) }
        }
        gas = gas(of: positions, quotes)
    }

    /// Whoever is not paid costs nothing, and must not be left out for that.
    func isBetter(than other: Draft, isRootFree: Bool) -> Bool {
        let (paid, before) = (paidCount, other.paidCount)
        if !isRootFree, paid != before { return paid > before }
        return gas < other.gas
    }

    private var paidCount: Int {
        choices.count { if case .paid = $0 { true } else { false } }
    }

    private func gas(
        of positions: [SettlementPlan.Position], _ quotes: SettlementQuotes
    ) -> UInt64 {
        let table = quotes.gas
        var gas: UInt64 = 0
        for asset in Asset.allCases {
            let pushed = UInt64(
                zip(positions, choices).count { $0.asset == asset && $1 == .paid(.push) })
            let size = UInt64(SettlementPlan.payeesPerDispersal)
            gas.add(pushed.parts(of: size), times: table.dispersal)
            gas.add(pushed, times: table.payee)
        }
        gas.add(UInt64(choices.count { $0 == .paid(.voucher) }), times: table.voucher)
        // Who has the first transfer made pays for it.
        let first = zip(positions, choices).count { position, choice in
            let isPaidFor: Bool =
                switch choice {
                case .paid(.push): true
                case .paid(.root), .paid(.voucher): quotes.bearing == .everyone
                case .paid(.solana), .paid(.pool), .carried: false
                }
            return position.isNewHolder && isPaidFor
        }
        gas.add(UInt64(first), times: quotes.newHolders?.gas ?? 0)
        let leaves = UInt64(choices.count { $0 == .paid(.root) })
        guard leaves > 0 else { return gas }
        gas.add(1, times: table.commit)
        gas.add(1, times: table.activate)
        if quotes.bearing == .everyone {
            var claims: UInt64 = 0
            claims.add(leaves, times: table.claim)
            gas.add(claims.parts(of: UInt64(max(quotes.batchesPerClaim, 1))), times: 1)
        }
        return gas
    }

}

extension UInt64 {
    /// Adds a product; the greatest number if it does not fit.
    mutating func add(_ count: UInt64, times each: UInt64) {
        let (product, tooLarge) = count.multipliedReportingOverflow(by: each)
        let (sum, overflow) = addingReportingOverflow(product)
        self = tooLarge || overflow ? .max : sum
    }

    /// How many parts of a size hold so many, the last not full.
    func parts(of size: UInt64) -> UInt64 { self / size + (self % size == 0 ? 0 : 1) }
}
