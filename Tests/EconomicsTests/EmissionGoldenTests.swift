import Economics
import Primitives
import Testing

/// Halving, feedback, net emissions and burn-and-mint against the digits of their sources.
@Suite struct EmissionGoldenTests {
    // bitcoin/bitcoin, src/test/validation_tests.cpp: block_subsidy_test, subsidy_limit_test.

    @Test(arguments: [210_000, 150, 1_000] as [UInt64])
    func bitcoinHalvesFromTheFirstBlockToTheLast(_ interval: UInt64) {
        let rule = HeightHalving(initial: Amount(5_000_000_000), interval: interval)
        var previous: UInt128 = 10_000_000_000
        for halving in UInt64(0)..<64 {
            let subsidy = rule.emission(epoch: halving * interval + 1)
            #expect(subsidy.units == previous / 2)
            #expect(subsidy.units <= 5_000_000_000)
            previous = subsidy.units
        }
        #expect(rule.emission(epoch: 64 * interval + 1) == .zero)
    }

    @Test func bitcoinNeverReaches21Million() {
        let rule = HeightHalving(initial: Amount(5_000_000_000), interval: 210_000)
        var sum: UInt128 = 0
        for height in stride(from: UInt64(0), to: 14_000_000, by: 1_000) {
            sum += rule.emission(epoch: height + 1).units * 1_000
        }
        #expect(sum == 2_099_999_997_690_000)
    }

    // opentensor/subtensor, pallets/subtensor/tests/root.rs: test_halving, test_issuance_bounds.

    private static let tao = IssuanceHalving(
        initial: Amount(1_000_000_000), cap: Amount(21_000_000_000_000_000))

    @Test(arguments: Subtensor.rows)
    func bittensorHalvesByWhatIsIssued(_ issued: UInt128, _ emission: UInt128) {
        #expect(EmissionGoldenTests.tao.emission(issued: Amount(issued)).units == emission)
    }

    @Test func bittensorNeverReaches21Million() {
        var issued: UInt128 = 0
        for _ in 0..<100 {
            issued += EmissionGoldenTests.tao.emission(issued: Amount(issued)).units * 10_500_000
        }
        #expect(issued == 20_999_999_989_500_000)
    }

    // livepeer/protocol, test/unit/Minter.js, and LIP-40.

    private static let livepeer = BondedStep(
        genesis: Amount(1_000), inflation: 260_000_000, change: 200_000, target: 500_000_000)

    @Test(
        arguments: [
            (0, 0, 260_200_000), (400, 1_000, 260_200_000), (600, 1_000, 259_800_000),
            (500, 1_000, 260_000_000),
        ] as [(UInt128, UInt128, UInt128)])
    func livepeerStepsTowardItsTarget(
        _ bonded: UInt128, _ supply: UInt128, _ inflation: UInt128
    ) throws {
        let rule = EmissionGoldenTests.livepeer
        let next = try rule.next(
            rule.inflation, bonded: Amount(bonded), bondable: Amount(supply))
        #expect(next == inflation)
    }

    @Test func livepeerInflationStopsAtZero() throws {
        var rule = EmissionGoldenTests.livepeer
        rule.change = rule.inflation + 1
        #expect(try rule.next(rule.inflation, bonded: Amount(600), bondable: Amount(1_000)) == 0)
    }

    @Test func livepeerMintsAPartOfTheSupply() throws {
        var state = EmissionState.none
        var observation = EmissionObservation(epoch: 1)
        observation.bonded = Amount(500)
        observation.bondable = Amount(1_000)
        let policy = EmissionPolicy.bondedStep(EmissionGoldenTests.livepeer)
        let mintable = try policy.advance(&state, by: observation)
        #expect(mintable == Amount(260))
        #expect(state == .inflation(260_000_000))
        let reward = try BondedStep.reward(
            mintable: mintable, stake: Amount(10), total: Amount(100))
        #expect(reward == Amount(26))
        let whole = try BondedStep.reward(
            mintable: mintable, stake: Amount(100), total: Amount(100))
        #expect(whole == mintable)
    }

