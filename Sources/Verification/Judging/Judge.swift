import Cryptography
public import Primitives

/// Decides who, if anyone, did not do the work they signed for. Pure: the same evidence and the
/// same model always give the same judgement, anywhere.
///
/// A stage is judged from its **own** signed input, so what an earlier stage did wrong is never
/// charged to it; and only by its own signature, so that nobody can put words into its mouth.
/// `abandoned` and `receiptWithheld` are never found here: they need the house's clock.
public enum Judge {
    /// Re-executes stage after stage and stops at the first whose signed output root does not
    /// follow from its signed input. Throws if the evidence is about another model than
    /// `engine`'s, or if the engine fails; then nobody is accused.
    public static func judge(
        _ evidence: VerifiedEvidence, with engine: some StageReexecutor
    ) throws(EvidenceRejection) -> Judgement {
        try checkModel(evidence.bundle, engine)
        let unjudged = evidence.receipts.indices.filter { evidence.receipts[$0] == nil }
        var finding = Finding(evidence, unjudged: unjudged.map { UInt16($0) })
        if let fault = evidence.documentaryFault {
            return finding.convict(fault.code, fault.stage, root: fault.root, fault.reason)
        }
        var root = Digest.zero
        for (index, receipt) in evidence.receipts.enumerated() {
            guard let receipt = receipt?.body else {
                finding.note("stage \(index) signed no receipt: not judged")
                continue
            }
            root = try reexecute(evidence.bundle.task(index), engine)
            guard root == receipt.outputRoot else {
                return finding.convict(
                    .outputMismatch, UInt16(index), root: root,
                    "stage \(index) (layers \(receipt.layers)) signed output root "
                        + "\(receipt.outputRoot); its own signed input leads to \(root)")
            }
            finding.note("stage \(index) (layers \(receipt.layers)) reproduces \(root)")
        }
        return finding.acquit(root: root)
    }

    /// Two receipts by one node for one stage of one attempt with different roots: one of them is
    /// a lie, whichever it is. Throws unless they contradict each other.
    public static func equivocation(
        _ first: Signed<Receipt>, _ second: Signed<Receipt>
    ) throws(EvidenceRejection) -> Judgement {
        guard let left = first.verified(), let right = second.verified() else {
            throw EvidenceRejection(
                .badSignature, stage: first.body.stage, "a receipt was not signed by its signer")
        }
        let (a, b) = (left.body, right.body)
        guard left.signer == right.signer, a.job == b.job, a.attempt == b.attempt,
            a.stage == b.stage, a.inputRoot != b.inputRoot || a.outputRoot != b.outputRoot
        else {
            throw EvidenceRejection(
                .noConflict, stage: a.stage, "the two receipts do not contradict each other")
        }
        return Judgement(
            job: a.job, attempt: a.attempt, code: .equivocation, accusedStage: a.stage,
            accused: left.signer, recomputedRoot: b.outputRoot,
            evidence: equivocationDigest(first, second), unjudged: [],
            reasons: [
                "one node signed roots \(a.inputRoot) to \(a.outputRoot) and roots "
                    + "\(b.inputRoot) to \(b.outputRoot) for stage \(a.stage) of one attempt"
            ])
    }

