/// What kind of fault a verdict found, each with its own burden of proof (docs/concepts/faults.md).
public enum FaultClass: UInt8, CaseIterable, Hashable, Sendable {
    /// The work is right.
    case none = 0
    /// Anyone can re-check it offline from the evidence: may take a bond.
    case objective = 1
    /// A test with error rates rejected it: forfeits escrow, never a bond by itself.
    case statistical = 2
    /// An answer or an opening did not come in time: no pay.
    case liveness = 3
    /// A hardware quote did not hold.
    case attestation = 4
}

/// Exactly what was found. Numbers are stable for ever.
public enum FaultCode: UInt16, CaseIterable, Hashable, Sendable {
    /// Every stage's output follows from its committed input.
    case reproduced = 0
    /// Re-execution from the committed input gives another output root.
    case outputMismatch = 101
    /// The first stage's committed input is not the prompt and the tokens sent to it.
    case inputMismatch = 102
    /// Two receipts for one stage of one attempt with different roots.
    case equivocation = 103
    /// The receipt counts other tokens than were delivered.
    case falseTokenCount = 104
    /// A verifier accused work that reproduces.
    case falseAccusation = 105
    /// The node left or went silent in the middle of an answer.
    case abandoned = 301
    /// The node did not sign a receipt by the deadline.
    case receiptWithheld = 302
    /// The node said that it was too busy, or was left out without being at fault: noted, no more.
    case declined = 303
    /// The node did not show in time that it holds the weights it offers.
    case weightsUnproven = 304

    /// The class this code belongs to.
    public var faultClass: FaultClass {
        switch rawValue {
        case 0: .none
        case 100..<200: .objective
        case 200..<300: .statistical
        case 300..<400: .liveness
        default: .attestation
        }
    }
}

/// What a verifier concluded about one job: which stage, if any, is at fault, and on what evidence.
/// Signed by the verifier's node.
public struct Verdict: Hashable, Signable {
    public static let domain = "exchequer-verdict-v1"

    /// The job judged.
    public var job: JobID
    /// The attempt judged.
    public var attempt: UInt32
    /// What was found.
    public var code: FaultCode
    /// The stage at fault; `nil` when none is.
    public var accusedStage: UInt16?
    /// The output root the verifier computed for the accused stage, or for the last stage.
    public var recomputedRoot: Digest
    /// The hash of the evidence bundle the verdict rests on.
    public var evidence: Digest

    /// A verdict with all its fields.
    public init(
        job: JobID, attempt: UInt32, code: FaultCode, accusedStage: UInt16?,
        recomputedRoot: Digest, evidence: Digest
    ) {
        self.job = job
        self.attempt = attempt
        self.code = code
        self.accusedStage = accusedStage
        self.recomputedRoot = recomputedRoot
        self.evidence = evidence
    }

    public func encode(into writer: inout ByteWriter) {
        writer.write(job)
        writer.write(attempt)
        writer.write(code.rawValue)
        writer.write(accusedStage != nil)
        if let accusedStage { writer.write(accusedStage) }
        writer.write(recomputedRoot)
        writer.write(evidence)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        let job: JobID = try reader.read()
        let attempt = try reader.readUInt32()
        guard let code = FaultCode(rawValue: try reader.readUInt16()) else {
            throw .invalidValue("fault code")
        }
        let accused: UInt16? = try reader.readBool() ? try reader.readUInt16() : nil
        self.init(
            job: job, attempt: attempt, code: code, accusedStage: accused,
            recomputedRoot: try reader.readDigest(), evidence: try reader.readDigest())
    }
}
