public import Primitives

/// Vouchers on their way to the chain.
public struct ChannelClaim: Hashable, Sendable {
    /// A channel's voucher, and all that is claimed with it and before it.
    public struct Row: Hashable, Sendable {
        /// The voucher.
        public let voucher: Voucher
        /// The sum.
        public let total: UInt128

        /// A row of these parts.
        public init(_ voucher: Voucher, total: UInt128) {
            self.voucher = voucher
            self.total = total
        }
    }

    /// Its name: of the intent on an EVM chain, a hash of the transaction on Solana.
    public let id: Digest
    /// What it claims.
    public let rows: [Row]
    /// Which attempt it is, from 0.
    public let attempt: UInt32
    /// The signed transaction on Solana; empty on EVM chains, where the manager keeps it.
    public let transaction: [UInt8]
    /// The last block height whose block may take it.
    public let lastHeight: UInt64

    /// A claim of these parts.
    public init(
        id: Digest, rows: [Row], attempt: UInt32 = 0, transaction: [UInt8] = [],
        lastHeight: UInt64 = 0
    ) {
        self.id = id
        self.rows = rows
        self.attempt = attempt
        self.transaction = transaction
        self.lastHeight = lastHeight
    }
}

/// What happens to a book of vouchers.
public enum VoucherInput: Hashable, Sendable {
    /// A channel is to be kept; what the chain says of it.
    case opened(ChannelTerms, ChannelSighting)
    /// What the chain says now.
    case seen(Digest, ChannelSighting)
    /// A voucher came, and service for so much is about to be given.
    case accepted(Voucher, spends: UInt128)
    /// Service for so much more is about to be given.
    case spent(Digest, UInt128)
    /// A claim is about to be sent.
    case claiming(ChannelClaim)
    /// A claim is over: in a block for good, or never in one.
    case ended(Digest, isSettled: Bool)
    /// Time passed.
    case tick
}

/// What a person should know of a channel. Each is raised once when it begins.
public enum ChannelAlert: Hashable, Sendable {
    /// The payer takes the deposit back from this second on; so much is not claimed.
    case closing(Digest, deadline: Int64, unclaimed: UInt128)
    /// That is near, and so much is still not claimed.
    case deadlineNear(Digest, deadline: Int64, unclaimed: UInt128)
    /// The best voucher expires in this second; so much is not claimed.
    case expiring(Digest, at: Int64, unclaimed: UInt128)
    /// So much was signed and can no longer be claimed.
    case lost(Digest, UInt128)
    /// A claim of this channel alone was refused.
    case refused(Digest)
}

/// The numbers a book works by.
public struct VoucherPolicy: Hashable, Sendable {
    /// The most channels kept.
    public var maximumChannels = 1_000_000
    /// The most channels of one claim.
    public var maximumRows = BatchClaim.maximumRows
    /// Seconds that a voucher must still count when it comes.
    public var minimumLife: Int64 = 3_600
    /// How many seconds before a deadline the alert comes, and from when an expiring voucher is
    /// claimed.
    public var alertBefore: Int64 = 3_600
    /// The least that is claimed without need.
    public var minimumClaim: UInt128 = 1
    /// After how many seconds without a claim it is made.
    public var claimAfter: Int64 = 3_600
    /// For how many seconds a claim that was refused is not made again.
    public var retryAfter: Int64 = 600

    /// The usual numbers.
    public init() {}
}
