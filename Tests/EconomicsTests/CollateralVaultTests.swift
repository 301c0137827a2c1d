import Economics
import Primitives
import Testing

/// Akash's burn-and-mint module, by the rows of its tests: akash-network/node, x/bme/keeper.
@Suite struct CollateralVaultTests {
    private static let one: UInt128 = 1_000_000_000_000_000_000

    /// The token at three dollars, the credit at one.
    private func settle(
        _ burned: UInt128, _ vault: CollateralVault = CollateralVault()
    ) throws -> (minted: Amount, spread: Amount) {
        try vault.exchange(
            Amount(burned), .settle, priceOfBurned: CollateralVaultTests.one,
            priceOfMinted: 3 * CollateralVaultTests.one)
    }

    // burn_mint_test.go: TestExecuteBurnMint_EpsilonFailure, _EpsilonBoundary_3uact and _4uact,
    // _LargeAmount.
    @Test func aThirdIsCutOffAtEighteenPlaces() throws {
        #expect(throws: EconomicsError.tooSmall) { try settle(1) }
        #expect(throws: EconomicsError.tooSmall) { try settle(3) }
        #expect(try settle(4).minted == Amount(1))
        #expect(try settle(1_000_000).minted == Amount(333_333))
        #expect(try settle(1_000_000).spread == .zero)
    }

    /// cosmossdk.io/math, `chopPrecisionAndRound`: from the middle to the even one.
    @Test(arguments: [(15, 2), (25, 2), (35, 4), (24, 2), (26, 3)] as [(UInt128, UInt128)])
    func aPriceRatioIsRoundedToTheEven(_ tenths: UInt128, _ minted: UInt128) throws {
        let (sum, _) = try CollateralVault().exchange(
            Amount(CollateralVaultTests.one), .settle, priceOfBurned: tenths,
            priceOfMinted: 10 * CollateralVaultTests.one)
        #expect(sum == Amount(minted))
    }

    // _SettleSpread_ReducesOutput, _SmallAmountWithSpread_SpreadTruncatesToZero, _MinMint.
    @Test func theSpreadStaysInTheVault() throws {
        var vault = CollateralVault()
        vault.settleSpread = 100
        #expect(try settle(1_000_000, vault) == (Amount(333_333), Amount(3_333)))
        vault.settleSpread = 1_000
        #expect(try settle(4, vault) == (Amount(1), .zero))
        vault.leastSettlement = Amount(500_000)
        #expect(throws: EconomicsError.tooSmall) { try settle(1_000_000, vault) }
        vault.leastSettlement = .zero
        vault.leastMint = Amount(500_000)
        #expect(try settle(4, vault).minted == Amount(1))
        #expect(throws: EconomicsError.nothingToDivideBy) {
            try vault.exchange(Amount(1), .mint, priceOfBurned: 0, priceOfMinted: 1)
        }
    }

    // keeper_test.go: TestCalculateBlocksDiff_*.
    @Test(
        arguments: [
            (9_500, 10), (9_600, 10), (10_000, 10), (9_495, 10), (9_491, 10), (9_490, 11),
            (9_480, 12), (9_450, 16), (9_400, 25), (9_300, 67), (9_200, 174), (9_100, 452),
            (9_000, 1_173), (8_900, 3_044), (0, 14_400), (4_294_967_295, 10),
        ] as [(UInt32, UInt64)])
    func epochsGrowAsTheRatioFalls(_ ratio: UInt32, _ blocks: UInt64) {
        #expect(CollateralVault().epochBlocks(ratio: ratio) == blocks)
    }

    @Test(
        arguments: [
            (9_500, 10), (9_490, 20), (9_480, 40), (9_450, 320), (9_400, 10_240), (9_390, 14_400),
            (9_000, 14_400),
        ] as [(UInt32, UInt64)])
    func anAggressiveBackoffIsCapped(_ ratio: UInt32, _ blocks: UInt64) {
        var vault = CollateralVault()
        vault.backoffPercent = 100
        #expect(vault.epochBlocks(ratio: ratio) == blocks)
    }

    @Test func otherBackoffs() {
        var vault = CollateralVault()
        vault.backoffPercent = 50
        #expect(vault.epochBlocks(ratio: 9_300) == 14_400)
        vault.backoffPercent = 0
        #expect(vault.epochBlocks(ratio: 9_000) == 10)
        vault.backoffPercent = 1
        #expect([9_490, 9_400, 9_000].map { vault.epochBlocks(ratio: $0) } == [10, 11, 16])
        vault.backoffPercent = 10
        vault.leastEpochBlocks = 100
        #expect([9_500, 9_490].map { vault.epochBlocks(ratio: $0) } == [100, 110])
        vault = CollateralVault()
        (vault.warnRatio, vault.haltRatio) = (10_000, 0)
        #expect(vault.epochBlocks(ratio: 0) == 14_400)
    }

    // keeper.go: mintStatusUpdate, RequestBurnMint.
    @Test func theBreaker() {
        let vault = CollateralVault()
        #expect(vault.health(after: .healthy, ratio: 9_501) == .healthy)
        #expect(vault.health(after: .healthy, ratio: 9_500) == .warning)
        #expect(vault.health(after: .healthy, ratio: 9_001) == .warning)
        #expect(vault.health(after: .healthy, ratio: 9_000) == .haltedByRatio)
        #expect(vault.health(after: .warning, ratio: nil) == .haltedByOracle)
        #expect(vault.health(after: .haltedByRatio, ratio: nil) == .haltedByRatio)
        #expect(vault.allows(.mint, in: .warning))
        #expect(!vault.allows(.mint, in: .haltedByRatio))
        #expect(vault.allows(.settle, in: .haltedByRatio))
        #expect(!vault.allows(.settle, in: .haltedByOracle))
    }

    @Test func theCollateralRatioCountsWhatIsNotPending() throws {
        let one = CollateralVaultTests.one
        func ratio(_ vault: UInt128, _ pending: UInt128, _ outstanding: UInt128) throws -> UInt32 {
            try CollateralVault().collateralRatio(
                vault: Amount(vault), pending: Amount(pending), tokenPrice: 3 * one,
                creditPrice: one, outstanding: Amount(outstanding))
        }
        #expect(try ratio(1_000, 0, 3_000) == 10_000)
        #expect(try ratio(1_000, 50, 3_000) == 9_500)
        #expect(try ratio(1_000, 0, 7_000) == 4_285)
        #expect(try ratio(2, 0, 0) == 60_000)
        #expect(try ratio(1_000_000_000_000, 0, 1) == .max)
        #expect(throws: EconomicsError.insufficient) { try ratio(1, 2, 1) }
    }

    /// Out and back again never makes more, and what is paid and kept is what was minted.
    @Test func nobodyGainsByTurningRound() throws {
        var vault = CollateralVault()
        (vault.mintSpread, vault.settleSpread) = (25, 100)
        var random = SplitMix64(seed: 9)
        for _ in 0..<500 {
            let price = UInt128(random.next() >> 4) + 1_000_000
            let burned = Amount(UInt128(random.next() >> (random.next() % 40)) + 1)
            guard
                let (minted, spread) = try? vault.exchange(
                    burned, .mint, priceOfBurned: price, priceOfMinted: CollateralVaultTests.one)
            else { continue }
            #expect(spread <= minted)
            guard
                let back = try? vault.exchange(
                    minted - spread, .settle, priceOfBurned: CollateralVaultTests.one,
                    priceOfMinted: price)
            else { continue }
            #expect(back.minted - back.spread <= burned)
        }
    }
}
