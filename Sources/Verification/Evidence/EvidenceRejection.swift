/// Why evidence convicts nobody: it is not whole, not authentic, or not what was signed. That is
/// the fault of the evidence, never of a stage.
///
/// Numbers are stable for ever (`docs/reference/evidence.md`). The checks run in the order of the
/// numbers, so the lowest that applies is reported.
public struct EvidenceRejection: Error, Hashable, Sendable {
    /// What is wrong.
    public enum Code: UInt16, CaseIterable, Hashable, Sendable {
        /// The bytes are not a bundle of this version, or a part is over its limit.
        case unreadable = 801
        /// The numbers of tokens, hashes and positions do not fit together, or the tokens given to
        /// the first stage are not the prompt and the output.
        case wrongCounts = 802
        /// The stages' layers do not follow each other from layer 0.
        case wrongLayers = 803
        /// A boundary is missing, or is not one row of one width for every position.
        case wrongBoundary = 804
        /// Prompt and sampling are not those of the request.
        case requestMismatch = 805
        /// No stage signed anything: there is nothing to judge.
        case nothingSigned = 806
        /// A receipt was not signed by its signer.
        case badSignature = 807
        /// A receipt is about another job, attempt or stage.
        case misaddressed = 808
        /// A receipt is about another model, layer range, weights or arithmetic.
        case wrongWork = 809
        /// Two neighbours signed different roots for the boundary between them.
        case brokenChain = 810
        /// Data in the bundle are not the data whose root was signed.
        case notCommitted = 811
        /// A receipt counts other tokens, but without the last stage's receipt nobody has signed
        /// what the right count is.
        case countsUnproven = 812
        /// The evidence is about another model than the judge has.
        case otherModel = 813
        /// A stage was re-executed in vain: the engine failed.
        case reexecutionFailed = 814
        /// Two receipts do not contradict each other.
        case noConflict = 815
        /// A verdict is about other evidence, or accuses nobody.
        case otherVerdict = 816
    }

    /// What is wrong.
    public let code: Code
    /// The stage whose record shows it, where there is one. It is not accused of anything.
    public let stage: UInt16?
    /// One sentence for a person.
    public let reason: String

    /// A rejection with its parts.
    public init(_ code: Code, stage: UInt16? = nil, _ reason: String) {
        self.code = code
        self.stage = stage
        self.reason = reason
    }
}

extension EvidenceRejection: CustomStringConvertible {
    /// The number and the sentence.
    public var description: String { "evidence_\(code.rawValue): \(reason)" }
}
