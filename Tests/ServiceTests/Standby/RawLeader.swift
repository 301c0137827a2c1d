import Cryptography
import Primitives
import Storage
import Transport

/// A leader that speaks the protocol of docs/reference/replication.md by itself, so that it can say
/// what `ReplicatedJournal` never would.
struct RawLeader {
    /// What a standby answers.
    enum Answer: Equatable {
        case welcome(sequence: UInt64, term: UInt64)
        case acknowledged(sequence: UInt64)
        /// The number of the reason.
        case refused(UInt8)
    }

    private let link: SecureLink
    let name: Digest

    /// Connects to a standby of `Pair`.
    init(_ port: Int, name: UInt64) async throws {
        link = try await SecureLink.connect(
            host: "127.0.0.1", port: port, identity: try Pair.identity(1),
            expecting: try Pair.identity(2).publicKey)
        self.name = Digest(words: (0, 0, 0, name))
    }

    func hello(term: UInt64, isGranted: Bool) async throws -> Answer? {
        try await ask { writer in
            writer.write(UInt8(1))
            writer.write(UInt16(1))
            writer.write(name)
            writer.write(term)
            writer.write(isGranted)
            writer.write(false)
        }
    }

    func lead(term: UInt64, after head: JournalHead = .empty) async throws -> Answer? {
        try await ask { writer in
            writer.write(UInt8(3))
            writer.write(term)
            writer.write(head.sequence)
            writer.write(head.hash)
        }
    }

    func send(_ batch: JournalBatch) async throws -> Answer? {
        try await ask { writer in
            writer.write(UInt8(4))
            writer.write(batch.sequence)
            writer.write(batch.term)
            writer.write(batch.time)
            writer.write(batch.count)
            writer.write(batch.previousHash)
            writer.write(batch.hash)
            writer.write(batch.body)
        }
    }

    func close() { link.close() }

    private func ask(_ write: (inout ByteWriter) -> Void) async throws -> Answer? {
        var writer = ByteWriter()
        write(&writer)
        try await link.send(writer.bytes)
        guard let frame = try await link.receive() else { return nil }
        var reader = ByteReader(frame)
        switch try reader.readUInt8() {
        case 65:
            let sequence = try reader.readUInt64()
            _ = try reader.readDigest()
            return .welcome(sequence: sequence, term: try reader.readUInt64())
        case 66: return .acknowledged(sequence: try reader.readUInt64())
        case 67: return .refused(try reader.readUInt8())
        default: return nil
        }
    }
}
