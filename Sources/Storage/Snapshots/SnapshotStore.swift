import Primitives

/// A folder of snapshots: what a machine's state was after some batch, so that a start need not
/// replay everything before it. The journal stays the truth: whatever is wrong with a snapshot, an
/// older one or the whole journal serves as well.
///
/// A snapshot is written under another name and renamed when all of it is durable, so there are
/// only whole ones. The newest two are kept. The format is docs/internals/journal.md.
public final class SnapshotStore: Sendable {
    /// How many snapshots of a journal are kept.
    public static let kept = 2

    let disk: any Disk
    /// Where the lock is; `nil` on a disk that is not the system's.
    private let folder: String?

    /// Opens the folder, and makes it if it is not there.
    ///
    /// Throws `cannotOpen` if it is not a folder or cannot be made.
    public init(folder: String) throws(JournalError) {
        do throws(DiskError) {
            disk = try SystemDisk(folder: folder, usingDirectWrites: false)
        } catch {
            throw .cannotOpen(folder, error.words)
        }
        self.folder = folder
    }

    /// Snapshots on a disk of any kind, to which nobody else writes.
    public init(disk: any Disk) {
        self.disk = disk
        folder = nil
    }

    /// The names of the snapshots that are there, of whatever journal, newest first.
    ///
    /// Throws `inputOutput` if the folder cannot be listed.
    public func names() throws(JournalError) -> [String] { try snapshots().map(\.text) }

    func snapshots() throws(JournalError) -> [SnapshotName] {
        try onDisk { () throws(DiskError) in try disk.list() }
            .compactMap { SnapshotName($0) }.sorted { $0.sequence > $1.sequence }
    }

    /// Keeps other processes from writing a snapshot here until the result is released.
    func lock() throws(SnapshotError) -> FileLock? {
        guard let folder else { return nil }
        do throws(JournalError) {
            return try FileLock(path: "\(folder)/\(SnapshotName.lock)", journal: folder)
        } catch .locked(_, let holder) {
            throw .busy(holder: holder)
        } catch {
            throw .journal(error)
        }
    }

    /// Writes the state of a machine after the batch `head`, and removes what is older than the
    /// newest two of the same journal. `first` is the hash of the journal's first batch.
    ///
    /// Throws `stateDiverged` if the state's hash is not `recorded`, and then keeps nothing.
    func write<Machine: JournaledMachine>(
        _ machine: Machine, head: JournalHead, first: Digest, commands: UInt64,
        recorded: Digest?, isCancelled: @escaping @Sendable () -> Bool
    ) throws(SnapshotError) -> SnapshotInfo {
        do throws(SnapshotError) {
            let file = try onSnapshotDisk { () throws(DiskError) in
                if try disk.list().contains(SnapshotName.unfinished) {
                    try disk.remove(SnapshotName.unfinished)
                }
                return try disk.create(SnapshotName.unfinished)
            }
            let writer = try SnapshotWriter(file, isCancelled: isCancelled)
            let state = try writer.section(SnapshotHeader.Section.state) { bytes in
                machine.encode(into: &bytes)
            }
            if let recorded, recorded != state.hash {
                throw .journal(.stateDiverged(head.sequence))
            }
            let history = try writer.section(SnapshotHeader.Section.history) { bytes in
                machine.encodeHistory(into: &bytes)
            }
            try writer.finish(
                SnapshotHeader(
                    machine: Machine.kind.number, head: head, first: first, commands: commands,
                    sections: [state, history]))
            let name = SnapshotName(first: first, sequence: head.sequence)
            try onSnapshotDisk { () throws(DiskError) in
                try disk.rename(SnapshotName.unfinished, to: name.text)
                try disk.syncFolder()
            }
            removeOld(after: name)
            return SnapshotInfo(
                head: head, first: first, commands: commands, stateHash: state.hash,
                stateBytes: state.length)
        } catch {
            try? disk.remove(SnapshotName.unfinished)
            throw error
        }
    }

    /// Removes the snapshots of the same journal but `name` and the one before it. Newer ones were
    /// passed over, or `name` would not have been written.
    private func removeOld(after name: SnapshotName) {
        let others = ((try? snapshots()) ?? []).filter {
            $0.journal == name.journal && $0 != name
        }
        let before = others.filter { $0.sequence < name.sequence }.prefix(SnapshotStore.kept - 1)
        for old in others where !before.contains(old) { try? disk.remove(old.text) }
    }

    private func onSnapshotDisk<Value>(
        _ body: () throws(DiskError) -> Value
    ) throws(SnapshotError) -> Value {
        do throws(DiskError) { return try body() } catch { throw .disk(error) }
    }
}
