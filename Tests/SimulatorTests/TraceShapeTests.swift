import Foundation
import Simulator
import Testing

/// Traces made to measure: what a fit keeps of their shape, and what tells two of them apart.
@Suite struct TraceShapeTests {
    /// A trace of requests at these milliseconds after Monday, 13 May 2024, 00:00.
    private func fit(
        _ milliseconds: [Int], _ tokens: (Int) -> String = { _ in "100,10" }
    ) throws -> TraceFit {
        var text = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        for (number, time) in milliseconds.enumerated() {
            let (second, milli) = time.quotientAndRemainder(dividingBy: 1_000)
            let (minute, hour, day) = (second / 60 % 60, second / 3_600 % 24, second / 86_400)
            text += String(
                format: "2024-05-%02d %02d:%02d:%02d.%03d,", 13 + day, hour, minute, second % 60,
                milli)
            text += tokens(number) + "\n"
        }
        let folder = try TemporaryFolder()
        try folder.write(text, to: "made.csv")
        return try TraceFit(
            TraceReader(folder.url.appendingPathComponent("made.csv"), name: "made.csv"))
    }

    private func demand(_ fit: TraceFit) throws -> TraceDemand {
        try TraceDemand(
            fit.generator, kind: .fitted, name: "made", requests: 1, stepSeconds: 3_600)
    }

    /// Mean levels of the first five days of some weeks, and of the last two.
    private func days(_ demand: TraceDemand) -> (work: Double, rest: Double) {
        let levels = demand.levels(steps: 1_680, seed: 3).map(Double.init)
        var sums = (work: 0.0, rest: 0.0)
        for (hour, level) in levels.enumerated() {
            if hour % 168 < 120 { sums.work += level / 1_200 } else { sums.rest += level / 480 }
        }
        return sums
    }

    /// Eleven days of five requests an hour from Monday to Friday and one at the weekend; of less
    /// than a week only the hour of the day counts.
    @Test func theWeekIsKnownFromAWeekOn() throws {
        let hours = (0..<11 * 24).flatMap { hour in
            (0..<(hour % 168 < 120 ? 5 : 1)).map { hour * 3_600_000 + $0 * 700_000 }
        }
        let long = days(try demand(fit(hours)))
        #expect(abs(long.work / long.rest - 5) < 1.5, "\(long)")
        let short = days(try demand(fit(hours.filter { $0 < 6 * 86_400_000 })))
        #expect(abs(short.work / short.rest - 1) < 0.3, "\(short)")
    }

    /// Parts of a minute that have nothing in most minutes: where none of a block's has anything,
    /// its requests are shared out evenly, and none is lost.
    @Test func rareBurstsLoseNoRequests() throws {
        let times = (0..<15).flatMap { minute in (0..<700).map { minute * 60_000 + $0 } }
        let found = try fit(times)
        let again = found.generated(seed: 5)
        #expect(abs(again.requests - 10_500) < 1_050, "\(again.requests)")
        #expect(again.dispersion[0] > 5, "\(again.dispersion)")
    }

    /// Nine of ten prompts have one length and short answers: they fill seven eighths, and a part
    /// of the last, which they share with the long ones.
    @Test func promptsOfOneLengthAreSharedOutAmongTheEighths() throws {
        let found = try fit((0..<4_000).map { $0 * 100 }) {
            $0 % 10 == 9 ? "200,1000" : "100,10"
        }
        let again = found.generated(seed: 5)
        #expect(found.summary.generated.mean == 109)
        #expect(abs(again.generated.mean - 109) < 15, "\(again.generated)")
    }

    /// The same minutes in another order fit the same generator, and are another demand.
    @Test func theOrderOfATraceIsInTheStudysHash() throws {
        let folder = try TemporaryFolder()
        func hash(_ minutes: [Int], _ kind: String) throws -> String {
            var text = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
            for (minute, count) in minutes.enumerated() {
                for second in 0..<count {
                    text += "2024-05-13 00:0\(minute):0\(second),100,10\n"
                }
            }
            try folder.write(text, to: "made.csv")
            let scenario = try StudyScenario.read(
                "model: market\nsteps: 4\ndemand: {\(kind): made.csv, step: 60}\n",
                folder: folder.url)
            return StudyManifest(scenario, version: "1", commit: "c").scenarioHash
        }
        #expect(try hash([2, 1, 3, 2], "fitted") == hash([2, 3, 1, 2], "fitted"))
        #expect(try hash([2, 1, 3, 2], "trace") != hash([2, 3, 1, 2], "trace"))
    }
}
