import Economics
import Primitives
import Simulator
import Testing

@Suite struct MarketModelTests {
    private let busy: [String: Int64] = [
        "providers": 60, "buyers": 120, "lazy": 50, "selective": 50, "colluding": 50, "whale": 50,
        "sybil": 100, "wash": 50, "cheating": 300, "griefing_verifiers": 200, "settlement": 3,
    ]

    @Test func theSameSeedGivesTheSameBits() throws {
        var (one, other, third) = (try Market(busy), try Market(busy), try Market(busy, seed: 2))
        for market in 0..<3 {
            switch market {
            case 0: one.step(12)
            case 1: other.step(12)
            default: third.step(12)
            }
        }
        #expect(one.model.digest == other.model.digest)
        #expect(one.row == other.row)
        #expect(one.model.digest != third.model.digest)
    }

    /// A copy shares its columns until one of the two goes on.
    @Test(arguments: [Int64(0), 1])
    func aCopyIsABranch(backend: Int64) throws {
        var market = try Market(busy.merging(["backend": backend]) { $1 })
        market.step(5)
        let before = market.model.digest
        var branch = market
        market.step(4)
        #expect(branch.model.digest == before)
        branch.step(4)
        #expect(branch.model.digest == market.model.digest)
        #expect(branch.row == market.row)
    }

    @Test(arguments: [Int64(0), 1])
    func aCheckpointGoesOnAlike(backend: Int64) throws {
        let changes = busy.merging(["backend": backend]) { $1 }
        var market = try Market(changes)
        market.step(8)
        var writer = ByteWriter()
        market.model.encode(into: &writer)
        var reader = ByteReader(writer.bytes)
        var again = market
        again.model = try MarketModel(
            from: &reader, values: Market.values(changes), rules: Parameters(), seed: 1)
        try reader.finish()
        #expect(again.model.steps == 8)
        #expect(again.model.digest == market.model.digest)
        market.step(6)
        again.step(6)
        #expect(again.model.digest == market.model.digest)
        #expect(again.row == market.row)
    }

    @Test func aBranchCanHaveOtherRules() throws {
        var market = try Market(busy)
        market.step(8)
        var writer = ByteWriter()
        market.model.encode(into: &writer)
        var rules = Parameters()
        rules.feeBasisPoints = 2_000
        var reader = ByteReader(writer.bytes)
        var other = market
        other.model = try MarketModel(
            from: &reader, values: Market.values(busy), rules: rules, seed: 1)
        market.step()
        other.step()
        #expect(other["jobs"] == market["jobs"])
        #expect(other["fees"] > market["fees"] * 7 / 2)
    }

    @Test func aCheckpointOfOtherAgentsIsRefused() throws {
        var writer = ByteWriter()
        try Market(busy).model.encode(into: &writer)
        for changes in [["providers": Int64(61)], ["backend": 1], ["traders": 3]] {
            var reader = ByteReader(writer.bytes)
            let values = Market.values(busy.merging(changes) { $1 })
            #expect(throws: ScenarioError.self) {
                try MarketModel(from: &reader, values: values, rules: Parameters(), seed: 1)
            }
        }
        for length in [0, 1, 30, writer.bytes.count / 2, writer.bytes.count - 1] {
            var reader = ByteReader(Array(writer.bytes[..<length]))
            #expect(throws: ScenarioError.self) {
                try MarketModel(
                    from: &reader, values: Market.values(busy), rules: Parameters(), seed: 1)
            }
        }
    }

    @Test func whatCannotBeIsRefusedWithAReason() {
        func reason(_ changes: [String: Int64], _ rules: Parameters = Parameters()) -> String {
            do {
                _ = try Market(changes, rules: rules)
                return ""
            } catch let error as ScenarioError {
                return error.reason
            } catch {
                return "another error"
            }
        }
        #expect(reason(["lazy": 600, "wash": 600]).contains("lazy to wash"))
        #expect(reason(["backend": 1, "correlation": 3]).contains("correlation"))
        #expect(reason(["momentum_traders": 700, "noise_traders": 700]).contains("momentum"))
        #expect(
            reason(["start_price": 1_000_000_000, "output_tokens": 100_000_000])
                .contains("too dear"))
        var rules = Parameters()
        rules.challengeWindow = .seconds(100_000)
        #expect(reason([:], rules).contains("challenge window"))
        rules = Parameters()
        rules.burnBasisPoints = 1
        #expect(reason([:], rules).contains("burned part"))
    }

    /// Every parameter at both ends of its range, where the number of agents allows it: a reason,
    /// or a market that runs and loses nothing.
    @Test func theEndsOfEveryRangeAreSafe() throws {
        for spec in MarketModel.parameters {
            for value in [spec.range.lowerBound, spec.range.upperBound] {
                if ["providers", "buyers", "delegators", "traders"].contains(spec.name),
                    value > 1_000
                {
                    continue
                }
                var changes = busy
                changes[spec.name] = value
                guard var market = try? Market(changes) else { continue }
                for _ in 0..<6 {
                    market.step()
                    for name in Market.alwaysZero {
                        #expect(market[name] == 0, "\(name) with \(spec.name) = \(value)")
                    }
                }
            }
        }
    }
}
