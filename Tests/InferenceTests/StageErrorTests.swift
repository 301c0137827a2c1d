import Inference
import Primitives
import Testing

/// One row for each way a stage can be misused. After each the session is where it was.
@Suite struct StageErrorTests {
    private let stages: (first: Stage, last: Stage)
    private let first: StageSession
    private let last: StageSession
    private let row = [Float](repeating: 0.25, count: SyntheticModel.hidden)

    init() throws {
        let model = try SyntheticModel().model()
        let head = try #require(LayerRange(0, 1))
        let tail = try #require(LayerRange(1, 3))
        stages = (
            try Stage(model: model, layers: head, threads: 1),
            try Stage(model: model, layers: tail, threads: 1)
        )
        first = try stages.first.makeSession(capacity: 4)
        last = try stages.last.makeSession(capacity: 4)
    }

    private func refuses(
        _ error: EngineError, code: UInt16, _ body: () throws -> Void,
        location: SourceLocation = #_sourceLocation
    ) {
        #expect(throws: error, sourceLocation: location) { try body() }
        #expect(error.code == code, sourceLocation: location)
        #expect(first.position == 0 && last.position == 0, sourceLocation: location)
    }

    @Test func eachMisuseHasItsError() throws {
        refuses(.emptyInput, code: 1) { _ = try first.run(tokens: []) }
        refuses(.emptyInput, code: 1) { _ = try last.run(activations: [], count: 0) }
        refuses(.tokenOutOfRange(269), code: 2) { _ = try first.run(tokens: [1, 269]) }
        refuses(.tokenOutOfRange(-1), code: 2) { _ = try first.run(tokens: [-1]) }
        refuses(.wrongActivationCount(expected: 128, found: 64), code: 3) {
            _ = try last.run(activations: row, count: 2)
        }
        refuses(.wrongActivationCount(expected: 128, found: 65), code: 3) {
            _ = try last.logits(of: row + [0])
        }
        for bad in [Float.nan, .infinity, -.infinity] {
            refuses(.inputNotFinite, code: 4) {
                _ = try last.run(activations: row.dropLast() + [bad], count: 1)
            }
        }
        refuses(.tooManyPositions(capacity: 4, needed: 5), code: 6) {
            _ = try first.run(tokens: [1, 2, 3, 4, 5])
        }
        refuses(.tooManyPositions(capacity: 4, needed: 1 << 40), code: 6) {
            _ = try last.run(activations: row, count: 1 << 40)
        }
        refuses(.notFirstStage, code: 7) { _ = try last.run(tokens: [1]) }
        refuses(.isFirstStage, code: 8) { _ = try first.run(activations: row, count: 1) }
        refuses(.notLastStage, code: 9) { _ = try first.logits(of: row) }
        refuses(.positionOutOfRange(1), code: 10) { try first.truncate(to: 1) }
        refuses(.positionOutOfRange(-1), code: 10) { try first.truncate(to: -1) }
        refuses(.tooManyPositions(capacity: 512, needed: 513), code: 6) {
            _ = try stages.first.makeSession(capacity: 513)
        }
        #expect(try last.run(activations: row, count: 1).count == SyntheticModel.hidden)
        #expect(last.position == 1)
    }

    @Test func anOverflowIsAnErrorAndNotACommitment() throws {
        let synthetic = SyntheticModel.overflowing()
        let stage = try Generator(model: try synthetic.model(), threads: 1).stage
        let session = try stage.makeSession(capacity: 4)
        refuses(.resultNotFinite, code: 5) { _ = try session.run(tokens: [1, 2]) }
        #expect(session.position == 0)
    }

    @Test func stagesAreMadeOnlyOfLayersThatExist() throws {
        let model = stages.first.model
        let beyond = try #require(LayerRange(2, 4))
        #expect(throws: ModelError(.layersOutOfRange, "2..<4 of 3")) {
            try Stage(model: model, layers: beyond)
        }
        let all = try #require(model.architecture.allLayers)
        #expect(throws: ModelError(.badThreadCount, "0, from 1 to 256")) {
            try Stage(model: model, layers: all, threads: 0)
        }
    }

    @Test func infiniteWeightsAreRefused() throws {
        for (tensor, bytes) in [
            ("blk.1.ffn_up.weight", [0x00, 0x7c]), ("blk.2.attn_norm.weight", [0, 0, 0x80, 0x7f]),
            ("output_norm.weight", [0, 0, 0xc0, 0x7f]),
        ] as [(String, [UInt8])] {
            var synthetic = SyntheticModel()
            let place = try #require(
                synthetic.builder.tensors.firstIndex { $0.name == tensor })
            synthetic.builder.tensors[place].bytes.replaceSubrange(0..<bytes.count, with: bytes)
            let model = try synthetic.model()
            #expect { try Generator(model: model) } throws: {
                ($0 as? ModelError)?.code == .weightsNotFinite
            }
        }
    }

    @Test func generationFollowsItsLimits() throws {
        let generator = try Generator(model: stages.first.model, threads: 1)
        let free = try generator.generate(prompt: [5], maxTokens: 6)
        #expect(free.tokens.count <= 6)
        var seen: [Int32] = []
        let cut = try generator.generate(prompt: [5], maxTokens: 6) {
            seen.append($0)
            return false
        }
        #expect(cut.tokens == [free.tokens[0]] && seen == cut.tokens && cut.reason == .cancelled)
        #expect(try generator.generate(prompt: [5], maxTokens: 0).tokens.isEmpty)
        let full = try generator.generate(
            prompt: (0..<510).map { Int32($0 % 200) }, maxTokens: 50)
        #expect(full.tokens.count <= 2)
        #expect(throws: EngineError.tooManyPositions(capacity: 512, needed: 513)) {
            try generator.generate(prompt: [Int32](repeating: 5, count: 512), maxTokens: 1)
        }
        #expect(throws: EngineError.emptyInput) {
            try generator.score(prompt: [], continuation: [1], top: 1)
        }
        #expect(throws: EngineError.tokenOutOfRange(999)) {
            try generator.score(prompt: [1], continuation: [999], top: 1)
        }
    }

    @Test func scoringAgreesWithGenerating() throws {
        let generator = try Generator(model: stages.first.model, threads: 2)
        let prompt: [Int32] = [10, 20, 30]
        let answer = try generator.generate(prompt: prompt, maxTokens: 12)
        let scores = try generator.score(prompt: prompt, continuation: answer.tokens, top: 3)
        #expect(scores.map(\.chosen.token) == answer.tokens)
        #expect(scores.map { $0.top.first?.token } == answer.tokens.map { $0 })
        #expect(scores.allSatisfy { $0.top.count == 3 && $0.chosen == $0.top[0] })
    }
}
