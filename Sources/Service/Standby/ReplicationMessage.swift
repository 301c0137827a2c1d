import Primitives
import Storage

/// What a leader and its standby say to each other, one in each frame
/// (docs/reference/replication.md).
enum ReplicationMessage: Equatable, Sendable {
    // The leader's.
    case hello(LeaderHello)
    /// Asks for what the standby holds beyond the leader's own journal.
    case fetch(after: UInt64)
    /// Takes the lead with a term; the leader's journal goes so far.
    case lead(term: UInt64, head: ChainPoint)
    /// A batch that follows; also the standby's answer to `fetch`.
    case batch(JournalBatch)
    case heartbeat
    /// The leader stops in order: nobody need take over.
    case farewell
    // The standby's.
    case welcome(head: ChainPoint, term: UInt64)
    /// Everything up to here is durable on the standby.
    case acknowledged(ChainPoint)
    case refused(ReplicationRefusal)

    /// The version of these messages.
    static let version: UInt16 = 1
    /// The longest message: a batch of the largest body.
    static let byteLimit = JournalLimits.bodyBytes + 128
}

/// How a leader introduces itself.
struct LeaderHello: Hashable, Sendable {
    /// A random name of the process.
    let leader: Digest
    /// The term that it would write with.
    let term: UInt64
    /// Whether this standby granted it the term before.
    let isGranted: Bool
    /// Whether it acknowledges nothing without this standby, which may thus take over by itself.
    let allowsTakeover: Bool
}

/// Why a standby turns a leader away.
struct ReplicationRefusal: Error, Hashable, Sendable {
    enum Reason: UInt8, Sendable {
        /// Another version of the protocol, or a message that cannot be read or was not expected.
        case protocolError = 1
        /// A key that this standby was not told to trust.
        case unknownPeer = 2
        /// Another leader is connected and alive.
        case otherLeader = 3
        /// A newer term was granted to another leader.
        case olderTerm = 4
        /// This standby took over.
        case promoted = 5
        /// The standby's journal is not a beginning of the leader's.
        case otherHistory = 6
        /// The standby's own journal or machine failed.
        case failed = 7
    }

    let reason: Reason
    /// The newest term that the standby knows.
    let term: UInt64
    /// What to do, in words.
    let words: String
}

extension ReplicationMessage: CanonicalCodable {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .hello(let hello):
            writer.write(UInt8(1))
            writer.write(ReplicationMessage.version)
            writer.write(hello.leader)
            writer.write(hello.term)
            writer.write(hello.isGranted)
            writer.write(hello.allowsTakeover)
        case .fetch(let sequence):
            writer.write(UInt8(2))
            writer.write(sequence)
        case .lead(let term, let head):
            writer.write(UInt8(3))
            writer.write(term)
            head.encode(into: &writer)
        case .batch(let batch):
            writer.write(UInt8(4))
            batch.encode(into: &writer)
        case .heartbeat: writer.write(UInt8(5))
        case .farewell: writer.write(UInt8(6))
        case .welcome(let head, let term):
            writer.write(UInt8(65))
            head.encode(into: &writer)
            writer.write(term)
        case .acknowledged(let head):
            writer.write(UInt8(66))
            head.encode(into: &writer)
        case .refused(let refusal):
            writer.write(UInt8(67))
            writer.write(refusal.reason.rawValue)
            writer.write(refusal.term)
            writer.write(refusal.words)
        }
    }

    init(from reader: inout ByteReader) throws(CodecError) {
        switch try reader.readUInt8() {
        case 1:
            guard try reader.readUInt16() == ReplicationMessage.version else {
                throw .invalidValue("replication version")
            }
            self = .hello(
                LeaderHello(
                    leader: try reader.readDigest(), term: try reader.readUInt64(),
                    isGranted: try reader.readBool(), allowsTakeover: try reader.readBool()))
        case 2: self = .fetch(after: try reader.readUInt64())
        case 3: self = .lead(term: try reader.readUInt64(), head: try ChainPoint(from: &reader))
        case 4: self = .batch(try JournalBatch(from: &reader))
        case 5: self = .heartbeat
        case 6: self = .farewell
        case 65: self = .welcome(head: try ChainPoint(from: &reader), term: try reader.readUInt64())
        case 66: self = .acknowledged(try ChainPoint(from: &reader))
        case 67:
            guard let reason = ReplicationRefusal.Reason(rawValue: try reader.readUInt8()) else {
                throw .invalidValue("reason")
            }
            self = .refused(
                ReplicationRefusal(
                    reason: reason, term: try reader.readUInt64(),
                    words: try reader.readString(limit: 1_024)))
        default: throw .invalidValue("replication message")
        }
    }
}

extension ChainPoint {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(sequence)
        writer.write(hash)
    }

    fileprivate init(from reader: inout ByteReader) throws(CodecError) {
        self.init(sequence: try reader.readUInt64(), hash: try reader.readDigest())
    }
}

extension JournalBatch {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(sequence)
        writer.write(term)
        writer.write(time)
        writer.write(count)
        writer.write(previousHash)
        writer.write(hash)
        writer.write(body)
    }

    /// Nothing is checked beyond the sizes.
    fileprivate init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            unchecked: try reader.readUInt64(), term: try reader.readUInt64(),
            time: try reader.read(), count: try reader.readUInt32(),
            previousHash: try reader.readDigest(), hash: try reader.readDigest(),
            body: try reader.readBytes(limit: JournalLimits.bodyBytes))
    }
}
