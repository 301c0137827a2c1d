import Primitives
import Synchronization

extension FileJournal {
    /// A reader of what is durable now, with files of its own.
    public func reader() throws(JournalError) -> any JournalReader {
        if writer.withLock({ $0.closed }) { throw .closed }
        return FileJournalReader(self)
    }
}

/// Follows a `FileJournal` from batch to batch.
///
/// What another process writes can be read before it is durable: between that process's write and
/// its sync, or after it was killed there. A batch with a record behind it is durable, since the
/// writer begins the next one only then. The last one this reader syncs itself before it shows it,
/// so that it need not stay a batch behind a writer that has nothing to do. A sync by any process
/// writes all pages of the file, whoever changed them, and has the disk write all that it has
/// taken in, also what went past the page cache: whatever was read is in one of the two. If the
/// disk fails to, this reader says so and shows nothing; the writer ends as well, and its next
/// opening writes its last batch again.
private final class FileJournalReader: JournalReader, @unchecked Sendable {
    private let journal: FileJournal
    private var cursor: JournalCursor?
    private var closed = false
    /// Up to here it is sure that everything is durable.
    private var durable: UInt64

    init(_ journal: FileJournal) {
        self.journal = journal
        durable = journal.head.sequence
    }

    func batches(after sequence: UInt64) throws(JournalError) -> [JournalBatch] {
        if closed { throw .closed }
        // Of what another process writes, what is whole is all that can be known.
        let end = journal.options == nil ? UInt64.max : journal.head.sequence
        guard sequence < end else { return [] }
        do throws(JournalError) {
            return try read(after: sequence, to: end)
        } catch {
            cursor = nil
            throw error
        }
    }

    private func read(after sequence: UInt64, to end: UInt64) throws(JournalError) -> [JournalBatch]
    {
        if cursor?.sequence != sequence + 1 {
            cursor = try JournalCursor(journal.disk, after: sequence)
        }
        cursor?.refresh()
        var page: [JournalBatch] = []
        var bytes = 0
        while bytes < 4 << 20, page.count < 1_024, sequence + UInt64(page.count) < end {
            guard let batch = try next(before: end) else { break }
            page.append(batch)
            bytes += batch.body.count
        }
        if let last = page.last, last.sequence > durable, end == .max {
            if try cursor?.isFollowed == false { try cursor?.sync() }
            durable = last.sequence
        }
        return page
    }

    private func next(before end: UInt64) throws(JournalError) -> JournalBatch? {
        guard end == .max else { return try cursor?.next() }
        do throws(JournalError) {
            return try cursor?.nextIfWhole()
        } catch .damaged(_, .incomplete) {
            // It is being written.
            return nil
        }
    }

    func close() {
        closed = true
        cursor = nil
    }
}