    // cosmos/cosmos-sdk, x/mint/types/minter_test.go: TestNextInflation, TestBlockProvision.

    @Test(
        arguments: [
            (0, 70_000_000_000_000_000, 20_597_257_079),
            (1_000_000_000_000_000_000, 200_000_000_000_000_000, -10_144_917_666),
            (500_000_000_000_000_000, 100_000_000_000_000_000, 5_226_169_707),
            (1_000_000_000_000_000_000, 70_000_000_000_000_000, 0),
            (1_000_000_000_000_000_000, 70_000_000_100_000_000, -100_000_000),
            (0, 200_000_000_000_000_000, 0), (0, 199_999_999_900_000_000, 100_000_000),
            (670_000_000_000_000_000, 150_000_000_000_000_000, 0),
        ] as [(UInt128, UInt128, Int128)])
    func cosmosMovesInflationWithTheBondedRatio(
        _ ratio: UInt128, _ inflation: UInt128, _ change: Int128
    ) throws {
        let rule = BondedProportional.cosmos(genesis: .zero)
        let next = try rule.next(inflation, bondedRatio: ratio)
        #expect(Int128(next) - Int128(inflation) == change)
    }

    @Test(
        arguments: [(6_311_520, 1), (6_311_521, 1), (12_623_040, 2), (3_155_760, 0)]
            as [(UInt128, UInt128)])
    func cosmosCutsTheProvisionOff(_ yearly: UInt128, _ provision: UInt128) throws {
        let rule = BondedProportional.cosmos(genesis: .zero)
        let one: UInt128 = 1_000_000_000_000_000_000
        #expect(
            try rule.provision(supply: Amount(yearly), inflation: one) == Amount(provision))
    }

    // helium/HIP, 0020-hnt-max-supply.md: the table by years, and the paragraphs on net emissions.

    @Test func heliumHalvesEveryTwoYears() {
        let tenths: UInt128 = 10_000_000
        let rule = HeightHalving(initial: Amount(60_000_000 * tenths), interval: 2)
        var total: UInt128 = 0
        let starts: [UInt128] = [
            0, 60_000_000, 120_000_000, 150_000_000, 180_000_000, 195_000_000, 210_000_000,
            217_500_000, 225_000_000, 228_750_000, 232_500_000, 234_375_000, 236_250_000,
            237_187_500, 238_125_000, 238_593_750, 239_062_500,
        ]
        for (place, start) in starts.enumerated() {
            #expect(total == start * tenths, "year \(place + 1)")
            total += rule.emission(epoch: UInt64(place) + 1).units
        }
        for year in UInt64(starts.count)..<200 { total += rule.emission(epoch: year + 1).units }
        #expect(total <= 240_000_000 * tenths)
        #expect(total > 239_999_999 * tenths)
    }

    @Test func heliumGivesBurnedTokensBackThroughAPool() throws {
        // In hundredths of a token: 3,424 an epoch, at most 34.24 to the pool, a 336th back.
        let policy = EmissionPolicy.netEmissions(
            NetEmissions(
                schedule: HeightHalving(initial: Amount(342_400), interval: 1_000_000),
                poolEpochs: 336, cap: Amount(3_424)))
        var state = EmissionState.none
        var observation = EmissionObservation(epoch: 1)
        observation.burned = Amount(1_000)
        #expect(try policy.advance(&state, by: observation) == Amount(342_402))
        #expect(state == .pool(Amount(998)))
        // Whatever is burned, an epoch never mints more than 1 % on top, and comes near it.
        observation.burned = Amount(1_000_000)
        var last = Amount.zero
        for epoch in UInt64(2)...5_000 {
            observation.epoch = epoch
            last = try policy.advance(&state, by: observation)
            #expect(last <= Amount(342_400 + 3_424))
        }
        #expect(last >= Amount(342_400 + 3_423))
    }

    // rendernetwork/RNPs, RNP-006 (first year) and RNP-001 (damping).

    @Test func renderMintsItsFirstYearInTwelveEqualMonths() {
        let rule = BurnAndMint(
            firstYear: Amount(9_126_804), epochsPerYear: 12, launchYears: 1,
            dampingPerMillion: 945_000)
        #expect((UInt64(1)...12).allSatisfy { rule.emission(epoch: $0) == Amount(760_567) })
        let network = Amount(760_567).share(basisPoints: 5_000, rounding: .up)
        #expect(network == Amount(380_284))
        #expect(network.share(basisPoints: 5_000, rounding: .down) == Amount(190_142))
        // 9,126,804 * 0.945 = 8,624,829.78 a year, 718,735.75 a month.
        #expect(rule.emission(epoch: 13) == Amount(718_735))
        #expect(rule.emission(epoch: 12 * 400) == .zero)
    }

    @Test func renderBurnsWhatIsPaidLessItsFee() throws {
        let (fee, burned) = BurnAndMint.divide(payment: Amount(101), feeBasisPoints: 500)
        #expect((fee, burned) == (Amount(5), Amount(96)))
        // Five dollars at two dollars a token: 2.5 tokens, and never less than the price.
        let tokens = try BurnAndMint.tokens(
            worth: Amount(5_000_000), price: Amount(2_000_000), tokenUnits: 100)
        #expect(tokens == Amount(250))
        let dear = try BurnAndMint.tokens(
            worth: Amount(1), price: Amount(3), tokenUnits: 1)
        #expect(dear == Amount(1))
    }
}

