import Inference
import Node
import Primitives
import Testing
import Verification

/// However a job is cut into chunks and stages, the outputs and roots are the same.
@Suite(.serialized) struct StageRunnerTests {
    private static let prompt: [Int32] = [504, 5575, 282, 4649, 314, 253, 1890, 339, 7, 42, 1_000]

    @Test func anyChunkingGivesTheSameRoots() throws {
        let stages = [try NodeFixture.stage(0, 30)]
        var whole = try LocalPipeline(stages: stages, prompt: Self.prompt, outputs: 5)
        try whole.serve(chunk: 64)
        for chunk in [1, 3, 10] {
            var other = try LocalPipeline(stages: stages, prompt: Self.prompt, outputs: 5)
            try other.serve(chunk: chunk)
            #expect(other.output == whole.output)
            #expect(
                other.runners[0].transcript.outputRoot == whole.runners[0].transcript.outputRoot)
            #expect(other.runners[0].logitsHashes == whole.runners[0].logitsHashes)
        }
        #expect(whole.output.count == 5)
        #expect(whole.runners[0].logitsHashes.count == 5)
        #expect(whole.tokens == Self.prompt + whole.output.dropLast())
        #expect(whole.runners[0].transcript.inputRoot == Transcript.root(tokens: whole.tokens))
    }

    @Test(arguments: [SamplingParameters(temperature: 0.8, seed: 7), NodeFixture.penalised])
    func anySplitGivesTheSameAnswer(sampling: SamplingParameters) throws {
        var whole = try LocalPipeline(
            stages: [try NodeFixture.stage(0, 30)], prompt: Self.prompt, outputs: 4,
            sampling: sampling)
        try whole.serve(chunk: 64)
        let generator = try Generator(model: NodeFixture.model.get(), threads: 2)
        let wanted = try generator.generate(
            prompt: Self.prompt, parameters: sampling, maxTokens: 4)
        #expect(whole.output == wanted.tokens)
        let cuts = [try NodeFixture.stage(0, 7), try NodeFixture.stage(7, 30)]
        var split = try LocalPipeline(
            stages: cuts, prompt: Self.prompt, outputs: 4, sampling: sampling)
        try split.serve(chunk: 4)
        #expect(split.output == whole.output)
        let (first, last) = (split.runners[0].transcript, split.runners[1].transcript)
        #expect(first.outputRoot == last.inputRoot)
        #expect(last.outputRoot == whole.runners[0].transcript.outputRoot)
        let width = 4 * (try NodeFixture.manifest.get().hidden)
        #expect(
            Transcript.root(boundary: split.boundaries[0], width: width) == first.outputRoot)
    }

    /// What is chosen again after a rewind is chosen after the same tokens.
    @Test func aRewoundStageCountsWhatIsLeft() throws {
        let stage = try NodeFixture.last.get()
        let hidden = stage.model.architecture.hidden
        let rows = (0..<12 * hidden).map { Float($0 * 31 % 199) / 100 - 1 }
        var sampling = NodeFixture.penalised
        sampling.frequencyPenalty = 2
        sampling = sampling.committed(to: Self.prompt)
        func runner() throws -> StageRunner {
            try StageRunner(
                stage: stage, promptTokens: 3, capacity: 12, sampling: sampling,
                prompt: Self.prompt, scores: 4)
        }
        var straight = try runner()
        _ = try straight.run(activations: rows)
        #expect(straight.scores.count == 10)
        var rewound = try runner()
        _ = try rewound.run(activations: Array(rows[..<(9 * hidden)]))
        for position in [7, 4, 1] {
            try rewound.rewind(to: position)
            _ = try rewound.run(activations: Array(rows[(position * hidden)..<(9 * hidden)]))
        }
        _ = try rewound.run(activations: Array(rows[(9 * hidden)...]))
        #expect(rewound.transcript.outputRoot == straight.transcript.outputRoot)
        #expect(rewound.logitsHashes == straight.logitsHashes)
        #expect(rewound.scores == Array(straight.scores.suffix(3)))
    }

    @Test func anotherPromptThanTheHashesIsRefused() throws {
        let stage = try NodeFixture.last.get()
        let sampling = NodeFixture.penalised.committed(to: Self.prompt)
        for prompt in [[], [1, 2], Self.prompt + [3]] {
            #expect(throws: EngineError.invalidParameter("prompt")) {
                try StageRunner(
                    stage: stage, promptTokens: 3, capacity: 9, sampling: sampling, prompt: prompt)
            }
        }
        // The order and how often a token occurs do not count.
        _ = try StageRunner(
            stage: stage, promptTokens: 3, capacity: 9, sampling: sampling,
            prompt: Self.prompt.reversed() + Self.prompt)
        _ = try StageRunner(
            stage: try NodeFixture.middle.get(), promptTokens: 3, capacity: 9, sampling: sampling)
    }

    @Test func wrongInputIsRefused() throws {
        let (first, middle) = (try NodeFixture.first.get(), try NodeFixture.middle.get())
        func runner(_ stage: Stage) throws -> StageRunner {
            try StageRunner(stage: stage, promptTokens: 2, capacity: 3, sampling: .greedy)
        }
        var taker = try runner(first)
        #expect(throws: EngineError.isFirstStage) {
            try taker.run(activations: [Float](repeating: 0, count: 576))
        }
        #expect(throws: EngineError.tokenOutOfRange(-5)) { try taker.run(tokens: [-5]) }
        #expect(throws: EngineError.self) { try taker.run(tokens: [1, 2, 3, 4]) }
        #expect(taker.positions == 0)
        #expect(taker.transcript.inputCount == 0)
        var other = try runner(middle)
        #expect(throws: EngineError.notFirstStage) { try other.run(tokens: [1]) }
        #expect(throws: EngineError.emptyInput) {
            try StageRunner(stage: middle, promptTokens: 0, capacity: 3, sampling: .greedy)
        }
        #expect(throws: EngineError.tooManyPositions(capacity: 1, needed: 2)) {
            try StageRunner(stage: middle, promptTokens: 2, capacity: 1, sampling: .greedy)
        }
    }
}
