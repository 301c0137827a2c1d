import Economics
import Primitives
import Testing

/// What must hold for every schedule, whatever its numbers.
@Suite struct EmissionPropertyTests {
    private func amount(_ random: inout SplitMix64) -> Amount {
        Amount(UInt128(random.next() >> (random.next() % 60)) + 1)
    }

    @Test func schedulesNeverRise() {
        var random = SplitMix64(seed: 21)
        for _ in 0..<200 {
            let halving = HeightHalving(
                initial: amount(&random), interval: random.next() % 50 + 1)
            let damped = BurnAndMint(
                firstYear: amount(&random), epochsPerYear: random.next() % 20 + 1,
                launchYears: random.next() % 5, dampingPerMillion: UInt32(random.next() % 1_000_001)
            )
            var last = (halving.emission(epoch: 1), damped.emission(epoch: 1))
            var sums = (Amount.zero, Amount.zero)
            for epoch in UInt64(1)...400 {
                let next = (halving.emission(epoch: epoch), damped.emission(epoch: epoch))
                #expect(next.0 <= last.0 && next.1 <= last.1)
                last = next
                sums = (sums.0 + next.0, sums.1 + next.1)
            }
            // A geometric series: less than twice the first interval.
            #expect(sums.0.units <= 2 * halving.initial.units * UInt128(halving.interval))
            #expect(sums.1.units <= damped.firstYear.units * 401)
        }
    }

    @Test func issuanceNeverPassesItsCap() {
        var random = SplitMix64(seed: 22)
        for _ in 0..<200 {
            let rule = IssuanceHalving(initial: amount(&random), cap: amount(&random))
            var issued = Amount.zero
            var last: Amount?
            for _ in 0..<300 {
                let next = rule.emission(issued: issued)
                if let last { #expect(next <= last) }
                last = next
                issued += next
                #expect(issued <= rule.cap)
            }
        }
    }

    /// The supply never passes what the schedule alone would have made of it.
    @Test func netEmissionsMintNoMoreThanScheduledAndBurned() throws {
        var random = SplitMix64(seed: 23)
        for _ in 0..<100 {
            let rule = NetEmissions(
                schedule: HeightHalving(
                    initial: amount(&random), interval: random.next() % 40 + 1),
                poolEpochs: random.next() % 400 + 1, cap: amount(&random))
            let policy = EmissionPolicy.netEmissions(rule)
            var state = EmissionState.none
            var (minted, burned, scheduled) = (Amount.zero, Amount.zero, Amount.zero)
            for epoch in UInt64(1)...300 {
                var observation = EmissionObservation(epoch: epoch)
                observation.burned = amount(&random)
                burned += observation.burned
                scheduled += rule.schedule.emission(epoch: epoch)
                minted += try policy.advance(&state, by: observation)
                #expect(minted <= scheduled + burned)
                guard case .pool(let pool) = state else {
                    Issue.record("\(state)")
                    return
                }
                #expect(minted + pool <= scheduled + burned)
                // The pool settles where a draw is what the cap lets in.
                #expect(pool.units <= rule.cap.units * UInt128(rule.poolEpochs))
            }
        }
    }

    @Test func feedbackMovesTowardTheGoalAndStaysInItsBounds() throws {
        var random = SplitMix64(seed: 24)
        let one: UInt128 = 1_000_000_000_000_000_000
        for _ in 0..<100 {
            var rule = BondedProportional.cosmos(genesis: .zero)
            rule.epochsPerYear = random.next() % 400 + 1
            rule.goal = UInt128(random.next()) % one + 1
            var rate = rule.inflation
            for _ in 0..<100 {
                let ratio = UInt128(random.next()) % (one + 1)
                let next = try rule.next(rate, bondedRatio: ratio)
                #expect(next >= rule.least && next <= rule.most)
                if ratio <= rule.goal { #expect(next >= rate) } else { #expect(next <= rate) }
                let more = try rule.next(rate, bondedRatio: min(ratio + one / 100, one))
                #expect(more <= next || ratio == one)
                rate = next
            }
        }
    }

    @Test func aStepIsOneStepWhateverTheDistance() throws {
        var random = SplitMix64(seed: 25)
        let rule = BondedStep(
            genesis: .zero, inflation: 500_000, change: 300, target: 500_000_000)
        for _ in 0..<500 {
            let bondable = amount(&random)
            let bonded = Amount(UInt128(random.next()) % (bondable.units + 1))
            let rate = UInt128(random.next() % 1_000)
            let next = try rule.next(rate, bonded: bonded, bondable: bondable)
            // Below the target by the unrounded ratio is below it by the rounded one.
            if bonded.units * 2 < bondable.units { #expect(next == rate + 300) }
            if bonded.units * 2 > bondable.units + bondable.units / 1_000_000 + 2 {
                #expect(next == (rate > 300 ? rate - 300 : 0))
            }
        }
    }
}
