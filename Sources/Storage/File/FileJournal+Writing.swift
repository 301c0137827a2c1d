import Primitives
import Synchronization

extension FileJournal {
    /// Writes one batch; it is durable when this returns. Whatever the disk fails to do is final.
    ///
    /// Beside the errors of the protocol it throws `limitExceeded` for a body over the limit, which
    /// harms nothing.
    public func append(_ batch: JournalBatch) throws(JournalError) {
        try write { (writer) throws(JournalError) in
            let head = head
            try head.check(next: batch)
            guard batch.body.count <= JournalLimits.bodyBytes else {
                throw .limitExceeded("bytes per batch")
            }
            return head
        } _: { (writer, head) throws(JournalError) in
            let record = RecordHeader(batch)
            // Room for the record that ends the segment stays free.
            if writer.offset + record.bytes + RecordFormat.block > writer.bytes {
                try startSegment(&writer, after: head, holding: record.bytes)
            }
            guard let file = writer.file else { throw .notRecovered }
            try writer.write(record, body: batch.body, to: file, at: writer.offset)
            writer.offset += record.bytes
            publish(batch.head)
            try prepareSpare(writer)
        }
    }

    /// Records a state hash: the file of marks is replaced by one that holds it too.
    public func record(_ checkpoint: StateCheckpoint) throws(JournalError) {
        try write { (writer) throws(JournalError) in
            guard checkpoint.sequence <= head.sequence else {
                throw .misplaced("the checkpoint is beyond the head")
            }
        } _: { (writer, _) throws(JournalError) in
            writer.marks.add(checkpoint)
            try writer.marks.write(to: disk)
        }
    }

    /// Runs `body` after `check`, whose errors are the caller's. An error of `body` is final: after
    /// a failed write or sync nobody knows what the disk holds, and a second one could succeed
    /// without it.
    private func write<Checked>(
        checking check: (Writer) throws(JournalError) -> Checked,
        _ body: (inout Writer, Checked) throws(JournalError) -> Void
    ) throws(JournalError) {
        guard options != nil else { throw .readOnly }
        try writer.withLock { (writer) throws(JournalError) in
            if writer.closed { throw .closed }
            if writer.failure != nil { throw .failedBefore }
            guard writer.file != nil else { throw .notRecovered }
            let checked = try check(writer)
            do throws(JournalError) {
                try body(&writer, checked)
            } catch {
                writer.failure = error
                throw error
            }
        }
    }

    /// Goes on in a new segment. It has its name before the old one is ended, and its first batch
    /// after that: a segment that was ended has a successor, and one that was not holds the end.
    private func startSegment(
        _ writer: inout Writer, after head: JournalHead, holding record: Int
    ) throws(JournalError) {
        guard let options, let old = writer.file else { throw .readOnly }
        let used = writer.olderBytes + writer.bytes
        let bytes = try options.bytesOfSegment(used: used, holding: record)
        let new = try FileJournal.makeSegment(after: head, bytes: bytes, disk, spare)
        try writer.write(RecordHeader(endAfter: head), to: old, at: writer.offset)
        writer.olderBytes = used
        writer.file = new.file
        writer.bytes = new.bytes
        writer.offset = RecordFormat.block
    }

    /// Has the next segment made once this one is half full. That there is no room for it is said
    /// when it is needed; that the disk fails is said at once.
    private func prepareSpare(_ writer: Writer) throws(JournalError) {
        guard let options, writer.offset > writer.bytes / 2 else { return }
        let used = writer.olderBytes + writer.bytes
        if let bytes = try? options.bytesOfSegment(used: used, holding: RecordFormat.block) {
            spare.prepare(bytes)
        }
        if case .failed(let code, let words) = spare.failure { throw .inputOutput(code, words) }
    }
}

extension FileJournal.Writer {
    /// Writes one record durably: one copy into memory that the disk can write from, one write.
    mutating func write(
        _ record: RecordHeader, body: [UInt8] = [], to file: any DiskFile, at offset: Int
    ) throws(JournalError) {
        if record.bytes > buffer.count {
            buffer = DiskBuffer(max(record.bytes, min(2 * buffer.count, RecordFormat.largest)))
        }
        record.encode(body: body, into: buffer)
        let buffer = buffer
        try onDisk { () throws(DiskError) in
            try file.writeDurably(buffer, count: record.bytes, at: offset)
        }
    }
}
