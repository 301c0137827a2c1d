import Economics
import Foundation
import Primitives
import Simulator
import Testing

/// The market under a trace's demand.
@Suite struct MarketDemandTests {
    private static func demand(
        _ name: String, requests: Int = 500, step: Int = 86_400
    ) throws -> TraceDemand {
        let generator = try #require(DemandGenerator.named(name))
        return try TraceDemand(
            generator, kind: .generator, name: name, requests: requests, stepSeconds: step)
    }

    private static let town: [String: Int64] = [
        "providers": 60, "buyers": 150, "verifiers": 3, "traders": 5, "delegators": 5,
    ]

    @Test func demandFollowsTheTrace() throws {
        let demand = try Self.demand("azure-coding", step: 3_600)
        var market = try Market(
            Self.town.merging(["elasticity": 0, "distrust": 0, "agent_buyers": 0]) { $1 },
            demand: demand)
        let levels = demand.levels(steps: 24, seed: 1)
        var wanted: [Int64] = []
        for level in levels {
            market.step()
            #expect(market["arrivals"] == level)
            wanted.append(market["wanted"])
        }
        #expect(levels.max()! > 3 * levels.min()!)
        // Two jobs a buyer in the mean; each buyer's part of a job is a matter of luck.
        for (jobs, level) in zip(wanted, levels) {
            let mean = 150 * 0.9 * 2 * Double(level) / 1_000_000
            #expect(abs(Double(jobs) - mean) < 40 + 0.15 * mean, "\(jobs) for \(mean)")
        }
        let still = try Market(Self.town)
        #expect(still["arrivals"] == 0)
    }

    /// What is paid follows from the sizes: over many jobs their mean is the trace's.
    @Test func jobsHaveTheSizesOfTheTrace() throws {
        var changes: [String: Int64] = [
            "providers": 400, "buyers": 4_000, "price_spread": 0, "reprice": 0, "reserve": 0,
            "batch_buyers": 0, "agent_buyers": 0, "reseller_buyers": 0, "value_spread": 0,
            "verifiers": 0, "wash": 0, "start_price": 400_000,
        ]
        changes["demand"] = 1_000
        var rules = Parameters()
        rules.feeBasisPoints = 0
        let demand = try Self.demand("azure-conversation", requests: 500)
        var market = try Market(changes, rules: rules, demand: demand)
        let (pay, jobs) = (market.sum("pay", over: 5), market.sum("jobs", over: 1))
        #expect(jobs > 2_000)
        var again = try Market(changes, rules: rules, demand: demand)
        let served = again.sum("jobs", over: 5)
        // 500 requests of 1,155 and 211 tokens; a prompt token has a quarter of the price of 0.4.
        let mean = 500 * (1_155.0 / 4 + 211) * 0.4
        #expect(abs(Double(pay) / Double(served) - mean) < 0.06 * mean, "\(pay) for \(served)")
    }

    @Test(arguments: [Int64(0), 1])
    func aCheckpointGoesOnAlike(backend: Int64) throws {
        let changes = Self.town.merging(["backend": backend, "lazy": 100]) { $1 }
        let demand = try Self.demand("azure-conversation", step: 7_200)
        var market = try Market(changes, demand: demand)
        market.step(5)
        var writer = ByteWriter()
        market.model.encode(into: &writer)
        var reader = ByteReader(writer.bytes)
        var again = market
        again.model = try MarketModel(
            from: &reader, values: Market.values(changes), rules: Parameters(), demand: demand,
            seed: 1)
        market.step(5)
        again.step(5)
        #expect(again.model.digest == market.model.digest && again.row == market.row)
    }

