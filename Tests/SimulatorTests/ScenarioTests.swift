import Economics
import Foundation
import Primitives
import Simulator
import Testing

/// Scenario files: what is read, and what is refused where and why.
@Suite struct ScenarioTests {
    @Test func everyKeyIsRead() throws {
        let scenario = try Studies.scenario(
            """
            title: A title
            question: What & why?
            expect: A line.
            metric: price
            model: halving_pool
            steps: 20
            seed: 18446744073709551615
            replicates: 3
            record: final
            parameters:
              sell_share: 2.5 %
              demand: "1_250.75 usd"
            rules:
              minimum_bond: 50.5
              audit_rate_per_million: 50000
              emission: {policy: issuance_halving, initial: "1000.00", cap: 21000000}
            study:
              kind: grid
              axes:
                swap_fee: [0.003, 1 %]
                rules.emission.initial: {low: 1, high: 2, points: 3}
                rules.halving_epochs: [10]
            report:
              thresholds:
                - {metric: price, at_least: 0.5, says: It lives.}
            """)
        #expect(scenario.title == "A title" && scenario.question == "What & why?")
        #expect(scenario.metric == "price" && scenario.steps == 20 && scenario.seed == .max)
        #expect(scenario.replicates == 3 && scenario.record == .final)
        #expect(scenario.values[0] == 250 && scenario.values[1] == 125_075)
        #expect(scenario.rules.minimumBond == Amount(50_500_000_000_000))
        #expect(scenario.rules.auditRatePerMillion == 50_000)
        #expect(scenario.study.pointCount == 6 && scenario.runCount == 18)
        let points = scenario.study.points()
        #expect(Array(points[1]) == [3, 1_500_000_000_000, 10])
        let (values, rules) = try scenario.setting(points[5])
        #expect(values[5] == 10 && rules.halvingEpochs == 10)
        #expect(rules.emission.fields[0].value == 2_000_000_000_000)
        #expect(scenario.thresholds.first?.atLeast == "0.5")
    }

    /// Each with the place and words of what is said.
    @Test(arguments: [
        ("model: halving_pool\nstepz: 3", "2:1: no key is called `stepz`; did you mean `steps`?"),
        ("model: halving_pool", "1:1: `steps` is missing"),
        ("steps: 3", "1:1: `model` is missing: one of linear, halving_pool"),
        ("model: halving_poll\nsteps: 3", "1:8: `halving_poll` is none of"),
        ("model: linear\nsteps: 3\nsteps: 4", "`steps` is said more than once here"),
        ("model: linear\nsteps: 0", "2:8: `0` is out of range: `steps` goes from 1 to 10000000"),
        ("model: linear\nsteps: 1e3", "2:8: `1e3` has the unit `e3`, but this is counted in"),
        ("model: linear\nsteps: 3.5", "2:8: `3.5` has too many decimals: there are no decimals"),
        ("model: linear\nsteps: [3]", "2:8: there must be one value here"),
        ("- model", "1:1: `scenario` must have keys and values"),
        ("", "the file is empty"),
        ("model: linear\nsteps: 3\nseed: -1", "3:7: `seed` is a whole number from 0 to"),
        ("a: [", "not YAML"),
        ("a: 'b", "not YAML"),
        ("? [a, b]\n: c", "1:3: a key must be a word"),
        ("a: &x 1\nb: *x", "1:4: anchors and aliases"),
        ("a: [b, *x]", "1:8: anchors and aliases"),
        ("model: linear\n---\nmodel: linear", "not YAML: but found another document"),
        ("model: linear\nsteps: 1\nmetric: z", "3:9: `z` is none of y, still"),
    ])
    func whatIsWrongIsSaidWithItsPlace(_ text: String, _ words: String) {
        expectFault(text, words)
    }

    @Test(arguments: [
        ("parameters: {demand: 5 %}", "`5 %`: this is counted in usd, not in %"),
        ("parameters: {demand: 5 eur}", "`5 eur` has the unit `eur`, but this is counted in usd"),
        ("parameters: {demand: 0.001}", "too many decimals: there are at most 2 decimals here"),
        ("parameters: {demand: five}", "has the unit `five`"),
        ("parameters: {demand: 1.2.3}", "`1.2.3` is not a decimal number"),
        ("parameters: {demand: -1}", "`-1` is out of range: `demand` goes from 0 to 10000000000"),
        ("parameters: {demand: 99999999999999999999999}", "is too large"),
        ("parameters: {sell_share: 100.01 %}", "is out of range"),
        ("parameters: {demnd: 1}", "3:14: no parameter of halving_pool is called `demnd`; did you"),
        ("rules: {minimum_bnd: 1}", "did you mean `minimum_bond`?"),
        ("rules: {minimum_bond: 0.0000000000001}", "3:23: minimum_bond: not decimal text"),
        ("rules: {fee_basis_points: 4294967296}", "fee_basis_points: a number that is too large"),
        ("rules: {fee_basis_points: 10001}", "3:8: the fee is over 100 %"),
        ("rules: {emission: {policy: non}}", "3:28: policy: no such policy: non"),
        (
            "rules: {emission: {policy: height_halving, initial: 1, intervall: 2}}",
            "3:67: intervall"
        ),
        ("study: {kind: grids}", "did you mean `grid`?"),
        ("study: {kind: grid}", "a grid study needs `axes`"),
        ("study: {kind: grid, axes: {demnd: [1]}}", "did you mean `demand`?"),
        ("study: {kind: grid, axes: {demand: []}}", "an axis needs a value"),
        ("study: {kind: grid, axes: {demand: {low: 2, high: 1, points: 3}}}", "above `low`"),
        ("study: {kind: grid, samples: 3, axes: {demand: [1]}}", "a grid study has no `samples`"),
        ("study: {kind: lhs, samples: 3, axes: {demand: [1]}}", "needs `low` and `high` here"),
        ("study: {kind: lhs, axes: {demand: {low: 1, high: 2}}}", "`samples` is missing"),
        ("study: {kind: sobol, samples: 100, axes: {demand: {low: 1, high: 2}}}", "64 and 128"),
        (
            "study: {kind: morris, trajectories: 9, levels: 3, axes: {demand: {low: 1, high: 2}}}",
            "even"
        ),
        ("study: {kind: matrix, file: nowhere.csv}", "`nowhere.csv` cannot be read"),
        (
            "study: {kind: grid, axes: {rules.fee_basis_points: [0, 10001]}}",
            "rules.fee_basis_points 10001: the fee is over 100 %"
        ),
        (
            "study: {kind: lhs, samples: 1000000, axes: {demand: {low: 1, high: 2}}}\nreplicates: 6",
            "over 5000000 runs"
        ),
        ("report: {thresholds: [{metric: price}]}", "needs `at_least` or `at_most`"),
    ])
    func numbersUnitsAndStudiesAreChecked(_ text: String, _ words: String) {
        expectFault("model: halving_pool\nsteps: 3\n" + text, words)
    }

