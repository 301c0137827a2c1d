import Primitives

/// Reads the batches of a folder in order, from segment to segment.
final class JournalCursor {
    private let disk: any Disk
    private let readsAhead: Bool
    /// The segments' first batches when the cursor was made. Later ones have the number of the
    /// batch that is next.
    private let segments: [UInt64]
    private var segment: SegmentReader?
    private var offset = RecordFormat.block
    /// The batch that `next` gives.
    private(set) var sequence: UInt64

    /// Stands before the batch that follows number `start`. `readsAhead` is for what nobody writes
    /// any more: another thread then reads meanwhile. Throws if the place cannot be found.
    init(_ disk: any Disk, after start: UInt64, readsAhead: Bool = false) throws(JournalError) {
        self.disk = disk
        self.readsAhead = readsAhead
        sequence = start + 1
        let names = try onDisk { () throws(DiskError) in try disk.list() }
        segments = names.compactMap { SegmentName.first(of: $0) }
        guard let first = segments.last(where: { $0 <= start + 1 }) else { return }
        let segment = try SegmentReader(disk, first: first, readsAhead: readsAhead)
        self.segment = segment
        var number = first
        while number <= start {
            guard let record = try segment.header(at: offset, of: number), record.kind == .batch
            else { throw .damaged(number, .malformedRecord) }
            offset += record.bytes
            number += 1
        }
    }

    /// The next batch, which must be there. Throws `damaged` or `damagedFile` if it is not.
    func next() throws(JournalError) -> JournalBatch {
        guard let batch = try nextIfWhole() else { throw .damaged(sequence, .malformedRecord) }
        return batch
    }

    /// The next batch, or `nil` if no record of it begins here. Throws `damaged` if one begins and
    /// is not whole.
    func nextIfWhole() throws(JournalError) -> JournalBatch? {
        guard let segment = try segment(for: sequence),
            let record = try segment.header(at: offset, of: sequence)
        else { return nil }
        if record.kind == .end {
            guard try segment.isWhole(record, at: offset) else { return nil }
            try follow(record)
            return try nextIfWhole()
        }
        let batch = try segment.batch(record, at: offset)
        offset += record.bytes
        sequence += 1
        return batch
    }

    /// Whether a record begins where the cursor stands.
    var isFollowed: Bool {
        get throws(JournalError) { try segment?.header(at: offset, of: sequence) != nil }
    }

    /// Makes everything that was written to the segment durable, by whomever.
    func sync() throws(JournalError) {
        try onDisk { () throws(DiskError) in try segment?.file.sync() }
    }

    /// Forgets what was read ahead: the writer may have gone on.
    func refresh() { segment?.refresh() }

    /// The segment that the cursor stands in.
    private func segment(for sequence: UInt64) throws(JournalError) -> SegmentReader? {
        if let segment { return segment }
        // Nothing was there when the cursor was made.
        segment = try SegmentReader(disk, first: sequence, readsAhead: readsAhead)
        return segment
    }

    /// Goes to the segment that follows the record `end`.
    private func follow(_ end: RecordHeader) throws(JournalError) {
        if let expected = segments.first(where: { $0 > segment?.header.first ?? 0 }),
            expected != end.sequence
        {
            throw .damaged(end.sequence, .gap(expected))
        }
        let following = try SegmentReader(
            disk, first: end.sequence, readsAhead: readsAhead)
        guard following.header.previousHash == end.previousHash else {
            throw .damaged(end.sequence, .brokenChain)
        }
        segment = following
        offset = RecordFormat.block
    }
}