    @Test func modelsWithoutSuchDemandRefuseIt() throws {
        let demand = try Self.demand("azure-coding")
        #expect(throws: ScenarioError.self) {
            try HalvingPool(
                HalvingPool.parameters.map(\.standard), rules: Parameters(), demand: demand,
                seed: 1)
        }
        var reader = ByteReader([])
        #expect(throws: ScenarioError.self) {
            try HalvingPool(
                from: &reader, values: HalvingPool.parameters.map(\.standard),
                rules: Parameters(), demand: demand, seed: 1)
        }
    }

    // MARK: In scenario files

    private func scenario(_ demand: String, _ more: String = "") throws -> StudyScenario {
        try StudyScenario.read(
            "model: market\nsteps: 4\ndemand: {\(demand)}\n" + more,
            folder: Repository.root.appendingPathComponent("sim/scenarios"))
    }

    @Test func everyKeyIsRead() throws {
        let plain = try #require(try scenario("generator: azure-coding").demand)
        #expect(plain.kind == .generator && plain.name == "azure-coding")
        #expect(plain.requests == 500 && plain.stepSeconds == 86_400)
        let full = try #require(
            try scenario("fitted: traces/example.csv, requests: 20 requests, step: 3_600 seconds")
                .demand)
        #expect(full.kind == .fitted && full.requests == 20 && full.stepSeconds == 3_600)
        let trace = try #require(try scenario("trace: traces/example.csv, step: 60").demand)
        #expect(trace.kind == .trace && trace.stepSeconds == 60)
        // Whole steps of it, again and again, and 1 in the mean.
        let levels = trace.levels(steps: 30, seed: 1)
        let period = try #require(
            (2..<15).first { levels[$0...].elementsEqual(levels.dropLast($0)) })
        let mean = levels[..<period].reduce(0, +) / Int64(period)
        #expect(abs(mean - 1_000_000) < 10, "\(levels)")
        #expect(levels == trace.levels(steps: 30, seed: 2))
    }

    @Test(arguments: [
        ("generator: azure-codin", "3:21: `azure-codin` is none of azure-conversation, azure-co"),
        ("generator: azure-codin", "did you mean `azure-coding`?"),
        ("trace: no.csv", "3:17: no.csv: cannot be read"),
        ("trace: bme-stability.yaml", "bme-stability.yaml:1: the first line is not TIMESTAMP"),
        ("requests: 5", "3:9: `demand` has one of generator, trace, fitted"),
        ("generator: azure-coding, trace: a.csv", "`demand` has one of generator, trace, fitted"),
        ("generater: azure-coding", "3:10: no key is called `generater`; did you mean `generator`"),
        ("generator: azure-coding, requests: 0", "`requests` goes from 1 to 1000000"),
        ("generator: azure-coding, requests: 5 jobs", "has the unit `jobs`"),
        ("generator: azure-coding, requests: 1_000_000", "100000000 tokens; bundle fewer"),
        ("generator: azure-coding, step: 90", "whole minutes, 60 to 604800 seconds, not 90"),
        ("generator: azure-coding, step: 700_000", "goes from 1 to 604800"),
        ("trace: traces/example.csv", "seconds and a step takes 86400; say with `step`"),
    ])
    func whatIsWrongIsSaidWithItsPlace(_ demand: String, _ words: String) {
        expectFault(words) { try scenario(demand) }
    }

    @Test func sizesAreSaidOnce() throws {
        let generator = "generator: azure-coding"
        expectFault("5:3: `output_tokens` is what `demand` says") {
            try scenario(generator, "parameters:\n  output_tokens: 5")
        }
        expectFault("`prompt_tokens` is what `demand` says") {
            try scenario(
                generator, "study: {kind: grid, axes: {prompt_tokens: [500_000, 600_000]}}")
        }
        var sound = try scenario(generator)
        #expect(throws: ScenarioError.self) { try sound.set("batch_output_tokens", to: "5") }
        try sound.set("buyers", to: "5")
        expectFault("4:3: the model halving_pool takes no `demand`") {
            try StudyScenario.read(
                "model: halving_pool\nsteps: 4\ndemand:\n  {\(generator)}",
                folder: Repository.root)
        }
    }

    private func expectFault(_ words: String, _ read: () throws -> StudyScenario) {
        do {
            _ = try read()
            Issue.record("nothing is wrong")
        } catch {
            #expect("\(error)".contains(words), "\(error)")
        }
    }

    /// What decides of the demand is in the study's hash, a file's name is not.
    @Test func theManifestHasTheDemand() throws {
        func manifest(_ demand: String) throws -> StudyManifest {
            StudyManifest(try scenario(demand), version: "1", commit: "c")
        }
        let one = try manifest("trace: traces/example.csv, step: 60")
        #expect(one.demand?.kind == .trace && one.demand?.name == "traces/example.csv")
        let absolute = Repository.root.appendingPathComponent("sim/scenarios/traces/example.csv")
        let other = try manifest("trace: \(absolute.path), step: 60")
        #expect(one.scenarioHash == other.scenarioHash)
        for changed in [
            "trace: traces/example.csv, step: 30",
            "trace: traces/example.csv, step: 60, requests: 499", "fitted: traces/example.csv",
            "generator: azure-coding", "generator: azure-conversation",
        ] {
            #expect(try manifest(changed).scenarioHash != one.scenarioHash, "\(changed)")
        }
        #expect(
            try JSONDecoder().decode(StudyManifest.self, from: JSONEncoder().encode(one)) == one)
    }
}
