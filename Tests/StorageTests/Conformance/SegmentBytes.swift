import Cryptography
import Primitives
import Storage

/// The bytes of append files, written down from docs/internals/journal.md and not by the code that
/// reads them.
enum SegmentBytes {
    static func segment(
        _ first: UInt64, after before: Digest, _ batches: [JournalBatch], isEnded: Bool
    ) -> [UInt8] {
        var records = batches.flatMap { record($0) }
        if isEnded, let last = batches.last { records += end(after: last) }
        var header = ByteWriter()
        header.writeRaw("EXQSEGMT".utf8)
        header.write(UInt32(1))
        header.write(UInt32(0))
        header.write(first)
        header.write(UInt64(records.count + 3 * 4_096))
        header.write(before)
        header.write(SHA256.hash(header.bytes))
        return filled(header.bytes, to: 4_096) + filled(records, to: records.count + 2 * 4_096)
    }

    private static func record(_ batch: JournalBatch) -> [UInt8] {
        var fields = ByteWriter()
        fields.write(batch.term)
        fields.write(batch.time.nanoseconds)
        fields.write(batch.count)
        fields.write(UInt32(batch.body.count))
        fields.write(batch.previousHash)
        fields.write(batch.hash)
        return record(1, batch.sequence, fields.bytes, batch.body)
    }

    private static func end(after batch: JournalBatch) -> [UInt8] {
        var fields = ByteWriter()
        fields.writeRaw(repeatElement(0, count: 24))
        fields.write(batch.hash)
        fields.write(Digest.zero)
        return record(2, batch.sequence &+ 1, fields.bytes, [])
    }

    /// A header of 128 bytes and the body, in sectors that end with their tags.
    private static func record(
        _ kind: UInt16, _ sequence: UInt64, _ fields: [UInt8], _ body: [UInt8]
    ) -> [UInt8] {
        var header = ByteWriter()
        header.writeRaw("EXQR".utf8)
        header.write(UInt16(1))
        header.write(kind)
        header.write(sequence)
        header.writeRaw(fields)
        header.writeRaw(SHA256.hash(header.bytes).bytes.prefix(24))
        let payload = header.bytes + body
        let blocks = (payload.count + 8 * 504 - 1) / (8 * 504)
        var sectors = ByteWriter()
        for index in 0..<8 * blocks {
            let part = Array(payload.dropFirst(504 * index).prefix(504))
            sectors.writeRaw(filled(part, to: 504))
            sectors.write(sequence << 20 | UInt64(kind) << 18 | UInt64(index + 1))
        }
        return sectors.bytes
    }

    /// The same recorded states, and no closing.
    static func withoutClosing(marks: [UInt8]) throws -> [UInt8] {
        var reader = ByteReader(marks)
        var writer = ByteWriter()
        writer.write(try reader.readString(limit: 64))
        _ = try reader.readRaw(count: 40)
        writer.write(UInt64(0))
        writer.write(Digest.zero)
        let count = try reader.readUInt32()
        writer.write(count)
        writer.writeRaw(try reader.readRaw(count: 40 * Int(count)))
        writer.write(SHA256.hash(writer.bytes))
        return filled(writer.bytes, to: (writer.bytes.count + 4_095) / 4_096 * 4_096)
    }

    private static func filled(_ bytes: [UInt8], to count: Int) -> [UInt8] {
        bytes + Array(repeating: 0, count: count - bytes.count)
    }
}
