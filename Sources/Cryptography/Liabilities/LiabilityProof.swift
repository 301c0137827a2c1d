public import Primitives

/// The proof that what one holder is owed is part of the totals that a root commits to. Nothing
/// in it is believed until `verify`.
public struct LiabilityProof: Hashable, Sendable {
    /// One leaf of the holder's with the nodes beside its way up.
    public struct Part: Hashable, Sendable {
        /// The leaf's place, from 0.
        public let place: UInt64
        /// This part of what is owed.
        public let sums: AssetSums
        /// The siblings, lowest first.
        public let path: [LiabilityNode]

        /// A part of these fields.
        public init(place: UInt64, sums: AssetSums, path: [LiabilityNode]) {
            self.place = place
            self.sums = sums
            self.path = path
        }
    }

    /// What the proof leads to.
    public let commitment: LiabilityCommitment
    /// Who is owed.
    public let holder: EVMAddress
    /// What is owed.
    public let sums: AssetSums
    /// The holder's own secret: with it, and only with it, the leaves can be recomputed.
    public let nonce: Digest
    /// The holder's leaves, in order of part.
    public let parts: [Part]

    /// A proof of these fields, unchecked until `verify`.
    public init(
        commitment: LiabilityCommitment, holder: EVMAddress, sums: AssetSums, nonce: Digest,
        parts: [Part]
    ) {
        self.commitment = commitment
        self.holder = holder
        self.sums = sums
        self.nonce = nonce
        self.parts = parts
    }

    /// Checks everything against a root from a source that is trusted (the contract on chain).
    ///
    /// Throws the first of `LiabilityRejection` that applies, in order of number. O(depth).
    public func verify(root: Digest, holder expected: EVMAddress) throws(LiabilityRejection) {
        if holder != expected { throw .otherHolder }
        if commitment.root != root { throw .otherRoot }
        if parts.count != Int(LiabilityBlinding.parts) { throw .wrongPartCount }
        if parts.contains(where: { $0.path.count != Int(commitment.depth) }) { throw .wrongDepth }
        if parts.contains(where: { commitment.depth < 64 && $0.place >> commitment.depth != 0 }) {
            throw .wrongPlace
        }
        var whole = AssetSums.zero
        for part in parts {
            guard let sum = whole.checkedAdding(part.sums) else { throw .overflow }
            whole = sum
        }
        let tops = try parts.indices.map { part throws(LiabilityRejection) in
            try top(of: parts[part], number: UInt8(part))
        }
        if whole != sums { throw .wrongSums }
        if tops.contains(where: { $0.sums != commitment.totals }) { throw .wrongTotals }
        if tops.contains(where: { $0.hash != commitment.top }) { throw .notIncluded }
    }

    /// Where the way up from a leaf ends.
    private func top(of part: Part, number: UInt8) throws(LiabilityRejection) -> LiabilityNode {
        let blind = LiabilityBlinding.blind(nonce, part: number)
        var node = LiabilityNode.leaf(holder, part: number, sums: part.sums, blind: blind)
        for (height, sibling) in part.path.enumerated() {
            let isRight = part.place >> UInt64(height) & 1 == 1
            guard
                let above = isRight
                    ? LiabilityNode.over(sibling, node) : LiabilityNode.over(node, sibling)
            else { throw .overflow }
            node = above
        }
        return node
    }
}

/// Why a proof does not show that a balance is in the totals. Numbers are stable for ever.
public enum LiabilityRejection: UInt16, Error, CaseIterable, Hashable, Sendable {
    /// The bytes are not a proof in its one encoding.
    case malformed = 1
    /// The proof is of another holder.
    case otherHolder = 2
    /// What the proof leads to is not what the root commits to.
    case otherRoot = 3
    /// What is owed is not divided in as many parts as the format says.
    case wrongPartCount = 4
    /// A way up is shorter or longer than the tree is deep.
    case wrongDepth = 5
    /// A leaf would lie outside the tree.
    case wrongPlace = 6
    /// A sum on a way up does not fit 128 bits.
    case overflow = 7
    /// The parts do not add up to what is said to be owed.
    case wrongSums = 8
    /// A way up adds up to other totals than were committed.
    case wrongTotals = 9
    /// A way up ends at another hash than was committed: this leaf is not in this tree.
    case notIncluded = 10

    /// One sentence for people.
    public var message: String {
        switch self {
        case .malformed: "the bytes are not a proof in its one encoding"
        case .otherHolder: "the proof is of another holder"
        case .otherRoot: "the proof leads to another root than the one given"
        case .wrongPartCount: "the balance is not divided in two parts"
        case .wrongDepth: "a way up is not as long as the tree is deep"
        case .wrongPlace: "a leaf would lie outside the tree"
        case .overflow: "a sum on a way up does not fit 128 bits"
        case .wrongSums: "the parts do not add up to the balance"
        case .wrongTotals: "a way up adds up to other totals than were committed"
        case .notIncluded: "the balance is not in the tree that was committed"
        }
    }
}

extension LiabilityProof: CanonicalCodable {
    /// Commitment, holder, sums and nonce, then the counted parts: for each its place, its sums
    /// and its counted path.
    public func encode(into writer: inout ByteWriter) {
        writer.write(commitment)
        writer.write(holder)
        writer.write(sums)
        writer.write(nonce)
        writer.write(parts)
    }

    /// Reads a proof; more parts than the format has, or a longer path than a tree can be deep, is
    /// refused.
    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            commitment: try reader.read(), holder: try reader.read(), sums: try reader.read(),
            nonce: try reader.readDigest(),
            parts: try reader.readArray(limit: Int(LiabilityBlinding.parts)))
    }
}

extension LiabilityProof.Part: CanonicalCodable {
    /// Place, sums, counted path.
    public func encode(into writer: inout ByteWriter) {
        writer.write(place)
        writer.write(sums)
        writer.write(path)
    }

    /// Reads place, sums, counted path.
    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            place: try reader.readUInt64(), sums: try reader.read(),
            path: try reader.readArray(limit: Int(LiabilityCommitment.depthLimit)))
    }
}
