import Economics
import Foundation
import Primitives
import ProcessHarness
import Simulator
import Testing

/// Studies from the first run to the digest.
@Suite struct StudyTests {
    private static let grid = """
        {model: halving_pool, steps: 12, seed: 5, replicates: 3,
         study: {kind: grid, axes: {sell_share: [0.1, 50 %, 1], demand: [10, 1000, 3000]}}}
        """

    /// The digest of the grid above, run in one go on one thread, with its folder.
    private func whole(_ record: String = "steps") throws -> (StudyDigest, TemporaryFolder) {
        let folder = try TemporaryFolder()
        var scenario = try Studies.scenario(Self.grid)
        scenario.record = .init(rawValue: record)
        let digest = try Studies.run(scenario, folder.url) { $0.threads = 1 }
        return (try #require(digest), folder)
    }

    @Test(arguments: ["steps", "final"])
    func threadsAndShardsGiveTheSameBits(_ record: String) throws {
        let (digest, one) = try whole(record)
        #expect(try one.lines("results.csv").count == (record == "steps" ? 27 * 12 : 27) + 1)
        var scenario = try Studies.scenario(Self.grid)
        scenario.record = .init(rawValue: record)
        for threads in [2, 5] {
            let folder = try TemporaryFolder()
            let again = try Studies.run(scenario, folder.url) { $0.threads = threads }
            #expect(again == digest)
        }
        for count in [2, 7] {
            let folder = try TemporaryFolder()
            for index in (0..<count).reversed() {
                let done = try Studies.run(scenario, folder.url) {
                    $0.shard = StudyShard("\(index)/\(count)")!
                }
                #expect(done == nil)
            }
            let merge = StudyMerge(HalvingPool.self, [StudyFolder(folder.url)])
            #expect(try merge.status().done == 27)
            #expect(try merge.finish() == digest)
            for name in ["final.csv", "results.csv", "bands.csv", "runs.csv", "manifest.json"] {
                #expect(try folder.text(name) == one.text(name), "\(name) of \(count) shards")
            }
        }
    }

    /// A file that was cut anywhere, as by a kill or a crash, is gone on with.
    @Test func aCutFileIsGoneOnWith() throws {
        let (digest, folder) = try whole()
        let full = try folder.text("results.csv")
        var random = SplitMix64(seed: 8)
        var cuts = (0..<40).map { _ in Int(random.next() % UInt64(full.utf8.count)) }
        cuts += [0, 1, full.utf8.count - 1, full.utf8.count]
        for cut in cuts {
            let kept = String(decoding: full.utf8.prefix(cut), as: UTF8.self)
            try folder.write(kept, to: "results.csv")
            let scenario = try Studies.scenario(Self.grid)
            #expect(try Studies.run(scenario, folder.url) { $0.threads = 2 } == digest, "\(cut)")
            #expect(try folder.text("results.csv") == full)
        }
        // A crash of the machine can leave zeros.
        try folder.write(String(full.prefix(2_000)) + "\u{0}\u{0}\n" + full, to: "results.csv")
        #expect(try Studies.run(Studies.scenario(Self.grid), folder.url) == digest)
    }

    @Test func aFolderKeepsItsStudy() throws {
        let (_, folder) = try whole()
        var other = try Studies.scenario(Self.grid)
        other.seed = 6
        #expect(throws: StudyFault.self) { try Studies.run(other, folder.url) }
        // The words of a question decide nothing.
        var same = try Studies.scenario(Self.grid)
        same.question = "Why?"
        try Studies.run(same, folder.url)
        #expect(try folder.text("manifest.json").contains("Why?"))
        #expect(throws: StudyFault.self) {
            var runner = try StudyRunner(
                same, folder: StudyFolder(folder.url), version: "2", commit: "c")
            runner.threads = 1
            _ = try runner.run()
        }
    }

