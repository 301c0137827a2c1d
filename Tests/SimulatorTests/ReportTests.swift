import Foundation
import ProcessHarness
import Simulator
import Testing

@Suite struct ReportTests {
    private func single() throws -> ReportFiles {
        var study = StudyFixture(kind: "single")
        study.more = """
            ,"title":"A <b>market</b>","question":"What becomes of the pool?","expect":"It shrinks.",
            "thresholds":[{"metric":"active","at_least":"1","says":"Somebody stays."},
            {"metric":"exits","at_least":"1000000"}]
            """
        return try study.files()
    }

    @Test func aRunIsShownOverTimeWithItsBandAndItsVerdicts() throws {
        let report = try StudyReport(single())
        #expect(report.plots.first?.name == "time-pool_money")
        #expect(report.plots.count == CMW1.metrics.count)
        let svg = try #require(report.plots.first?.svg)
        #expect(svg.contains("class=\"band s0\""))
        #expect(svg.contains("class=\"line s0\""))
        #expect(svg.contains(">pool money, USD<"))
        // The numbers that are drawn, one row a step.
        #expect(report.plots.first?.csv.split(separator: "\n").count == 121)
        #expect(report.findings.contains { $0.hasPrefix("After 120 steps, pool money is ") })
        #expect(report.findings.contains { $0.hasPrefix("It falls from ") })
        #expect(report.findings.last == "Thresholds that hold in every run: 1 of 2.")
        let page = report.page(folder: "out")
        #expect(page.contains("✓ holds"))
        #expect(page.contains("✗ fails"))
        #expect(page.contains("5 of 5"))
        #expect(page.contains("exchequer simulate report out --plot time-pool_money"))
        #expect(page.contains("href=\"bands.csv\""))
        #expect(page.contains("policy halving"))
    }

    @Test func aPageLoadsNothingAndIsTheSameEachTime() throws {
        let files = try single()
        let page = try StudyReport(files).page(folder: "out", path: "../out/")
        #expect(try StudyReport(files).page(folder: "out", path: "../out/") == page)
        for word in ["<script", "<link", "src=", "@import", "url("] {
            #expect(!page.contains(word), "\(word)")
        }
        #expect(page.contains("A &lt;b&gt;market&lt;/b&gt;"))
        #expect(!page.contains("<b>market"))
        #expect(page.contains("href=\"../out/final.csv\""))
    }

    @Test func aGridOfTwoAxesIsAMapWithTheLineOfTheory() throws {
        let study = StudyFixture(
            axes: [("fee_rate", [0, 50, 400]), ("slash_part", [0, 500])], metric: "fees",
            steps: 30, replicates: 3)
        var files = try study.files()
        files.line = "fee_rate,slash_part\n0.05,0\n0.05,0.5\n"
        let report = try StudyReport(files)
        let map = try #require(report.plots.first)
        #expect(map.name == "map-fees")
        #expect(map.csv.split(separator: "\n").count == 7)
        #expect(map.svg.contains("closed-form"))
        #expect(map.svg.contains(">fee rate, part<"))
        #expect(report.findings.contains { $0.hasPrefix("It is highest at ") })
    }

