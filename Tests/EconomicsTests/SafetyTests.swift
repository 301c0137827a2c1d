import Economics
import Primitives
import Testing

/// Bonds, penalties and bounties: bounds that must hold for every sound set of parameters.
@Suite struct SafetyTests {
    private func soundParameters(_ random: inout SplitMix64) -> Parameters {
        var parameters = Parameters()
        parameters.burnBasisPoints = UInt32(5_000 + random.next() % 5_001)
        parameters.bountyCapBasisPoints = UInt32(
            random.next() % UInt64(10_001 - parameters.burnBasisPoints))
        parameters.bountyCostMultiple = UInt32(random.next() % 1_000)
        parameters.auditRatePerMillion = UInt32(1 + random.next() % 1_000_000)
        parameters.auditPowerPerMillion = UInt32(1 + random.next() % 1_000_000)
        parameters.bondMarginBasisPoints = UInt32(10_000 + random.next() % 20_000)
        return parameters
    }

    /// Whoever convicts himself through a friend loses at least half of what is taken.
    @Test func slashingOneselfNeverPays() {
        var random = SplitMix64(seed: 11)
        for _ in 0..<2_000 {
            let parameters = soundParameters(&random)
            #expect(parameters.problem == nil)
            let penalty = Amount(UInt128(random.next() >> (random.next() % 64)))
            let cost = Amount(UInt128(random.next()) << (random.next() % 64))
            let (bounty, burned, insurance) = SlashPolicy.divide(
                penalty: penalty, jobCost: cost, parameters: parameters)
            #expect(bounty + burned + insurance == penalty)
            #expect(burned.units * 2 >= penalty.units)
            #expect(bounty.units * 2 <= penalty.units)
        }
    }

    /// With a bond of what is required, a cheat's expected gain is nothing: the chance of a
    /// conviction times the bond is at least what could be stolen.
    @Test func aRequiredBondMakesCheatingALoss() {
        var random = SplitMix64(seed: 12)
        for _ in 0..<2_000 {
            let parameters = soundParameters(&random)
            let exposure = Amount(UInt128(random.next() >> (random.next() % 64)))
            guard
                let bond = BondPolicy.requiredBond(exposure: exposure, parameters: parameters)
            else {
                Issue.record("no bond")
                continue
            }
            let chance =
                UInt128(parameters.auditRatePerMillion) * UInt128(parameters.auditPowerPerMillion)
            let expected = bond.units.multipliedFullWidth(by: chance)
            let gain = exposure.units.multipliedFullWidth(by: 1_000_000_000_000)
            #expect((expected.high, expected.low) >= (gain.high, gain.low))
            let more = BondPolicy.requiredBond(
                exposure: exposure + Amount(1), parameters: parameters)
            #expect((more ?? .zero) >= bond)
        }
    }

    /// ethereum/consensus-specs, process_slashings, by its formula: a validator of 32 coins of 10^9
    /// units, a thousand of them in all.
    @Test(
        arguments: [
            (1, 1, 0), (3, 1, 0), (3, 10, 0), (3, 11, 1), (3, 100, 9), (3, 333, 31), (3, 334, 32),
            (1, 1_000, 32), (2, 500, 32), (2, 499, 31),
        ] as [(UInt32, UInt128, UInt128)])
    func commonFaultsCostMore(
        _ multiplier: UInt32, _ faulty: UInt128, _ coins: UInt128
    ) throws {
        let coin: UInt128 = 1_000_000_000
        let rule = CorrelationPenalty(multiplier: multiplier, increment: coin)
        let penalty = try rule.penalty(
            bond: Amount(32 * coin), faulty: Amount(32 * coin * faulty),
            total: Amount(32_000 * coin))
        #expect(penalty == Amount(coins * coin))
    }