    @Test func aMergeRefusesWhatIsMissingOrDisagrees() throws {
        let folder = try TemporaryFolder()
        let scenario = try Studies.scenario(Self.grid)
        try Studies.run(scenario, folder.url) { $0.shard = StudyShard("0/2")! }
        let merge = StudyMerge(HalvingPool.self, [StudyFolder(folder.url)])
        let fault = #expect(throws: StudyFault.self) { try merge.finish() }
        #expect("\(fault!)".contains("13 of 27 runs are missing, among them 1, 3, 5"))
        try Studies.run(scenario, folder.url) { $0.shard = StudyShard("1/2")! }
        // The same run twice is no harm, unless it has another result.
        let other = try TemporaryFolder()
        try Studies.run(scenario, other.url) { $0.shard = StudyShard("0/3")! }
        let both = StudyMerge(
            HalvingPool.self, [StudyFolder(folder.url), StudyFolder(other.url)])
        let digest = try both.finish()
        #expect(try digest == whole().0)
        let text = try other.text("results-0-of-3.csv")
        let line = text.split(separator: "\n")[5]
        let changed = text.replacingOccurrences(of: line, with: line.dropLast() + "1")
        try other.write(changed, to: "results-0-of-3.csv")
        let second = #expect(throws: StudyFault.self) { try both.finish() }
        #expect("\(second!)".contains("the machines do not agree"))
    }

    @Test func aRunThatCannotBeginEndsTheStudy() throws {
        let folder = try TemporaryFolder()
        var scenario = try Studies.scenario("model: linear\nsteps: 1")
        scenario.values[0] = 999_999
        #expect(throws: ScenarioError.self) { try scenario.check() }
        let fault = #expect(throws: StudyFault.self) { try Studies.run(scenario, folder.url) }
        #expect("\(fault!)" == "run 0: a must not be 0.999999")
    }

