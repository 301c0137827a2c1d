import Economics
import Foundation
import Primitives
import ProcessHarness
import Simulator
import Testing

@Suite struct CMW1Tests {
    private func run(_ agents: Int, _ steps: Int, seed: UInt64 = 42) throws -> UInt64 {
        var market = try CMW1(agents: agents, seed: seed)
        var row = [Int64](repeating: 0, count: CMW1.metrics.count)
        for _ in 0..<steps { market.step(into: &row) }
        return market.digest
    }

    /// The checksums of the definition (docs/reference/simulation-cmw1.md), which eight programs in
    /// three languages give.
    @Test(
        arguments: [
            (200, 365, 0xeea6_6cf7_b2ae_460d), (1_000, 365, 0xb89a_a96d_6008_20d4),
            (1_000, 100, 0xb9d7_bfcf_0460_cf59), (10_000, 12, 0xa16c_f6f7_6f34_bb02),
            (10_000, 365, 0x8dc4_fc57_3d2b_f603), (100_000, 100, 0x1a46_2fbc_5b32_3405),
            (100_000, 365, 0xfd61_84ef_3a1b_4144),
        ] as [(Int, Int, UInt64)])
    func everyBitIsThatOfTheDefinition(agents: Int, steps: Int, checksum: UInt64) throws {
        #expect(try run(agents, steps) == checksum)
    }

    @Test(.enabled(if: ProcessInfo.processInfo.environment["EXCHEQUER_MILLION"] != nil))
    func aMillionAgentsAgreeAsWell() throws {
        #expect(try run(1_000_000, 365) == 0x5471_841e_9967_4eff)
    }

    @Test func theColumnsAgreeWithTheObviousMarketUnderOtherConstants() throws {
        var random = SplitMix64(seed: 11)
        for round in 0..<60 {
            var values = CMW1.parameters.map { Int64.random(in: $0.range, using: &random) }
            func set(_ name: String, _ range: ClosedRange<Int64>) {
                guard let place = CMW1.parameters.firstIndex(where: { $0.name == name }) else {
                    return
                }
                values[place] = Int64.random(in: range, using: &random)
            }
            set("agents", 2...300)
            set("lowest_bid", 2...100)
            set("highest_bid", 100...4_000)
            set("shock_from", 0...60)
            set("shock_to", 0...120)
            set("exit_streak", 1...20)
            set("halving_interval", 1...60)
            set("minimum_bond", 0...400_000)
            // Half of the rounds are near the workload, where markets live longest.
            if round % 2 == 0 {
                for (place, spec) in CMW1.parameters.enumerated().dropFirst()
                where Bool.random(using: &random) { values[place] = spec.standard }
            }
            try compare(values, steps: 100, seed: random.next())
        }
    }

    /// A pool of much money and few tokens, and many agents: products wider than 64 bits.
    @Test func theColumnsAgreeWithTheObviousMarketWhereProductsAreWide() throws {
        var values = CMW1.parameters.map(\.standard)
        let changes: [String: Int64] = [
            "agents": 40_000, "pool_tokens": 1, "pool_money": 1_000_000_000,
            "emission": 1_000_000,
        ]
        for (place, spec) in CMW1.parameters.enumerated() {
            values[place] = changes[spec.name] ?? spec.standard
        }
        try compare(values, steps: 3, seed: 1)
    }

    private func compare(_ values: [Int64], steps: Int, seed: UInt64) throws {
        var market = try CMW1(values, rules: Parameters(), seed: seed)
        let names = CMW1.parameters.map(\.name)
        var obvious = ObviousMarket(
            Dictionary(uniqueKeysWithValues: zip(names, values)), seed: seed)
        var row = [Int64](repeating: 0, count: CMW1.metrics.count)
        for step in 1...steps {
            market.step(into: &row)
            let expected = obvious.step()
            try #require(row == expected, "step \(step), values \(values)")
        }
        #expect(market.digest == obvious.checksum)
        #expect(market.steps == steps)
    }

    @Test func aCopyIsABranch() throws {
        var row = [Int64](repeating: 0, count: CMW1.metrics.count)
        var market = try CMW1(agents: 500, seed: 7)
        for _ in 0..<50 { market.step(into: &row) }
        let before = market.digest
        var branch = market
        for _ in 0..<50 { branch.step(into: &row) }
        #expect(market.digest == before)
        for _ in 0..<50 { market.step(into: &row) }
        #expect(market.digest == branch.digest)
        #expect(market.digest == (try run(500, 100, seed: 7)))
    }

