public import Primitives

/// One opened piece of what an operation reads: its bytes, and the hashes beside them on the way
/// to the root they were committed under (`MerkleRange.root`).
public struct Opening: CanonicalCodable, Hashable, Sendable {
    /// The most bytes of one opening: 64 MiB.
    public static let maximumBytes = 64 << 20
    /// The most hashes of a path: two for each level.
    public static let maximumPath = 128

    /// The bytes.
    public var bytes: [UInt8]
    /// The hashes beside the way up.
    public var path: [Digest]

    /// An opening with its parts, unchecked.
    public init(bytes: [UInt8], path: [Digest]) {
        self.bytes = bytes
        self.path = path
    }

    public func encode(into writer: inout ByteWriter) {
        writer.write(bytes)
        writer.write(path: path)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            bytes: try reader.readBytes(limit: Self.maximumBytes), path: try reader.readPath())
    }
}

/// Opened weights: whole 64 KiB chunks of one tensor that hold the rows an operation reads, up to
/// a root of the model's manifest.
public struct WeightOpening: CanonicalCodable, Hashable, Sendable {
    /// The tensor's name.
    public var name: String
    /// Its number format, as in GGUF.
    public var type: UInt32
    /// The chunks, and the hashes that lead to the root of all chunks of the tensor.
    public var chunks: Opening
    /// The hashes that lead from the tensor's root to the root of its group.
    public var groupPath: [Digest]

    /// An opening with its parts, unchecked.
    public init(name: String, type: UInt32, chunks: Opening, groupPath: [Digest]) {
        self.name = name
        self.type = type
        self.chunks = chunks
        self.groupPath = groupPath
    }

    public func encode(into writer: inout ByteWriter) {
        writer.write(name)
        writer.write(type)
        writer.write(chunks)
        writer.write(path: groupPath)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            name: try reader.readString(limit: 256), type: try reader.readUInt32(),
            chunks: try reader.read(), groupPath: try reader.readPath())
    }
}

/// Everything one operation reads, opened: with it anyone can execute it.
public struct OperationProof: CanonicalCodable, Hashable, Sendable {
    /// The most openings besides the weights.
    public static let maximumOpenings = 4

    /// What the operation reads besides weights, in the order of its inputs.
    public var openings: [Opening]
    /// The weights, if it has any.
    public var weights: WeightOpening?

    /// A proof with its parts, unchecked.
    public init(openings: [Opening], weights: WeightOpening?) {
        self.openings = openings
        self.weights = weights
    }

    public func encode(into writer: inout ByteWriter) {
        writer.write(openings)
        writer.write(weights)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            openings: try reader.readArray(limit: Self.maximumOpenings),
            weights: try reader.readOptional())
    }
}

/// What a party says in its turn. What the hashes of a claim are of, and what a choice is among,
/// follows from the turn.
public enum BisectionMessage: Hashable, Sendable {
    /// The accused publishes hashes of what it computed; those of a cache apart.
    case claim([Digest], cache: [Digest])
    /// The challenger chooses where to go on; in the cache's hashes or in the others.
    case choice(UInt32, inCache: Bool)
    /// The challenger opens what the operation reads.
    case proof(OperationProof)

    /// The most hashes of one kind in a claim.
    public static let maximumHashes = 32
}

extension BisectionMessage: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .claim(let hashes, let cache):
            writer.write(UInt8(1))
            writer.write(path: hashes)
            writer.write(path: cache)
        case .choice(let index, let inCache):
            writer.write(UInt8(2))
            writer.write(index)
            writer.write(inCache)
        case .proof(let proof):
            writer.write(UInt8(3))
            writer.write(proof)
        }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        switch try reader.readUInt8() {
        case 1:
            self = .claim(
                try reader.readPath(limit: Self.maximumHashes),
                cache: try reader.readPath(limit: Self.maximumHashes))
        case 2: self = .choice(try reader.readUInt32(), inCache: try reader.readBool())
        case 3: self = .proof(try reader.read())
        default: throw .invalidValue("kind of message")
        }
    }
}

/// A message as it travels: signed by the party, and bound to one turn of one game.
public struct BisectionMove: Signable, Hashable {
    public static let domain = "exchequer-bisection-v1"

    /// `BisectionSubject.id`.
    public var game: Digest
    /// The number of the turn, from 0.
    public var turn: UInt32
    /// What the party says.
    public var message: BisectionMessage

    /// A move with its parts.
    public init(game: Digest, turn: UInt32, message: BisectionMessage) {
        self.game = game
        self.turn = turn
        self.message = message
    }

    public func encode(into writer: inout ByteWriter) {
        writer.write(game)
        writer.write(turn)
        writer.write(message)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            game: try reader.readDigest(), turn: try reader.readUInt32(),
            message: try reader.read())
    }
}

extension ByteWriter {
    /// Appends a 32-bit count and then the hashes.
    mutating func write(path: [Digest]) {
        write(UInt32(path.count))
        for digest in path { write(digest) }
    }
}

extension ByteReader {
    /// Reads counted hashes.
    mutating func readPath(limit: Int = Opening.maximumPath) throws(CodecError) -> [Digest] {
        var path: [Digest] = []
        for _ in 0..<(try readCount(limit: limit)) { path.append(try readDigest()) }
        return path
    }
}
