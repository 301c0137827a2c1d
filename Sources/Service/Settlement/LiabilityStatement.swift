public import Cryptography
public import Primitives

/// A proof of one holder's balance as JSON (docs/reference/liabilities.md): what people read, and
/// the canonical bytes that are verified. `exchequer verify-balance` refuses a statement whose two
/// halves differ.
public struct LiabilityStatement: Codable, Hashable, Sendable {
    /// Amounts in whole coins as exact decimal text.
    public struct Sums: Codable, Hashable, Sendable {
        /// Dollars.
        public let usd: String
        /// Tallies.
        public let tly: String

        /// The amounts as text.
        public init(_ sums: AssetSums) {
            usd = Asset.usd.format(sums[.usd])
            tly = Asset.tly.format(sums[.tly])
        }
    }

    /// Says what the file is.
    public let format: String
    /// The settlement batch.
    public let batch: UInt64
    /// What the batch publishes.
    public let root: String
    /// The journal's batch after which the sums were taken.
    public let sequence: UInt64
    /// The hash of that batch.
    public let head: String
    /// What everybody is owed together.
    public let totals: Sums
    /// The holder's address.
    public let address: String
    /// What the holder is owed.
    public let owed: Sums
    /// The proof's canonical bytes in hexadecimal.
    public let proof: String

    private static let format = "exchequer-liability-proof-v1"

    /// The statement of a proof.
    public init(_ proof: LiabilityProof) {
        format = Self.format
        batch = proof.commitment.batch.rawValue
        root = proof.commitment.root.hex
        sequence = proof.commitment.sequence
        head = proof.commitment.head.hex
        totals = Sums(proof.commitment.totals)
        address = proof.holder.hex
        owed = Sums(proof.sums)
        self.proof = Hex.encode(proof.canonicalBytes())
    }

    /// The proof, not verified yet; throws `malformed` if its bytes are not one, or do not say
    /// what the rest of the statement says.
    public func decoded() throws(LiabilityRejection) -> LiabilityProof {
        guard let bytes = Hex.decode(proof),
            let decoded = try? LiabilityProof(canonicalBytes: bytes),
            LiabilityStatement(decoded) == self
        else { throw .malformed }
        return decoded
    }
}
