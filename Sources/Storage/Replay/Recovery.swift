/// A machine that was rebuilt from its journal: from the newest valid snapshot, if there is one,
/// and everything after it.
public struct Recovery<Machine: JournaledMachine>: Sendable {
    /// The last batch.
    public let head: JournalHead
    /// The last state hash that is recorded in the journal.
    public let checkpoint: StateCheckpoint?
    /// The snapshot that it began with; `nil` if the whole journal was replayed.
    public let start: SnapshotInfo?
    /// Events in the commands that were replayed.
    public let replayed: UInt64
    /// The machine after the last batch.
    public let machine: Machine

    /// Recovers `journal`; blocks as long as that takes. One thread reads and hashes ahead of the
    /// caller's, which decides, unless `readsAhead` is false: a simulation wants one thread only.
    /// `empty` is the machine before the first command.
    ///
    /// Throws whatever keeps the journal from being trusted. A snapshot that is not valid is passed
    /// over; one that goes further than the journal proves that the journal lost its end, and
    /// throws `missingBatches`.
    public init(
        of journal: any Journal, empty: Machine = Machine(), snapshots: SnapshotStore? = nil,
        readsAhead: Bool = true, notice: (SnapshotNotice) -> Void = { _ in }
    ) throws(JournalError) {
        let checkpoint = try journal.checkpoints().last
        let found = try snapshots?.newest(
            of: journal, checkpoint: checkpoint, empty: empty, notice: notice)
        let after = found?.info.head ?? .empty
        if let info = found?.info { notice(.used(info)) }
        start = found?.info
        var replay = Recovery.replay(found, empty, checkpoint)
        var events: UInt64 = 0
        head = try journal.recover(after: after, readingAhead: readsAhead) {
            (batch, entries) throws(JournalError) in
            try replay.apply(batch, entries) { input, _ in events += Machine.ticks(of: input) }
        }
        self.checkpoint = checkpoint
        replayed = events
        machine = replay.machine
    }

    /// Takes the snapshot's machine over, so that it has one owner and changes in place.
    private static func replay(
        _ found: consuming Snapshot<Machine>?, _ empty: Machine, _ checkpoint: StateCheckpoint?
    ) -> Replay<Machine> {
        Replay(found?.machine ?? empty, checkpoints: checkpoint.map { [$0] } ?? [])
    }
}
