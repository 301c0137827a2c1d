import Foundation
import Inference

/// What commitments cost: a whole-model stage that keeps its transcript and hashes its logits,
/// beside the same stage bare, in turns.
struct CommitmentBench {
    let stage: Stage
    let runs: Int

    /// One row for decode, one for prefill; the ratio is the speed that is left.
    func rows() throws -> [BenchRow] {
        let title = "\(stage.threads) threads, \(stage.model.quantisation), commitments on"
        return try [("decode 128", 1, 128), ("prefill 512", 512, 512)].map { name, prompt, count in
            var (with, without): ([Double], [Double]) = ([], [])
            for _ in 0..<runs {
                without.append(try bare(prompt: prompt, count: count))
                with.append(try committed(prompt: prompt, count: count))
            }
            return BenchRow(name: "\(name), \(title)", value: middle(with), unit: "tokens/s")
                .against("off", middle(without))
        }
    }

    private func tokens(_ count: Int) -> [Int32] {
        let vocabulary = stage.model.architecture.vocabulary
        return (0..<count).map { Int32(($0 * 7_919 + 17) % vocabulary) }
    }

    private func bare(prompt: Int, count: Int) throws -> Double {
        let session = try stage.makeSession(capacity: count)
        return try rate(prompt: prompt, count: count) { tokens in
            _ = Sampler.largest(try stage.lastLogits(of: try session.run(tokens: tokens)))
        }
    }

    private func committed(prompt: Int, count: Int) throws -> Double {
        var runner = try StageRunner(
            stage: stage, promptTokens: prompt, capacity: count, sampling: .greedy)
        return try rate(prompt: prompt, count: count) { _ = try runner.run(tokens: $0) }
    }

    private func rate(prompt: Int, count: Int, _ run: ([Int32]) throws -> Void) rethrows -> Double {
        let tokens = tokens(count)
        let clock = ContinuousClock()
        let started = clock.now
        for start in stride(from: 0, to: count, by: prompt) {
            try run(Array(tokens[start..<start + prompt]))
        }
        return Double(count) / ((clock.now - started) / .seconds(1))
    }

    private func middle(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
}
