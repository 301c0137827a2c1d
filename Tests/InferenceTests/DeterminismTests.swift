import Inference
import Primitives
import Testing

/// One model, one input: the same bytes from every path, thread count, split and chunking.
@Suite struct DeterminismTests {
    struct Run {
        var path = KernelPath.scalar
        var threads = 1
        /// Where one stage ends and the next begins.
        var cuts: [UInt16] = []
        var chunk = 1_000
    }

    /// The bits of the last stage's output at every position and of the last logits; `nil` if this
    /// machine lacks the path.
    private func bits(_ model: ModelFile, _ tokens: [Int32], _ run: Run) throws -> [UInt32]? {
        let ends = run.cuts + [UInt16(model.architecture.layers)]
        var stages: [Stage] = []
        do throws(ModelError) {
            for (first, end) in zip([0] + run.cuts, ends) {
                guard let layers = LayerRange(first, end) else { return nil }
                stages.append(
                    try Stage(model: model, layers: layers, threads: run.threads, path: run.path))
            }
        } catch {
            if error.code == .unsupportedPath { return nil }
            throw error
        }
        let sessions = try stages.map { try $0.makeSession(capacity: tokens.count) }
        var bits: [UInt32] = []
        for start in stride(from: 0, to: tokens.count, by: run.chunk) {
            let part = Array(tokens[start..<min(start + run.chunk, tokens.count)])
            var x = try sessions[0].run(tokens: part)
            for session in sessions.dropFirst() {
                x = try session.run(activations: x, count: part.count)
            }
            bits += x.map(\.bitPattern)
            guard start + part.count == tokens.count else { continue }
            bits += try stages[stages.count - 1].lastLogits(of: x).map(\.bitPattern)
        }
        #expect(sessions.allSatisfy { $0.position == tokens.count })
        return bits
    }

    @Test(
        "A tiny model gives the same bytes in every way of running it",
        arguments: [
            (TensorType.f32, false), (.f16, false), (.q4_0, true), (.q4_1, true), (.q4_1, false),
            (.q8_0, true), (.bf16, false), (.q5_0, false), (.q4_K, true), (.q6_K, false),
        ])
    func synthetic(type: TensorType, tied: Bool) throws {
        try compareAllWays(
            try SyntheticModel(type, embedding: tied ? .q8_0 : type, tied: tied).model())
    }

    @Test("So does one of every family", arguments: ModelFamily.allCases)
    func families(family: ModelFamily) throws {
        try compareAllWays(
            try SyntheticModel(
                .q4_0, tied: family == .gemma3, family: family, ropeFactors: family == .llama
            ).model())
    }

    private func compareAllWays(_ model: ModelFile) throws {
        let tokens = (0..<75).map { Int32($0 * 37 % SyntheticModel.vocabulary) }
        let expected = try #require(try bits(model, tokens, Run()))
        #expect(Set(expected).count > 1_000)
        var runs = 0
        for path in KernelPath.allCases {
            for threads in [1, 2] {
                for cuts in [[], [1], [1, 2]] as [[UInt16]] {
                    for chunk in [1_000, 1, 17] {
                        let run = Run(path: path, threads: threads, cuts: cuts, chunk: chunk)
                        guard let found = try bits(model, tokens, run) else { continue }
                        runs += 1
                        if found != expected { Issue.record("\(run)") }
                    }
                }
            }
        }
        #expect(runs >= 36)
    }

    @Test func theRealModelGivesTheSameBytesInEveryWayOfRunningIt() throws {
        let model = try ModelFixture.model()
        let tokens = try model.tokenizer.encode(
            "def f(x: int) -> int:\n    return x**2  # square\nThe capital of France is Paris.")
        let expected = try #require(try bits(model, tokens, Run(path: .automatic)))
        var runs = [
            Run(path: .scalar, threads: 2), Run(path: .avx2), Run(path: .avx2, threads: 2),
            Run(path: .vnni, threads: 2, chunk: 5), Run(path: .avx2, threads: 2, chunk: 1),
        ]
        for cuts in [[1], [29], [15], [10, 20], [5, 10, 15, 20, 25]] as [[UInt16]] {
            runs.append(Run(path: .automatic, threads: 2, cuts: cuts, chunk: 7))
        }
        for run in runs {
            guard let found = try bits(model, tokens, run) else { continue }
            if found != expected { Issue.record("\(run)") }
        }
    }

    @Test(
        "The kernels agree with the obvious implementation",
        arguments: [
            (TensorType.f32, 2e-3), (.f16, 2e-3), (.q8_0, 0.05), (.q4_0, 0.05), (.q4_1, 0.05),
            (.bf16, 2e-3), (.q5_0, 0.05), (.q4_K, 0.05), (.q6_K, 0.05),
        ])
    func naive(type: TensorType, tolerance: Double) throws {
        try compareWithNaive(
            try SyntheticModel(type, embedding: type, tied: false, seed: 5).model(), tolerance)
    }