    /// Whether a verifier's accusation holds against what this judge found itself: returns
    /// `falseAccusation` with the verifier as the accused if the work reproduces, otherwise
    /// `judgement`. Throws if the verdict is not signed, accuses nobody, or is about other
    /// evidence.
    public static func review(
        _ verdict: Signed<Verdict>, against judgement: Judgement
    ) throws(EvidenceRejection) -> Judgement {
        guard let verified = verdict.verified() else {
            throw EvidenceRejection(.badSignature, "the verdict was not signed by its signer")
        }
        let claim = verified.body
        guard claim.job == judgement.job, claim.attempt == judgement.attempt,
            claim.evidence == judgement.evidence, claim.code != .reproduced
        else {
            throw EvidenceRejection(
                .otherVerdict, "the verdict is about other evidence, or accuses nobody")
        }
        guard judgement.code == .reproduced else { return judgement }
        return Judgement(
            job: judgement.job, attempt: judgement.attempt, code: .falseAccusation,
            accusedStage: nil, accused: verified.signer,
            recomputedRoot: judgement.recomputedRoot, evidence: judgement.evidence,
            unjudged: judgement.unjudged,
            reasons: judgement.reasons + [
                "the verdict accuses stage \(claim.accusedStage.map(String.init) ?? "none") of "
                    + "fault \(claim.code.rawValue), but the work reproduces"
            ])
    }

    private static func equivocationDigest(
        _ first: Signed<Receipt>, _ second: Signed<Receipt>
    ) -> Digest {
        SHA256.hash(first.canonicalBytes() + second.canonicalBytes())
    }

    private static func checkModel(
        _ bundle: EvidenceBundle, _ engine: some StageReexecutor
    ) throws(EvidenceRejection) {
        guard bundle.model == engine.model, bundle.profile == engine.profile,
            Int(bundle.stages[bundle.stages.count - 1].layers.end) == engine.layerCount,
            bundle.boundaries.isEmpty || bundle.rowBytes == engine.rowBytes
        else {
            throw EvidenceRejection(
                .otherModel,
                "the evidence is about model \(bundle.model), the judge holds \(engine.model)")
        }
        for (index, stage) in bundle.stages.enumerated()
        where engine.weightsRoot(of: stage.layers) != stage.weights {
            throw EvidenceRejection(
                .otherModel, stage: UInt16(index),
                "the weights root of stage \(index) is not the one of layers \(stage.layers) "
                    + "of this model")
        }
    }

    private static func reexecute(
        _ task: StageTask, _ engine: some StageReexecutor
    ) throws(EvidenceRejection) -> Digest {
        do {
            return try engine.reexecute(task)
        } catch {
            throw EvidenceRejection(
                .reexecutionFailed, stage: task.stage,
                "stage \(task.stage) could not be re-executed: \(error)")
        }
    }
}

extension EvidenceBundle {
    /// The work of stage `index`, with the input that stands in this bundle.
    func task(_ index: Int) -> StageTask {
        StageTask(
            stage: UInt16(index), stages: UInt16(stages.count), layers: stages[index].layers,
            positions: positions, promptTokens: Int(promptTokens),
            prompt: Array(tokens.prefix(Int(promptTokens))), sampling: sampling,
            input: index == 0 ? .tokens(tokens) : .activations(boundaries[index - 1]))
    }
}

/// A judgement in the making.
private struct Finding {
    private let evidence: VerifiedEvidence
    private let unjudged: [UInt16]
    private var reasons: [String] = []

    init(_ evidence: VerifiedEvidence, unjudged: [UInt16]) {
        self.evidence = evidence
        self.unjudged = unjudged
        reasons.append("all receipts are signed by their nodes and are about this job")
    }

    mutating func note(_ reason: String) { reasons.append(reason) }

    mutating func convict(
        _ code: FaultCode, _ stage: UInt16, root: Digest, _ reason: String
    ) -> Judgement {
        note(reason)
        return make(code, stage: stage, root: root)
    }

    mutating func acquit(root: Digest) -> Judgement {
        note("every stage that signed reproduces")
        return make(.reproduced, stage: nil, root: root)
    }

    private func make(_ code: FaultCode, stage: UInt16?, root: Digest) -> Judgement {
        Judgement(
            job: evidence.bundle.job, attempt: evidence.bundle.attempt, code: code,
            accusedStage: stage, accused: stage.flatMap { evidence.receipts[Int($0)]?.signer },
            recomputedRoot: root, evidence: evidence.digest, unjudged: unjudged,
            reasons: reasons)
    }
}
