public import Primitives

/// What `Judge` found, with its reasons: everything a verdict says, and who it is about.
public struct Judgement: Hashable, Sendable {
    /// The job judged.
    public let job: JobID
    /// The attempt judged.
    public let attempt: UInt32
    /// What was found.
    public let code: FaultCode
    /// The stage at fault; `nil` if none is. Never more than one: the first in the pipeline.
    public let accusedStage: UInt16?
    /// The key that signed the accused record; `nil` if there is no fault.
    public let accused: PublicKey?
    /// The root the judge computed for the accused stage, or for the last stage it re-executed.
    public let recomputedRoot: Digest
    /// The identity of the evidence.
    public let evidence: Digest
    /// Stages that signed nothing, so that nothing could be said about them.
    public let unjudged: [UInt16]
    /// What was checked and found, in order, in sentences for people.
    public let reasons: [String]

    /// The verdict that a verifier signs. For `falseAccusation` it names no stage: the accused is
    /// a verifier.
    public var verdict: Verdict {
        Verdict(
            job: job, attempt: attempt, code: code, accusedStage: accusedStage,
            recomputedRoot: recomputedRoot, evidence: evidence)
    }
}
