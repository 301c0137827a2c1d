import Cryptography
public import Ledger
public import Primitives

/// What an audit of a ledger's journal found.
public struct LedgerAuditReport: Sendable {
    /// The last batch.
    public let head: JournalHead
    /// Commands in all batches.
    public let commands: UInt64
    /// SHA-256 of the replayed ledger's canonical bytes: equals the live one's at `head`.
    public let stateHash: Digest
    /// Recorded state hashes that the replay reached.
    public let checkpoints: Int
    /// The totals per ledger.
    public let trialBalance: [TrialBalance]
    /// Whatever the ledger's own invariants name as wrong.
    public let invariantFaults: [String]
    /// Snapshots that hold what the journal leads to.
    public let snapshots: Int
    /// What is wrong with other snapshots.
    public let snapshotFaults: [String]
    /// The ledger that the journal replays to.
    public let machine: LedgerMachine

    /// Whether nothing at all is wrong.
    public var isSound: Bool {
        invariantFaults.isEmpty && snapshotFaults.isEmpty && trialBalance.allSatisfy(\.isBalanced)
    }
}

/// Audits a ledger's journal: verifies its store where the store can tell, the whole chain and, if
/// given, a published point of it; carries every command out again on an empty ledger; compares
/// every recorded state hash, and the `snapshots` if given; checks the ledger's invariants and adds
/// up its books.
///
/// One thread reads and hashes ahead of the one that decides. Throws at whatever makes the journal
/// unusable; what is wrong inside a journal that replays is in the report. Time is O(commands +
/// checkpoints x state).
public func auditLedger(
    _ journal: any Journal, expecting point: ChainPoint? = nil, snapshots: SnapshotStore? = nil,
    progress: (_ batch: UInt64, _ transfers: Int) -> Void = { (_, _) in }
) throws(JournalError) -> LedgerAuditReport {
    if let problem = try (journal as? SQLiteJournal)?.fileProblems().first {
        throw .damagedFile(problem)
    }
    var replay = Replay<LedgerMachine>(checkpoints: try journal.checkpoints())
    var kept = try SnapshotAudit<LedgerMachine>(snapshots, of: journal)
    var found: Digest? = point?.sequence == 0 ? .zero : nil
    let head = try journal.recover(readingAhead: true) { (batch, entries) throws(JournalError) in
        if batch.sequence == point?.sequence { found = batch.hash }
        try replay.apply(batch, entries)
        kept.note(batch, replay.machine)
        progress(batch.sequence, replay.machine.ledger.transferCount)
    }
    if let point, found != point.hash { throw .unexpectedHash(point, found: found) }
    kept.finish()
    let machine = replay.machine
    let (stateHash, faults) = onTwoThreads {
        machine.stateHash
    } and: {
        machine.ledger.checkInvariants()
    }
    return LedgerAuditReport(
        head: head, commands: replay.commands, stateHash: stateHash,
        checkpoints: replay.checkpointsReached, trialBalance: machine.ledger.trialBalance(),
        invariantFaults: faults, snapshots: kept.agreeing, snapshotFaults: kept.faults,
        machine: machine)
}
