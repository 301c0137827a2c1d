import Primitives
import Synchronization

extension FileJournal {
    /// A reader of what is durable now, with files of its own. From a journal that was opened for
    /// reading only it is one of what is whole now: the last batch may not be durable yet.
    public func reader() throws(JournalError) -> any JournalReader {
        if writer.withLock({ $0.closed }) { throw .closed }
        return FileJournalReader(self)
    }
}

/// Follows a `FileJournal` from batch to batch.
private final class FileJournalReader: JournalReader, @unchecked Sendable {
    private let journal: FileJournal
    private var cursor: JournalCursor?
    private var closed = false

    init(_ journal: FileJournal) {
        self.journal = journal
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
