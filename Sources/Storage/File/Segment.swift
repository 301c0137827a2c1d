import Primitives

/// The first block of a segment: docs/internals/journal.md, byte by byte.
struct SegmentHeader {
    /// `EXQSEGMT`.
    static let magic: UInt64 = 0x544D_4745_5351_5845
    static let version: UInt32 = 1
    private static let checked = 64

    /// The number of the first batch in the segment.
    let first: UInt64
    /// The file's size.
    let bytes: Int
    /// The hash of the batch before the first.
    let previousHash: Digest

    /// The segment that follows `head`.
    init(after head: JournalHead, bytes: Int) {
        first = head.sequence + 1
        self.bytes = bytes
        previousHash = head.hash
    }

    /// Writes the block to the start of `buffer`.
    func encode(into buffer: DiskBuffer) {
        buffer.clear(0..<RecordFormat.block)
        buffer.store(SegmentHeader.magic, at: 0)
        buffer.store(SegmentHeader.version, at: 8)
        buffer.store(first, at: 16)
        buffer.store(UInt64(bytes), at: 24)
        buffer.store(previousHash, at: 32)
        buffer.store(buffer.hash(0..<SegmentHeader.checked), at: SegmentHeader.checked)
    }

    /// Reads the block at `place`, of the segment called `name` with `size` bytes.
    ///
    /// Throws `notAJournal`, `unsupportedVersion` or `damagedFile`.
    init(
        in buffer: DiskBuffer, at place: Int, name: String, size: Int
    ) throws(JournalError) {
        let checked = place + SegmentHeader.checked
        guard buffer.load(UInt64.self, at: place) == SegmentHeader.magic else {
            throw .notAJournal(name, "it does not begin as a segment does")
        }
        guard buffer.digest(at: checked) == buffer.hash(place..<checked),
            buffer.isZero(checked + 32..<place + RecordFormat.block)
        else { throw .damagedFile("the first block of \(name) is not as it was written") }
        let version = buffer.load(UInt32.self, at: place + 8)
        guard version == SegmentHeader.version else { throw .unsupportedVersion(Int64(version)) }
        first = buffer.load(at: place + 16)
        previousHash = buffer.digest(at: place + 32)
        guard SegmentName.of(first) == name else {
            throw .damagedFile("\(name) is a copy of \(SegmentName.of(first))")
        }
        bytes = size
        guard buffer.load(UInt64.self, at: place + 24) == UInt64(size),
            size % RecordFormat.block == 0
        else {
            throw .damagedFile(
                "\(name) has \(size) bytes instead of \(buffer.load(UInt64.self, at: place + 24))")
        }
    }
}

/// The names of the files in a journal's folder.
enum SegmentName {
    /// The segment that is filled with zeros ahead of its use.
    static let spare = "spare"
    /// Recorded state hashes, and how far the journal went when it was closed.
    static let marks = "marks"
    /// The next version of `marks`, until it is durable.
    static let newMarks = "marks.new"
    /// Whose lock keeps other writers out.
    static let lock = "lock"

    private static let suffix = ".segment"

    /// The name of the segment that begins with batch `first`: twenty digits, so that names are in
    /// the order of numbers.
    static func of(_ first: UInt64) -> String {
        let digits = String(first)
        return String(repeating: "0", count: 20 - digits.count) + digits + suffix
    }

    /// The first batch of the segment with this name; `nil` if it is no segment's.
    static func first(of name: String) -> UInt64? {
        guard name.hasSuffix(suffix), let first = UInt64(name.dropLast(suffix.count)),
            of(first) == name
        else { return nil }
        return first
    }

    /// The segments among `names`, in order. Throws `notAJournal` at a name that is not this
    /// journal's.
    static func segments(among names: [String], folder: String) throws(JournalError) -> [UInt64] {
        var found: [UInt64] = []
        for name in names {
            if let first = first(of: name) {
                found.append(first)
            } else if ![spare, marks, newMarks, lock].contains(name) {
                throw .notAJournal(folder, "it holds \(name), which is no file of a journal")
            }
        }
        return found.sorted()
    }
}
