import Inference
import Testing

/// Texts as vectors.
@Suite struct EmbeddingTests {
    private static let generator = Result {
        try Generator(model: try ModelFixture.model(), threads: 2)
    }

    private func embed(_ text: String, _ pooling: Pooling) throws -> [Float] {
        let generator = try Self.generator.get()
        return try generator.embed(
            try generator.stage.model.tokenizer.encode(text), pooling: pooling)
    }

    private func product(_ left: [Float], _ right: [Float]) -> Double {
        zip(left, right).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }

    @Test(arguments: Pooling.allCases)
    func theLengthIsOne(pooling: Pooling) throws {
        for text in ["a", "The capital of France is Paris.", "日本"] {
            let vector = try embed(text, pooling)
            #expect(vector.count == 576)
            #expect(abs(product(vector, vector) - 1) < 1e-6)
        }
    }

    @Test func textsThatMeanTheSameAreCloser() throws {
        let cat = try embed("The cat is sleeping on the sofa.", .mean)
        let kitten = try embed("A kitten sleeps on the couch.", .mean)
        let tax = try embed("Quarterly tax returns are due in April.", .mean)
        #expect(product(cat, kitten) > product(cat, tax))
    }

    @Test func anyPathAndThreadsGiveTheSameBytes() throws {
        let model = try SyntheticModel().model()
        let tokens: [Int32] = [5, 9, 200, 31]
        let whole = try Generator(model: model, threads: 1)
        #expect(try whole.embed(tokens, pooling: .last) != whole.embed(tokens, pooling: .mean))
        #expect(
            try whole.embed([5], pooling: .last) == whole.embed([5], pooling: .mean))
        let more = try Generator(model: model, threads: 2, path: .scalar)
        for pooling in Pooling.allCases {
            #expect(
                try more.embed(tokens, pooling: pooling) == whole.embed(tokens, pooling: pooling))
        }
    }

    @Test func whatCannotBeEmbeddedIsRefused() throws {
        let generator = try Generator(model: try SyntheticModel().model(), threads: 1)
        #expect(throws: EngineError.emptyInput) { try generator.embed([]) }
        #expect(throws: EngineError.tokenOutOfRange(9_999)) { try generator.embed([9_999]) }
        let context = generator.stage.model.architecture.contextLength
        #expect(
            throws: EngineError.tooManyPositions(capacity: context, needed: context + 1)
        ) {
            try generator.embed(Array(repeating: 5, count: context + 1))
        }
    }
}