    @Test func aBranchGoesOnFromACheckpoint() throws {
        let folder = try TemporaryFolder()
        let scenario = try Studies.scenario(
            "{model: halving_pool, steps: 40, seed: 3, record: steps, rules: {halving_epochs: 9}}")
        try Studies.run(scenario, folder.url) { $0.checkpointEvery = 15 }
        let file = folder.url.appendingPathComponent("checkpoint-0-30.bin")
        let checkpoint = try Checkpoint(file: file)
        #expect(
            checkpoint.step == 30 && checkpoint.seed == 3 && checkpoint.values == scenario.values)
        let whole = try folder.lines("results.csv")
        // Without a change it is the same run.
        let same = try TemporaryFolder()
        try Studies.run(scenario, same.url, from: checkpoint)
        #expect(try Array(same.lines("results.csv").dropFirst()) == Array(whole.suffix(10)))
        // With one it is another from there on.
        var changed = scenario
        try changed.set("demand", to: "0")
        let branch = try TemporaryFolder()
        let digest = try Studies.run(changed, branch.url, from: checkpoint)
        let rows = try branch.lines("results.csv")
        #expect(rows[1][1] == "31" && rows[1][2] == whole[31][2] && rows[1][6] == "0")
        #expect(try Studies.run(changed, branch.url, from: checkpoint) == digest)
        #expect(throws: StudyFault.self) { try Studies.run(changed, branch.url) }
        // What is damaged, of another model or behind the end is refused.
        var bytes = Array(try Data(contentsOf: file))
        bytes[60] ^= 1
        try Data(bytes).write(to: file)
        #expect(throws: StudyFault.self) { try Checkpoint(file: file) }
        changed.steps = 30
        #expect(throws: StudyFault.self) { try Studies.run(changed, branch.url, from: checkpoint) }
        let other = try Studies.scenario("model: linear\nsteps: 50")
        #expect(throws: StudyFault.self) { try Studies.run(other, branch.url, from: checkpoint) }
    }

    /// A state that gives another digest when it is read is not gone on with.
    @Test func aCheckpointMustGiveItsDigest() throws {
        let folder = try TemporaryFolder()
        let scenario = try Studies.scenario("{model: linear, steps: 4}")
        try Studies.run(scenario, folder.url) { $0.checkpointEvery = 2 }
        let checkpoint = try Checkpoint(
            file: folder.url.appendingPathComponent("checkpoint-0-2.bin"))
        let other = try TemporaryFolder()
        #expect(try Studies.run(scenario, other.url, from: checkpoint) != nil)
        let third = try TemporaryFolder()
        let fault = #expect(throws: StudyFault.self) {
            try Studies.run(
                StudyScenario(model: ForgetfulModel.self, steps: 4), third.url, from: checkpoint)
        }
        #expect("\(fault!)".contains("does not fit this version of the model"))
    }

    @Test func bandsAreQuantilesOverReplicates() throws {
        let folder = try TemporaryFolder()
        let scenario = try Studies.scenario(
            "{model: linear, steps: 2, replicates: 21, record: steps, parameters: {noise: 1000000}}"
        )
        try Studies.run(scenario, folder.url)
        let results = try folder.lines("results.csv")
        let sorted = results.filter { $0[1] == "2" }.map { Double($0[2])! }.sorted()
        let row = try #require(try folder.lines("bands.csv").first { $0[1] == "2" && $0[2] == "y" })
        #expect(row[4...6].map { Double($0)! } == [sorted[1], sorted[10], sorted[19]])
        #expect(abs(Double(row[3])! - sorted.reduce(0, +) / 21) < 1e-12)
    }

    @Test func sobolAndMorrisFindTheWeightsOfASum() throws {
        let axes = "axes: {a: {low: 0, high: 1}, b: {low: 0, high: 1}, c: {low: 0, high: 1}}"
        let sobol = try TemporaryFolder()
        try Studies.run(
            Studies.scenario(
                "{model: linear, steps: 1, study: {kind: sobol, samples: 1024, \(axes)}}"),
            sobol.url)
        let rows = try sobol.lines("indices.csv").dropFirst()
        // A metric that does not vary has no indices: 3 first, 3 total, 3 second.
        #expect(rows.count == 9 && rows.allSatisfy { $0[0] == "y" })
        for (name, weight) in [("a", 16.0), ("b", 4), ("c", 1)] {
            for kind in ["first", "total"] {
                let row = try #require(rows.first { $0[1] == name && $0[2] == kind })
                let (value, low, high) = (Double(row[4])!, Double(row[5])!, Double(row[6])!)
                #expect(abs(value - weight / 21) < 0.02, "\(row)")
                #expect(low < value && value < high && high - low < 0.3, "\(row)")
            }
        }
        for row in rows where row[2] == "second" { #expect(abs(Double(row[4])!) < 0.02, "\(row)") }
        let morris = try TemporaryFolder()
        try Studies.run(
            Studies.scenario(
                """
                {model: linear, steps: 1, parameters: {sign: minus},
                 study: {kind: morris, trajectories: 10, \(axes)}}
                """), morris.url)
        for (name, weight) in [("a", 4.0), ("b", 2), ("c", 1)] {
            let own = try morris.lines("indices.csv").filter { $0[0] == "y" && $0[1] == name }
            let values = own.map { Double($0[4])! }
            #expect(own.map { $0[2] } == ["mu", "mu_star", "sigma"])
            #expect(abs(values[0] + weight) < 1e-5 && abs(values[1] - weight) < 1e-5)
            #expect(values[2] < 1e-5)
        }
    }

    @Test func calibrationFindsTheValuesThatMadeTheSeries() throws {
        let folder = try TemporaryFolder()
        let text = "model: halving_pool\nmetric: price\nsteps: 30\nseed: 4\nreplicates: 2\n"
        var truth = try Studies.scenario(text)
        try truth.set("sell_share", to: "0.37")
        try truth.set("demand", to: "812")
        try Studies.run(truth, folder.url) { $0.threads = 1 }
        let bands = try folder.lines("bands.csv").filter { $0[2] == "price" }
        let series = bands.map { "\($0[1]),\($0[3])\n" }.joined()
        try folder.write("step,price\n" + series, to: "series.csv")
        let scenario = try Studies.scenario(
            text + """
                study:
                  kind: calibration
                  evaluations: 3000
                  series: series.csv
                  hold_out: 8
                  axes: {sell_share: {low: 0, high: 1}, demand: {low: 100, high: 2000}}
                """, folder: folder.url)
        var fits: [CalibrationFit] = []
        for threads in [1, 3] {
            let out = try TemporaryFolder()
            var calibration = Calibration(scenario, folder: StudyFolder(out.url))
            calibration.threads = threads
            fits.append(try calibration.run(version: "1", commit: "c"))
            #expect(try out.lines("calibration.csv").count == fits[0].evaluations + 1)
        }
        #expect(fits[0] == fits[1])
        let values = fits[0].values.map { Double($0.value)! }
        #expect(abs(values[0] - 0.37) < 0.01 && abs(values[1] - 812) < 2, "\(fits[0])")
        #expect(fits[0].error < 0.001 && fits[0].heldOutError! < 0.002, "\(fits[0])")
    }
}

/// Studies as processes that are killed.
@Suite struct KilledStudyTests {
    private static let study = """
        model: halving_pool
        steps: 10000
        record: final
        study:
          kind: lhs
          samples: 400
          axes:
            sell_share: {low: 0, high: 1}
            demand: {low: 10, high: 2000}
        """

    private func start(_ folder: TemporaryFolder, _ more: [String]) throws -> RunningProgram {
        try RunningProgram(
            "exchequer",
            [
                "simulate", "run", folder.url.appendingPathComponent("study.yaml").path, "--out",
                folder.url.appendingPathComponent("out").path, "--json",
            ] + more)
    }

