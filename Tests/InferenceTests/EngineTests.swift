import Inference
import Primitives
import Testing

/// The engine on real weights, against two other engines.
@Suite(.serialized) struct EngineTests {
    /// Mean, 99th percentile and share of equal best tokens of teacher-forced scores against
    /// reference top-5 log probabilities.
    private struct Difference {
        var values: [Double] = []
        var equalBest = 0
        var positions = 0

        mutating func add(_ row: LogProbabilities, reference: [[Double]], best: Int32) {
            for entry in reference {
                values.append(abs((row.of(Int32(entry[0])) ?? 99) - entry[1]))
            }
            equalBest += row.top(1).first?.token == best ? 1 : 0
            positions += 1
        }

        var mean: Double { values.reduce(0, +) / Double(values.count) }
        var p99: Double { values.sorted()[values.count * 99 / 100] }
        var agreement: Double { Double(equalBest) / Double(positions) }
    }

    @Test func scoresAreAsCloseToOtherEnginesAsTheyAreToEachOther() throws {
        let model = try ModelFixture.model()
        let greedy = try ModelFixture.vectors("llamacpp-greedy.json", as: GreedyVectors.self)
        let exact = try ModelFixture.vectors(
            "float64-teacher-forced.json", as: ExactVectors.self)
        let stage = try Generator(model: model).stage
        var againstExact = Difference()
        var againstLlama = Difference()
        for (output, oracle) in zip(greedy.outputs, exact.outputs) {
            try #require(output.name == oracle.name)
            let tokens = output.prompt_ids + output.generated_ids
            let session = try stage.makeSession(capacity: tokens.count)
            let x = try session.run(tokens: tokens)
            let first = (output.prompt_ids.count - 1) * 576
            let logits = try stage.logits(of: Array(x[first..<x.count - 576]))
            for (index, token) in output.generated_ids.enumerated() {
                let row = LogProbabilities(
                    logits: Array(logits[index * 49_152..<(index + 1) * 49_152]))
                againstExact.add(
                    row, reference: oracle.top5[index], best: oracle.argmax[index])
                againstLlama.add(row, reference: output.top5[index], best: token)
            }
        }
        #expect(againstExact.positions > 150)
        #expect(againstExact.mean <= 0.10)
        #expect(againstExact.p99 <= 0.45)
        #expect(againstExact.agreement >= 0.96)
        #expect(againstLlama.mean <= 0.12)
        #expect(againstLlama.agreement >= 0.95)
    }
}
