import Cryptography
import Primitives

/// What is known of a journal beside its batches: the recorded state hashes, and how far it went
/// when it was last closed. Both prove that the journal goes at least that far.
struct JournalMarks {
    /// The recorded state hashes, by sequence.
    private(set) var checkpoints: [StateCheckpoint] = []
    /// The last batch when the journal was closed; sequence 0 if it never was.
    var closed = ChainPoint(sequence: 0, hash: .zero)

    /// A journal without marks.
    init() {}

    /// The last batch that was certainly acknowledged.
    var proven: UInt64 { max(closed.sequence, checkpoints.last?.sequence ?? 0) }

    /// Adds a state hash, or replaces the one of that batch.
    mutating func add(_ checkpoint: StateCheckpoint) {
        let place = checkpoints.firstIndex { $0.sequence >= checkpoint.sequence }
        guard let place else { return checkpoints.append(checkpoint) }
        if checkpoints[place].sequence == checkpoint.sequence {
            checkpoints[place] = checkpoint
        } else {
            checkpoints.insert(checkpoint, at: place)
        }
    }
}

extension JournalMarks {
    private static let domain = "exchequer-journal-marks-v1"

    /// The file's bytes: docs/internals/journal.md.
    private var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.write(JournalMarks.domain)
        writer.write(closed.sequence)
        writer.write(closed.hash)
        writer.write(UInt32(checkpoints.count))
        for checkpoint in checkpoints {
            writer.write(checkpoint.sequence)
            writer.write(checkpoint.stateHash)
        }
        writer.write(SHA256.hash(writer.bytes))
        return writer.bytes
    }

    private init(encoded bytes: [UInt8]) throws(CodecError) {
        var reader = ByteReader(bytes)
        guard try reader.readString(limit: 64) == JournalMarks.domain else {
            throw .invalidValue("domain")
        }
        closed = ChainPoint(sequence: try reader.readUInt64(), hash: try reader.readDigest())
        let count = Int(try reader.readUInt32())
        guard count <= reader.remaining / 40 else { throw .truncated }
        checkpoints.reserveCapacity(count)
        for _ in 0..<count {
            let checkpoint = StateCheckpoint(
                sequence: try reader.readUInt64(), stateHash: try reader.readDigest())
            guard checkpoints.last.map({ $0.sequence < checkpoint.sequence }) ?? true else {
                throw .invalidValue("order")
            }
            checkpoints.append(checkpoint)
        }
        let checked = bytes.count - reader.remaining
        guard try reader.readDigest() == SHA256.hash(Array(bytes[..<checked])) else {
            throw .invalidValue("checksum")
        }
        while reader.remaining > 0 {
            guard try reader.readUInt8() == 0 else { throw .trailingBytes }
        }
    }

    /// Reads the marks of a folder. Throws `damagedFile` unless they are as they were written.
    init(_ disk: any Disk) throws(JournalError) {
        let bytes = try onDisk { () throws(DiskError) in
            let file = try disk.open(SegmentName.marks)
            let buffer = DiskBuffer(try file.size())
            var done = 0
            while done < buffer.count {
                let more = try file.read(
                    into: buffer, at: done, count: buffer.count - done, from: done)
                if more == 0 { break }
                done += more
            }
            return buffer.bytes(0..<done)
        }
        do { try self.init(encoded: bytes) } catch {
            throw .damagedFile("the file \(SegmentName.marks) is not as it was written")
        }
    }

    /// Replaces the marks of a folder: a new file is made durable, then given the name.
    func write(to disk: any Disk) throws(JournalError) {
        let bytes = encoded
        try onDisk { () throws(DiskError) in
            let file = try disk.create(SegmentName.newMarks)
            let buffer = DiskBuffer(bytes.count)
            buffer.copy(0..<bytes.count, of: bytes, to: 0)
            try file.write(buffer, count: buffer.count, at: 0)
            try file.sync()
            try disk.rename(SegmentName.newMarks, to: SegmentName.marks)
            try disk.syncFolder()
        }
    }
}