    /// Sends a signal as soon as something is so; false if the program ended before. On a thread of
    /// its own, since tests that compute hold up those that wait.
    private func signal(
        _ number: Int32, to program: RunningProgram, when condition: @escaping @Sendable () -> Bool
    ) async -> Bool {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                while program.isRunning {
                    if condition() {
                        program.signal(number)
                        return continuation.resume(returning: true)
                    }
                    usleep(1_000)
                }
                continuation.resume(returning: false)
            }
        }
    }

    /// Kills a run again and again once it has got a little further; gives how often.
    private func runThroughKills(_ folder: TemporaryFolder, _ more: [String]) async throws -> Int {
        var kills = 0
        let out = folder.url.appendingPathComponent("out")
        let rows: @Sendable () -> Int = {
            let names = try? FileManager.default.contentsOfDirectory(atPath: out.path)
            let results = (names ?? []).filter { $0.hasPrefix("results") }
            return results.reduce(0) { sum, name in
                let data = try? Data(contentsOf: out.appendingPathComponent(name))
                return sum + (data ?? Data()).count { $0 == 0x0A }
            }
        }
        while kills < 4 {
            let before = rows()
            let program = try start(folder, more)
            let isKilled = await signal(SIGKILL, to: program) { rows() > before + 30 }
            let code = try await program.end()
            if !isKilled {
                #expect(code == 0)
                return kills
            }
            kills += 1
        }
        #expect(try await start(folder, more).end() == 0)
        return kills
    }

    @Test func aKilledStudyEndsWithTheSameDigest() async throws {
        let (calm, killed, sharded) = (
            try TemporaryFolder(), try TemporaryFolder(), try TemporaryFolder()
        )
        for folder in [calm, killed, sharded] { try folder.write(Self.study, to: "study.yaml") }
        let program = try start(calm, [])
        #expect(try await program.end() == 0)
        let digest = try #require(program.lines.last)
        #expect(digest.contains("\"digest\"") && program.lines.first?.contains("left") == true)
        #expect(try await runThroughKills(killed, ["--threads", "2"]) > 0)
        #expect(try await merge(killed) == digest)
        var kills = 0
        for shard in ["0/2", "1/2"] {
            kills += try await runThroughKills(sharded, ["--shard", shard])
        }
        #expect(kills > 0)
        #expect(try await merge(sharded) == digest)
        for name in ["final.csv", "results.csv"] {
            #expect(try killed.text("out/\(name)") == calm.text("out/\(name)"))
            #expect(try sharded.text("out/\(name)") == calm.text("out/\(name)"))
        }
    }

    private func merge(_ folder: TemporaryFolder) async throws -> String? {
        let program = try RunningProgram(
            "exchequer",
            ["simulate", "merge", folder.url.appendingPathComponent("out").path, "--json"])
        #expect(try await program.end() == 0, "\(program.errors)")
        return program.lines.last
    }

    @Test func oneProcessAtATimeWritesAFile() async throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.study, to: "study.yaml")
        let first = try start(folder, ["--set", "pool_tokens=5000", "--steps", "400000"])
        let results = folder.url.appendingPathComponent("out/results.csv")
        // Whoever has written the header keeps others out; the file is there a moment before that.
        #expect(
            await signal(SIGSTOP, to: first) { (try? Data(contentsOf: results))?.isEmpty == false })
        let second = try start(folder, ["--set", "pool_tokens=5000", "--steps", "400000"])
        #expect(try await second.end() == 5)
        #expect(second.errors.contains { $0.contains("another process writes") })
        first.signal(SIGKILL)
        _ = try await first.end()
    }

    @Test func theCommandsSayWhatIsWrong() async throws {
        let folder = try TemporaryFolder()
        try folder.write("model: halving_pool\nstepz: 1", to: "study.yaml")
        let run = try start(folder, [])
        #expect(try await run.end() == 3)
        #expect(
            run.errors.last?.hasSuffix(
                "study.yaml:2:1: no key is called `stepz`; did you mean `steps`?") == true)
        let shard = try start(folder, ["--shard", "2/2"])
        #expect(try await shard.end() == 64)
        let status = try RunningProgram("exchequer", ["simulate", "status", folder.url.path])
        #expect(try await status.end() == 3)
        let models = try RunningProgram("exchequer", ["simulate", "models", "halving_pool"])
        #expect(try await models.end() == 0)
        #expect(models.lines.contains { $0.hasPrefix("sell_share") })
    }
}