    @Test func aCorrelationPenaltyIsMonotonousAndNeverOverTheBond() throws {
        var random = SplitMix64(seed: 13)
        let rule = CorrelationPenalty()
        for _ in 0..<500 {
            let bond = Amount(UInt128(random.next()))
            let total = Amount(bond.units + UInt128(random.next()))
            var last = Amount.zero
            for part in UInt128(0)...10 {
                let penalty = try rule.penalty(
                    bond: bond, faulty: Amount(total.units / 10 * part), total: total)
                #expect(penalty >= last && penalty <= bond)
                last = penalty
            }
            #expect(last == bond)
        }
        #expect(throws: EconomicsError.nothingToDivideBy) {
            try rule.penalty(bond: Amount(1), faulty: Amount(1), total: .zero)
        }
    }

    /// What a bond covers is the other way round of what bond is required: no unit less or more.
    @Test func theLargestExposureIsTheInverseOfTheRequiredBond() throws {
        var random = SplitMix64(seed: 14)
        for _ in 0..<2_000 {
            var parameters = soundParameters(&random)
            parameters.minimumBond = Amount(UInt128(random.next() >> 40))
            let bond = Amount(UInt128(random.next() >> (random.next() % 40)))
            let largest = BondPolicy.largestExposure(bond: bond, parameters: parameters)
            guard bond >= parameters.minimumBond else {
                #expect(largest == nil)
                continue
            }
            let exposure = try #require(largest)
            let needed = BondPolicy.requiredBond(exposure: exposure, parameters: parameters)
            let more = BondPolicy.requiredBond(
                exposure: exposure + Amount(1), parameters: parameters)
            #expect(try #require(needed) <= bond)
            #expect(try #require(more) > bond)
        }
        var blind = Parameters()
        blind.auditRatePerMillion = 0
        #expect(BondPolicy.largestExposure(bond: Amount(1 << 60), parameters: blind) == nil)
        var bold = Parameters()
        bold.bondMarginBasisPoints = 0
        #expect(
            BondPolicy.largestExposure(bond: Amount(1 << 60), parameters: bold) == Amount(.max))
    }

    /// The lots of a beacon, by the formula as the audits of old journals were drawn.
    @Test func lotsAreTheFormulas() {
        let beacon = Digest(words: (1, 2, 3, 4))
        let lottery = AuditLottery(beacon: beacon)
        for job in [1, 2, 1 << 40] as [UInt64] {
            for salt: UInt64 in [1, 2] {
                var state: UInt64 = 0
                for word in [1, 2, 3, 4, job, salt] {
                    state = (state ^ word) &+ 0x9E37_79B9_7F4A_7C15
                    state = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
                    state = (state ^ (state >> 27)) &* 0x94D0_49BB_1331_11EB
                    state ^= state >> 31
                }
                #expect(lottery.lot(job: job, salt: salt) == state)
                #expect(
                    lottery.auditor(job: job, among: 7) == Int(lottery.lot(job: job, salt: 2) % 7))
            }
        }
        let drawn = (1...100_000).count { lottery.draws(job: UInt64($0), perMillion: 30_000) }
        #expect(abs(drawn - 3_000) < 200)
        #expect(
            !lottery.draws(job: 1, perMillion: 0) && lottery.draws(job: 1, perMillion: 1_000_000))
    }

    /// A tenth of all bonds at fault: the rung's 5 % becomes three tenths, and a warning stays one.
    @Test(
        arguments: [
            (PenaltyPolicy.ladder, Rung.fivePercent, 50), (.ladder, .warn, 0),
            (.correlated(CorrelationPenalty()), .fivePercent, 300),
            (.correlated(CorrelationPenalty()), .loseEpochReward, 0),
            (.correlated(CorrelationPenalty()), .tombstone, 1_000),
            (.correlated(CorrelationPenalty(multiplier: 0)), .onePercent, 10),
        ] as [(PenaltyPolicy, Rung, UInt128)])
    func aCommonFaultCostsWhatTheRuleSays(
        _ policy: PenaltyPolicy, _ rung: Rung, _ units: UInt128
    ) throws {
        let penalty = try policy.penalty(
            rung, bond: Amount(1_000), faulty: Amount(10_000), total: Amount(100_000))
        #expect(penalty == Amount(units))
    }
}
