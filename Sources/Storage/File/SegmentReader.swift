import Primitives

/// Reads one segment: headers, whole batches, and what lies after the last.
final class SegmentReader {
    /// What a segment holds from some place to its end.
    enum Rest: Equatable {
        /// Zeros: nothing was ever written there, or it was cleaned.
        case empty
        /// Zeros and whole sectors of one record: a write that did not end. From the first to past
        /// the last block that has such a sector.
        case unfinished(Range<Int>)
        /// Bytes that neither of them leaves.
        case foreign
    }

    let header: SegmentHeader
    let name: String
    let file: any DiskFile
    private let window: FileWindow

    /// Opens a segment and checks its header. `readsAhead` is whether another thread reads the next
    /// part of it meanwhile.
    init(_ disk: any Disk, first: UInt64, readsAhead: Bool = false) throws(JournalError) {
        name = SegmentName.of(first)
        let name = name
        file = try onDisk { () throws(DiskError) in try disk.open(name) }
        let file = file
        let size = try onDisk { () throws(DiskError) in try file.size() }
        guard size >= RecordFormat.block else {
            throw .damagedFile("\(name) is shorter than its first block")
        }
        window = FileWindow(file, name, size: size, readsAhead: readsAhead)
        let start = try window.load(0, RecordFormat.block)
        header = try SegmentHeader(in: window.buffer, at: start, name: name, size: size)
    }

    /// Forgets what was read before: the writer may have gone on.
    func refresh() { window.forget() }

    /// The header of batch `sequence`, or of the end before it, if its record begins at `offset`.
    func header(at offset: Int, of sequence: UInt64) throws(JournalError) -> RecordHeader? {
        guard offset + RecordFormat.block <= header.bytes else { return nil }
        let place = try window.load(offset, RecordFormat.block)
        guard let found = RecordHeader(in: window.buffer, at: place), found.sequence == sequence,
            window.buffer.load(UInt64.self, at: place + RecordFormat.payload)
                == RecordHeader.tag(found.kind, sequence, 0)
        else { return nil }
        // A batch leaves room for the record that ends the segment.
        let room = header.bytes - offset - (found.kind == .batch ? RecordFormat.block : 0)
        let fits = found.bodyBytes <= JournalLimits.bodyBytes && found.bytes <= room
        return fits && (found.kind == .batch || found.bodyBytes == 0) ? found : nil
    }

    /// Whether every sector of the record at `offset` was written, and an end holds nothing but its
    /// header.
    func isWhole(_ record: RecordHeader, at offset: Int) throws(JournalError) -> Bool {
        let place = try window.load(offset, record.bytes)
        for index in 0..<record.bytes / RecordFormat.sector {
            let sector = place + index * RecordFormat.sector
            let end = sector + RecordFormat.payload
            let tag = window.buffer.load(UInt64.self, at: end)
            if tag != RecordHeader.tag(record.kind, record.sequence, index) { return false }
            if record.kind == .end {
                let from = index == 0 ? sector + RecordFormat.header : sector
                if !window.buffer.isZero(from..<end) { return false }
            }
        }
        return true
    }

    /// The batch at `offset`. Throws `damaged` if it is not whole or not filled up with zeros; its
    /// hash is not checked.
    func batch(_ record: RecordHeader, at offset: Int) throws(JournalError) -> JournalBatch {
        guard try isWhole(record, at: offset) else {
            throw .damaged(record.sequence, .incomplete)
        }
        let place = try window.load(offset, record.bytes)
        guard let batch = record.batch(in: window.buffer, at: place) else {
            throw .damaged(record.sequence, .malformedRecord)
        }
        return batch
    }

    /// What the segment holds from `offset` on, where the record of `kind` and `sequence` is the
    /// next. A header that was written and is not right is foreign: it may be of a batch that was
    /// acknowledged.
    func rest(
        from offset: Int, _ kind: RecordHeader.Kind, _ sequence: UInt64
    ) throws(JournalError) -> Rest {
        let record = try header(at: offset, of: sequence)
        let sectors = (record?.bytes ?? RecordFormat.largest) / RecordFormat.sector
        var found: Range<Int>?
        var start = offset
        while start < header.bytes {
            let count = min(1 << 20, header.bytes - start)
            let place = try window.load(start, count)
            if !window.buffer.isZero(place..<place + count) {
                for sector in stride(from: 0, to: count, by: RecordFormat.sector) {
                    let at = place + sector
                    if window.buffer.isZero(at..<at + RecordFormat.sector) { continue }
                    let index = (start + sector - offset) / RecordFormat.sector
                    let tag = window.buffer.load(UInt64.self, at: at + RecordFormat.payload)
                    guard tag == RecordHeader.tag(kind, sequence, index), index < sectors,
                        index > 0 || record != nil
                    else { return .foreign }
                    let block = (start + sector) / RecordFormat.block * RecordFormat.block
                    found = (found?.lowerBound ?? block)..<block + RecordFormat.block
                }
            }
            start += count
        }
        return found.map { .unfinished($0) } ?? .empty
    }

    /// A copy of some blocks of the segment.
    func copy(_ range: Range<Int>) throws(JournalError) -> DiskBuffer {
        let place = try window.load(range.lowerBound, range.count)
        let buffer = DiskBuffer(range.count)
        buffer.copy(place..<place + range.count, of: window.buffer, to: 0)
        return buffer
    }
}
