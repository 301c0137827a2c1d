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

    @Test func anySplitGivesTheSameAnswer() throws {
        var whole = try LocalPipeline(
            stages: [try NodeFixture.stage(0, 30)], prompt: Self.prompt, outputs: 4)
        try whole.serve(chunk: 64)
        let cuts = [try NodeFixture.stage(0, 7), try NodeFixture.stage(7, 30)]
        var split = try LocalPipeline(stages: cuts, prompt: Self.prompt, outputs: 4)
        try split.serve(chunk: 4)
        #expect(split.output == whole.output)
        let (first, last) = (split.runners[0].transcript, split.runners[1].transcript)
        #expect(first.outputRoot == last.inputRoot)
        #expect(last.outputRoot == whole.runners[0].transcript.outputRoot)
        let width = 4 * (try NodeFixture.manifest.get().hidden)
        #expect(
            Transcript.root(boundary: split.boundaries[0], width: width) == first.outputRoot)
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
