import Cryptography
import Inference
import Primitives
import Testing
import Verification

/// Proofs of possession: right ones pass with the manifest alone, all others have a number.
@Suite struct WeightProofTests {
    private let model: ModelFile
    private let manifest: ModelManifest
    private let parts: DisputeModel
    private let opener: WeightOpener
    private let executor: SingleOperations

    init() throws {
        model = try SyntheticModel(.q4_1, tied: false).model()
        manifest = model.manifest()
        parts = try manifest.disputeModel
        opener = WeightOpener(model)
        executor = SingleOperations(manifest.architecture)
    }

    private func challenge(
        _ nonce: UInt8, _ first: UInt16 = 0, _ end: UInt16 = 3, rows: UInt16 = 16
    ) throws -> WeightChallenge {
        WeightChallenge(
            node: try Dispute.key(1).publicKey, model: manifest.root,
            layers: try #require(LayerRange(first, end)), nonce: SHA256.hash([nonce]), rows: rows)
    }

    private func prove(_ challenge: WeightChallenge) throws -> Signed<WeightProof> {
        try #require(opener.prove(challenge, of: parts, as: Dispute.key(1)))
    }

    private func check(_ proof: Signed<WeightProof>, _ challenge: WeightChallenge) throws {
        try challenge.check(proof, model: parts) { executor.rowBytes(type: $0, columns: $1) }
    }

    private func refusal(
        _ proof: Signed<WeightProof>, _ challenge: WeightChallenge
    ) -> WeightProofRejection.Code? {
        do {
            try check(proof, challenge)
            return nil
        } catch {
            return (error as? WeightProofRejection)?.code
        }
    }

    @Test(arguments: TensorType.allCases)
    func whoeverHoldsTheWeightsCanShowThem(type: TensorType) throws {
        for tied in [false, true] {
            let model = try SyntheticModel(type, tied: tied).model()
            let manifest = model.manifest()
            let parts = try manifest.disputeModel
            let executor = SingleOperations(manifest.architecture)
            let opener = WeightOpener(model)
            for (first, end) in [(0, 1), (1, 2), (1, 3), (0, 3)] as [(UInt16, UInt16)] {
                var challenge = try challenge(7, first, end, rows: 64)
                challenge.model = manifest.root
                let proof = try #require(
                    opener.prove(challenge, of: parts, as: Dispute.key(1)))
                let sent = try Signed<WeightProof>(canonicalBytes: proof.canonicalBytes())
                try challenge.check(sent, model: parts) {
                    executor.rowBytes(type: $0, columns: $1)
                }
            }
        }
    }

    @Test func rowsAreDrawnFromAllWeightsOfTheStageAndNoOthers() throws {
        var steps: Set<StageStep> = []
        for nonce in 0..<64 as Range<UInt8> {
            let places = try challenge(nonce, rows: 64).places(in: parts)
            #expect(places.count == 64)
            for place in places { steps.insert(place.step) }
            for place in try challenge(nonce, 1, 2, rows: 64).places(in: parts) {
                #expect(place.step == .layer(1))
            }
        }
        #expect(steps == [.embedding, .layer(0), .layer(1), .layer(2), .tail])
        let first = try challenge(1).places(in: parts)
        #expect(try challenge(2).places(in: parts) != first)
        #expect(try challenge(1).places(in: parts) == first)
        #expect(try challenge(1, 0, 9).places(in: parts).isEmpty)
    }

    @Test func theAnswerToAnotherChallengeIsNone() throws {
        let challenge = try challenge(1)
        let old = try prove(challenge)
        var other = try self.challenge(2)
        #expect(refusal(old, other) == .otherChallenge)
        // The same rows for another node: the answer is the other's.
        other = challenge
        other.node = try Dispute.key(2).publicKey
        #expect(refusal(old, other) == .otherChallenge)
        let stolen = WeightProof(challenge: other.digest, openings: old.body.openings)
        #expect(refusal(stolen.signed(by: try Dispute.key(1)), other) == .badSignature)
        let forged = Signed(
            body: stolen, signer: try Dispute.key(2).publicKey, signature: old.signature)
        #expect(refusal(forged, other) == .badSignature)
        #expect(refusal(old, challenge) == nil)
    }

    @Test func whatIsNotTheModelsIsRefused() throws {
        let challenge = try challenge(3)
        let good = try prove(challenge).body
        func refusal(
            _ change: (inout [WeightOpening]) -> Void
        ) throws -> WeightProofRejection.Code? {
            var proof = good
            change(&proof.openings)
            return self.refusal(proof.signed(by: try Dispute.key(1)), challenge)
        }
        #expect(try refusal { _ in } == nil)
        #expect(try refusal { $0.removeLast() } == .wrongCount)
        #expect(try refusal { $0.append($0[0]) } == .wrongCount)
        #expect(try refusal { $0[0].chunks.bytes.removeLast() } == .wrongOpening)
        #expect(try refusal { $0[0].chunks.bytes += [0] } == .wrongOpening)
        for place in good.openings.indices {
            #expect(try refusal { $0[place].chunks.bytes[9] ^= 1 } == .otherWeights)
            #expect(try refusal { $0[place].groupPath.append(.zero) } == .otherWeights)
            #expect(try refusal { $0[place].chunks.path.append(.zero) } == .otherWeights)
            #expect(try refusal { $0[place].name = "token_embd" } == .otherWeights)
            #expect(try refusal { $0[place].type = 77 } == .otherWeights)
        }
        let others = try SyntheticModel(.q4_1, tied: false, seed: 2).model()
        let proof = try #require(
            WeightOpener(others).prove(challenge, of: parts, as: Dispute.key(1)))
        #expect(self.refusal(proof, challenge) == .otherWeights)
    }

    @Test func challengesAndProofsOfAnySizeAreReadOrRefused() throws {
        let challenge = try challenge(4, rows: 2)
        let bytes = challenge.canonicalBytes()
        #expect(try WeightChallenge(canonicalBytes: bytes) == challenge)
        for count in 0..<bytes.count {
            #expect(throws: CodecError.self) {
                try WeightChallenge(canonicalBytes: Array(bytes[..<count]))
            }
        }
        for rows in [0, WeightChallenge.maximumRows + 1] {
            var bad = challenge
            bad.rows = rows
            #expect(throws: CodecError.self) {
                try WeightChallenge(canonicalBytes: bad.canonicalBytes())
            }
        }
        let proof = try prove(challenge)
        let huge = WeightProof(
            challenge: challenge.digest,
            openings: Array(repeating: proof.body.openings[0], count: 65))
        #expect(throws: CodecError.self) {
            try WeightProof(canonicalBytes: huge.canonicalBytes())
        }
        #expect(
            try #require(LayerRange(0, 9)).end > manifest.layers
                && opener.prove(
                    try self.challenge(1, 0, 9), of: parts, as: Dispute.key(1)) == nil
        )
    }
}
