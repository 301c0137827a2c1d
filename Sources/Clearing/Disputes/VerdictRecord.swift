public import Economics
public import Ledger
public import Primitives

/// Where a verdict stands. Numbers are stable for ever.
public enum VerdictState: UInt8, CaseIterable, Hashable, Sendable {
    /// It found nothing wrong, or took no bond: final at once.
    case final = 1
    /// Bond is captured and the accused may appeal.
    case appealable = 2
    /// Under appeal; the arbiter re-runs the evidence.
    case appealed = 3
    /// The captured bond was taken.
    case executed = 4
    /// The appeal was upheld: the bond is free again and the verifier is at fault.
    case overturned = 5
    /// The captured bond was taken in the books and is not on chain: the slash was forgone. It may
    /// still be carried out if the contract holds the request for it, until `settledOnChain`.
    case forgone = 6
}

/// A verdict on record and what it led to.
public struct VerdictRecord: Hashable, Sendable {
    /// The verdict's number.
    public let id: VerdictID
    /// What was found, with the verifier's signature.
    public let verdict: Signed<Verdict>
    /// What the record is about: the verdict's own code, or a false accusation when the verifier
    /// itself was found at fault.
    public let code: FaultCode
    /// The verifier's node.
    public let auditor: NodeID
    /// The accused party; none when no one is.
    public let accused: PartyID
    /// When it was recorded.
    public let recordedAt: Timestamp
    /// Where it stands.
    public internal(set) var state: VerdictState
    /// The penalty.
    public let rung: Rung
    /// Bond captured, in USD.
    public internal(set) var captured: Amount = .zero
    /// The pending transfers that capture it: from the bond, and from what was unbonding.
    public internal(set) var captures: [TransferID] = []
    /// When the appeal window ends.
    public internal(set) var deadline: Timestamp = .zero
    /// What was burned when it was executed.
    public internal(set) var burned: Amount = .zero
    /// Whether the slash is final on chain.
    public internal(set) var settledOnChain = false

    /// The name a slash has on chain, unique among verdicts: the evidence's digest with the
    /// verdict's number folded into its last word.
    public var slashKey: Digest {
        let words = verdict.body.evidence.words
        return Digest(words: (words.0, words.1, words.2, words.3 ^ id.rawValue))
    }
}
