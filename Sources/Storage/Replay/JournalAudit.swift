public import Clearing
import Cryptography
public import Ledger
public import Primitives

/// What an audit of a journal found.
public struct AuditReport: Sendable {
    /// A signature in the journal that does not hold.
    public struct BadSignature: Hashable, Sendable {
        /// The batch.
        public let sequence: UInt64
        /// The command's place in the batch, from 0.
        public let command: Int
        /// What was signed: `receipt` or `verdict`.
        public let record: String
        /// Who is said to have signed.
        public let signer: PublicKey
    }

    /// The last batch.
    public let head: JournalHead
    /// Commands in all batches.
    public let commands: UInt64
    /// SHA-256 of the replayed house's canonical bytes: equals the live house's at `head`.
    public let stateHash: Digest
    /// Recorded state hashes that the replay reached.
    public let checkpoints: Int
    /// The totals per ledger.
    public let trialBalance: [TrialBalance]
    /// Whatever the ledger's own invariants name as wrong.
    public let invariantFaults: [String]
    /// Settlements whose committed totals are what the books owed at that moment.
    public let liabilityCommitments: Int
    /// What is wrong with those of other settlements.
    public let liabilityFaults: [String]
    /// Signatures that were checked again and hold; `nil` if none was to be checked.
    public let signatures: UInt64?
    /// Signatures that do not hold.
    public let badSignatures: [BadSignature]
    /// Snapshots that hold what the journal leads to.
    public let snapshots: Int
    /// What is wrong with other snapshots.
    public let snapshotFaults: [String]
    /// The house that the journal replays to.
    public let house: ClearingHouse

    /// Whether nothing at all is wrong.
    public var isSound: Bool {
        invariantFaults.isEmpty && badSignatures.isEmpty && liabilityFaults.isEmpty
            && snapshotFaults.isEmpty && trialBalance.allSatisfy(\.isBalanced)
    }
}

/// Audits the journal at `path`, a SQLite file or the folder of append files, also while a house
/// writes it.
///
/// Verifies the files, the whole chain and, if given, a published point of it; replays every
/// command into an empty house; compares every recorded state hash and what each settlement says
/// is owed, and the `snapshots` if given; checks every signature again, on all processors, unless
/// it is told not to; adds up the books. Throws at whatever makes the journal unusable; what is
/// wrong inside a journal that replays is in the report. Time is O(commands + checkpoints x
/// state).
public func auditJournal(
    at path: String, expecting point: ChainPoint? = nil, checksSignatures: Bool = true,
    snapshots: SnapshotStore? = nil
) throws(JournalError) -> AuditReport {
    if SystemError.isFolder(path) {
        let journal = try FileJournal(readingOnly: path)
        let report = try auditJournal(
            journal, expecting: point, checksSignatures: checksSignatures, snapshots: snapshots)
        try journal.close()
        return report
    }
    let journal = try SQLiteJournal(readingOnly: path)
    let problems = try journal.fileProblems()
    if let first = problems.first { throw .damagedFile(first) }
    let report = try auditJournal(
        journal, expecting: point, checksSignatures: checksSignatures, snapshots: snapshots)
    try journal.close()
    return report
}

/// Audits any journal: as `auditJournal(at:)`, without the check of the file itself.
public func auditJournal(
    _ journal: any Journal, expecting point: ChainPoint? = nil, checksSignatures: Bool = true,
    snapshots: SnapshotStore? = nil
) throws(JournalError) -> AuditReport {
    var replay = HouseReplay(checkpoints: try journal.checkpoints())
    let signatures = checksSignatures ? SignatureAudit() : nil
    // Nobody may go on checking once this returns, whichever way.
    defer { _ = signatures?.finish() }
    var liabilities = LiabilityAudit()
    var kept = try SnapshotAudit<ClearingHouse>(snapshots, of: journal)
    var found: Digest? = point?.sequence == 0 ? .zero : nil
    let head = try journal.recover(readingAhead: true) { (batch, entries) throws(JournalError) in
        if batch.sequence == point?.sequence { found = batch.hash }
        try replay.apply(batch, entries) { command, place in
            signatures?.check(command, sequence: batch.sequence, place: place)
            liabilities.check(command, sequence: batch.sequence)
        }
        liabilities.note(batch, replay.machine)
        kept.note(batch, replay.machine)
    }
    kept.finish()
    if let point, found != point.hash { throw .unexpectedHash(point, found: found) }
    let stateHash = replay.machine.stateHash
    let invariantFaults = replay.machine.ledger.checkInvariants()
    let checked = signatures?.finish()
    return AuditReport(
        head: head, commands: replay.commands, stateHash: stateHash,
        checkpoints: replay.checkpointsReached, trialBalance: replay.machine.ledger.trialBalance(),
        invariantFaults: invariantFaults,
        liabilityCommitments: liabilities.agreeing, liabilityFaults: liabilities.faults,
        signatures: checked?.valid, badSignatures: checked?.bad ?? [], snapshots: kept.agreeing,
        snapshotFaults: kept.faults, house: replay.machine)
}