/// The table of test_halving.
enum Subtensor {
    static let rows: [(UInt128, UInt128)] = [
        (0, 1_000_000_000), (1_776_000, 1_000_000_000), (1_776_000_000, 1_000_000_000),
        (1_776_000_000_000, 1_000_000_000), (10_500_000_000_000_000, 500_000_000),
        (10_999_999_000_000_000, 500_000_000), (11_000_000_000_000_000, 500_000_000),
        (12_000_999_000_000_000, 500_000_000), (15_749_999_000_000_000, 500_000_000),
        (15_800_000_000_000_000, 250_000_000), (16_400_999_000_000_000, 250_000_000),
        (16_499_999_000_000_000, 250_000_000), (17_624_999_000_000_000, 250_000_000),
        (18_400_000_000_000_000, 125_000_000), (19_312_500_000_000_000, 125_000_000),
        (19_700_000_000_000_000, 62_500_000), (19_906_249_000_000_000, 62_500_000),
        (20_400_000_000_000_000, 31_250_000), (20_500_000_000_000_000, 31_250_000),
        (20_700_000_000_000_000, 15_625_000), (20_800_000_000_000_000, 15_625_000),
        (20_900_000_000_000_000, 7_812_500), (20_917_970_000_000_000, 3_906_250),
        (20_958_985_000_000_000, 1_953_125), (20_979_493_000_000_000, 976_562),
        (20_989_747_000_000_000, 488_281), (20_994_874_000_000_000, 244_140),
        (20_997_437_000_000_000, 122_070), (20_998_719_000_000_000, 61_035),
        (20_999_360_000_000_000, 30_517), (20_999_680_000_000_000, 15_258),
        (20_999_840_000_000_000, 7_629), (20_999_920_000_000_000, 3_814),
        (20_999_960_000_000_000, 1_907), (20_999_980_000_000_000, 953),
        (20_999_990_000_000_000, 476), (20_999_990_500_000_000, 476),
        (20_999_995_000_000_000, 238), (20_999_998_000_000_000, 119),
        (20_999_999_000_000_000, 59), (21_000_000_000_000_000, 0),
        (21_100_000_000_000_000, 0), (18_446_744_073_709_551_615, 0),
    ]
}