    @Test func aCheckpointGoesOnAsIfNothingHadBeen() throws {
        var row = [Int64](repeating: 0, count: CMW1.metrics.count)
        var values = CMW1.parameters.map(\.standard)
        values[0] = 301
        var market = try CMW1(values, rules: Parameters(), seed: 9)
        for _ in 0..<130 { market.step(into: &row) }
        var writer = ByteWriter()
        market.encode(into: &writer)
        var reader = ByteReader(writer.bytes)
        var later = try CMW1(from: &reader, values: values, rules: Parameters(), seed: 9)
        #expect(reader.remaining == 0)
        #expect(later.digest == market.digest)
        #expect(later.steps == 130)
        for _ in 0..<130 {
            market.step(into: &row)
            let expected = row
            later.step(into: &row)
            #expect(row == expected)
        }
        #expect(later.digest == market.digest)
        // Under other constants it goes on otherwise, also where bids were higher than they may be.
        values[CMW1.parameters.firstIndex { $0.name == "highest_bid" } ?? 0] = 50
        reader = ByteReader(writer.bytes)
        var other = try CMW1(from: &reader, values: values, rules: Parameters(), seed: 9)
        for _ in 0..<130 { other.step(into: &row) }
        #expect(other.digest != market.digest)
    }

    @Test func aCheckpointThatIsNotOneIsRefused() throws {
        var values = CMW1.parameters.map(\.standard)
        values[0] = 20
        let market = try CMW1(values, rules: Parameters(), seed: 1)
        var writer = ByteWriter()
        market.encode(into: &writer)
        let bytes = writer.bytes
        var random = SplitMix64(seed: 3)
        var refused = 0
        for place in bytes.indices {
            var broken = bytes
            broken[place] ^= UInt8.random(in: 1...255, using: &random)
            var reader = ByteReader(broken)
            do throws(ScenarioError) {
                var market = try CMW1(
                    from: &reader, values: values, rules: Parameters(), seed: 1)
                var row = [Int64](repeating: 0, count: CMW1.metrics.count)
                for _ in 0..<20 { market.step(into: &row) }
            } catch { refused += 1 }
        }
        #expect(refused > bytes.count / 2)
        // Behind 40 bytes come ten costs, ten prices, ten capacities, of four bytes each.
        for (place, value) in [(82, 1), (120, 49), (123, 0x80)] as [(Int, UInt8)] {
            var broken = bytes
            broken[place] = value
            var reader = ByteReader(broken)
            #expect(throws: ScenarioError.self, "byte \(place)") {
                try CMW1(from: &reader, values: values, rules: Parameters(), seed: 1)
            }
        }
        var short = ByteReader(Array(bytes.dropLast()))
        #expect(throws: ScenarioError.self) {
            try CMW1(from: &short, values: values, rules: Parameters(), seed: 1)
        }
        values[0] = 22
        var reader = ByteReader(bytes)
        let error = #expect(throws: ScenarioError.self) {
            try CMW1(from: &reader, values: values, rules: Parameters(), seed: 1)
        }
        #expect(error?.reason == "the checkpoint has 20 agents and the scenario 22")
    }

    @Test func valuesThatDoNotFitAreNamed() {
        var values = CMW1.parameters.map(\.standard)
        let highest = CMW1.parameters.firstIndex { $0.name == "highest_bid" } ?? 0
        values[highest] = 9
        let error = #expect(throws: ScenarioError.self) {
            try CMW1(values, rules: Parameters(), seed: 1)
        }
        #expect(error?.reason == "lowest_bid is above highest_bid")
        #expect(throws: ScenarioError.self) { try CMW1([1], rules: Parameters(), seed: 1) }
        #expect(throws: ScenarioError.self) { try CMW1(agents: 1, seed: 1) }
    }

    @Test func theCommandPrintsTheLineOfEveryImplementation() async throws {
        let program = try RunningProgram(
            "exchequer", ["simulate", "cmw1", "--agents", "1000", "--steps", "100"])
        #expect(try await program.end() == 0)
        let line = try #require(program.lines.first)
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
        let fields = try #require(object as? [String: Any])
        #expect(fields["checksum"] as? String == "b9d7bfcf0460cf59")
        #expect(fields["agents"] as? Int == 1_000)
        for name in ["secs", "cpu_secs", "agent_steps_per_s", "agent_steps_per_cpu_s"] {
            #expect((fields[name] as? Double ?? 0) > 0, "\(name)")
        }
        #expect((fields["peak_mib"] as? Double ?? 0) > 1)
        let wrong = try RunningProgram("exchequer", ["simulate", "cmw1", "--agents", "1"])
        #expect(try await wrong.end() == 64)
    }
}
