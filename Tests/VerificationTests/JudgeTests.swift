import Cryptography
import Primitives
import Testing
import Verification

/// Who is at fault. One test for every fault code.
struct JudgeTests {
    private func judge(
        _ bundle: EvidenceBundle, _ model: ToyModel = ToyModel()
    ) throws -> Judgement {
        try Judge.judge(try bundle.verified(), with: model)
    }

    @Test func honestWorkReproduces() throws {
        let bundle = try ToyJob().bundle()
        let judgement = try judge(bundle)
        #expect(judgement.code == .reproduced)
        #expect(judgement.accusedStage == nil)
        #expect(judgement.accused == nil)
        #expect(judgement.recomputedRoot == bundle.stages[2].receipt?.body.outputRoot)
        #expect(judgement.unjudged.isEmpty)
        #expect(judgement.verdict.evidence == bundle.digest)
        #expect(judgement.reasons.count == 5)
    }

    @Test(arguments: 0..<3)
    func otherWeightsConvictThatStageAlone(liar: Int) throws {
        var job = ToyJob()
        job.models[liar].secret = 2
        let bundle = try job.bundle()
        let judgement = try judge(bundle)
        #expect(judgement.code == .outputMismatch)
        #expect(judgement.accusedStage == UInt16(liar))
        #expect(judgement.accused == (try ToyJob.key(UInt8(liar + 1)).publicKey))
        #expect(judgement.recomputedRoot != bundle.stages[liar].receipt?.body.outputRoot)
        #expect(judgement.verdict.accusedStage == UInt16(liar))
    }

    @Test func ofTwoLiarsTheFirstIsNamed() throws {
        var job = ToyJob()
        job.models[1].secret = 2
        job.models[2].secret = 3
        #expect(try judge(try job.bundle()).accusedStage == 1)
        job.models[1].secret = 1
        #expect(try judge(try job.bundle()).accusedStage == 2)
    }

    @Test func aPipelineOfOneIsJudged() throws {
        var job = ToyJob(splits: [0, 4], models: [ToyModel()])
        #expect(try judge(try job.bundle()).code == .reproduced)
        job.models[0].secret = 9
        let judgement = try judge(try job.bundle())
        #expect(judgement.code == .outputMismatch)
        #expect(judgement.accusedStage == 0)
    }

    @Test func aPromptThatWasNotSentIsTheFirstStagesFault() throws {
        var job = ToyJob()
        job.alter = { stage, receipt in
            if stage == 0 { receipt.inputRoot = Transcript.root(tokens: [1, 2, 3]) }
        }
        let bundle = try job.bundle()
        let judgement = try judge(bundle)
        #expect(judgement.code == .inputMismatch)
        #expect(judgement.accusedStage == 0)
        #expect(judgement.recomputedRoot == Transcript.root(tokens: bundle.tokens))
    }

    @Test(arguments: 0..<3, 0..<3)
    func falseCountsConvictWhoSignedThem(liar: Int, field: Int) throws {
        var job = ToyJob()
        job.alter = { stage, receipt in
            guard stage == liar else { return }
            switch field {
            case 0: receipt.outputTokens += 1
            case 1: receipt.promptTokens += 1
            default: receipt.positions += 1
            }
        }
        let judgement = try judge(try job.bundle())
        #expect(judgement.code == .falseTokenCount)
        #expect(judgement.accusedStage == UInt16(liar))
    }

    @Test func twoStoriesForOneStageAreEquivocation() throws {
        let receipt = try #require(try ToyJob().bundle().stages[1].receipt)
        var other = receipt.body
        other.outputRoot = .zero
        let key = try ToyJob.key(2)
        let judgement = try Judge.equivocation(receipt, other.signed(by: key))
        #expect(judgement.code == .equivocation)
        #expect(judgement.accusedStage == 1)
        #expect(judgement.accused == key.publicKey)

        #expect(throws: EvidenceRejection.self) { try Judge.equivocation(receipt, receipt) }
        let stranger = other.signed(by: try ToyJob.key(3))
        expect(.noConflict) { _ = try Judge.equivocation(receipt, stranger) }
        other.attempt += 1
        let later = other.signed(by: key)
        expect(.noConflict) { _ = try Judge.equivocation(receipt, later) }
        other.attempt -= 1
        let forged = Signed(body: other, signer: key.publicKey, signature: receipt.signature)
        expect(.badSignature) { _ = try Judge.equivocation(receipt, forged) }
    }

    @Test func accusingHonestWorkIsAFault() throws {
        let judgement = try judge(try ToyJob().bundle())
        let verifier = try ToyJob.key(77)
        var claim = judgement.verdict
        claim.code = .outputMismatch
        claim.accusedStage = 1
        let review = try Judge.review(claim.signed(by: verifier), against: judgement)
        #expect(review.code == .falseAccusation)
        #expect(review.accused == verifier.publicKey)
        #expect(review.accusedStage == nil)

        let acquittal = judgement.verdict.signed(by: verifier)
        expect(.otherVerdict) { _ = try Judge.review(acquittal, against: judgement) }
        claim.evidence = .zero
        let elsewhere = claim.signed(by: verifier)
        expect(.otherVerdict) { _ = try Judge.review(elsewhere, against: judgement) }
        let forged = Signed(
            body: claim, signer: verifier.publicKey, signature: acquittal.signature)
        expect(.badSignature) { _ = try Judge.review(forged, against: judgement) }

        var job = ToyJob()
        job.models[1].secret = 2
        let guilty = try judge(try job.bundle())
        let right = guilty.verdict.signed(by: verifier)
        #expect(try Judge.review(right, against: guilty) == guilty)
    }

    /// `abandoned` and `receiptWithheld` are for the house's clock: a missing receipt is reported,
    /// and neither its stage nor its neighbours are accused.
    @Test(arguments: 0..<3)
    func aStageThatSignedNothingIsNotJudged(silent: Int) throws {
        var bundle = try ToyJob().bundle()
        bundle.stages[silent].receipt = nil
        if silent == 2 { bundle.logits = [] }
        let judgement = try judge(bundle)
        #expect(judgement.code == .reproduced)
        #expect(judgement.unjudged == [UInt16(silent)])

        var job = ToyJob()
        let liar = (silent + 1) % 3
        job.models[liar].secret = 4
        bundle = try job.bundle()
        bundle.stages[silent].receipt = nil
        if silent == 2 { bundle.logits = [] }
        #expect(try judge(bundle).accusedStage == UInt16(liar))
    }

    @Test func anotherModelOrABrokenEngineAccusesNobody() throws {
        let bundle = try ToyJob().bundle()
        expect(.otherModel) { _ = try judge(bundle, ToyModel(registered: 2)) }
        expect(.reexecutionFailed) { _ = try judge(bundle, ToyModel(fails: true)) }
        var shorter = ToyJob(splits: [0, 1, 2, 3])
        shorter.models = [ToyModel(), ToyModel(), ToyModel()]
        let missing = try shorter.bundle()
        expect(.otherModel) { _ = try judge(missing) }
        let weights = try changedWeights(bundle)
        expect(.otherModel) { _ = try judge(weights) }
    }

    private func changedWeights(_ bundle: EvidenceBundle) throws -> EvidenceBundle {
        var changed = bundle
        changed.stages[1].weights = .zero
        return try changed.signing(1) { $0.weights = .zero }
    }
}

/// Expects that `body` throws an evidence rejection with this code.
func expect(
    _ code: EvidenceRejection.Code, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    #expect(sourceLocation: sourceLocation) {
        try body()
    } throws: { error in
        (error as? EvidenceRejection)?.code == code
    }
}
