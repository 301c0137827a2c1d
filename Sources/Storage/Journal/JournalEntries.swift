import Primitives

/// The commands of a batch whose form a `ChainVerifier` accepted, in order: a view of its body.
/// What goes through them without keeping them copies nothing.
public struct JournalEntries: Sequence, Sendable {
    /// How many commands there are.
    public let count: Int
    private let reader: ByteReader

    /// The commands in `batch`.
    ///
    /// Throws `malformedBody` unless the body holds exactly its count of commands, within the
    /// limits, with times that grow from `earlier` on and end at the batch's.
    init(of batch: JournalBatch, after earlier: Timestamp) throws(JournalError) {
        guard batch.count > 0, batch.count <= JournalLimits.commandsPerBatch,
            batch.body.count <= JournalLimits.bodyBytes
        else { throw .damaged(batch.sequence, .malformedBody) }
        count = Int(batch.count)
        reader = ByteReader(batch.body)
        var places = stored
        var latest = earlier
        do throws(CodecError) {
            for _ in 0..<count {
                let time = try places.read().time
                guard time > latest else { throw .invalidValue("time") }
                latest = time
            }
            try places.reader.finish()
        } catch {
            throw .damaged(batch.sequence, .malformedBody)
        }
        guard latest == batch.time else { throw .damaged(batch.sequence, .malformedBody) }
    }

    /// The same commands as they lie in the body.
    var stored: Stored { Stored(reader: reader) }

    /// Goes from command to command.
    public func makeIterator() -> Iterator { Iterator(stored: stored) }

    /// How many commands there are.
    public var underestimatedCount: Int { count }

    /// Gives one command after the other.
    public struct Iterator: IteratorProtocol {
        fileprivate var stored: Stored

        /// The next command, copied out of the body; `nil` at the end.
        public mutating func next() -> JournalEntry? {
            guard var next = stored.next(),
                let bytes = try? next.command.readRaw(count: next.command.remaining)
            else { return nil }
            return JournalEntry(time: next.time, command: bytes)
        }
    }

    /// Gives a reader of each command, in the body's own bytes.
    struct Stored: Sequence, IteratorProtocol {
        fileprivate var reader: ByteReader

        fileprivate mutating func read() throws(CodecError) -> (time: Timestamp, ByteReader) {
            let time = Timestamp(nanoseconds: try reader.readUInt64())
            let bytes = try reader.readCount(limit: JournalLimits.commandBytes)
            return (time, try reader.readPart(count: bytes))
        }

        mutating func next() -> (time: Timestamp, command: ByteReader)? {
            if reader.remaining == 0 { return nil }
            // It could be read before, so it can be read again.
            return try? read()
        }
    }
}
