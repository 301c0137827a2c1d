import Cryptography
import Inference
import Node
import Primitives
import Testing
import Verification

/// The claim the whole house rests on: with the real model, a node that runs other weights than it
/// offers is named, and only it.
@Suite(.serialized) struct AttributionTests {
    private static let prompt: [Int32] = [504, 5575, 282, 4649, 314, 253, 1890, 339]
    private static let cuts: [(UInt16, UInt16)] = [(0, 10), (10, 20), (20, 30)]

    private func judge(
        _ stages: [Stage],
        sampling: SamplingParameters = SamplingParameters(temperature: 0.8, seed: 7),
        _ change: (inout EvidenceBundle) throws -> Void = { _ in }
    ) throws -> (Judgement, EvidenceBundle) {
        var pipeline = try LocalPipeline(
            stages: stages, prompt: Self.prompt, outputs: 6, sampling: sampling)
        try pipeline.serve(chunk: 5)
        var bundle = try pipeline.bundle()
        try change(&bundle)
        let engine = ModelReexecutor(
            file: try NodeFixture.model.get(), manifest: try NodeFixture.manifest.get(), threads: 2)
        let evidence = try EvidenceBundle(untrusted: bundle.canonicalBytes()).verified()
        return (try Judge.judge(evidence, with: engine), bundle)
    }

    @Test func honestNodesAreNeverAccused() throws {
        let stages = try Self.cuts.map { try NodeFixture.stage($0.0, $0.1) }
        let (judgement, bundle) = try judge(stages)
        #expect(judgement.code == .reproduced)
        #expect(judgement.accusedStage == nil)
        #expect(judgement.recomputedRoot == bundle.stages[2].receipt?.body.outputRoot)
        let (alone, _) = try judge([try NodeFixture.stage(0, 30)])
        #expect(alone.code == .reproduced)
    }

    /// Penalties count the prompt of the request and the stage's own choices.
    @Test func penaltiesAreJudgedAsTheyWereServed() throws {
        let stages = try Self.cuts.map { try NodeFixture.stage($0.0, $0.1) }
        let (judgement, bundle) = try judge(stages, sampling: NodeFixture.penalised)
        #expect(judgement.code == .reproduced)
        let (plain, other) = try judge(
            stages,
            sampling: SamplingParameters(temperature: 0.8, topP: 0.95, seed: 7))
        #expect(plain.code == .reproduced)
        #expect(other.output != bundle.output)
        // One token that was chosen without the penalties, signed for as if with them.
        let (liar, _) = try judge(stages, sampling: NodeFixture.penalised) { bundle in
            bundle.output[5] = (bundle.output[5] + 1) % 49_152
            let root = try #require(
                Transcript.root(
                    sampled: bundle.output, logits: bundle.logits,
                    sampling: SHA256.hash(bundle.sampling), promptTokens: Self.prompt.count))
            var receipt = try #require(bundle.stages[2].receipt).body
            receipt.outputRoot = root
            bundle.stages[2].receipt = receipt.signed(by: try NodeFixture.key(3))
        }
        #expect(liar.code == .outputMismatch)
        #expect(liar.accusedStage == 2)
    }

    /// A hash of another prompt than the request's accuses nobody: no node would have signed it.
    @Test func aFalsePromptHashAccusesNobody() throws {
        let stages = [try NodeFixture.stage(0, 30)]
        let error = #expect(throws: EvidenceRejection.self) {
            try judge(stages, sampling: NodeFixture.penalised) { bundle in
                let false_ = NodeFixture.penalised.committed(to: [1, 2, 3])
                bundle.sampling = false_.canonicalBytes()
                bundle.request = Transcript.request(
                    prompt: Self.prompt[...], sampling: bundle.sampling)
                var receipt = try #require(bundle.stages[0].receipt).body
                receipt.outputRoot = try #require(
                    Transcript.root(
                        sampled: bundle.output, logits: bundle.logits,
                        sampling: SHA256.hash(bundle.sampling), promptTokens: Self.prompt.count))
                bundle.stages[0].receipt = receipt.signed(by: try NodeFixture.key(1))
            }
        }
        #expect(error?.code == .reexecutionFailed)
    }

    @Test(arguments: 0..<3)
    func theNodeWithTamperedWeightsIsNamed(liar: Int) throws {
        let (first, end) = Self.cuts[liar]
        let other = try NodeFixture.tampered(layers: Int(first) + 4..<Int(first) + 6)
        var stages = try Self.cuts.map { try NodeFixture.stage($0.0, $0.1) }
        stages[liar] = try NodeFixture.stage(first, end, of: other)
        let (judgement, _) = try judge(stages)
        #expect(judgement.code == .outputMismatch)
        #expect(judgement.accusedStage == UInt16(liar))
        #expect(judgement.accused == (try NodeFixture.key(UInt8(liar + 1)).publicKey))
    }

    @Test func aWholeModelLiarIsNamed() throws {
        let other = try NodeFixture.tampered(layers: 29..<30)
        let (judgement, _) = try judge([try NodeFixture.stage(0, 30, of: other)])
        #expect(judgement.code == .outputMismatch)
        #expect(judgement.accusedStage == 0)
    }

    /// A tampered file has another root, so it cannot be offered under the model's name.
    @Test func tamperedWeightsHaveAnotherRoot() throws {
        let other = try NodeFixture.tampered(layers: 3..<4).manifest(name: "smollm2-135m")
        let honest = try NodeFixture.manifest.get()
        #expect(other.root != honest.root)
        #expect(
            ModelMatch.difference(other, honest) == "different: the weights of layers 3")
        #expect(ModelMatch.difference(honest, honest) == nil)
    }
}
