import ArgumentParser
import Foundation
import Simulator

/// `exchequer simulate trace`: what a trace is like, beside the generator that is fitted to it.
struct SimulateTrace: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace",
        abstract: "Show a trace's statistics beside those of the generator fitted to it.",
        discussion: """
            Reads the public traces of LLM inference in Azure (CSV of TIMESTAMP, ContextTokens, \
            GeneratedTokens; docs/reference/simulation-demand.md), fits a generator, lets it make \
            requests over as long a time, and prints both. In place of a file it takes the name of \
            a generator that is built in: \(DemandGenerator.names.joined(separator: ", ")).

            EXAMPLES
              exchequer simulate trace AzureLLMInferenceTrace_conv.csv
              exchequer simulate trace AzureLLMInferenceTrace_code.csv --json
              exchequer simulate trace azure-coding --requests 1000 --sample mine.csv
            """)

    @Argument(
        help: "The trace, or a generator's name.", completion: .file(extensions: ["csv"]))
    var trace: String
    @Option(help: "What the generator's requests follow from.") var seed: UInt64 = 1
    @Option(help: "Requests of a generator that is built in, or of a sample.")
    var requests: Int?
    @Option(help: "Also write requests of the generator to this file, in the form of 2024.")
    var sample: String?
    @Flag(help: "Print one JSON object, with the fitted generator in full.") var json = false

    private struct Report: Encodable {
        var trace: TraceSummary?
        var generated: TraceSummary
        var generator: DemandGenerator
    }

    func validate() throws {
        if let requests, !(2...TraceReader.mostRequests).contains(requests) {
            throw ValidationError(
                "--requests must be between 2 and \(TraceReader.mostRequests).")
        }
    }

    func run() throws {
        let report = try read()
        if let sample { try write(report.generator, to: sample) }
        if json { return try Console.put(json: report) }
        let columns = [report.trace, report.generated].compactMap { $0 }
        let header = report.trace == nil ? ["", "generator"] : ["", "trace", "generator"]
        Console.put(Console.table(header, rows(columns)))
    }

    private func read() throws -> Report {
        if let generator = DemandGenerator.named(trace) {
            let summary = generator.summary(requests: requests ?? 100_000, seed: seed)
            return Report(generated: summary, generator: generator)
        }
        do throws(TraceFault) {
            let fit = try TraceFit(TraceReader(URL(fileURLWithPath: trace), name: trace))
            return Report(
                trace: fit.summary, generated: fit.generated(seed: seed), generator: fit.generator)
        } catch {
            Console.say("\(error)")
            throw Exit.configuration
        }
    }

    private func write(_ generator: DemandGenerator, to path: String) throws {
        let text = generator.sample(requests: requests ?? 10_000, seed: seed)
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            Console.say("\(path) cannot be written: \(error.localizedDescription)")
            throw Exit.disk
        }
    }

    private func rows(_ summaries: [TraceSummary]) -> [[String]] {
        func row(_ name: String, _ value: (TraceSummary) -> String) -> [String] {
            [name] + summaries.map(value)
        }
        func real(_ value: Double) -> String { String(format: "%.3f", value) }
        var rows = [
            row("requests") { "\($0.requests)" },
            row("seconds") { real($0.seconds) },
            row("requests a second") { real($0.rate) },
            row("variation of gaps") { real($0.gapVariation) },
            row("dispersion, 1 s") { real($0.dispersion[0]) },
            row("dispersion, 10 s") { real($0.dispersion[1]) },
            row("dispersion, 60 s") { real($0.dispersion[2]) },
            row("peak minute over mean") { real($0.peakMinute) },
        ]
        let tokens: [(String, (TraceSummary) -> TraceSummary.Tokens)] = [
            ("context", { $0.context }), ("generated", { $0.generated }),
        ]
        for (name, of) in tokens {
            rows.append(row("\(name), mean") { real(of($0).mean) })
            for (place, quantile) in of(summaries[0]).quantiles.enumerated() {
                rows.append(
                    row("\(name), \(quantile.name)") {
                        "\(of($0).quantiles[place].value)"
                    })
            }
        }
        rows.append(row("correlation") { real($0.correlation) })
        return rows
    }
}
