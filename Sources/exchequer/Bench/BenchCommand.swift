import ArgumentParser
import Clearing
import Economics
import Foundation
import Inference
import Ledger
import Primitives
import Service
import Storage

/// `exchequer bench`: figures of this machine, each beside what it is compared with.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure engine, ledger and journal on this machine.",
        discussion: """
            Medians of several runs. What a figure is compared with runs in the same call, so the \
            ratio holds when the machine's speed does not. llama.cpp is measured with its own \
            benchmark if `make peers` built it or LLAMA_BENCH names it, the simulator's peers in \
            C, NumPy and Mesa if `make peers` set them up, TigerBeetle with its own if it is on \
            the PATH or named in TIGERBEETLE, PostgreSQL if it is installed; otherwise their \
            columns stay empty.

            EXAMPLES
              exchequer bench --model M.gguf
              exchequer bench --only engine --free-order --model M.gguf
              exchequer bench --only pipeline --model M.gguf
              exchequer bench --only planner
              exchequer bench --only settlement
              exchequer bench --only ledger
              exchequer bench --only simulation
              exchequer bench --model M.gguf --json
            """)

    /// What can be measured by itself.
    enum Part: String, ExpressibleByArgument, CaseIterable {
        case engine, pipeline, resume, planner, house, ledger, settlement, simulation
    }

    @Option(
        help: "A model file, for engine and pipeline; may be repeated.",
        completion: .file(extensions: ["gguf"]))
    var model: [String] = []
    @Flag(help: "Also run the engine with its sums in any order: what determinism costs.")
    var freeOrder = false
    @Option(
        help: """
            Only this part: engine, pipeline, resume, planner, house, ledger, settlement, \
            simulation; repeatable.
            """)
    var only: [Part] = []
    @Option(help: "A folder for journals, on the disk to be measured; made and removed.")
    var folder = ".bench"
    @Option(help: "The folder with the peers' scripts.") var harness = "Tests/Harness"
    @Option(help: "Runs of each figure.") var runs = 3
    @Flag(help: "Print one JSON object a line.") var json = false

    private struct Figure: Encodable {
        let name: String
        let value: Double
        let unit: String
        let against: String
        let ratio: Double
    }

    func run() async throws {
        guard (1...99).contains(runs) else { throw ValidationError("--runs is from 1 to 99.") }
        let parts = only.isEmpty ? Part.allCases : only
        var engine: [BenchRow] = []
        if parts.contains(.engine) {
            if model.isEmpty { throw ValidationError("The engine needs --model.") }
            engine = try await EngineBench(models: model, runs: runs, freesOrder: freeOrder)
                .rows(say: Console.say)
        }
        var pipeline: [BenchRow] = []
        if parts.contains(.pipeline) {
            guard let path = model.first else { throw ValidationError("Pipelines need --model.") }
            pipeline = try await PipelineBench(model: path, runs: runs).rows(say: Console.say)
        }
        var figures: [Figure] = []
        if parts.contains(.house) {
            Console.say("the house's ledger in memory and journal on disk")
            figures.append(ledger())
            figures += try await journal()
        }
        var rows: [BenchRow] = []
        if parts.contains(.ledger) {
            let bench = LedgerBench(
                folder: URL(fileURLWithPath: folder).path,
                harness: URL(fileURLWithPath: harness).path, runs: runs)
            rows = try bench.rows(say: Console.say)
        }
        var resumed: [BenchRow] = []
        if parts.contains(.resume) {
            guard let model = model.first else {
                throw ValidationError("The nodes need --model.")
            }
            resumed = try await ResumeBench(model: model, runs: runs).rows(say: Console.say)
        }
        let planned = parts.contains(.planner) ? PlannerBench(runs: runs).rows() : []
        var settled: [BenchRow] = []
        if parts.contains(.settlement) {
            Console.say("a root of a million claims, and the same in the plain way")
            settled = SettlementBench(runs: runs).rows()
        }
        let simulated =
            parts.contains(.simulation)
            ? try SimulationBench(
                harness: URL(fileURLWithPath: harness).path, runs: runs
            ).rows(say: Console.say) : []
        let tables = [
            ("engine", engine), ("pipeline, 10 ms a hop", pipeline),
            ("a stage that is lost", resumed),
            ("planning", planned), ("a root of a million claims", settled),
            ("ledger server, durable", rows), ("CMW-1, one thread", simulated),
        ]
        try put(tables, figures)
    }

    private func put(_ tables: [(String, [BenchRow])], _ figures: [Figure]) throws {
        if json {
            for (_, rows) in tables { for row in rows { try Console.put(json: row) } }
            for figure in figures { try Console.put(json: figure) }
            return
        }
        if !figures.isEmpty {
            let cells = figures.map {
                [
                    $0.name, String(format: "%.1f", $0.value), $0.unit, $0.against,
                    String(format: "%.2fx", $0.ratio),
                ]
            }
            Console.put(Console.table(["figure", "median", "unit", "against", "ratio"], cells))
            Console.put("")
        }
        for (title, rows) in tables { put(title, rows) }
    }

    private func put(_ title: String, _ rows: [BenchRow]) {
        if rows.isEmpty { return }
        let timed = rows.contains { $0.p99 != nil }
        let cells = rows.map { row in
            [row.name, String(format: row.value < 100 ? "%.2f" : "%.0f", row.value), row.unit]
                + (timed ? [row.p99.map { String(format: "%.2f", $0) } ?? ""] : [])
                + [
                    row.peer ?? "", row.peerValue.map { String(format: "%.0f", $0) } ?? "",
                    row.ratio.map { String(format: "%.2fx", $0) } ?? "",
                ]
        }
        let titles = [title, "median", "unit"] + (timed ? ["p99 ms"] : [])
        Console.put(Console.table(titles + ["against", "its", "ratio"], cells))
        Console.put("")
    }

    // MARK: Ledger

    private func ledger() -> Figure {
        let count = 1_000_000
        var batched: [Double] = []
        var single: [Double] = []
        for _ in 0..<runs {
            batched.append(transfers(count, batch: 8_189))
            single.append(transfers(count, batch: 1))
        }
        return Figure(
            name: "transfers, batches of 8,189", value: median(batched) / 1e6, unit: "M/s",
            against: "one at a time", ratio: median(batched) / median(single))
    }

    private func transfers(_ count: Int, batch: Int) -> Double {
        var ledger = LedgerState()
        ledger.reserveCapacity(accounts: 1_024, transfers: count)
        for number in 1...1_024 {
            let account = Account(id: AccountID(UInt128(number)), ledger: 1, code: 1)
            _ = ledger.createAccount(account, at: Timestamp(nanoseconds: UInt64(number)))
        }
        var time: UInt64 = 10_000
        var made = 0
        let clock = ContinuousClock()
        let started = clock.now
        while made < count {
            let requests = (0..<min(batch, count - made)).map { place in
                let number = made + place
                return Transfer(
                    id: TransferID(UInt128(number + 1)),
                    debitAccount: AccountID(UInt128(number % 1_024 + 1)),
                    creditAccount: AccountID(UInt128((number + 7) % 1_024 + 1)),
                    amount: Amount(1), ledger: 1, code: 1)
            }
            time += UInt64(requests.count)
            _ = ledger.createTransfers(requests, at: Timestamp(nanoseconds: time))
            made += requests.count
        }
        return Double(count) / seconds(started.duration(to: clock.now))
    }

    // MARK: Journal

    private func journal() async throws -> [Figure] {
        var figures: [Figure] = []
        let alone = try await commands(callers: 1)
        for callers in [16, 256] {
            let together = try await commands(callers: callers)
            figures.append(
                Figure(
                    name: "durable commands, \(callers) callers", value: together, unit: "per s",
                    against: "1 caller, one sync each", ratio: together / alone))
        }
        return figures
    }

    /// Acknowledged commands a second with so many callers, each waiting for its answer.
    private func commands(callers: Int) async throws -> Double {
        var samples: [Double] = []
        for _ in 0..<runs {
            let folder = FileManager.default.temporaryDirectory
                .appendingPathComponent("exchequer-bench-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            let journal = try SQLiteJournal(path: folder.appendingPathComponent("j").path)
            let sequencer = try Sequencer(journal: journal, clock: { .systemNow })
            _ = try await sequencer.submit(.configure(Parameters(), chain: 1))
            let clock = ContinuousClock()
            let started = clock.now
            let end = started + .seconds(1)
            let done = try await withThrowingTaskGroup(of: Int.self) { group in
                for caller in 0..<callers {
                    group.addTask {
                        var count: UInt64 = 0
                        while clock.now < end {
                            count += 1
                            var writer = ByteWriter()
                            for word in [UInt64(caller), count] { writer.write(word) }
                            writer.write(UInt32(0))
                            guard let address = EVMAddress(writer.bytes) else { break }
                            _ = try await sequencer.submit(.registerParty(address: address))
                        }
                        return Int(count)
                    }
                }
                return try await group.reduce(0, +)
            }
            samples.append(Double(done) / seconds(started.duration(to: clock.now)))
            try await sequencer.stop()
        }
        return median(samples)
    }

    private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    private func seconds(_ duration: Duration) -> Double {
        let (seconds, attoseconds) = duration.components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }
}
