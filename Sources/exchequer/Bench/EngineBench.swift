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
        case together = "8 sequences of 8 + 128, 2 threads"

        var threads: Int { self == .decodeAlone ? 1 : 2 }
        /// Answers at a time.
        var sequences: Int { self == .together ? 8 : 1 }
        /// Tokens of a prompt and tokens generated one by one.
        var lengths: (prompt: Int, generated: Int) {
            switch self {
            case .decodeAlone, .decode: (0, 128)
            case .prefill: (512, 0)
            case .together: (8, 128)
            }
        }
    }

    /// Every row; `say` gets a line before each.
    func rows(say: (String) -> Void) async throws -> [BenchRow] {
        let peer = LlamaPeer()
        if peer == nil { say("no llama.cpp: `make peers` builds it, LLAMA_BENCH names another") }
        var rows: [BenchRow] = []
        for path in models {
            let model = try ModelArgument.open(path)
            for load in Load.allCases {
                say("engine, \(load.rawValue), \(model.quantisation)")
                rows += try await self.rows(load, model, path, peer)
            }
            say("engine, commitments, \(model.quantisation)")
            let stage = try Generator(model: model, threads: 2).stage
            let commitments = CommitmentBench(stage: stage, runs: runs)
            rows += try commitments.rows() + commitments.proofRows()
        }
        return rows
    }

    private func rows(
        _ load: Load, _ model: ModelFile, _ path: String, _ peer: LlamaPeer?
    ) async throws -> [BenchRow] {
        let stage = try Generator(model: model, threads: load.threads).stage
        var free: Stage?
        if freesOrder {
            free = try Generator(model: model, threads: load.threads, path: .unordered).stage
        }
        var (own, unordered, theirs): ([Double], [Double], [Double]) = ([], [], [])
        for _ in 0..<runs {
            own.append(try await rate(load, stage))
            if let free { unordered.append(try await rate(load, free)) }
            if let peer {
                theirs.append(
                    try peer.rate(
                        model: path, threads: load.threads, sequences: load.sequences,
                        lengths: load.lengths))
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
    private func rate(_ load: Load, _ stage: Stage) async throws -> Double {
        if load.sequences > 1 { return try await rateTogether(load, stage) }
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

    /// Tokens a second of whole answers, all in work at once: prompts, sampling and all.
    private func rateTogether(_ load: Load, _ stage: Stage) async throws -> Double {
        let generator = BatchGenerator(stage: stage, running: load.sequences)
        let (prompt, generated) = load.lengths
        let vocabulary = stage.model.architecture.vocabulary
        @Sendable func answer(_ number: Int, _ length: Int) async throws -> Int {
            let tokens = (0..<prompt).map { place in
                Int32(((number * prompt + place) * 7_919 + 17) % vocabulary)
            }
            return try await generator.generate(prompt: tokens, maxTokens: length).tokens.count
        }
        _ = try await answer(0, 1)
        let clock = ContinuousClock()
        let started = clock.now
        let count = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<load.sequences {
                group.addTask { try await answer(number, generated) }
            }
            return try await group.reduce(0, +)
        }
        return Double(count) / ((clock.now - started) / .seconds(1))
    }

    private func middle(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
}

/// llama.cpp's own benchmarks: `llama-bench`, and `llama-batched-bench` beside it for several
/// sequences at once.
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

    /// Tokens a second that it reports; of several sequences those generated, without prompts and
    /// without choosing tokens, which it leaves out.
    func rate(
        model: String, threads: Int, sequences: Int, lengths: (prompt: Int, generated: Int)
    ) throws -> Double {
        let (prompt, generated) = lengths
        var tool = URL(fileURLWithPath: program)
        var arguments = ["-p", "\(prompt)", "-n", "\(generated)", "-r", "1", "-o", "jsonl"]
        var label = "\"avg_ts\":"
        if sequences > 1 {
            tool = tool.deletingLastPathComponent().appendingPathComponent("llama-batched-bench")
            arguments = [
                "-tb", "\(threads)", "-c", "\(sequences * (prompt + generated))",
                "-npp", "\(prompt)", "-ntg", "\(generated)", "-npl", "\(sequences)",
                "--output-format", "jsonl",
            ]
            label = "\"speed_tg\":"
        }
        let text = try BenchPeer.run(
            tool.path, ["-m", model, "-t", "\(threads)"] + arguments, in: ".")
        guard let rate = BenchPeer.number(after: label, in: text) else {
            throw BenchError.unexpected("llama.cpp reported no rate: \(text.suffix(300))")
        }
        return rate
    }
}
