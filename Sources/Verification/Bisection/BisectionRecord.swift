import Cryptography
public import Primitives

/// A game as a file: what it is about, and the moves so far, each signed by its party. Who reads
/// it plays them again and trusts nobody (docs/reference/bisection.md).
public struct BisectionRecord: CanonicalCodable, Sendable {
    /// The text a record starts with.
    public static let domain = "exchequer-bisection-record-v1"
    /// The most moves; a game has fewer than 32.
    public static let maximumMoves = 64
    /// The most bytes of a manifest.
    public static let maximumManifest = 1 << 20

    /// The accused stage's receipt.
    public let receipt: Signed<Receipt>
    /// The canonical sampling parameters of the request.
    public let sampling: [UInt8]
    /// The canonical manifest of the model, whose root the receipt names.
    public let manifest: [UInt8]
    /// Who accuses.
    public let challenger: PublicKey
    /// The moves, in order.
    public var moves: [Signed<BisectionMove>]

    /// A record with its parts, unchecked.
    public init(
        receipt: Signed<Receipt>, sampling: [UInt8], manifest: [UInt8], challenger: PublicKey,
        moves: [Signed<BisectionMove>] = []
    ) {
        self.receipt = receipt
        self.sampling = sampling
        self.manifest = manifest
        self.challenger = challenger
        self.moves = moves
    }

    /// Reads a record that a stranger sent.
    public init(untrusted bytes: [UInt8]) throws(BisectionRejection) {
        do {
            try self.init(canonicalBytes: bytes)
        } catch {
            throw BisectionRejection(.unreadable, "the bytes are not a game: \(error)")
        }
    }

    /// The identity of the game as far as it went: SHA-256 of the canonical bytes.
    public var digest: Digest { SHA256.hash(canonicalBytes()) }

    public func encode(into writer: inout ByteWriter) {
        writer.write(Self.domain)
        writer.write(receipt)
        writer.write(sampling)
        writer.write(manifest)
        writer.write(challenger)
        writer.write(moves)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        guard try reader.readString(limit: Self.domain.utf8.count) == Self.domain else {
            throw .invalidValue("record version")
        }
        self.init(
            receipt: try reader.read(),
            sampling: try reader.readBytes(limit: EvidenceBundle.maximumSampling),
            manifest: try reader.readBytes(limit: Self.maximumManifest),
            challenger: try reader.read(), moves: try reader.readArray(limit: Self.maximumMoves))
    }
}

extension VerifiedEvidence {
    /// The work of a stage from the input it signed for; `nil` if it signed nothing, or if the
    /// documents convict it already: its tokens are then not those it signed for.
    public func disputable(_ stage: Int) -> (receipt: Signed<Receipt>, task: StageTask)? {
        guard bundle.stages.indices.contains(stage), documentaryFault?.stage != UInt16(stage),
            let receipt = bundle.stages[stage].receipt
        else { return nil }
        return (receipt, bundle.task(stage))
    }
}
