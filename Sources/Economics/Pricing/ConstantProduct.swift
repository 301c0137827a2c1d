public import Primitives

/// A market of two reserves whose product a swap never lowers.
///
/// Source: Uniswap v2: `getAmountOut` and `getAmountIn` of v2-periphery, UniswapV2Library.sol, and
/// `mint`, `burn`, `swap` and `_mintFee` of v2-core, UniswapV2Pair.sol. What is paid out is rounded
/// down and what must be paid in up, so rounding is always for the pool. Reserves have at most 112
/// bits, as there.
public struct ConstantProduct: Hashable, Sendable {
    /// The reserve of the first asset.
    public private(set) var first = Amount.zero
    /// The reserve of the second asset.
    public private(set) var second = Amount.zero
    /// Shares of the pool in all, of which the first thousand belong to nobody.
    public private(set) var shares = Amount.zero
    /// What of a payment the pool keeps, in thousandths; Uniswap has 3.
    public let feePerMille: UInt32

    /// The shares that the first deposit leaves to nobody, so that a share cannot become dear.
    public static let lockedShares = Amount(1_000)

    /// Which reserve is paid into.
    public enum Side: Hashable, Sendable {
        /// The first asset is paid in.
        case first
        /// The second asset is paid in.
        case second
    }

    /// An empty pool with a fee below a thousand thousandths.
    public init(feePerMille: UInt32 = 3) {
        precondition(feePerMille < 1_000)
        self.feePerMille = feePerMille
    }

    /// What paying `amount` into one side would give from the other, rounded down.
    public func output(paying amount: Amount, into side: Side) throws(EconomicsError) -> Amount {
        let (reserveIn, reserveOut) = reserves(side)
        return try ConstantProduct.output(
            paying: amount, reserveIn: reserveIn, reserveOut: reserveOut, feePerMille: feePerMille)
    }

    /// What must be paid into the other side to get `amount` from one.
    public func input(getting amount: Amount, from side: Side) throws(EconomicsError) -> Amount {
        let (reserveOut, reserveIn) = reserves(side)
        return try ConstantProduct.input(
            getting: amount, reserveIn: reserveIn, reserveOut: reserveOut, feePerMille: feePerMille)
    }

    /// `in * (1000 - fee) * reserveOut / (reserveIn * 1000 + in * (1000 - fee))`, rounded down.
    public static func output(
        paying amount: Amount, reserveIn: Amount, reserveOut: Amount, feePerMille: UInt32 = 3
    ) throws(EconomicsError) -> Amount {
        if amount.isZero { throw .tooSmall }
        if reserveIn.isZero || reserveOut.isZero { throw .nothingToDivideBy }
        guard fits(amount), fits(reserveIn), fits(reserveOut) else { throw .overflow }
        let paid = amount.units * UInt128(1_000 - feePerMille)
        let whole = reserveIn.units * 1_000 + paid
        guard let out = reserveOut.scaled(by: paid, over: whole, rounding: .down) else {
            throw .overflow
        }
        return out
    }

    /// `reserveIn * out * 1000 / ((reserveOut - out) * (1000 - fee))`, rounded down, and one more.
    public static func input(
        getting amount: Amount, reserveIn: Amount, reserveOut: Amount, feePerMille: UInt32 = 3
    ) throws(EconomicsError) -> Amount {
        if amount.isZero { throw .tooSmall }
        if reserveIn.isZero || reserveOut <= amount { throw .insufficient }
        guard fits(reserveIn), fits(reserveOut) else { throw .overflow }
        let rest = (reserveOut - amount).units * UInt128(1_000 - feePerMille)
        guard
            let most = Amount(reserveIn.units * 1_000).scaled(
                by: amount.units, over: rest, rounding: .down),
            let more = most.checkedAdding(Amount(1))
        else { throw .overflow }
        return more
    }

    /// Pays into one side and gives what `output` says.
    public mutating func swap(
        paying amount: Amount, into side: Side
    ) throws(EconomicsError) -> Amount {
        let out = try output(paying: amount, into: side)
        if out.isZero { throw .tooSmall }
        switch side {
        case .first: try setReserves(first + amount, second - out)
        case .second: try setReserves(first - out, second + amount)
        }
        return out
    }

    /// Deposits both assets for shares, rounded down: the root of the product less the locked ones
    /// for the first deposit, then the smaller of the two proportions. What is out of proportion is
    /// a gift to the pool.
    public mutating func deposit(
        _ one: Amount, _ other: Amount
    ) throws(EconomicsError) -> Amount {
        var minted: Amount
        var all = shares
        if shares.isZero {
            let root = Amount(UInt256(one.units, times: other.units).squareRoot)
            guard let rest = root.checkedSubtracting(ConstantProduct.lockedShares) else {
                throw .tooSmall
            }
            minted = rest
            all = ConstantProduct.lockedShares
        } else {
            guard
                let byFirst = one.scaled(by: shares.units, over: first.units, rounding: .down),
                let bySecond = other.scaled(by: shares.units, over: second.units, rounding: .down)
            else { throw .overflow }
            minted = min(byFirst, bySecond)
        }
        if minted.isZero { throw .tooSmall }
        guard let sum = first.checkedAdding(one), let otherSum = second.checkedAdding(other),
            let total = all.checkedAdding(minted)
        else { throw .overflow }
        try setReserves(sum, otherSum)
        shares = total
        return minted
    }

    /// Gives back shares for their parts of both reserves, rounded down.
    public mutating func withdraw(
        _ burned: Amount
    ) throws(EconomicsError) -> (first: Amount, second: Amount) {
        if shares.isZero { throw .nothingToDivideBy }
        if burned > shares - ConstantProduct.lockedShares { throw .insufficient }
        guard let one = first.scaled(by: burned.units, over: shares.units, rounding: .down),
            let other = second.scaled(by: burned.units, over: shares.units, rounding: .down)
        else { throw .overflow }
        if one.isZero || other.isZero { throw .tooSmall }
        first -= one
        second -= other
        shares -= burned
        return (one, other)
    }

    /// Shares that a protocol would mint to itself for a sixth of the fees since the root of the
    /// product was `lastRoot`, rounded down.
    public func protocolShares(since lastRoot: UInt128) throws(EconomicsError) -> Amount {
        let root = rootOfProduct
        if root <= lastRoot { return .zero }
        guard
            let parts = shares.scaled(
                by: root - lastRoot, over: root * 5 + lastRoot, rounding: .down)
        else { throw .overflow }
        return parts
    }

    /// The root of the product, rounded down.
    public var rootOfProduct: UInt128 { UInt256(first.units, times: second.units).squareRoot }

    private func reserves(_ side: Side) -> (Amount, Amount) {
        side == .first ? (first, second) : (second, first)
    }

    private static func fits(_ amount: Amount) -> Bool { amount.units >> 112 == 0 }

    private mutating func setReserves(_ one: Amount, _ other: Amount) throws(EconomicsError) {
        guard ConstantProduct.fits(one), ConstantProduct.fits(other) else { throw .overflow }
        first = one
        second = other
    }
}