    @Test func aGridOfOneAxisIsALineAndComparesUnderTheSameLuck() throws {
        let study = StudyFixture(
            axes: [("fee_rate", [0, 500])], metric: "fees", steps: 20, replicates: 4)
        let report = try StudyReport(study.files())
        #expect(report.plots.first?.name == "by-fee_rate-fees")
        #expect(
            report.findings.contains {
                $0.contains("fee rate 0.500 is higher than fee rate 0.000 in 4 of 4 replicates")
            })
        // Over time there is a line for each point, with its name.
        let time = try #require(report.plots.first { $0.name == "time-fees" })
        #expect(time.svg.contains(">fee rate 0.500<"))
    }

    // MARK: Files that were not run

    private func files(
        kind: String, _ rows: [String], axes: [String] = ["a", "b"], indices: String? = nil
    ) -> ReportFiles {
        let list = axes.map { "{\"name\":\"\($0)\",\"low\":\"0\",\"high\":\"1\"}" }
        var files = ReportFiles(
            manifest: """
                {"model":"m","metric":"y","steps":1,"seed":1,"parameters":{"a":"0"},
                "study":{"kind":"\(kind)",
                "axes":[\(list.joined(separator: ","))]}}
                """,
            final: "run,point,replicate,seed,\(axes.joined(separator: ",")),y\n"
                + rows.joined(separator: "\n"),
            dictionary:
                "column,kind,unit,about\na,parameter,,\"a, \"\"quoted\"\"\"\ny,metric,USD,it\n")
        files.indices = indices
        return files
    }

    @Test func samplesAreRankedByWhatMovesThem() throws {
        // y falls with a; b has nothing to do with it: 1, 4, 2, 5, 3 against 5, 4, 3, 2, 1.
        let rows = (0..<5).map { place in
            "\(place),\(place),0,1,0.\(place),\([1, 4, 2, 5, 3][place]),\(10 - place)"
        }
        let report = try StudyReport(files(kind: "lhs", rows))
        let ranks = try #require(report.plots.first { $0.name == "ranks-y" })
        // Spearman by hand: d = -4, 0, -1, 3, 2, so 1 - 6 * 30 / (5 * 24).
        #expect(
            ranks.csv == """
                name,series,value,low,high
                a,rank correlation,-1.0,nan,nan
                b,rank correlation,-0.5,nan,nan

                """)
        #expect(report.plots.map(\.name).contains("scatter-a-y"))
        #expect(report.page(folder: "out").contains("<td>a, &quot;quoted&quot;</td>"))
        #expect(report.findings.contains { $0.contains("a (\u{2212}1) and b (\u{2212}0.5)") })
        // Quantiles by straight lines: 6.2 and 9.8 of 6 ... 10.
        #expect(
            report.findings.first
                == "After 1 steps, y is 8 USD in the middle of 5 runs; nine in ten lie between 6.2 "
                + "and 9.8 USD.")
    }

    @Test func indicesAreBarsAndWords() throws {
        let rows = ["0,0,0,1,0,0,1", "1,1,0,1,1,1,2"]
        let head = "metric,parameter,index,other,value,low,high\n"
        let sobol = try StudyReport(
            files(
                kind: "sobol", rows,
                indices: head + "y,a,first,,0.2,0.1,0.3\ny,a,total,,0.9,0.8,1\n"
                    + "y,b,first,,0,0,0\ny,b,total,,0.001,0,0.01\ny,a,second,b,0.1,0,0.2\n"))
        #expect(sobol.plots.first?.name == "sobol-y")
        #expect(
            sobol.findings.contains { $0.hasPrefix("A matters most: by itself it explains 20 %") })
        #expect(sobol.findings.contains { $0.hasPrefix("80 % of the variance comes from") })
        #expect(sobol.findings.contains("It hardly depends on b, which could be fixed."))
        let morris = try StudyReport(
            files(
                kind: "morris", rows,
                indices: head + "y,a,mu_star,,2,1,3\ny,a,sigma,,5,,\ny,b,mu_star,,1,0,2\n"
                    + "y,b,sigma,,0.1,,\n"))
        #expect(morris.plots.map(\.name) == ["morris-y", "morris-spread-y"])
        #expect(morris.findings.contains("What moves it, strongest first: a and b."))
        #expect(morris.findings.contains { $0.hasPrefix("The effect of a depends on where") })
    }

    @Test func inequalityIsALorenzCurveWithItsIndex() throws {
        var files = files(kind: "single", ["0,0,0,1,0,0,1"])
        files.distribution = "group,value\none,1\none,3\nall the same,2\nall the same,2\n"
        let plot = try #require(try StudyReport(files).plots.last)
        #expect(plot.svg.contains(">one: Gini 0.25<"))
        #expect(plot.svg.contains(">all the same: Gini 0<"))
        #expect(plot.csv.contains("one,0.5,0.25\n"))
    }

    @Test func filesThatAreNoStudysAreRefused() throws {
        var files = files(kind: "single", ["0,0,0,1,0,0"])
        var error = #expect(throws: ReportError.self) { try StudyReport(files) }
        #expect(error?.reason == "row 1 has 6 cells, the header 7")
        files.final = "run,y\n"
        error = #expect(throws: ReportError.self) { try StudyReport(files) }
        #expect(error?.reason == "final.csv has no run")
        files.final = "run,z\n1,1\n"
        error = #expect(throws: ReportError.self) { try StudyReport(files) }
        #expect(error?.reason == "final.csv has none of the metrics of dictionary.csv")
        files.manifest = "{}"
        #expect(throws: ReportError.self) { try StudyReport(files) }
    }

    // MARK: The command

    @Test func theCommandWritesThePageBesideTheResults() async throws {
        let folder = try TemporaryStudy(single())
        let figures = folder.path + "/figures"
        let program = try RunningProgram(
            "exchequer", ["simulate", "report", folder.path, "--svg", figures])
        #expect(try await program.end() == 0)
        let page = try #require(program.lines.first)
        let text = try String(contentsOfFile: page, encoding: .utf8)
        #expect(text == (try StudyReport(single()).page(folder: folder.path)))
        let svg = try String(contentsOfFile: figures + "/time-fees.svg", encoding: .utf8)
        #expect(svg.hasPrefix("<svg "))
        let unknown = try RunningProgram(
            "exchequer", ["simulate", "report", folder.path, "--plot", "no"])
        #expect(try await unknown.end() == 64)
        let empty = try RunningProgram("exchequer", ["simulate", "report", figures])
        #expect(try await empty.end() == 3)
    }

    @Test func theCommandReadsWhatAStudyWrote() async throws {
        let folder = try TemporaryStudy(single())
        let scenario = folder.path + "/study.yaml"
        try """
        title: Demand
        question: What does demand do to the price?
        metric: price
        model: halving_pool
        steps: 20
        replicates: 3
        study:
          kind: grid
          axes:
            demand: [100, 1_000]
        report:
          thresholds:
            - {metric: price, at_least: 0.001, says: The token is worth something.}

        """.write(toFile: scenario, atomically: true, encoding: .utf8)
        let out = folder.path + "/out"
        let study = try RunningProgram("exchequer", ["simulate", "run", scenario, "--out", out])
        #expect(try await study.end() == 0, "\(study.errors)")
        let program = try RunningProgram(
            "exchequer", ["simulate", "report", out, "--plot", "by-demand-price"])
        #expect(try await program.end() == 0, "\(program.errors)")
        #expect(program.lines.joined().contains(">demand, usd<"))
        let page = try RunningProgram("exchequer", ["simulate", "report", out])
        #expect(try await page.end() == 0)
        #expect(page.errors.contains("The threshold holds in every run."))
        #expect(
            page.errors.contains {
                $0.contains("demand 1000 is higher than demand 100 in 3 of 3 replicates")
            }, "\(page.errors)")
    }
}

/// A study's files in a folder that is removed with this value.
final class TemporaryStudy {
    let path: String

    init(_ files: ReportFiles) throws {
        path =
            FileManager.default.temporaryDirectory
            .appendingPathComponent("exchequer-report-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true)
        let all = [
            ("manifest.json", files.manifest), ("final.csv", files.final),
            ("dictionary.csv", files.dictionary), ("results.csv", files.results),
            ("bands.csv", files.bands), ("indices.csv", files.indices),
        ]
        for case (let name, let text?) in all {
            try text.write(toFile: path + "/" + name, atomically: true, encoding: .utf8)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
