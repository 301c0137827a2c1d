import Economics
import Primitives
import Testing

/// Base fee, constant product and collateral vault against the digits of their sources.
@Suite struct PricingTests {
    // ethereum/go-ethereum, consensus/misc/eip1559/eip1559_test.go, TestCalcBaseFee.
    @Test(
        arguments: [
            (10_000_000, 1_000_000_000), (9_000_000, 987_500_000), (11_000_000, 1_012_500_000),
            (20_000_000, 1_125_000_000), (0, 875_000_000),
        ] as [(UInt64, UInt128)])
    func theBaseFeeFollowsTheLoad(_ used: UInt64, _ next: UInt128) throws {
        let policy = PricePolicy.baseFee(BaseFee())
        let price = Amount(1_000_000_000)
        #expect(try policy.next(price, used: used, capacity: 20_000_000) == Amount(next))
        #expect(try PricePolicy.fixed.next(price, used: used, capacity: 20_000_000) == price)
    }

    // Polygon's fork of the same test after Delhi: the denominator is 16.
    @Test(
        arguments: [
            (10_000_000, 1_000_000_000), (9_000_000, 993_750_000), (11_000_000, 1_006_250_000),
            (20_000_000, 1_062_500_000), (0, 937_500_000),
        ] as [(UInt64, UInt128)])
    func theBaseFeesStepIsAParameter(_ used: UInt64, _ next: UInt128) throws {
        let rule = BaseFee(changeDenominator: 16)
        #expect(
            try rule.next(Amount(1_000_000_000), used: used, capacity: 20_000_000) == Amount(next))
    }

    @Test func theBaseFeeRisesByOneAtLeast() throws {
        // EIP-1559: max(base_fee_per_gas_delta, 1).
        #expect(try BaseFee().next(Amount(7), used: 11, capacity: 20) == Amount(8))
        #expect(try BaseFee().next(.zero, used: 20, capacity: 20) == Amount(1))
        #expect(try BaseFee().next(Amount(7), used: 9, capacity: 20) == Amount(7))
        #expect(throws: EconomicsError.nothingToDivideBy) {
            try BaseFee().next(Amount(7), used: 0, capacity: 1)
        }
        #expect(throws: EconomicsError.overflow) {
            try BaseFee().next(Amount(.max), used: 20, capacity: 20)
        }
    }

    @Test func theBaseFeeIsMonotonousAndBounded() throws {
        var random = SplitMix64(seed: 1559)
        for _ in 0..<500 {
            let price = Amount(UInt128(random.next() >> (random.next() % 60)))
            var last = Amount.zero
            for used in stride(from: UInt64(0), through: 1_000, by: 50) {
                let next = try BaseFee().next(price, used: used, capacity: 1_000)
                #expect(next >= last)
                #expect(next.units >= price.units - price.units / 8)
                #expect(next.units <= price.units + max(price.units / 8, 1))
                last = next
            }
        }
    }

    // Uniswap/v2-core, test/UniswapV2Pair.spec.ts, swapTestCases.
    private static let unit: UInt128 = 1_000_000_000_000_000_000

    private func pool(_ one: UInt128, _ other: UInt128) throws -> ConstantProduct {
        var pool = ConstantProduct()
        _ = try pool.deposit(Amount(one), Amount(other))
        return pool
    }

    @Test(
        arguments: [
            (1, 5, 10, 1_662_497_915_624_478_906), (1, 10, 5, 453_305_446_940_074_565),
            (2, 5, 10, 2_851_015_155_847_869_602), (2, 10, 5, 831_248_957_812_239_453),
            (1, 10, 10, 906_610_893_880_149_131), (1, 100, 100, 987_158_034_397_061_298),
            (1, 1_000, 1_000, 996_006_981_039_903_216),
        ] as [(UInt128, UInt128, UInt128, UInt128)])
    func uniswapGives(
        _ paid: UInt128, _ one: UInt128, _ other: UInt128, _ out: UInt128
    ) throws {
        let unit = PricingTests.unit
        let market = try pool(one * unit, other * unit)
        let amount = Amount(paid * unit)
        #expect(try market.output(paying: amount, into: .first) == Amount(out))
        // One more would lower the product, with the fee taken off: the source reverts with K.
        let after = UInt128(1_000) * (one + paid) * unit - 3 * paid * unit
        func keeps(_ out: UInt128) -> Bool {
            let left = after.multipliedFullWidth(by: (other * unit - out))
            let right = (one * unit * 1_000).multipliedFullWidth(by: other * unit)
            return (left.high, left.low) >= (right.high, right.low)
        }
        #expect(keeps(out))
        #expect(!keeps(out + 1))
    }

    // Uniswap/v2-periphery, test/UniswapV2Router01.spec.ts: getAmountOut, getAmountIn.
    @Test func uniswapRoundsForThePool() throws {
        let hundred = Amount(100)
        #expect(
            try ConstantProduct.output(
                paying: Amount(2), reserveIn: hundred, reserveOut: hundred) == Amount(1))
        #expect(
            try ConstantProduct.input(
                getting: Amount(1), reserveIn: hundred, reserveOut: hundred) == Amount(2))
        #expect(throws: EconomicsError.tooSmall) {
            try ConstantProduct.output(paying: .zero, reserveIn: hundred, reserveOut: hundred)
        }
        #expect(throws: EconomicsError.nothingToDivideBy) {
            try ConstantProduct.output(paying: Amount(2), reserveIn: .zero, reserveOut: hundred)
        }
        #expect(throws: EconomicsError.insufficient) {
            try ConstantProduct.input(getting: hundred, reserveIn: hundred, reserveOut: hundred)
        }
        #expect(throws: EconomicsError.overflow) {
            try ConstantProduct.output(
                paying: Amount(1 << 112), reserveIn: hundred, reserveOut: hundred)
        }
        var market = ConstantProduct()
        #expect(throws: EconomicsError.tooSmall) { try market.deposit(hundred, hundred) }
        #expect(try market.deposit(Amount(10_000), Amount(10_000)) == Amount(9_000))
        #expect(throws: EconomicsError.insufficient) { try market.withdraw(Amount(9_001)) }
    }

    // Uniswap/v2-core, feeTo:on: 1,000 and 1,000 units, a swap of one.
    @Test func uniswapsProtocolShare() throws {
        let unit = PricingTests.unit
        var market = try pool(1_000 * unit, 1_000 * unit)
        #expect(market.shares == Amount(1_000 * unit))
        let root = market.rootOfProduct
        let out = try market.swap(paying: Amount(unit), into: .second)
        #expect(out == Amount(996_006_981_039_903_216))
        #expect(try market.protocolShares(since: root) == Amount(249_750_499_251_388))
    }

    @Test func theProductNeverFallsAndNobodyGainsByTurningRound() throws {
        var random = SplitMix64(seed: 2)
        for _ in 0..<200 {
            let one = UInt128(random.next() >> 20) + 2_000
            let other = UInt128(random.next() >> 24) + 2_000
            var market = try pool(one, other)
            let lp = market.shares - ConstantProduct.lockedShares
            for _ in 0..<20 {
                let root = market.rootOfProduct
                let paid = Amount(UInt128(random.next() >> 30) + 1)
                let side: ConstantProduct.Side = random.next() & 1 == 0 ? .first : .second
                guard let out = try? market.swap(paying: paid, into: side) else { continue }
                #expect(market.rootOfProduct >= root)
                let other: ConstantProduct.Side = side == .first ? .second : .first
                #expect(((try? market.output(paying: out, into: other)) ?? .zero) <= paid)
                let least = try market.input(getting: Amount(1), from: side)
                #expect(try market.output(paying: least, into: other) >= Amount(1))
            }
            let (first, second) = try market.withdraw(lp)
            #expect(first.units > 0 && second.units > 0)
            #expect(market.shares == ConstantProduct.lockedShares)
        }
    }
}