    @Test("So they do for every family", arguments: ModelFamily.allCases)
    func naive(family: ModelFamily) throws {
        try compareWithNaive(
            try SyntheticModel(
                .f32, embedding: .f32, tied: false, family: family, ropeFactors: family == .llama,
                seed: 6
            ).model(), 2e-3)
    }

    @Test func theLargestGemmaScalesScoresByItsWidthOverItsHeads() throws {
        let model = try SyntheticModel(.f32, embedding: .f32, family: .gemma3, layers: 62).model()
        #expect(model.architecture.scoreSize == SyntheticModel.hidden / 4)
        try compareWithNaive(model, 8e-3)
    }

    private func compareWithNaive(_ model: ModelFile, _ tolerance: Double) throws {
        let tokens = (0..<36).map { Int32($0 * 91 % SyntheticModel.vocabulary) }
        let expected = NaiveTransformer(model).logits(tokens)
        let stage = try Generator(model: model, threads: 1).stage
        let session = try stage.makeSession(capacity: tokens.count)
        let logits = try stage.logits(of: try session.run(tokens: tokens))
        var largest = 0.0
        var spread = 0.0
        for (position, row) in expected.enumerated() {
            for (token, value) in row.enumerated() {
                let found = Double(logits[position * SyntheticModel.vocabulary + token])
                largest = max(largest, abs(found - value))
                spread = max(spread, abs(value))
            }
        }
        #expect(spread > 0.5)
        #expect(largest < tolerance * spread)
    }

    @Test(
        "Sessions of a family in one pass give what each gives alone",
        arguments: ModelFamily.allCases)
    func sharedPasses(family: ModelFamily) throws {
        let model = try SyntheticModel(family: family).model()
        let stage = try Generator(model: model, threads: 2).stage
        let lengths = [70, 3, 41]
        let prompts = lengths.map { length in (0..<length).map { Int32($0 * 53 % 199 + length) } }
        let expected = try prompts.map { try stage.makeSession(capacity: 80).run(tokens: $0) }
        let sessions = try prompts.map { _ in try stage.makeSession(capacity: 80) }
        var found: [[Float]] = [[], [], []]
        for (start, end) in [(0, 2), (2, 30), (30, 70)] {
            let live = prompts.indices.filter { prompts[$0].count > start }
            let results = stage.run(
                live.map {
                    let own = prompts[$0][start..<min(end, prompts[$0].count)]
                    return StageWork(sessions[$0], .tokens(Array(own)))
                })
            for (index, result) in zip(live, results) { found[index] += try result.get() }
        }
        #expect(found == expected)
    }

    @Test func sessionsOfOneStageDoNotTouchEachOther() throws {
        let model = try SyntheticModel().model()
        let stage = try Generator(model: model, threads: 2).stage
        let (one, two) = (
            try stage.makeSession(capacity: 8), try stage.makeSession(capacity: 8)
        )
        let alone = try stage.makeSession(capacity: 8)
        let expected = try alone.run(tokens: [5, 6, 7])
        var found: [Float] = []
        for token in [5, 6, 7] as [Int32] {
            found += try one.run(tokens: [token])
            _ = try two.run(tokens: [token + 90])
        }
        #expect(found == expected)
        try two.truncate(to: 0)
        #expect(try two.run(tokens: [5, 6, 7]) == expected)
    }

    @Test func aCutSessionForgetsWhatCameAfter() throws {
        let stage = try Generator(model: try SyntheticModel().model(), threads: 1).stage
        let session = try stage.makeSession(capacity: 6)
        _ = try session.run(tokens: [9, 8, 7, 6, 5])
        try session.truncate(to: 2)
        #expect(session.position == 2)
        let again = try session.run(tokens: [100, 101])
        let fresh = try stage.makeSession(capacity: 6)
        #expect(try fresh.run(tokens: [9, 8, 100, 101]).suffix(128) == again[...])
    }

    @Test func concurrentSessionsOfOneStageTakeTurns() async throws {
        let stage = try Generator(model: try SyntheticModel().model(), threads: 2).stage
        let expected = try stage.makeSession(capacity: 40).run(tokens: (0..<40).map { $0 })
        try await withThrowingTaskGroup(of: [Float].self) { group in
            for _ in 0..<6 {
                group.addTask {
                    let session = try stage.makeSession(capacity: 40)
                    var result: [Float] = []
                    for token in 0..<40 { result += try session.run(tokens: [Int32(token)]) }
                    return result
                }
            }
            for try await result in group { #expect(result == expected) }
        }
    }
}
