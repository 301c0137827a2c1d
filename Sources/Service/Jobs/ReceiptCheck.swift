import Clearing
import Cryptography
import Primitives
import Verification

/// What the house knows about a finished attempt, and whether a receipt commits to it.
///
/// A receipt that does not is refused with its number, alone: it must not keep the others from
/// being handed in. The first stage's input is the exception: a wrong input root is a fault that an
/// audit convicts, so it is let through.
struct ReceiptCheck: Sendable {
    let job: JobID
    let attempt: UInt32
    let model: Digest
    /// The pipeline as it was matched.
    let stages: [JobRunner.Stage]
    let promptTokens: Int
    let output: [Int32]
    let sampling: [UInt8]
    /// The root of what went from each stage to the next.
    let boundaryRoots: [Digest]

    /// Why the receipt is refused, or `nil` if it holds. In order of the rejections' numbers.
    func refusal(_ signed: Signed<Receipt>, logits: [Digest]) -> Rejection? {
        let body = signed.body
        guard body.job == job, body.attempt == attempt, Int(body.stages) == stages.count,
            Int(body.stage) < stages.count
        else { return .receiptMisaddressed }
        let stage = stages[Int(body.stage)]
        guard signed.signer == stage.node, signed.verified() != nil else { return .wrongSigner }
        guard body.model == model, body.profile == stage.profile, body.layers == stage.layers,
            body.weights == stage.weights
        else { return .wrongWork }
        guard Int(body.promptTokens) == promptTokens, Int(body.outputTokens) == output.count,
            Int(body.positions) == promptTokens + output.count - 1
        else { return .wrongTokenCount }
        let place = Int(body.stage)
        if place > 0, body.inputRoot != boundaryRoots[place - 1] { return .brokenChain }
        let expected =
            place < stages.count - 1
            ? boundaryRoots[place]
            : Transcript.root(
                sampled: output, logits: self.logits(logits), sampling: SHA256.hash(sampling),
                promptTokens: promptTokens)
        return body.outputRoot == expected ? nil : .brokenChain
    }

    /// The hashes of logits that open the output root: those the last stage handed in, or, since
    /// statistical work commits to none, zeros.
    func logits(_ handedIn: [Digest]) -> [Digest] {
        stages.last?.numerics == .statistical
            ? Array(repeating: .zero, count: output.count) : handedIn
    }
}