    /// What could make the parser or this process very busy.
    @Test func hostileTextsAreRefused() {
        expectFault(String(repeating: "[", count: 100_000), "brackets nest too deep")
        expectFault(String(repeating: "{a: ", count: 100_000), "brackets nest too deep")
        expectFault(String(repeating: "- ", count: 100_000), "blocks nest too deep")
        expectFault(String(repeating: "? ", count: 100_000), "blocks nest too deep")
        var deep = ""
        for level in 0..<1_000 { deep += String(repeating: " ", count: level) + "a:\n" }
        expectFault(deep, "a line starts behind column 64")
        var bomb = "a0: &a0 [x, x]\n"
        for level in 1..<60 { bomb += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
        expectFault(bomb + "? *a59\n: x", "anchors and aliases")
        expectFault("a: \"" + String(repeating: "x", count: 1 << 20) + "\"", "over a mebibyte")
        expectFault("a: \"\\uD800\"", "not YAML")
        expectFault("a: \u{0}", "not YAML")
    }

    private func expectFault(_ text: String, _ words: String) {
        do {
            _ = try Studies.scenario(text)
            Issue.record("read: \(text.prefix(100))")
        } catch {
            #expect("\(error)".contains(words), "\(error)")
        }
    }

    @Test func decimalTextIsExactInBothDirections() throws {
        var random = SplitMix64(seed: 3)
        for places in 0...18 {
            let unit = Quantity.decimal(places: places, of: "usd")
            for value in [Int64.min, .min + 1, -1, 0, 1, 9, 10, .max]
                + (0..<300).map({ Int64(truncatingIfNeeded: random.next() >> UInt64($0 % 64)) })
            {
                let text = unit.text(value)
                #expect(try unit.read(text) == value, "\(text) of \(places) places")
            }
        }
        #expect(Quantity.decimal(places: 3, of: "").text(-50) == "-0.05")
        #expect(Quantity.choice(["a", "b"]).text(1) == "b")
        #expect(throws: ScenarioError.self) { try Quantity.choice(["a"]).read("b") }
        #expect(throws: ScenarioError.self) { try Quantity.count(of: "x").read("") }
        for text in ["_1", "1_", "1__0", ".", "1.", "-", "1_.0", "1._0"] {
            #expect(throws: ScenarioError.self) {
                try Quantity.decimal(places: 3, of: "usd").read(text)
            }
        }
    }

    @Test func aChangeIsReadLikeTheFile() throws {
        var scenario = try Studies.scenario(
            "model: halving_pool\nsteps: 3\nstudy: {kind: grid, axes: {demand: [1]}}")
        try scenario.set("sell_share", to: "10 %")
        try scenario.set("rules.fee_basis_points", to: "100")
        #expect(scenario.values[0] == 1_000 && scenario.rules.feeBasisPoints == 100)
        #expect(throws: ScenarioError.self) { try scenario.set("sell_shar", to: "1") }
        #expect(throws: ScenarioError.self) { try scenario.set("sell_share", to: "101 %") }
        // What a study varies is not also fixed.
        #expect(throws: ScenarioError.self) { try scenario.set("demand", to: "1") }
    }

    @Test func theSchemaIsTheOneThatIsPublished() throws {
        let file = Repository.root.appendingPathComponent("sim/schema/scenario.schema.json")
        let published = try String(contentsOf: file, encoding: .utf8)
        #expect(
            published == ScenarioSchema.text,
            "run: exchequer simulate schema > sim/schema/scenario.schema.json")
    }

    @Test func everyScenarioOfTheRepositoryIsSound() throws {
        let folder = Repository.root.appendingPathComponent("sim/scenarios")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        let files = names.filter { $0.hasSuffix(".yaml") }.sorted()
        #expect(!files.isEmpty)
        for name in files {
            let scenario = try StudyScenario.read(file: folder.appendingPathComponent(name).path)
            for text in [scenario.title, scenario.question, scenario.expect] {
                #expect(!text.isEmpty, "\(name) lacks a title, question or expectation")
            }
        }
    }
}
