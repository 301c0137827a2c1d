public import Chains
public import Clearing
public import Primitives

extension HouseConfiguration {
    /// Settling by plan: sending payees their money where that is cheaper than a root.
    public struct Payouts: Hashable, Sendable {
        /// Whose gas counts when ways to pay are compared.
        public var bearing = GasBearing.house
        /// Gas of what settles, without what a rollup charges beside it.
        public var gas = GasTable()
        /// What a transfer to somebody costs more who holds none of the token.
        public var newHolderGas = NewHolders([]).gas
        /// How many batches a payee lets pass from one claim to the next.
        public var batchesPerClaim: UInt16 = 1
        /// The least that is sent or calls for a root: a cent, a hundredth of a TLY.
        public var minimum = AssetSums(usd: Amount(10_000_000_000), tly: Amount(10_000_000_000))
        /// From how much on the payer's own claims call for a root: 100 of either.
        public var refundAbove = AssetSums(
            usd: Amount(100_000_000_000_000), tly: Amount(100_000_000_000_000))

        /// Accounts of the operator's: what they get from the account that pays, or send there, is
        /// the house's own.
        public var treasuries: [EVMAddress] = []
        /// From whom else the account that pays is filled up.
        public var topUps: [EVMAddress] = []

        /// The usual numbers.
        public init() {}
    }
}

extension HouseConfiguration {
    /// The Solana cluster on which parties are paid that chose it.
    public struct Solana: Sendable {
        /// The JSON-RPC endpoints, all of one cluster.
        public var endpoints: [String]
        /// How many of them must say the same; more than half if `nil`.
        public var quorum: Int?
        /// The dollar token.
        public var mint: SolanaAddress
        /// Whoever signs for the account that pays.
        public var key: any SolanaSigner
        /// Whether whoever signs reads what it signs, and must see the mint in it: then messages
        /// name the mint themselves, and two payouts fewer fit one that uses a lookup table.
        public var namesMint = false
        /// When a payment is told to be made. The books follow final blocks, whatever this is.
        public var finality = Finality.finalized
        /// How many accounts must be due in no lookup table before one is made.
        public var tableThreshold = 20
        /// The most lamports that one transaction may cost.
        public var feeLimit: UInt64 = 1_000_000
        /// The most lamports that transactions may cost in a day of UTC, with what the accounts
        /// that they make hold; above it they wait for the next. What an account holds is its
        /// owner's, who may close it and be paid again: so there is a bound.
        public var dayLimit: UInt64 = 1_000_000_000
        /// How many durable nonces payments use; none: they use blockhashes.
        public var durableNonces = 0
        /// Owners whose transfers to and from the account that pays are the house's own.
        public var treasuries: [SolanaAddress] = []
        /// The least that is credited to whoever sends it there, in the token's units: a dollar.
        public var minimumDeposit: UInt64 = 1_000_000
        /// The pool of the payout program whose roots are compared with transfers; `nil` without
        /// one.
        public var pool: SolanaAddress?
        /// What is reckoned with for its roots in place of what the cluster asks.
        public var poolLamports = PoolLamports()
        /// Whether the pool's roles may be any keys: for tests.
        public var allowsAnyRoles = false
        /// How often the cluster is asked.
        public var pollInterval: Timestamp.Span = .seconds(1)

        /// A cluster, its dollars and who pays.
        public init(endpoints: [String], mint: SolanaAddress, key: any SolanaSigner) {
            self.endpoints = endpoints
            self.mint = mint
            self.key = key
        }
    }
}
