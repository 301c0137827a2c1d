import Cryptography
import Foundation
import Inference
import Primitives
import Service
import Verification

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

    /// What it costs a node and the house together to show and check some rows of the weights,
    /// beside a thousandth of a core in the time between two such questions; no row for a model
    /// that no house asks about.
    func proofRows() throws -> [BenchRow] {
        let manifest = stage.model.manifest()
        guard let parts = try? manifest.disputeModel else { return [] }
        let opener = WeightOpener(stage.model)
        let executor = SingleOperations(manifest.architecture)
        guard let key = Ed25519.PrivateKey(seed: [UInt8](repeating: 1, count: 32)) else {
            throw CocoaError(.featureUnsupported)
        }
        let clock = ContinuousClock()
        func seconds(_ round: UInt64) throws -> Double {
            let challenge = WeightChallenge(
                node: key.publicKey, model: manifest.root, layers: stage.layers,
                nonce: Digest(words: (round, 2, 3, 4)))
            let started = clock.now
            if let proof = opener.prove(challenge, of: parts, as: key) {
                try challenge.check(proof, model: parts) {
                    executor.rowBytes(type: $0, columns: $1)
                }
            }
            return (clock.now - started) / .seconds(1)
        }
        // The first challenges hash the tensors they meet, once in a node's life.
        for round in 0..<64 { _ = try seconds(UInt64(round)) }
        let cost = middle(try (64..<164).map { try seconds(UInt64($0)) })
        let interval = HouseConfiguration(folder: "", models: []).weightInterval / .seconds(1)
        return [
            BenchRow(
                name: "weight proof of \(WeightChallenge.usualRows) rows, node and house",
                value: 1_000 * cost, unit: "ms"
            ).against("0.1 % of a core, every \(Int(interval)) s", interval)
        ]
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
