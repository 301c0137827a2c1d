import Economics
import Primitives
import Testing

/// Filecoin's minting, to the last digit of its own tests.
@Suite struct BaselineMintingTests {
    /// The totals that the source's golden files were made with.
    private static let golden: BaselineMinting = {
        var rule = BaselineMinting.filecoin
        rule.simpleTotal = Amount(300_000_000_000_000_000_000_000_000)
        rule.baselineTotal = Amount(700_000_000_000_000_000_000_000_000)
        return rule
    }()

    // filecoin-project/specs-actors, actors/builtin/reward/testdata/TestSimpleReward.golden.
    @Test(
        arguments: [
            (0, 32_969_331_176_161_031_581), (5_000, 32_951_219_873_621_307_428),
            (1_000_000, 29_538_071_969_264_966_351), (2_555_000, 24_898_037_438_311_364_824),
        ] as [(UInt64, UInt128)])
    func simpleMintingDecaysWithTime(_ epoch: UInt64, _ reward: UInt128) throws {
        let start = EffectiveTime(epochs: 0)
        let minted = try BaselineMintingTests.golden.reward(epoch: epoch, from: start, to: start)
        #expect(minted == Amount(reward))
    }

    /// Same directory, TestBaselineReward.golden: row `n` goes from `n` steps of 5,000 epochs less
    /// 77,777,777,777 parts to one epoch less 33,333,333,333 parts later.
    @Test(
        arguments: [
            (400, 61_749_136_551_564_390_775), (420, 61_074_242_603_913_935_376),
            (449, 60_108_727_068_472_646_084), (450, 60_075_707_067_690_768_613),
            (480, 59_093_497_124_296_756_148), (500, 58_447_628_278_480_853_312),
            (510, 58_127_345_857_862_051_793), (511, 58_095_414_304_836_671_149),
        ] as [(UInt64, UInt128)])
    func baselineMintingDecaysWithEffectiveTime(_ row: UInt64, _ reward: UInt128) throws {
        let rule = BaselineMintingTests.golden
        let parts = UInt128(row) * 77_777_777_777
        let from = EffectiveTime(epochs: row * 5_000 - 1, fraction: 0 &- parts)
        let later = 0 &- parts &- 33_333_333_333
        let to = EffectiveTime(epochs: row * 5_000, fraction: later)
        let start = EffectiveTime(epochs: 0)
        let simple = try rule.reward(epoch: 0, from: start, to: start)
        #expect(try rule.reward(epoch: 0, from: from, to: to) - simple == Amount(reward))
    }

    /// `2^128 (1 - e^-x)` less one, to the last digit: the polynomials of the source's expneg.rs,
    /// worked out with Python's integers. Cutting off a negative product toward zero, and not down,
    /// changes every row.
    @Test(
        arguments: [
            (1, 35_414_640_297_165_132_240_606_982_092_416_345_388),
            (5, 143_856_136_887_384_752_670_520_474_138_248_902_515),
            (10, 226_896_345_205_158_430_327_388_188_640_011_075_601),
            (20, 302_500_832_612_055_489_798_777_493_570_280_832_650),
            (40, 336_087_485_041_957_895_167_422_086_699_960_760_217),
            (60, 339_816_609_394_396_657_661_018_195_752_242_010_444),
            (80, 340_230_653_906_934_378_441_526_635_507_584_998_881),
            (100, 340_276_625_571_570_093_066_558_439_407_022_521_167),
            (120, 340_281_731_726_941_443_092_602_636_591_715_611_343),
            (140, 340_282_304_847_341_949_219_923_346_848_927_463_851),
        ] as [(UInt64, UInt128)])
    func theExponentialToItsLastDigit(_ millions: UInt64, _ digits: UInt128) throws {
        var rule = BaselineMinting.filecoin
        (rule.simpleTotal, rule.baselineTotal) = (.zero, Amount(.max))
        let start = EffectiveTime(epochs: 0)
        let time = EffectiveTime(epochs: millions * 1_000_000)
        #expect(try rule.reward(epoch: 0, from: start, to: time) == Amount(digits))
    }

