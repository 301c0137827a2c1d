import Foundation
import Inference
import Testing

/// The same files in llama.cpp: what it thinks of given tokens.
@Suite(.serialized) struct LlamaScoresTests {
    private static let repository = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Python with llama.cpp, if it was installed.
    private static let python: String? = executable(".venv-llama/bin/python")

    /// Gemma 3 270M, if somebody fetched it.
    private static let gemma: String? = {
        let own = ProcessInfo.processInfo.environment["EXCHEQUER_GEMMA"] ?? ""
        let path = own.isEmpty ? file(".models/gemma-3-270m-q4_k_m.gguf") : own
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }()

    private static func file(_ path: String) -> String { repository.appending(path: path).path() }

    private static func executable(_ path: String) -> String? {
        FileManager.default.isExecutableFile(atPath: file(path)) ? file(path) : nil
    }

    private struct Request: Encodable {
        let tokens: [Int32]
        let first: Int
        let top: Int
        /// A token that is one whole character.
        let plain: Int32
    }

    /// Runs llama.cpp on each request: for each position from `first` on, tokens and the log
    /// probabilities of coming next.
    private static func llama(_ model: String, _ requests: [Request]) throws -> [[[[Double]]]] {
        let process = Process()
        process.executableURL = URL(filePath: try #require(python))
        process.arguments = [file("Tests/Harness/llama_scores.py"), model]
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        let log = FileManager.default.temporaryDirectory
            .appending(path: "exchequer-llama-\(UUID().uuidString).log")
        try Data().write(to: log)
        defer { try? FileManager.default.removeItem(at: log) }
        process.standardError = try FileHandle(forWritingTo: log)
        try process.run()
        let encoder = JSONEncoder()
        for request in requests {
            try input.fileHandleForWriting.write(
                contentsOf: try encoder.encode(request) + Data("\n".utf8))
        }
        try input.fileHandleForWriting.close()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        let said = String(decoding: try Data(contentsOf: log).suffix(300), as: UTF8.self)
        try #require(process.terminationStatus == 0, "\(said)")
        return try data.split(separator: UInt8(ascii: "\n")).map {
            try JSONDecoder().decode([[[Double]]].self, from: Data($0))
        }
    }

    /// How far the engine is from these rows, over all tokens in them.
    private struct Difference {
        var values: [Double] = []
        var equalBest = 0
        var positions = 0

        var mean: Double { values.reduce(0, +) / Double(values.count) }
        var largest: Double { values.max() ?? 0 }
        var agreement: Double { Double(equalBest) / Double(positions) }

        mutating func add(_ model: ModelFile, _ request: Request, _ rows: [[[Double]]]) throws {
            let stage = try Generator(model: model).stage
            let session = try stage.makeSession(capacity: request.tokens.count)
            let hidden = model.architecture.hidden
            let x = try session.run(tokens: request.tokens)
            let logits = try stage.logits(of: Array(x[(request.first * hidden)...]))
            let width = model.architecture.vocabulary
            for (index, row) in rows.enumerated() {
                let own = LogProbabilities(
                    logits: Array(logits[index * width..<(index + 1) * width]))
                for entry in row {
                    values.append(abs((own.of(Int32(entry[0])) ?? 99) - entry[1]))
                }
                positions += 1
                equalBest += own.top(1).first?.token == Int32(row[0][0]) ? 1 : 0
            }
        }
    }

    @Test(
        "Families agree with llama.cpp on the same file",
        .enabled(if: python != nil, "no .venv-llama with llama.cpp: `make llama` makes it"),
        arguments: ModelFamily.allCases)
    func synthetic(family: ModelFamily) throws {
        let synthetic = SyntheticModel(
            .f32, embedding: .f32, tied: family == .gemma3, family: family,
            ropeFactors: family == .llama, seed: 9)
        let path = FileManager.default.temporaryDirectory
            .appending(path: "exchequer-\(family)-\(UUID().uuidString).gguf")
        defer { try? FileManager.default.removeItem(at: path) }
        try Data(synthetic.builder.build()).write(to: path)
        let tokens = (0..<48).map { Int32(($0 * 97 + 5) % SyntheticModel.vocabulary) }
        let request = Request(tokens: tokens, first: 8, top: SyntheticModel.vocabulary, plain: 100)
        var difference = Difference()
        let rows = try #require(try Self.llama(path.path(), [request]).first)
        try difference.add(try synthetic.model(), request, rows)
        #expect(difference.values.count == 40 * SyntheticModel.vocabulary)
        #expect(difference.mean < 0.003, "\(difference.mean), at most \(difference.largest)")
        #expect(difference.largest < 0.03)
        #expect(difference.agreement == 1)
    }

    @Test(
        "Gemma 3 270M agrees with llama.cpp",
        .enabled(if: python != nil, "no .venv-llama with llama.cpp: `make llama` makes it"),
        .enabled(if: gemma != nil, "no Gemma: Tests/Harness/fetch-gemma.sh fetches it"))
    func gemmaOf270M() throws {
        let path = try #require(Self.gemma)
        let model = try ModelFile(path: path)
        let texts = [
            "The capital of France is Paris. The capital of Germany is Berlin. The capital of",
            "def fibonacci(n):\n    if n < 2:\n        return n\n    return fibonacci(n - 1) +",
            "Water boils at one hundred degrees Celsius, and it freezes at zero degrees. In",
            "Es war einmal ein König, der hatte drei Töchter, und die jüngste war die schönste",
        ]
        let plain = try #require(try model.tokenizer.encode("a").last)
        let requests = try texts.map {
            Request(
                tokens: try model.tokenizer.encode($0, addSpecial: true), first: 3, top: 5,
                plain: plain)
        }
        var difference = Difference()
        for (request, rows) in zip(requests, try Self.llama(path, requests)) {
            #expect(request.tokens.first == 2)
            try difference.add(model, request, rows)
        }
        print(
            "Gemma 3 270M beside llama.cpp: \(difference.positions) positions, mean difference",
            "\(difference.mean) nats, same best token at \(difference.agreement)")
        #expect(difference.positions > 50)
        #expect(difference.mean < 0.15)
        #expect(difference.agreement >= 0.9)
    }
}
