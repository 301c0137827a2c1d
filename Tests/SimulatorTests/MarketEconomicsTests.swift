import Economics
import Primitives
import Simulator
import Testing

/// The market shows what theory says, where theory says it.
@Suite struct MarketEconomicsTests {
    /// Providers with one machine of one kind at one ask, all of it sold, nothing emitted: a step
    /// is a lottery with one ticket each.
    private let even: [String: Int64] = [
        "providers": 8_000, "buyers": 8_000, "verifiers": 40, "delegators": 0, "traders": 0,
        "reserve": 0, "consumer_hardware": 1_000, "datacentre_hardware": 0, "consumer_slots": 1,
        "price_spread": 0, "reprice": 0, "batch_buyers": 0, "agent_buyers": 0,
        "reseller_buyers": 0, "value": 900_000, "value_spread": 0, "bond": 100_000_000,
    ]

    private func rules(auditPerMillion: Int64) -> Parameters {
        var rules = Parameters()
        rules.auditRatePerMillion = UInt32(auditPerMillion)
        // The ladder alone: with the margin the deterrent grows as audits get rare.
        rules.bondMarginBasisPoints = 0
        rules.initialEmission = .zero
        return rules
    }

    /// p* = gain / (slash + withheld) in millionths, worked out here by hand.
    private func breakEven(saving: Int64, bond: Int64) -> Int64 {
        // 600,000 prompt tokens at a quarter and 200,000 output tokens: 350,000 output tokens.
        let cost: Int64 = 240_000 * 350_000 / 1_000_000
        let pay: Int64 = 400_000 * 350_000 / 1_000_000 * 95 / 100
        let slash = bond * 5 / 100
        return cost * saving / 1_000 * 1_000_000 / (slash + pay)
    }

    @Test(arguments: [Int64(20_000_000), 40_000_000, 100_000_000])
    func cheatingPaysBelowTheBreakEvenRateOnly(bond: Int64) throws {
        let rate = breakEven(saving: 950, bond: bond)
        #expect(rate > 10_000 && rate < 200_000)
        for (part, pays) in [(70, true), (140, false)] as [(Int64, Bool)] {
            var market = try Market(
                even.merging(["lazy": 500, "bond": bond]) { $1 },
                rules: rules(auditPerMillion: rate * part / 100))
            market.step()
            #expect(market["jobs"] == 8_000 && market["cheated"] > 3_900)
            #expect((market["cheater_profit"] > market["honest_profit"]) == pays)
            // What the run itself says of the boundary.
            let told = market["break_even"]
            #expect(abs(told - rate) < rate / 50, "\(told) of \(rate)")
        }
    }

    @Test(arguments: [Int64(20_000_000), 60_000_000, 200_000_000])
    func whoCheatsWhereItPaysStopsAtTheBreakEvenRate(bond: Int64) throws {
        let rate = breakEven(saving: 500, bond: bond)
        for (part, share) in [(98, 1_000_000), (102, 0)] as [(Int64, Int64)] {
            var market = try Market(
                even.merging(["selective": 1_000, "bond": bond]) { $1 },
                rules: rules(auditPerMillion: rate * part / 100))
            market.step()
            #expect(market["cheating_rate"] == share)
        }
    }

    /// With the margin of the standard rules the penalty follows the audit rate: no rate pays.
    @Test(arguments: [Int64(1_000), 10_000, 100_000, 500_000])
    func underTheStandardMarginNoRatePays(rate: Int64) throws {
        var standard = rules(auditPerMillion: rate)
        standard.bondMarginBasisPoints = 15_000
        var market = try Market(
            even.merging(["selective": 1_000, "bond": 0]) { $1 }, rules: standard)
        market.step()
        #expect(market["jobs"] == 8_000)
        #expect(market["cheated"] == 0)
    }

    /// Self-dealing pays if and only if the emission a job earns is worth more than its fee.
    @Test(arguments: [Int64(800), 950, 1_050, 1_300])
    func washTradingPaysWhereEmissionIsOverTheFee(perMille: Int64) throws {
        let changes = even.merging([
            "wash": 100, "consumer_cost": 0, "consumer_overhead": 0, "providers": 1_000,
            "buyers": 1_000,
        ]) { $1 }
        // 800,000 tokens of 30 layers, each backed by 100 units: the least fee that backs a job.
        let fee: Int64 = 800_000 * 30 * 100 / 1_000_000
        // All 1,000 jobs are backed wholly, so each earns a thousandth of the emission, at the
        // pool's two dollars a token.
        let emission = UInt128(fee * 1_000 / 2) * 1_000_000 * UInt128(perMille) / 1_000
        var rules = rules(auditPerMillion: 0)
        rules.bondMarginBasisPoints = 0
        rules.auditRatePerMillion = 1
        rules.initialEmission = Amount(emission)
        var market = try Market(changes, rules: rules)
        market.step()
        #expect(market["jobs"] == 1_000)
        let profit = market["wash_profit"]
        let expected = fee * (perMille - 1_000) / 1_000
        #expect((profit > 0) == (perMille > 1_000), "\(profit)")
        #expect(abs(profit - expected) <= 3, "\(profit) and not \(expected) micro-dollars")
    }

    /// A provider that is many earns no more than one that is one.
    @Test(arguments: [Int64(2), 4, 8])
    func splittingIntoIdentitiesGainsNothing(identities: Int64) throws {
        var changes = even.merging([
            "providers": 1_000, "consumer_slots": 8, "sybil": 500, "bond": 0,
            "sybil_identities": identities, "demand": 8_000,
        ]) { $1 }
        var market = try Market(changes)
        market.step(3)
        // The thousandth of a micro-dollar that rounding leaves an identity, and no more.
        #expect(market["honest_profit"] > 0)
        #expect(market["sybil_profit"] * identities <= market["honest_profit"] + 8 * identities)

        // The same where half of all capacity is idle, over some days.
        changes["demand"] = 2_000
        changes["reprice"] = 200
        market = try Market(changes)
        var (split, whole): (Int64, Int64) = (0, 0)
        for _ in 0..<30 {
            market.step()
            split += market["sybil_profit"] * identities
            whole += market["honest_profit"]
        }
        #expect(split <= whole + abs(whole) / 20, "\(split) over \(whole)")
    }

    @Test func colludingVerifiersHideTheirShareOfTheCheats() throws {
        for share: Int64 in [0, 250, 500, 1_000] {
            var market = try Market(
                even.merging(["colluding": 500, "colluding_verifiers": share]) { $1 },
                rules: rules(auditPerMillion: 200_000))
            market.step()
            let seen = 200 * (1_000 - share)
            #expect(abs(market["detection"] - seen) < 20_000, "\(market["detection"]) of \(seen)")
        }
    }

    @Test func aGrieferPaysForItAndTheAccusedDoNot() throws {
        var changes = even.merging(["griefing_verifiers": 500, "accusations": 300]) { $1 }
        changes["providers"] = 500
        var market = try Market(changes)
        #expect(market.sum("overturned", over: 4) > 20)
        #expect(market["false_slashes"] == 0 && market["bans"] == 0)
        #expect(market["verifier_profit"] < 0)
        changes["appeals"] = 0
        market = try Market(changes)
        #expect(market.sum("false_slashes", over: 4) > 20)
    }
}
