public import Ledger
public import Primitives

/// Where a job stands. Numbers are stable for ever.
public enum JobState: UInt8, CaseIterable, Hashable, Sendable {
    /// Matched, the buyer's money is held, stages run.
    case running = 1
    /// Delivered; escrow waits for the end of the challenge window.
    case delivered = 2
    /// A verifier re-executes it; escrow waits for the verdict.
    case auditing = 3
    /// A stage was convicted: its share waits in escrow for the end of the appeal window.
    case disputed = 4
    /// Final: the stages were paid.
    case paid = 5
    /// Final: a guilty stage's share went back to the buyer, the others were paid.
    case refunded = 6
    /// Final: nothing was charged.
    case failed = 7

    /// Whether nothing more can happen to the job's money.
    public var isFinal: Bool { rawValue >= JobState.paid.rawValue }
}

/// One stage of a job's pipeline: who runs which layers at what price.
public struct StageAssignment: Hashable, Sendable {
    /// The offer that was matched.
    public let offer: OfferID
    /// Its node.
    public let node: NodeID
    /// Its owner.
    public let party: PartyID
    /// The layers it runs.
    public let layers: LayerRange
    /// What it costs at most; after delivery, what it earns before the fee.
    public internal(set) var cost: Amount
    /// What the stage signed; `nil` until delivery, and for ever if it withheld its receipt.
    public internal(set) var roots: StageRoots?
}

/// The two roots a stage signed.
public struct StageRoots: Hashable, Sendable {
    /// The Merkle root of what came in.
    public let input: Digest
    /// The Merkle root of what went out.
    public let output: Digest
}

/// A demand matched to a pipeline with a hold on the buyer's money.
public struct Job: Hashable, Sendable {
    /// The job's number.
    public let id: JobID
    /// What the buyer wanted.
    public let demand: Demand
    /// When it was matched.
    public let openedAt: Timestamp
    /// Where it stands.
    public internal(set) var state: JobState = .running
    /// The current attempt, from 1.
    public internal(set) var attempt: UInt32 = 1
    /// The pipeline of the current attempt.
    public internal(set) var pipeline: [StageAssignment]
    /// Nodes that failed an attempt: not matched again for this job.
    public internal(set) var failedNodes: [NodeID] = []
    /// The most it can cost.
    public let hold: Amount
    /// The pending transfer that holds the money.
    public let holdTransfer: TransferID
    /// Tokens delivered.
    public internal(set) var outputTokens: UInt32 = 0
    /// The hash of the delivered token ids.
    public internal(set) var output: Digest = .zero
    /// What it cost: the sum of the stages that signed.
    public internal(set) var cost: Amount = .zero
    /// When it was delivered or failed; zero while it runs.
    public internal(set) var endedAt: Timestamp = .zero
    /// When its challenge window, or its audit, ends.
    public internal(set) var deadline: Timestamp
    /// The node that audits it.
    public internal(set) var auditor: NodeID = .none
    /// The verdict on it, if there is one.
    public internal(set) var verdict: VerdictID = .none
    /// Why it failed, if it did.
    public internal(set) var failure: FailureReason?
    /// Whether a conviction of one of its stages demands that it be audited.
    public internal(set) var suspect = false
    /// Whether it waits for the next beacon: derived from the list of those that do.
    var isQueued = false
}
