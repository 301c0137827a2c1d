import Chains
import Testing

/// The rule of Optimism's batcher (op-service/txmgr, `updateFees`): its four cases and the edges.
@Suite struct FeeRuleTests {
    private let rule = EVMFeeRule(minimum: EVMFeeMarket(baseFee: 10, tip: 5), bumpPercent: 15)

    @Test func aFirstAttemptOffersTheTipAndTwiceTheBaseFee() {
        let cases: [(base: UInt128, tip: UInt128, wanted: EVMFees)] = [
            (base: 100, tip: 20, wanted: EVMFees(tip: 20, cap: 220)),
            (base: 100, tip: 1, wanted: EVMFees(tip: 5, cap: 205)),
            (base: 3, tip: 20, wanted: EVMFees(tip: 20, cap: 40)),
            (base: 0, tip: 0, wanted: EVMFees(tip: 5, cap: 25)),
        ]
        for (base, tip, wanted) in cases {
            #expect(rule.first(EVMFeeMarket(baseFee: base, tip: tip)) == wanted)
        }
    }

    // A table in a loop: a test's arguments cross an async call (docs/decisions/0007).
    private let replacements: [(old: EVMFees, base: UInt128, tip: UInt128, wanted: EVMFees?)] = [
        // Nothing rose: not worth it.
        (old: EVMFees(tip: 100, cap: 1_000), base: 450, tip: 100, wanted: nil),
        (old: EVMFees(tip: 100, cap: 1_000), base: 200, tip: 50, wanted: nil),
        // Both rose beyond the threshold: the market's.
        (
            old: EVMFees(tip: 100, cap: 1_000), base: 900, tip: 120,
            wanted: EVMFees(tip: 120, cap: 1_920)
        ),
        // Only the tip did: its new value, and the threshold cap.
        (
            old: EVMFees(tip: 100, cap: 1_000), base: 400, tip: 200,
            wanted: EVMFees(tip: 200, cap: 1_150)
        ),
        // Only the base fee did: the threshold tip, and the cap anew with it.
        (
            old: EVMFees(tip: 100, cap: 1_000), base: 900, tip: 100,
            wanted: EVMFees(tip: 115, cap: 1_915)
        ),
        // Both a little: both thresholds.
        (
            old: EVMFees(tip: 100, cap: 1_000), base: 460, tip: 101,
            wanted: EVMFees(tip: 115, cap: 1_150)
        ),
        // A threshold is rounded up: 15 % of 7 and of 31.
        (old: EVMFees(tip: 7, cap: 31), base: 12, tip: 8, wanted: EVMFees(tip: 9, cap: 36)),
    ]

    @Test func aReplacementOffersTheThresholdOrMore() {
        for (old, base, tip, wanted) in replacements {
            let market = EVMFeeMarket(baseFee: base, tip: tip)
            #expect(rule.replacement(of: old, market, isForced: false) == wanted)
        }
    }

    @Test func aPoolThatAsksForMoreGetsTheThreshold() {
        let calm = EVMFeeMarket(baseFee: 100, tip: 5)
        let forced = rule.replacement(of: EVMFees(tip: 100, cap: 1_000), calm, isForced: true)
        #expect(forced == EVMFees(tip: 115, cap: 1_150))
    }

    @Test func whatDoesNotFitIsNoPrice() {
        let absurd = EVMFeeMarket(baseFee: .max, tip: 1)
        #expect(rule.first(absurd) == nil)
        #expect(rule.first(EVMFeeMarket(baseFee: .max / 2, tip: 2)) == nil)
        let old = EVMFees(tip: .max / 2, cap: .max / 2)
        #expect(
            rule.replacement(of: old, EVMFeeMarket(baseFee: 1, tip: 1), isForced: true) == nil)
    }
}
