import Cryptography
import Primitives

/// The sizes of the append file's format: docs/internals/journal.md, byte by byte.
enum RecordFormat {
    /// What a disk writes wholly or not at all.
    static let sector = 512
    /// Bytes of a record in a sector; the sector's tag follows them.
    static let payload = 504
    /// Records begin at, and are, multiples of this.
    static let block = 4_096
    /// Bytes of a record's header.
    static let header = 128
    /// `EXQR`.
    static let magic: UInt32 = 0x5251_5845
    static let version: UInt16 = 1
    /// The most bytes that a record can have.
    static let largest = bytes(body: JournalLimits.bodyBytes)

    /// Bytes of the record of a body: header and body in sectors, filled up to whole blocks.
    static func bytes(body: Int) -> Int {
        let sectors = (header + body + payload - 1) / payload
        return (sectors * sector + block - 1) / block * block
    }
}

/// The fields at the start of a record.
struct RecordHeader {
    enum Kind: UInt16 {
        /// A batch.
        case batch = 1
        /// Nothing follows in this segment: `sequence` begins the next one.
        case end = 2
    }

    let kind: Kind
    let sequence: UInt64
    var term: UInt64 = 0
    var time = Timestamp.zero
    var count: UInt32 = 0
    var bodyBytes: UInt32 = 0
    let previousHash: Digest
    var hash = Digest.zero

    init(_ batch: JournalBatch) {
        kind = .batch
        sequence = batch.sequence
        term = batch.term
        time = batch.time
        count = batch.count
        bodyBytes = UInt32(batch.body.count)
        previousHash = batch.previousHash
        hash = batch.hash
    }

    /// The record that ends a segment after `head`.
    init(endAfter head: JournalHead) {
        kind = .end
        sequence = head.sequence + 1
        previousHash = head.hash
    }

    /// Bytes of the whole record.
    var bytes: Int { RecordFormat.bytes(body: Int(bodyBytes)) }

    /// What the next batch must follow, after this batch.
    var head: JournalHead {
        JournalHead(sequence: sequence, hash: hash, time: time, term: term)
    }

    /// What the sector number `index` of a record ends with. Never zero, so that a sector that was
    /// written differs from one that was not.
    static func tag(_ kind: Kind, _ sequence: UInt64, _ index: Int) -> UInt64 {
        sequence << 20 | UInt64(kind.rawValue) << 18 | UInt64(index + 1)
    }
}

extension RecordHeader {
    /// Writes a record to the start of `buffer`, which must have room for it.
    func encode(body: [UInt8], into buffer: DiskBuffer) {
        let sectors = bytes / RecordFormat.sector
        buffer.clear(0..<RecordFormat.header)
        buffer.store(RecordFormat.magic, at: 0)
        buffer.store(RecordFormat.version, at: 4)
        buffer.store(kind.rawValue, at: 6)
        buffer.store(sequence, at: 8)
        buffer.store(term, at: 16)
        buffer.store(time.nanoseconds, at: 24)
        buffer.store(count, at: 32)
        buffer.store(bodyBytes, at: 36)
        buffer.store(previousHash, at: 40)
        buffer.store(hash, at: 72)
        buffer.store(RecordHeader.checksum(in: buffer, at: 0), at: 104)
        buffer.spread(body, over: sectors)
        for index in 0..<sectors {
            let end = index * RecordFormat.sector + RecordFormat.payload
            buffer.store(RecordHeader.tag(kind, sequence, index), at: end)
        }
    }

    /// Reads the header at `place`; `nil` if no header is there.
    init?(in buffer: DiskBuffer, at place: Int) {
        guard buffer.load(UInt32.self, at: place) == RecordFormat.magic,
            buffer.load(UInt16.self, at: place + 4) == RecordFormat.version,
            let kind = Kind(rawValue: buffer.load(at: place + 6))
        else { return nil }
        let checksum = RecordHeader.checksum(in: buffer, at: place)
        guard buffer.load(at: place + 104) == checksum.0,
            buffer.load(at: place + 112) == checksum.1,
            buffer.load(at: place + 120) == checksum.2
        else { return nil }
        self.kind = kind
        sequence = buffer.load(at: place + 8)
        term = buffer.load(at: place + 16)
        time = Timestamp(nanoseconds: buffer.load(at: place + 24))
        count = buffer.load(at: place + 32)
        bodyBytes = buffer.load(at: place + 36)
        previousHash = buffer.digest(at: place + 40)
        hash = buffer.digest(at: place + 72)
    }

    /// The batch whose record starts at `place`; `nil` if what fills the last block up is not
    /// zero. The tags are not looked at.
    func batch(in buffer: DiskBuffer, at place: Int) -> JournalBatch? {
        let sectors = bytes / RecordFormat.sector
        guard let body = buffer.gather(Int(bodyBytes), from: sectors, at: place) else { return nil }
        return JournalBatch(
            unchecked: sequence, term: term, time: time, count: count,
            previousHash: previousHash, hash: hash, body: body)
    }

    /// The first 24 bytes of SHA-256 of the header's first 104, as three big-endian words.
    private static func checksum(in buffer: DiskBuffer, at place: Int) -> (UInt64, UInt64, UInt64) {
        let words = buffer.hash(place..<place + 104).words
        return (words.0.byteSwapped, words.1.byteSwapped, words.2.byteSwapped)
    }
}

extension DiskBuffer {
    /// Writes a checksum's three words.
    fileprivate func store(_ words: (UInt64, UInt64, UInt64), at place: Int) {
        store(words.0, at: place)
        store(words.1, at: place + 8)
        store(words.2, at: place + 16)
    }

    /// Copies a body behind the header at the start, into the sectors' payloads, and fills the
    /// rest of them with zeros.
    fileprivate func spread(_ body: [UInt8], over sectors: Int) {
        let target = unsafe slice(0..<sectors * RecordFormat.sector)
        unsafe body.withUnsafeBytes { source in
            var done = 0
            var place = RecordFormat.header
            for index in 0..<sectors {
                let end = index * RecordFormat.sector + RecordFormat.payload
                let part = min(end - place, source.count - done)
                unsafe UnsafeMutableRawBufferPointer(rebasing: target[place..<place + part])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[done..<done + part]))
                if place + part < end { clear(place + part..<end) }
                done += part
                place = (index + 1) * RecordFormat.sector
            }
        }
    }

    /// The body of `count` bytes in the sectors from `start` on; `nil` if the rest of their
    /// payloads is not zero.
    fileprivate func gather(_ count: Int, from sectors: Int, at start: Int) -> [UInt8]? {
        let source = unsafe UnsafeRawBufferPointer(
            slice(start..<start + sectors * RecordFormat.sector))
        var isFilledUp = true
        let body = unsafe [UInt8](unsafeUninitializedCapacity: count) { target, initialized in
            let target = UnsafeMutableRawBufferPointer(target)
            var place = RecordFormat.header
            for index in 0..<sectors {
                let end = index * RecordFormat.sector + RecordFormat.payload
                let part = min(end - place, count - initialized)
                unsafe UnsafeMutableRawBufferPointer(
                    rebasing: target[initialized..<initialized + part]
                ).copyMemory(from: UnsafeRawBufferPointer(rebasing: source[place..<place + part]))
                if !isZero(start + place + part..<start + end) { isFilledUp = false }
                initialized += part
                place = (index + 1) * RecordFormat.sector
            }
        }
        return isFilledUp ? body : nil
    }
}
