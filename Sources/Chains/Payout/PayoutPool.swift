import Cryptography
public import Primitives

/// A pool of the payout program (`contracts-abi/solana/payout.c`): one opener's vault of one mint,
/// out of which payees take what a Merkle root of cumulative sums says.
///
/// Bytes, accounts and errors: docs/reference/solana-payout-program.md.
public struct PayoutPool: Hashable, Sendable {
    /// The program.
    public let program: SolanaAddress
    /// Who opens it, and is its first administrator.
    public let opener: SolanaAddress
    /// What it pays.
    public let mint: SolanaAddress
    /// The token program that the mint belongs to.
    public let token: SolanaAddress
    /// The cluster: the hash of its first block. A leaf counts on no other.
    public let cluster: Digest
    /// Where the pool is; owner of its vault.
    public let address: SolanaAddress
    /// The token account that holds the pool's tokens.
    public let vault: SolanaAddress

    /// The pool of an opener and a mint. Derives two addresses: about four hashes.
    public init(
        program: SolanaAddress, opener: SolanaAddress, mint: SolanaAddress, cluster: Digest,
        token: SolanaAddress = .token
    ) {
        self.program = program
        self.opener = opener
        self.mint = mint
        self.token = token
        self.cluster = cluster
        address = Self.address("pool", [opener.bytes, mint.bytes], program)
        vault = .tokenAccount(of: address, mint: mint, program: token)
    }

    /// Where the program keeps what a payee was ever paid.
    public func record(of payee: SolanaAddress) -> SolanaAddress {
        Self.address("paid", [address.bytes, payee.bytes], program)
    }

    private static func address(
        _ seed: String, _ more: [[UInt8]], _ program: SolanaAddress
    ) -> SolanaAddress {
        guard let found = SolanaAddress.derived(from: [Array(seed.utf8)] + more, by: program)
        else { preconditionFailure("256 hashes that are all points do not happen") }
        return found.address
    }

    /// The first word of every leaf: Keccak-256 of `exchequer.solana.claim.v1`.
    public static let domain = Keccak256.hash(Array("exchequer.solana.claim.v1".utf8))

    /// The leaf of a payee that was ever owed `cumulative`: Keccak-256 of Keccak-256 of six words
    /// (domain, cluster, pool, mint, payee, cumulative), the last big endian. The tree over leaves
    /// is `ClaimTree`, as on EVM chains.
    public func leaf(of payee: SolanaAddress, cumulative: UInt64) -> Digest {
        Self.leaf(of: payee, cumulative: cumulative, in: address, of: mint, on: cluster)
    }

    /// The same of a pool of which no more is known than its place.
    public static func leaf(
        of payee: SolanaAddress, cumulative: UInt64, in pool: SolanaAddress,
        of mint: SolanaAddress, on cluster: Digest
    ) -> Digest {
        Claim.leaf(
            domain, cluster, pool.value, mint.value, payee.value,
            Digest(words: (0, 0, 0, cumulative)))
    }
}

/// The keys that decide about a pool.
public struct PayoutRoles: Hashable, Sendable {
    /// Changes the keys, after the pool's delay.
    public let admin: SolanaAddress
    /// Commits roots.
    public let settler: SolanaAddress
    /// Disputes a root before it is active.
    public let guardian: SolanaAddress

    /// These keys.
    public init(admin: SolanaAddress, settler: SolanaAddress, guardian: SolanaAddress) {
        self.admin = admin
        self.settler = settler
        self.guardian = guardian
    }
}
