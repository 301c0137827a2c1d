import Primitives
import Synchronization

extension FileJournal {
    /// Reads the batches that were there at opening, verifies the chain over all of them after
    /// `start`, and cuts off what is left of an unfinished write.
    ///
    /// Beside the errors of the protocol it throws `damagedFile` for a segment that is missing, cut
    /// or not a segment. Unless everything was found in order, nothing is changed.
    public func recover(
        after start: JournalHead,
        _ body: (JournalBatch, JournalEntries) throws(JournalError) -> Void
    ) throws(JournalError) -> JournalHead {
        let (isUsed, marks) = try writer.withLock { (writer) throws(JournalError) in
            if writer.closed { throw .closed }
            return (writer.file != nil, writer.marks)
        }
        let end = head
        try check(start, end: end)
        if marks.closed.sequence > 0, marks.closed.sequence <= start.sequence {
            try check(marks.closed, end: end)
        }
        var verifier = ChainVerifier(after: start)
        let cursor = try JournalCursor(disk, after: start.sequence, readsAhead: true)
        while cursor.sequence <= end.sequence {
            let batch = try cursor.next()
            try body(batch, try verifier.accept(batch))
            if batch.sequence == marks.closed.sequence, batch.hash != marks.closed.hash {
                throw .unexpectedHash(marks.closed, found: batch.hash)
            }
        }
        guard verifier.head == end else {
            throw .unexpectedHash(end.point, found: verifier.head.hash)
        }
        if marks.proven > end.sequence {
            if scan.torn != nil { throw .damaged(end.sequence + 1, .incomplete) }
            throw .missingBatches(head: end.sequence, checkpoint: marks.proven)
        }
        if options != nil, !isUsed { try prepareToWrite() }
        return end
    }

    /// The recorded state hashes, by sequence.
    public func checkpoints() throws(JournalError) -> [StateCheckpoint] {
        try writer.withLock { (writer) throws(JournalError) in
            if writer.closed { throw .closed }
            return writer.marks.checkpoints
        }
    }

    /// Throws unless the journal holds the batch that `start` names, undamaged.
    private func check(_ start: JournalHead, end: JournalHead) throws(JournalError) {
        if start == .empty { return }
        guard try check(start.point, end: end) == start else {
            throw .unexpectedHash(start.point, found: start.hash)
        }
    }

    /// Throws unless the journal holds the batch that `point` names, undamaged; gives its head.
    @discardableResult
    private func check(
        _ point: ChainPoint, end: JournalHead
    ) throws(JournalError) -> JournalHead {
        guard point.sequence <= end.sequence else {
            throw .missingBatches(head: end.sequence, checkpoint: point.sequence)
        }
        let batch = try JournalCursor(disk, after: point.sequence - 1).next()
        guard batch.hash == point.hash else {
            throw .unexpectedHash(point, found: batch.hash)
        }
        guard batch.isHashed else { throw .damaged(batch.sequence, .hashMismatch) }
        return batch.head
    }

    /// Makes the folder what `append` needs: everything that is there durable, everything after it
    /// zero.
    private func prepareToWrite() throws(JournalError) {
        try writer.withLock { (writer) throws(JournalError) in
            if let failure = writer.failure { throw failure }
            do throws(JournalError) {
                try makeDurable(&writer)
            } catch {
                writer.failure = error
                throw error
            }
        }
    }

    private func makeDurable(_ writer: inout Writer) throws(JournalError) {
        guard let newest = scan.segments.last else { return }
        // A writer that was killed may have left names and bytes that can be read and are not
        // durable, and that must not be built upon.
        try onDisk { () throws(DiskError) in
            for name in try disk.list()
            where name == SegmentName.spare || name == SegmentName.newMarks {
                try disk.remove(name)
            }
            try disk.syncFolder()
        }
        let segment = try SegmentReader(disk, first: newest)
        // Before anything is written behind the end: what is left there of a write that did not end
        // must never be taken for a part of a later one. Also where zeros are read: a sync of zeros
        // that failed may have left on the disk what the page cache no longer shows.
        if !isNew { try clear(segment) }
        if let last = scan.last {
            let home =
                last.segment == newest ? segment : try SegmentReader(disk, first: last.segment)
            let end = last.offset + last.record.bytes
            let copy = try home.copy(last.offset..<end)
            try onDisk { () throws(DiskError) in
                try home.file.writeDurably(copy, count: end - last.offset, at: last.offset)
            }
            if let openEnd = scan.openEnd {
                try writer.write(.init(endAfter: scan.head), to: home.file, at: openEnd)
            }
        }
        if scan.marks == nil { try writer.marks.write(to: disk) }
        writer.file = segment.file
    }

    /// Makes everything behind the end of the newest segment zero, durably.
    private func clear(_ segment: SegmentReader) throws(JournalError) {
        let zeros = DiskBuffer(1 << 20)
        try onDisk { () throws(DiskError) in
            for start in stride(from: scan.offset, to: scan.newestBytes, by: zeros.count) {
                let count = min(zeros.count, scan.newestBytes - start)
                try segment.file.write(zeros, count: count, at: start)
            }
            try segment.file.sync()
        }
    }
}
