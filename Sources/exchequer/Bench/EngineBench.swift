import Foundation
import Inference

/// The engine beside llama.cpp: the same file, the same number of threads, the same lengths, in
/// turns, so that a slow minute of the machine slows both.
struct EngineBench {
    /// The model files, each with its own rows.
    let models: [String]
    let runs: Int
    /// Whether to add rows with the order of sums freed.
    let freesOrder: Bool

    private enum Load: String, CaseIterable {
        case decodeAlone = "decode 128, 1 thread"
        case decode = "decode 128, 2 threads"
        case prefill = "prefill 512, 2 threads"

        var threads: Int { self == .decodeAlone ? 1 : 2 }
        /// What `llama-bench` takes: tokens of a prompt and tokens generated one by one.
        var lengths: (prompt: Int, generated: Int) { self == .prefill ? (512, 0) : (0, 128) }
    }

    /// Every row; `say` gets a line before each.
    func rows(say: (String) -> Void) throws -> [BenchRow] {
        let peer = LlamaPeer()
        if peer == nil { say("no llama.cpp: `make peers` builds it, LLAMA_BENCH names another") }
        var rows: [BenchRow] = []
        for path in models {
            let model = try ModelArgument.open(path)
            for load in Load.allCases {
                say("engine, \(load.rawValue), \(model.quantisation)")
                rows += try self.rows(load, model, path, peer)
            }
            say("engine, commitments, \(model.quantisation)")
            let stage = try Generator(model: model, threads: 2).stage
            rows += try CommitmentBench(stage: stage, runs: runs).rows()
        }
        return rows
    }

    private func rows(
        _ load: Load, _ model: ModelFile, _ path: String, _ peer: LlamaPeer?
    ) throws -> [BenchRow] {
        let stage = try Generator(model: model, threads: load.threads).stage
        var free: Stage?
        if freesOrder {
            free = try Generator(model: model, threads: load.threads, path: .unordered).stage
        }
        var (own, unordered, theirs): ([Double], [Double], [Double]) = ([], [], [])
        for _ in 0..<runs {
            own.append(try rate(load, stage))
            if let free { unordered.append(try rate(load, free)) }
            if let peer {
                theirs.append(
                    try peer.rate(
                        model: path, threads: load.threads, prompt: load.lengths.prompt,
                        generated: load.lengths.generated))
            }
        }
        var row = BenchRow(
            name: "\(load.rawValue), \(model.quantisation)", value: middle(own), unit: "tokens/s")
        if !theirs.isEmpty { row = row.against("llama.cpp", middle(theirs)) }
        if unordered.isEmpty { return [row] }
        let name = "\(load.rawValue), \(model.quantisation), order of sums free"
        return [
            row,
            BenchRow(name: name, value: middle(unordered), unit: "tokens/s")
                .against("in the contract's order", middle(own)),
        ]
    }

    /// Tokens a second, after a few that are not counted.
    private func rate(_ load: Load, _ stage: Stage) throws -> Double {
        let clock = ContinuousClock()
        let (prompt, generated) = load.lengths
        let vocabulary = stage.model.architecture.vocabulary
        let tokens = (0..<max(prompt, generated)).map { Int32(($0 * 7_919 + 17) % vocabulary) }
        let warm = try stage.makeSession(capacity: 8)
        _ = try stage.lastLogits(of: try warm.run(tokens: Array(tokens.prefix(8))))
        let session = try stage.makeSession(capacity: tokens.count)
        let started = clock.now
        if prompt > 0 {
            _ = try stage.lastLogits(of: try session.run(tokens: tokens))
        } else {
            for token in tokens { _ = try stage.lastLogits(of: try session.run(tokens: [token])) }
        }
        return Double(tokens.count) / ((clock.now - started) / .seconds(1))
    }

    private func middle(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
}

/// llama.cpp's own benchmark, `llama-bench`.
struct LlamaPeer {
    let program: String

    /// `nil` where LLAMA_BENCH, the PATH and `make peers` give none.
    init?() {
        let built = ".peers/llama.cpp/bin/llama-bench"
        let own = FileManager.default.isExecutableFile(atPath: built) ? built : nil
        guard let program = BenchPeer.find("llama-bench", variable: "LLAMA_BENCH") ?? own else {
            return nil
        }
        self.program = URL(fileURLWithPath: program).path
    }

    /// Tokens a second that it reports.
    func rate(model: String, threads: Int, prompt: Int, generated: Int) throws -> Double {
        let text = try BenchPeer.run(
            program,
            [
                "-m", model, "-t", "\(threads)", "-p", "\(prompt)", "-n", "\(generated)", "-r", "1",
                "-o", "jsonl",
            ], in: ".")
        guard let rate = BenchPeer.number(after: "\"avg_ts\":", in: text) else {
            throw BenchError.unexpected("llama-bench reported no rate: \(text.suffix(300))")
        }
        return rate
    }
}
