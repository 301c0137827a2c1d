import Economics
import Primitives

/// The token outside the house: its pool, who trades there, and what is burned. All orders of a
/// step are carried out together, first what is sold and then what is bought, at one price each, so
/// nobody's place in a list matters.
struct TokenMarket: Sendable {
    /// Dollars first, tokens second, in chain units.
    var pool: ConstantProduct
    /// Tokens there were at first, and those burned since.
    var genesis: UInt128
    var burned: UInt128 = 0
    /// Prices after the last eight steps, the oldest first, in micro-dollars a token.
    var history: [Int64]
    /// Swaps after which the pool's product was smaller: there is none.
    var productFalls: Int64 = 0

    // The orders of a step.
    private(set) var sold: UInt64 = 0
    private(set) var spent: UInt64 = 0
    /// What those who sold got in dollars, and those who bought in tokens.
    private(set) var dollarsOut: UInt64 = 0
    private(set) var tokensOut: UInt64 = 0

    init(dollars: Int64, tokens: Int64, feePerMille: Int64, genesis: UInt128) {
        pool = TokenMarket.filled(
            Amount(UInt128(dollars)), Amount(UInt128(tokens)), feePerMille: UInt32(feePerMille))
        self.genesis = genesis
        history = []
        history = Array(repeating: price, count: 8)
    }

    static func filled(_ dollars: Amount, _ tokens: Amount, feePerMille: UInt32) -> ConstantProduct
    {
        var pool = ConstantProduct(feePerMille: feePerMille)
        do throws(EconomicsError) {
            _ = try pool.deposit(dollars, tokens)
        } catch {
            preconditionFailure("the pool's first reserves are within their range: \(error)")
        }
        return pool
    }

    /// Micro-dollars a token.
    var price: Int64 {
        Int64(clamping: pool.first.units * 1_000_000_000 / max(pool.second.units, 1))
    }

    /// Adds an order to sell tokens.
    @inline(__always)
    mutating func sell(_ tokens: Int64) { sold += UInt64(tokens) }

    /// Adds an order to spend dollars.
    @inline(__always)
    mutating func buy(_ dollars: Int64) { spent += UInt64(dollars) }

    /// Carries the step's orders out.
    mutating func trade() {
        dollarsOut = swap(sold, into: .second)
        tokensOut = swap(spent, into: .first)
        history.removeFirst()
        history.append(price)
    }

    /// Makes room for the next step's orders.
    mutating func clear() {
        sold = 0
        spent = 0
    }

    private mutating func swap(_ amount: UInt64, into side: ConstantProduct.Side) -> UInt64 {
        if amount == 0 { return 0 }
        let before = pool.first.units.multipliedFullWidth(by: pool.second.units)
        var out: UInt64 = 0
        do throws(EconomicsError) {
            out = UInt64(clamping: try pool.swap(paying: Amount(UInt128(amount)), into: side).units)
        } catch {
            // Too little to get a unit for, or more than the pool may hold: not carried out.
            refuse(side)
        }
        let after = pool.first.units.multipliedFullWidth(by: pool.second.units)
        if (after.high, after.low) < (before.high, before.low) { productFalls += 1 }
        return out
    }

    private mutating func refuse(_ side: ConstantProduct.Side) {
        if side == .first { spent = 0 } else { sold = 0 }
    }

    /// What somebody who sold so many tokens gets, rounded down.
    @inline(__always)
    func proceeds(_ tokens: Int64) -> Int64 {
        TokenMarket.part(dollarsOut, UInt64(tokens), of: sold)
    }

    /// What somebody who spent so many dollars gets, rounded down.
    @inline(__always)
    func bought(_ dollars: Int64) -> Int64 {
        TokenMarket.part(tokensOut, UInt64(dollars), of: spent)
    }

    @inline(__always)
    private static func part(_ total: UInt64, _ mine: UInt64, of all: UInt64) -> Int64 {
        if mine == 0 || all == 0 { return 0 }
        return Int64(all.dividingFullWidth(total.multipliedFullWidth(by: mine)).quotient)
    }
}
