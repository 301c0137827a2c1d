import Clearing
import Ledger
import Primitives

extension SnapshotStore {
    /// Takes a snapshot of a journal up to the batch `end`, beside whoever writes the journal:
    /// loads the newest one there is, replays what came after it into a machine of its own, writes
    /// what that leads to. The live machine is not touched, and nobody waits for this. `nil` if
    /// there is nothing new.
    ///
    /// `end` must be durable. `checkpoint` is a state hash that was recorded up to there: the
    /// replay must reach it.
    ///
    /// Throws `journal` for whatever a replay finds wrong, `stateDiverged` above all, and then
    /// writes nothing; `disk`, `busy`, `cancelled`. Takes as much memory again as the machine.
    public func take<Machine: JournaledMachine>(
        of journal: any Journal, upTo end: JournalHead, checkpoint: StateCheckpoint?,
        empty: Machine = Machine(), isCancelled: @escaping @Sendable () -> Bool = { false },
        notice: (SnapshotNotice) -> Void = { _ in }
    ) throws(SnapshotError) -> SnapshotInfo? {
        if end.sequence == 0 { return nil }
        let lock = try lock()
        defer { withExtendedLifetime(lock) {} }
        let names = try onSnapshotDisk { () throws(DiskError) in try listed() }
        let replica = try onJournal { () throws(JournalError) -> Replica<Machine>? in
            let start = try newest(
                among: names, of: journal, checkpoint: checkpoint, empty: empty,
                isCancelled: isCancelled
            ) { if !isCancelled() { notice($0) } }
            if let start, start.info.head.sequence >= end.sequence { return nil }
            let reader = try journal.reader()
            defer { reader.close() }
            // At the end it is compared with the hash of what is written.
            let passed = checkpoint.flatMap { $0.sequence < end.sequence ? $0 : nil }
            var replica = Replica(start, empty: empty, checkpoint: passed)
            while replica.verifier.head.sequence < end.sequence, !isCancelled() {
                try replica.follow(reader, upTo: end)
            }
            return replica
        }
        if isCancelled() { throw .cancelled }
        guard let replica else { return nil }
        let isRecorded = checkpoint?.sequence == end.sequence
        return try write(
            replica.replay.machine, head: end, first: replica.first,
            commands: replica.commands &+ replica.replay.commands, base: replica.base,
            recorded: isRecorded ? checkpoint?.stateHash : nil, isCancelled: isCancelled)
    }

    /// Takes a snapshot of a journal that was opened for reading, of whatever machine it is.
    /// `nil` if there is nothing new.
    ///
    /// Throws as `take` does.
    public func take(
        ofWhole journal: any Journal, notice: (SnapshotNotice) -> Void = { _ in }
    ) throws(SnapshotError) -> SnapshotInfo? {
        let (kind, end, checkpoint) = try onJournal { () throws(JournalError) in
            let end = journal.head
            let checkpoint = try journal.checkpoints().last { $0.sequence <= end.sequence }
            return (try JournaledKind(of: journal), end, checkpoint)
        }
        switch kind {
        case .empty: return nil
        case .house:
            return try take(
                of: journal, upTo: end, checkpoint: checkpoint, empty: ClearingHouse(),
                notice: notice)
        case .ledger:
            return try take(
                of: journal, upTo: end, checkpoint: checkpoint,
                empty: LedgerMachine(tableSeed: .random(in: .min ... .max)), notice: notice)
        }
    }

    private func onJournal<Value>(
        _ body: () throws(JournalError) -> Value
    ) throws(SnapshotError) -> Value {
        do throws(JournalError) { return try body() } catch { throw .journal(error) }
    }
}

/// A second machine that follows a journal.
private struct Replica<Machine: JournaledMachine> {
    var verifier: ChainVerifier
    var replay: Replay<Machine>
    /// The hash of the journal's first batch.
    var first: Digest
    /// The snapshot that it began with.
    let base: SnapshotInfo?

    /// Commands before the replay.
    var commands: UInt64 { base?.commands ?? 0 }

    init(_ start: consuming Snapshot<Machine>?, empty: Machine, checkpoint: StateCheckpoint?) {
        verifier = ChainVerifier(after: start?.info.head ?? .empty)
        first = start?.info.first ?? .zero
        base = start?.info
        replay = Replay(start?.machine ?? empty, checkpoints: checkpoint.map { [$0] } ?? [])
    }

    /// Applies some of the batches up to `end`.
    mutating func follow(
        _ reader: any JournalReader, upTo end: JournalHead
    ) throws(JournalError) {
        let batches = try reader.batches(after: verifier.head.sequence)
        guard !batches.isEmpty else {
            throw .missingBatches(head: verifier.head.sequence, checkpoint: end.sequence)
        }
        for batch in batches where batch.sequence <= end.sequence {
            let entries = try verifier.accept(batch)
            if batch.sequence == 1 { first = batch.hash }
            try replay.apply(batch, entries)
        }
        guard verifier.head.sequence < end.sequence || verifier.head == end else {
            throw .unexpectedHash(end.point, found: verifier.head.hash)
        }
    }
}
