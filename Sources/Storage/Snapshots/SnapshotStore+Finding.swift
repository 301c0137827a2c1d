import Primitives

extension SnapshotStore {
    /// The newest snapshot of this journal that is valid, or `nil` if there is none. What is wrong
    /// with others is given to `notice`. It may be asked for before the journal is recovered;
    /// `checkpoint` is a state hash that was recorded in it.
    ///
    /// A snapshot is valid if its bytes have the hashes that it says, it is of this kind of machine
    /// and this journal, the journal has the batch it ends with, and its state is the one recorded
    /// there, if one was. What the journal holds before that batch is not looked at.
    ///
    /// Throws `missingBatches` if an undamaged snapshot of this journal, or any if the journal is
    /// empty, goes further than the journal: what it was made from is gone.
    public func newest<Machine: JournaledMachine>(
        of journal: any Journal, checkpoint: StateCheckpoint?, empty: Machine,
        notice: (SnapshotNotice) -> Void
    ) throws(JournalError) -> Snapshot<Machine>? {
        try newest(
            among: try snapshots(), of: journal, checkpoint: checkpoint, empty: empty,
            isCancelled: { false }, notice: notice)
    }

    /// As `newest`, for names that were listed, newest first.
    func newest<Machine: JournaledMachine>(
        among names: [SnapshotName], of journal: any Journal, checkpoint: StateCheckpoint?,
        empty: Machine, isCancelled: @escaping @Sendable () -> Bool,
        notice: (SnapshotNotice) -> Void
    ) throws(JournalError) -> Snapshot<Machine>? {
        if names.isEmpty { return nil }
        let reader = try journal.reader()
        defer { reader.close() }
        let end = journal.head.sequence
        let first = try reader.batches(after: 0).first?.hash
        for name in names {
            let file: SnapshotFile
            do throws(SnapshotProblem) {
                file = try open(name, first, Machine.kind, isCancelled)
                if file.info.head.sequence > end { try file.verify() }
            } catch {
                notice(.passedOver(name.text, error))
                continue
            }
            let head = file.info.head
            guard head.sequence <= end else {
                notice(.ahead(name.text, file.info, journal: end))
                throw .missingBatches(head: end, checkpoint: head.sequence)
            }
            let found = try reader.batches(after: head.sequence - 1).first?.head
            do throws(SnapshotProblem) {
                guard found == head else { throw .otherHistory(head.sequence) }
                if let checkpoint, checkpoint.sequence == head.sequence,
                    checkpoint.stateHash != file.info.stateHash
                {
                    throw .diverged(head.sequence)
                }
                return Snapshot(info: file.info, machine: try file.machine(empty))
            } catch {
                notice(.passedOver(name.text, error))
            }
        }
        return nil
    }

    /// Opens a snapshot of the journal that begins with `first`; any, if there is none yet.
    func open(
        _ name: SnapshotName, _ first: Digest?, _ kind: JournaledKind,
        _ isCancelled: @escaping @Sendable () -> Bool
    ) throws(SnapshotProblem) -> SnapshotFile {
        if let first, name.journal != SnapshotName.journal(first) { throw .otherJournal }
        let file = try SnapshotFile(disk, name.text, isCancelled: isCancelled)
        guard file.header.machine == kind.number else { throw .otherMachine(file.header.machine) }
        if let first, file.info.first != first { throw .otherJournal }
        return file
    }
}
