import Primitives

/// What the folder of a journal holds, found by reading its newest segment. Changes nothing.
///
/// The recovery rule (docs/internals/journal.md): a record that was begun and not ended is torn if
/// nothing but its own sectors and zeros is there; it can only be the last. Anything else that is
/// not a whole record is damage.
struct JournalScan {
    /// What is left of the last write, if it did not end.
    struct Torn {
        /// The batch that was written.
        let sequence: UInt64
        /// The blocks that have a part of it.
        let blocks: Range<Int>
    }

    /// The segments' first batches, in order; empty for a new journal.
    let segments: [UInt64]
    /// Recorded state hashes and the last closing; `nil` if there is no such file, which only a
    /// journal without batches may lack.
    let marks: JournalMarks?
    /// Bytes of all segments but the newest.
    private(set) var olderBytes = 0
    /// The last whole batch.
    private(set) var head = JournalHead.empty
    /// Where the last whole batch is; `nil` for a journal without batches.
    private(set) var last: (segment: UInt64, record: RecordHeader, offset: Int)?
    /// Where the newest segment goes on.
    private(set) var offset = RecordFormat.block
    /// What `recover` cuts off.
    private(set) var torn: Torn?
    /// Where the record that ends the segment before the newest belongs, while the newest holds no
    /// batch: it may not be durable.
    private(set) var openEnd: Int?

    /// Reads a folder. Throws `notAJournal`, `unsupportedVersion`, `damagedFile`, `damaged` or
    /// `inputOutput`.
    init(_ disk: any Disk, folder: String) throws(JournalError) {
        let names = try onDisk { () throws(DiskError) in try disk.list() }
        segments = try SegmentName.segments(among: names, folder: folder)
        marks = names.contains(SegmentName.marks) ? try JournalMarks(disk) : nil
        guard let newest = segments.last, let oldest = segments.first else {
            if marks != nil { throw .damagedFile("its segments are missing") }
            return
        }
        guard oldest == 1 else { throw .damaged(1, .gap(oldest)) }
        try scan(try SegmentReader(disk, first: newest), disk)
        for first in segments.dropLast() {
            olderBytes += try onDisk { () throws(DiskError) in
                try disk.open(SegmentName.of(first)).size()
            }
        }
        if marks == nil, head.sequence > 0 || torn != nil || segments.count > 1 {
            throw .damagedFile("the file \(SegmentName.marks) is missing")
        }
    }

    /// Bytes of the newest segment.
    private(set) var newestBytes = 0

    /// Finds the last whole batch and what follows it.
    private mutating func scan(
        _ newest: SegmentReader, _ disk: any Disk
    ) throws(JournalError) {
        newestBytes = newest.header.bytes
        let found = try JournalScan.walk(newest)
        if found.isEnded {
            throw .damagedFile("\(SegmentName.of(found.next)) is missing")
        }
        offset = found.offset
        switch try newest.rest(from: found.offset, .batch, found.next) {
        case .empty: break
        case .foreign: throw .damaged(found.next, .malformedRecord)
        case .unfinished(let blocks): torn = Torn(sequence: found.next, blocks: blocks)
        }
        if let last = found.last {
            self.last = (newest.header.first, last.record, last.offset)
            head = last.record.head
        } else if segments.count > 1 {
            try scanEnd(of: try SegmentReader(disk, first: segments[segments.count - 2]), newest)
        }
    }

    /// Finds the last batch in the segment before one without batches, and whether it was ended.
    private mutating func scanEnd(
        of older: SegmentReader, _ newest: SegmentReader
    ) throws(JournalError) {
        let found = try JournalScan.walk(older)
        let next = newest.header.first
        guard let last = found.last, found.next == next else {
            throw .damaged(found.next, .gap(next))
        }
        self.last = (older.header.first, last.record, last.offset)
        head = last.record.head
        openEnd = found.offset
        if found.isEnded { return }
        // The newest segment has its name before the older one is ended, and its first batch
        // after that.
        let rest = try older.rest(from: found.offset, .end, next)
        guard rest != .foreign, torn == nil else { throw .damaged(next, .malformedRecord) }
    }

    /// Walks from header to header to the last whole record. Records before it are not read:
    /// `recover` does that.
    private static func walk(
        _ segment: SegmentReader
    ) throws(JournalError) -> (
        last: (record: RecordHeader, offset: Int)?, next: UInt64, offset: Int, isEnded: Bool
    ) {
        var records: [(record: RecordHeader, offset: Int)] = []
        var offset = RecordFormat.block
        var next = segment.header.first
        while let record = try segment.header(at: offset, of: next) {
            if record.kind == .end {
                guard try segment.isWhole(record, at: offset) else { break }
                return (records.last, next, offset, true)
            }
            // Two are enough: only the last may be unfinished.
            if records.count == 2 { records.removeFirst() }
            records.append((record, offset))
            offset += record.bytes
            next += 1
        }
        if let last = records.last, try !segment.isWhole(last.record, at: last.offset) {
            records.removeLast()
            offset = last.offset
            next -= 1
        }
        return (records.last, next, offset, false)
    }
}
