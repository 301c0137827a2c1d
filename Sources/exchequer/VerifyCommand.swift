import ArgumentParser
import Foundation
import Inference
import Primitives
import Verification

/// `exchequer verify`: judges an evidence bundle offline.
struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Judge a job from its evidence, offline: was it done right, and if not by whom.",
        discussion: """
            Needs nothing but the bundle (GET /v1/jobs/ID/evidence) and the model's file. Checks \
            all signatures and roots, then runs each stage again from the input it signed for. \
            Ends with 0 if the work reproduces, 4 if a stage is at fault, 5 if the evidence itself \
            is not sound, which convicts nobody, and 3 if it is about another model.

            Statistical work cannot be run again byte by byte. Its tokens are scored instead, \
            which convicts nobody: 0 if they are consistent with the model or too few to tell, 5 \
            if they look like another model's.

            EXAMPLES
              exchequer verify job-7.evidence --model M.gguf
              exchequer verify job-7.evidence --model M.gguf --json
            """)

    @Argument(help: "The evidence bundle.", completion: .file()) var bundle: String
    @Option(help: "The model's GGUF file.", completion: .file(extensions: ["gguf"]))
    var model: String
    @Option(help: "What the house calls the model, which is part of its root.")
    var modelName: String?
    @Option(help: "Threads that compute; one per processor if left out.") var threads: Int?
    @Flag(help: "Print one JSON object.") var json = false

    func run() throws {
        guard let data = FileManager.default.contents(atPath: bundle) else {
            Console.say("exchequer: \(bundle) cannot be read")
            throw Exit.configuration
        }
        let file: ModelFile
        do throws(ModelError) {
            file = try ModelFile(path: model)
        } catch {
            Console.say("exchequer: \(error)")
            throw Exit.configuration
        }
        let evidence: VerifiedEvidence
        let judgement: Judgement?
        do throws(EvidenceRejection) {
            evidence = try EvidenceBundle(untrusted: Array(data)).verified()
            let isStatistical = evidence.bundle.profile == Numerics.statisticalProfile
            judgement = isStatistical ? nil : try judge(evidence, file)
            Console.progress("")
        } catch {
            Console.progress("")
            if json { try Console.put(json: RefusalReport(error)) }
            Console.say("exchequer: \(error)")
            throw error.code == .otherModel ? Exit.configuration : Exit.checkFailed
        }
        guard let judgement else { return try score(evidence, file) }
        if json { try Console.put(json: JudgementReport(judgement)) } else { show(judgement) }
        if judgement.code != .reproduced { throw Exit.fault }
    }

    private func judge(
        _ evidence: VerifiedEvidence, _ file: ModelFile
    ) throws(EvidenceRejection) -> Judgement {
        Console.progress("running job \(evidence.bundle.job) again")
        let engine = ModelReexecutor(
            file: file,
            manifest: file.manifest(at: model, name: modelName, root: evidence.bundle.model),
            threads: threads ?? Stage.defaultThreads)
        return try Judge.judge(evidence, with: engine)
    }

    /// Scores the tokens of statistical work with this model, and says what they look like.
    private func score(_ evidence: VerifiedEvidence, _ file: ModelFile) throws {
        let bundle = evidence.bundle
        guard file.manifest(at: model, name: modelName, root: bundle.model).root == bundle.model
        else {
            Console.say("exchequer: the evidence is about model \(bundle.model), not this file's")
            throw Exit.configuration
        }
        Console.progress("scoring job \(bundle.job)")
        var test = TokenChoiceTest()
        let sampling = try SamplingParameters(canonicalBytes: bundle.sampling)
        if sampling.temperature == 0, !sampling.changesLogits, sampling.format == .text {
            let generator = try Generator(model: file, threads: threads ?? Stage.defaultThreads)
            test.add(
                greedy: try generator.score(
                    prompt: Array(bundle.tokens.prefix(Int(bundle.promptTokens))),
                    continuation: bundle.output, top: 1))
        }
        Console.progress("")
        if json { try Console.put(json: TokenChoiceReport(bundle.job, test)) }
        let found = "\(test.mismatches) of \(test.tokens) tokens are not this model's own choice"
        if !json { Console.put("job \(bundle.job): statistical, \(test.finding): \(found)") }
        if test.finding == .inconsistent { throw Exit.checkFailed }
    }

    private func show(_ judgement: Judgement) {
        for reason in judgement.reasons { Console.say(reason) }
        let subject = "job \(judgement.job), attempt \(judgement.attempt)"
        if let stage = judgement.accusedStage {
            Console.put(
                "\(subject): stage \(stage) is at fault, \(judgement.code) "
                    + "(\(judgement.code.rawValue)), node \(judgement.accused?.hex ?? "")")
        } else {
            Console.put("\(subject): reproduced")
        }
    }
}

/// What `--json` prints for a judgement.
private struct JudgementReport: Encodable {
    let job: UInt64
    let attempt: UInt32
    let code: UInt16
    let finding: String
    let accused_stage: UInt16?
    let accused_node: String?
    let recomputed_root: String
    let evidence: String
    let unjudged_stages: [UInt16]
    let reasons: [String]

    init(_ judgement: Judgement) {
        job = judgement.job.rawValue
        attempt = judgement.attempt
        code = judgement.code.rawValue
        finding = "\(judgement.code)"
        accused_stage = judgement.accusedStage
        accused_node = judgement.accused?.hex
        recomputed_root = judgement.recomputedRoot.hex
        evidence = judgement.evidence.hex
        unjudged_stages = judgement.unjudged
        reasons = judgement.reasons
    }
}

/// What `--json` prints for statistical work.
private struct TokenChoiceReport: Encodable {
    let job: UInt64
    let numerics = "statistical"
    let finding: String
    let tokens: Int
    let mismatches: Int
    let log_likelihood_ratio: Double

    init(_ job: JobID, _ test: TokenChoiceTest) {
        self.job = job.rawValue
        finding = "\(test.finding)"
        tokens = test.tokens
        mismatches = test.mismatches
        log_likelihood_ratio = test.ratio
    }
}

/// What `--json` prints for evidence that convicts nobody.
private struct RefusalReport: Encodable {
    let evidence_error: UInt16
    let error: String
    let stage: UInt16?
    let reason: String

    init(_ rejection: EvidenceRejection) {
        evidence_error = rejection.code.rawValue
        error = "\(rejection.code)"
        stage = rejection.stage
        reason = rejection.reason
    }
}
