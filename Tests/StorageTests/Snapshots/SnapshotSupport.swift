import Clearing
import Foundation
import Ledger
import Primitives
import SimulatedDisk
import Storage
import Synchronization
import Testing

/// A ledger's journal in memory and a disk for its snapshots.
struct SnapshotBooks {
    let journal: MemoryJournal
    var disk: SimulatedDisk
    var books: LedgerBooks

    init(seed: UInt64, batches: Int, disk: SimulatedDisk? = nil) throws {
        journal = MemoryJournal()
        self.disk = disk ?? SimulatedDisk(seed: seed)
        books = LedgerBooks(seed: seed)
        try books.write(batches, to: journal)
    }

    var store: SnapshotStore { SnapshotStore(disk: disk.mount()) }

    /// The head after some batch.
    func head(_ sequence: Int) -> JournalHead { journal.batches[sequence - 1].head }

    /// Takes a snapshot after some batch.
    @discardableResult
    func take(_ sequence: Int) throws(SnapshotError) -> SnapshotInfo? {
        try store.take(
            of: journal, upTo: head(sequence), checkpoint: nil, empty: LedgerMachine())
    }

    /// What a start would begin with, and what it says about the others.
    func newest(
        of journal: (any Journal)? = nil, checkpoint: StateCheckpoint? = nil
    ) throws(JournalError) -> (snapshot: Snapshot<LedgerMachine>?, notices: [SnapshotNotice]) {
        var notices: [SnapshotNotice] = []
        let snapshot = try store.newest(
            of: journal ?? self.journal, checkpoint: checkpoint, empty: LedgerMachine()
        ) { notices.append($0) }
        return (snapshot, notices)
    }

    /// The machine after the first `sequence` batches, by replay alone.
    func replayed(_ sequence: Int) throws(JournalError) -> LedgerMachine {
        try SnapshotBooks.prefix(journal, sequence).recovered()
    }

    /// A journal of the first batches of another.
    static func prefix(
        _ journal: MemoryJournal, _ count: Int
    ) throws(JournalError) -> MemoryJournal {
        let copy = MemoryJournal()
        for batch in journal.batches.prefix(count) { try copy.append(batch) }
        return copy
    }
}

extension Journal {
    /// The ledger that it replays to.
    func recovered() throws(JournalError) -> LedgerMachine {
        try Recovery<LedgerMachine>(of: self, readsAhead: false).machine
    }
}

extension LedgerMachine {
    /// The balance history as bytes, to compare.
    var historyBytes: [UInt8] {
        var writer = ByteWriter()
        encodeHistory(into: &writer)
        return writer.bytes
    }
}

extension SnapshotNotice {
    /// Why a snapshot was passed over, if that is what it says.
    var problem: SnapshotProblem? {
        if case .passedOver(_, let problem) = self { problem } else { nil }
    }
}

/// A lock on a file, as another process would hold it.
final class FileHandleLock {
    private let file: FileHandle

    init(_ path: String) throws {
        _ = FileManager.default.createFile(atPath: path, contents: nil)
        file = try #require(FileHandle(forUpdatingAtPath: path))
        try #require(flock(file.fileDescriptor, LOCK_EX | LOCK_NB) == 0)
    }

    func release() { try? file.close() }
}
