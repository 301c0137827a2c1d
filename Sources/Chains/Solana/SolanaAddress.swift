import Cryptography
public import Primitives

/// A 32-byte address of a Solana account: an Ed25519 key, or one that a program derived and that is
/// no key.
public struct SolanaAddress: Hashable, Comparable, Sendable {
    /// The 32 bytes.
    public let value: Digest

    /// An address of these bytes.
    public init(_ value: Digest) { self.value = value }

    /// The address of a key.
    public init(_ key: PublicKey) { value = key.value }

    /// Reads base58; `nil` unless it is of exactly 32 bytes.
    public init?(_ text: some StringProtocol) {
        guard let bytes = Base58.decode(text, limit: 32), let value = Digest(bytes) else {
            return nil
        }
        self.value = value
    }

    /// The 32 bytes.
    public var bytes: [UInt8] { value.bytes }

    public static func < (left: SolanaAddress, right: SolanaAddress) -> Bool {
        left.value < right.value
    }

    /// The address that `program` derives from `seeds`, and the bump that makes it no key: the
    /// highest that does. Never take a bump from somebody else: with another one the same seeds
    /// have a second address.
    ///
    /// Source: `Pubkey::find_program_address` of anza-xyz/solana-sdk. About two hashes on average.
    ///
    /// - Parameter seeds: at most 15, each of at most 32 bytes; `nil` for others.
    public static func derived(
        from seeds: [[UInt8]], by program: SolanaAddress
    ) -> (address: SolanaAddress, bump: UInt8)? {
        guard seeds.count <= 15, seeds.allSatisfy({ $0.count <= 32 }) else { return nil }
        let start = seeds.flatMap { $0 }
        let end = program.bytes + Array("ProgramDerivedAddress".utf8)
        for bump in (UInt8.min...UInt8.max).reversed() {
            let hash = SHA256.hash(start + [bump] + end)
            if !Ed25519.isPoint(hash) { return (SolanaAddress(hash), bump) }
        }
        return nil
    }

    /// The address that follows from another one and a text, for accounts of `owner`: only `base`
    /// can make something there.
    ///
    /// Source: `Pubkey::create_with_seed` of anza-xyz/solana-sdk.
    ///
    /// - Parameter seed: at most 32 bytes.
    static func seeded(
        _ seed: String, base: SolanaAddress, owner: SolanaAddress
    ) -> SolanaAddress {
        precondition(seed.utf8.count <= 32, "a seed of an address has at most 32 bytes")
        return SolanaAddress(SHA256.hash(base.bytes + Array(seed.utf8) + owner.bytes))
    }

    /// The account in which `owner` holds the tokens of `mint`, unless it chose others.
    ///
    /// - Parameter program: the token program that the mint belongs to.
    public static func tokenAccount(
        of owner: SolanaAddress, mint: SolanaAddress, program: SolanaAddress = .token
    ) -> SolanaAddress {
        guard
            let found = derived(
                from: [owner.bytes, program.bytes, mint.bytes], by: .associatedToken)
        else { preconditionFailure("256 hashes that are all points do not happen") }
        return found.address
    }
}

extension SolanaAddress: CustomStringConvertible {
    /// Base58.
    public var description: String { Base58.encode(bytes) }
}

extension SolanaAddress: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) { writer.write(value) }
    public init(from reader: inout ByteReader) throws(CodecError) {
        value = try reader.readDigest()
    }
}

/// Programs and accounts that every cluster has at the same place.
extension SolanaAddress {
    private static func known(_ text: String) -> SolanaAddress {
        guard let address = SolanaAddress(text) else { preconditionFailure("not base58: \(text)") }
        return address
    }

    /// The system program: makes accounts, moves lamports, keeps nonces.
    public static let system = SolanaAddress(.zero)
    /// SPL Token.
    public static let token = known("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
    /// SPL Token-2022.
    public static let token2022 = known("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
    /// Makes the token accounts that follow from owner and mint.
    public static let associatedToken = known("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
    /// Writes a text into the chain.
    public static let memo = known("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
    /// Sets what a transaction may compute and pays for it.
    public static let computeBudget = known("ComputeBudget111111111111111111111111111111")
    /// Keeps tables of addresses that transactions name by one byte.
    public static let lookupTables = known("AddressLookupTab1e1111111111111111111111111")
    /// Where nonces look for recent blockhashes.
    public static let recentBlockhashes = known("SysvarRecentB1ockHashes11111111111111111111")
}