    @Test func afterSixteenLifetimesNothingIsLeft() throws {
        let rule = BaselineMinting.filecoin
        let late = EffectiveTime(epochs: 150_000_000)
        let later = EffectiveTime(epochs: 1 << 60)
        #expect(try rule.reward(epoch: 1 << 62, from: late, to: later) == .zero)
        #expect(throws: EconomicsError.overflow) {
            try rule.reward(epoch: 0, from: EffectiveTime(epochs: 9), to: EffectiveTime(epochs: 8))
        }
    }

    // filecoin-project/builtin-actors, actors/reward/src/logic.rs, test_compute_r_theta.
    @Test func effectiveTimeLiesBetweenWholeEpochs() throws {
        let half = try EffectiveTime(ceiling: 1, last: 4_096, realized: 4_096, baseline: 6_144)
        #expect(half == EffectiveTime(epochs: 0, fraction: 1 << 127))
        let quarter = try EffectiveTime(ceiling: 1, last: 4_096, realized: 3_072, baseline: 6_144)
        #expect(quarter == EffectiveTime(epochs: 0, fraction: 1 << 126))
        let fifteen = (UInt128(0)..<16).reduce(0) { $0 + ($1 + 1) * 2_048 }
        let last: UInt128 = 17 * 2_048
        let late = try EffectiveTime(
            ceiling: 16, last: last, realized: fifteen + last / 4, baseline: fifteen + last)
        #expect(late == EffectiveTime(epochs: 15, fraction: 1 << 126))
    }

    private func minted(_ work: [UInt64], by rule: BaselineMinting) throws -> [Amount] {
        var state = EmissionState.none
        var amounts: [Amount] = []
        for (place, amount) in work.enumerated() {
            var observation = EmissionObservation(epoch: UInt64(place) + 1)
            observation.work = amount
            amounts.append(
                try EmissionPolicy.baselineMinting(rule).advance(&state, by: observation))
        }
        return amounts
    }

    // builtin-actors, actors/reward/tests/reward_actor_test.rs, construction_tests, and the
    // constant INITIAL_REWARD_POSITION_ESTIMATE of state.rs, which is the second epoch's.
    @Test func anEpochWithoutPowerMintsTheSimplePartOnly() throws {
        let amounts = try minted([0, 0], by: .filecoin)
        #expect(
            amounts.map(\.units) == [36_266_264_293_777_134_739, 36_266_260_308_195_979_333])
    }

    @Test func powerOverTheBaselineMintsNoMore() throws {
        let start: UInt64 = 2_888_888_880_000_000_000
        let once = try minted([start], by: .filecoin)
        #expect(once == (try minted([2 * start], by: .filecoin)))
        #expect(try minted([1 << 39], by: .filecoin)[0].units == 36_266_280_397_203_470_018)
        // The first epoch's baseline is one less than it begins with, as in the source.
        var state = EmissionState.none
        var observation = EmissionObservation(epoch: 1)
        observation.work = start
        _ = try EmissionPolicy.baselineMinting(.filecoin).advance(&state, by: observation)
        guard case .baseline(let progress) = state else {
            Issue.record("\(state)")
            return
        }
        #expect(progress.epochBaseline == UInt128(start) - 1)
        #expect(progress.time == 1)
    }

    @Test func noMoreThanTheTotalsIsEverMinted() throws {
        let rule = BaselineMinting(
            simpleTotal: Amount(30_000_000), baselineTotal: Amount(70_000_000), halfLife: 20,
            baselineStart: 1_000, baselineGrowth: 1 << 122)
        var random = SplitMix64(seed: 6)
        var state = EmissionState.none
        var sum = Amount.zero
        for epoch in UInt64(1)...600 {
            var observation = EmissionObservation(epoch: epoch)
            observation.work = random.next() % 20_000
            sum += try EmissionPolicy.baselineMinting(rule).advance(&state, by: observation)
        }
        // The simple part is a sum over whole epochs from the left, so it is e^lambda - 1 over
        // 1 - e^-lambda of its total: 2^(1/20) of it.
        #expect(sum.units <= 30_000_000 * 10_353 / 10_000 + 70_000_000)
        #expect(sum.units > 90_000_000)
        let bytes = state.canonicalBytes()
        #expect(try EmissionState(canonicalBytes: bytes) == state)
    }
}
