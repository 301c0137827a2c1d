import Foundation
import ProcessHarness
import Simulator
import Testing

/// A calibration that is stopped in the middle.
@Suite struct CalibrationTests {
    private static let study = """
        model: halving_pool
        metric: price
        steps: 12000
        seed: 4
        study:
          kind: calibration
          evaluations: 260
          series: series.csv
          axes: {sell_share: {low: 0, high: 1}, demand: {low: 100, high: 2000}}
        """

    private func folder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try folder.write(Self.study, to: "study.yaml")
        let rows = (1...40).map { "\($0 * 300),\(1 + Double($0) / 10)\n" }.joined()
        try folder.write("step,price\n" + rows, to: "series.csv")
        return folder
    }

    private func calibrate(_ folder: TemporaryFolder) throws -> CalibrationFit {
        let scenario = try Studies.scenario(Self.study, folder: folder.url)
        let out = folder.url.appendingPathComponent("out")
        return try Calibration(scenario, folder: StudyFolder(out)).run(version: "1", commit: "c")
    }

    @Test func aKilledCalibrationEndsWithTheSameFit() async throws {
        let (calm, killed) = (try folder(), try folder())
        let program = try start(calm)
        #expect(try await program.end() == 0, "\(program.errors)")
        let fit = try #require(program.lines.last)
        #expect(fit.contains("\"rmse\""))
        var (kills, last, before) = (0, "", 0)
        while kills < 12 {
            let program = try start(killed)
            let table = killed.url.appendingPathComponent("out/calibration.csv")
            let isKilled = await kill(program, once: before + 25, in: table)
            let code = try await program.end()
            if !isKilled {
                #expect(code == 0)
                last = program.lines.last ?? ""
                break
            }
            kills += 1
            // Nothing that was known is lost.
            let found = rows(table)
            #expect(found > before)
            before = found
        }
        #expect(kills > 1)
        if last.isEmpty {
            let program = try start(killed)
            #expect(try await program.end() == 0)
            last = program.lines.last ?? ""
        }
        #expect(last == fit)
        #expect(try killed.text("out/calibration.csv") == calm.text("out/calibration.csv"))
    }

    private func start(_ folder: TemporaryFolder) throws -> RunningProgram {
        try RunningProgram(
            "exchequer",
            [
                "simulate", "run", folder.url.appendingPathComponent("study.yaml").path, "--out",
                folder.url.appendingPathComponent("out").path, "--json",
            ])
    }

    private func rows(_ file: URL) -> Int {
        ((try? Data(contentsOf: file)) ?? Data()).count { $0 == 0x0A }
    }

    private func kill(
        _ program: RunningProgram, once count: Int, in file: URL
    ) async -> Bool {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                while program.isRunning {
                    if rows(file) > count {
                        program.signal(SIGKILL)
                        return continuation.resume(returning: true)
                    }
                    usleep(1_000)
                }
                continuation.resume(returning: false)
            }
        }
    }

    /// What a row says is taken for true, and a row that is cut off is not.
    @Test func whatIsKnownIsNotTriedAgain() throws {
        let folder = try folder()
        let fit = try calibrate(folder)
        let lines = try folder.text("out/calibration.csv").split(separator: "\n")
        #expect(lines.count == fit.evaluations + 1)
        var cells = lines[3].split(separator: ",", omittingEmptySubsequences: false)
        cells[3] = "0.0"
        let kept = lines[..<3] + [cells.joined(separator: ",")[...], lines[4]]
        try folder.write(
            kept.joined(separator: "\n") + "\n" + lines[5].dropLast(4), to: "out/calibration.csv")
        let again = try calibrate(folder)
        #expect(again.error == 0)
        #expect(again.values[0].value == String(cells[1]))
        let after = try folder.text("out/calibration.csv").split(separator: "\n")
        #expect(Array(after[1...2]) == Array(lines[1...2]) && after[5] == lines[5])
    }

    @Test func aFileOfAnotherStudyIsRefused() throws {
        let folder = try folder()
        _ = try calibrate(folder)
        try folder.write("evaluation,other,rmse,rmse_held_out\n", to: "out/calibration.csv")
        #expect(throws: StudyFault.self) { try calibrate(folder) }
    }
}
