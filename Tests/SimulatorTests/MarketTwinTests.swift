import Economics
import Primitives
import Simulator
import Testing

/// The rules in columns against the production house: everybody's balances, every metric and all
/// that agents see, equal to the unit after every step of random markets.
@Suite struct MarketTwinTests {
    @Test(arguments: 1...120)
    func bothHousesGiveEverybodyTheSame(seed: UInt64) throws {
        let (changes, rules) = randomMarket(seed)
        let demand = try randomDemand(seed)
        var kernel = try Market(changes, rules: rules, demand: demand, seed: seed)
        var twin = try Market(
            changes.merging(["backend": 1]) { $1 }, rules: rules, demand: demand, seed: seed)
        for step in 1...15 {
            kernel.step()
            twin.step()
            for party in 0..<kernel.model.parties {
                let (own, other) = (
                    kernel.model.statement(of: party), twin.model.statement(of: party)
                )
                #expect(own == other, "party \(party) after step \(step)")
            }
            for (place, metric) in MarketModel.metrics.enumerated() {
                #expect(kernel.row[place] == twin.row[place], "\(metric.name), step \(step)")
            }
            let isEqual = kernel.model.agentsDigest == twin.model.agentsDigest
            #expect(isEqual, "what agents see after step \(step)")
            for name in Market.alwaysZero { #expect(kernel[name] == 0, "\(name), step \(step)") }
            if !isEqual { return }
        }
    }

    /// The random markets are not all peaceful: what the comparison is for happens in them.
    @Test func theRandomMarketsExerciseTheRules() throws {
        var seen: [String: Int64] = [:]
        let metrics = [
            "convictions", "bans", "false_slashes", "overturned", "refunded", "emission", "exits",
            "entries", "insurance", "staked", "burned",
        ]
        for seed: UInt64 in 1...60 {
            let (changes, rules) = randomMarket(seed)
            var market = try Market(changes, rules: rules, seed: seed)
            for _ in 0..<15 {
                market.step()
                for name in metrics { seen[name, default: 0] += market[name] }
            }
        }
        for name in metrics { #expect(seen[name] ?? 0 > 0, "\(name) never happened") }
    }

    /// Every third market follows a generator, of either kind, in steps of an hour to a week.
    private func randomDemand(_ seed: UInt64) throws -> TraceDemand? {
        if !seed.isMultiple(of: 3) { return nil }
        let name = DemandGenerator.names[Int(seed / 3 % 2)]
        let generator = try #require(DemandGenerator.named(name))
        let steps = [3_600, 14_400, 86_400, 604_800]
        return try TraceDemand(
            generator, kind: .generator, name: name, requests: 100 * Int(seed % 7 + 1),
            stepSeconds: steps[Int(seed / 6 % 4)])
    }

    /// One chance in two that a number is drawn from a range, or else its least.
    private func randomMarket(_ seed: UInt64) -> ([String: Int64], Parameters) {
        var random = SplitMix64(seed: seed)
        func pick(_ range: ClosedRange<Int64>) -> Int64 { Int64.random(in: range, using: &random) }
        var changes: [String: Int64] = [:]
        let ranges: [(String, ClosedRange<Int64>)] = [
            ("providers", 1...30), ("buyers", 1...40), ("verifiers", 0...4), ("delegators", 0...5),
            ("traders", 0...6), ("lazy", 0...120), ("quantising", 0...120), ("spoofing", 0...100),
            ("selective", 0...150), ("colluding", 0...100), ("sybil", 0...100), ("whale", 0...100),
            ("wash", 0...120), ("cheating", 200...1_000), ("lazy_verifiers", 0...200),
            ("colluding_verifiers", 0...200), ("griefing_verifiers", 0...300), ("silence", 0...200),
            ("appeals", 0...1_000), ("bug_step", 0...9), ("bug_upheld", 0...1_000),
            ("reprice", 0...1_000), ("patience", 1...5), ("unbonding", 1...6),
            ("settlement", 1...4), ("emission_end", 0...14), ("clearing", 0...1),
            ("batch_buyers", 0...500), ("agent_buyers", 0...250), ("bond_cover", 400...2_000),
            ("burn_and_mint", 0...1_000), ("buyback", 0...1_000), ("demand", 500...12_000),
            ("fee_reserve", 0...3_000_000), ("entry", 0...1_000), ("value_spread", 0...900),
        ]
        for (name, range) in ranges { changes[name] = pick(range) }
        // Bonds in the token, in a pool that a dump and a few trades move.
        var other = SplitMix64(seed: ~seed)
        for (name, range) in [
            ("bond_asset", 0...1), ("dump_step", 0...8), ("dump_tokens", 0...900_000_000_000_000),
            ("top_up", 0...1_000),
        ] as [(String, ClosedRange<Int64>)] {
            changes[name] = Int64.random(in: range, using: &other)
        }
        changes["hurdle"] = 0
        var rules = Parameters()
        rules.auditRatePerMillion = UInt32(pick(0...2) == 0 ? pick(0...999_999) : pick(0...300_000))
        rules.feeBasisPoints = UInt32(pick(0...2_000))
        rules.appealWindow = .seconds(UInt64(pick(0...300_000)))
        rules.challengeWindow = .seconds(UInt64(pick(1...86_400)))
        rules.burnBasisPoints = UInt32(pick(5_000...8_000))
        rules.minimumBond = Amount(UInt128(pick(1...20_000_000_000_000)))
        switch pick(0...4) {
        case 0:
            rules.otherEmission = .bondedStep(
                BondedStep(
                    genesis: Amount(1_000_000_000_000_000_000), inflation: 500_000, change: 1_000,
                    target: 500_000_000))
        case 1:
            rules.otherEmission = .burnAndMint(
                BurnAndMint(
                    firstYear: Amount(365_000_000_000_000_000), epochsPerYear: 365, launchYears: 1,
                    dampingPerMillion: 945_000))
        case 2: rules.halvingEpochs = 5
        default: break
        }
        return (changes, rules)
    }
}
