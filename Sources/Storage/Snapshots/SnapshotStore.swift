import Primitives

/// A folder of snapshots: what a machine's state was after some batch, so that a start need not
/// replay everything before it. The journal stays the truth: whatever is wrong with a snapshot, an
/// older one or the whole journal serves as well.
///
/// A snapshot is written under another name and renamed when all of it is durable, so there are
/// only whole ones. The newest two valid ones are kept. The format is docs/internals/journal.md.
public final class SnapshotStore: Sendable {
    /// What is left free on the disk, in bytes, unless told otherwise: the journal may be on the
    /// same one, and a full disk ends whoever writes it.
    public static let usualReserve = 256 << 20

    let disk: any Disk
    private let reserve: Int
    /// Where the lock is; `nil` on a disk that is not the system's.
    private let folder: String?

    /// Opens the folder, and makes it if it is not there. No snapshot is written that would leave
    /// less than `reserve` bytes free.
    ///
    /// Throws `cannotOpen` if it is not a folder or cannot be made.
    public init(
        folder: String, reserve: Int = SnapshotStore.usualReserve
    ) throws(JournalError) {
        do throws(DiskError) {
            disk = try SystemDisk(folder: folder, usingDirectWrites: false)
        } catch {
            throw .cannotOpen(folder, error.words)
        }
        self.folder = folder
        self.reserve = reserve
    }

    /// Snapshots on a disk of any kind, to which nobody else writes.
    public init(disk: any Disk, reserve: Int = 0) {
        self.disk = disk
        self.reserve = reserve
        folder = nil
    }

    /// The names of the snapshots that are there, of whatever journal, newest first.
    ///
    /// Throws `inputOutput` if the folder cannot be listed.
    public func names() throws(JournalError) -> [String] { try snapshots().map(\.text) }

    func snapshots() throws(JournalError) -> [SnapshotName] {
        try onDisk { () throws(DiskError) in try listed() }
    }

    func listed() throws(DiskError) -> [SnapshotName] {
        try disk.list().compactMap { SnapshotName($0) }.sorted { $0.sequence > $1.sequence }
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

    /// Writes the state of a machine after the batch `head`, and removes all others of the same
    /// journal but `base`, the valid one that it was made from. `first` is the hash of the
    /// journal's first batch.
    ///
    /// Throws `stateDiverged` if the state's hash is not `recorded`, and then keeps nothing.
    func write<Machine: JournaledMachine>(
        _ machine: Machine, head: JournalHead, first: Digest, commands: UInt64,
        base: SnapshotInfo?, recorded: Digest?, isCancelled: @escaping @Sendable () -> Bool
    ) throws(SnapshotError) -> SnapshotInfo {
        do throws(SnapshotError) {
            let file = try onSnapshotDisk { () throws(DiskError) in
                if try disk.list().contains(SnapshotName.unfinished) {
                    try disk.remove(SnapshotName.unfinished)
                }
                return try disk.create(SnapshotName.unfinished)
            }
            let writer = try SnapshotWriter(
                file, on: disk, reserve: reserve, isCancelled: isCancelled)
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
            remove(allBut: name, base)
            return SnapshotInfo(
                head: head, first: first, commands: commands, stateHash: state.hash,
                stateBytes: state.length)
        } catch {
            try? disk.remove(SnapshotName.unfinished)
            throw error
        }
    }

    /// Removes the snapshots of the same journal but these two. Any newer than `base` were passed
    /// over, or `name` would not have been made from it.
    private func remove(allBut name: SnapshotName, _ base: SnapshotInfo?) {
        let kept = base.map { SnapshotName(first: $0.first, sequence: $0.head.sequence) }
        for other in (try? snapshots()) ?? [] where other.journal == name.journal {
            if other != name, other != kept { try? disk.remove(other.text) }
        }
    }

    func onSnapshotDisk<Value>(
        _ body: () throws(DiskError) -> Value
    ) throws(SnapshotError) -> Value {
        do throws(DiskError) { return try body() } catch { throw .disk(error) }
    }
}
