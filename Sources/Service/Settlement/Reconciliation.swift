public import Chains
import Clearing
public import Primitives

/// The books against the chain, to the unit, at the end of one block.
public struct Reconciliation: Sendable {
    /// What is compared. Numbers are stable for ever.
    public enum Check: UInt8, CaseIterable, Sendable {
        /// Dollars in contract and vault, and what the books' mirror of the chain holds.
        case holdings = 1
        /// Bonds on chain, and in the books with slashes that are not on chain yet.
        case bonds = 2
        /// What was ever claimed.
        case claimed = 3
        /// The sum of the leaves of the root that pays.
        case activeRoot = 4
        /// What left the account that pays on Solana, and what of it is a payment of the books.
        case solanaSent = 5
        /// What the books say was paid on Solana, and what of it the chain has.
        case solanaPaid = 6
        /// What the account on Solana holds, and what its history adds up to.
        case solanaBalance = 7
        /// What came to that account as deposits, and what the books say did.
        case solanaDeposited = 8
        /// What left the account that pays on the EVM chain, and what of it the house sent.
        case payerSent = 9
        /// What the roots of the house's pool on Solana promise that pay or wait there, and what
        /// the books say they do.
        case poolPromised = 10
        /// What is in the pool's vault or was claimed out of it, and what was moved there.
        case poolHeld = 11
    }

    /// One comparison, in chain units.
    public struct Line: Hashable, Sendable {
        /// What is compared.
        public let check: Check
        /// In what.
        public let asset: Asset
        /// What the chain says.
        public let chain: UInt128
        /// What the books say.
        public let books: UInt128
        /// What is known to be on chain beyond the books: tokens that were sent straight.
        public let explained: UInt128

        /// The chain less the books and what is explained: more on chain if positive.
        public var difference: Int128 {
            // Sums of tokens are far below 2^120 units, unless a node makes them up.
            func bounded(_ units: UInt128) -> Int128 { Int128(min(units, 1 << 124)) }
            return bounded(chain) - bounded(books) - bounded(explained)
        }
    }

    /// The chain (CAIP-2).
    public let network: String
    /// When it was made.
    public let madeAt: Timestamp
    /// What the chain holds, with the block.
    public let holdings: SettlementHoldings
    /// The comparisons.
    public let lines: [Line]
    /// What the ledger owes everybody, by asset; with what is in escrow.
    public let owed: [Asset: Amount]
    /// What can be claimed now and was not, by asset, in chain units.
    public let claimable: [Asset: UInt128]
    /// Money that nobody will move by himself, and what waits on chain for too long.
    public let stranded: [StrandedItem]
    /// Money of batches that are not on chain yet, by asset, in chain units.
    public let inFlight: [Asset: UInt128]
    /// Slashes that are not on chain yet.
    public let openSlashes: Int
    /// Whether all blocks were searched for tokens that were sent straight: if not, a surplus is
    /// not explained yet.
    public let isSearched: Bool

    /// The account that pays on Solana, if there is one; its lines and what is stuck there are
    /// among the others.
    public let solana: SolanaReconciliation?

    /// Whether nothing differs.
    public var isBalanced: Bool { lines.allSatisfy { $0.difference == 0 } }
}

/// Something that is stuck until somebody acts.
public struct StrandedItem: Hashable, Sendable {
    /// What it is. Numbers are stable for ever.
    public enum Kind: UInt8, CaseIterable, Sendable {
        /// Tokens that were sent straight to the contract or its vault.
        case strayTransfer = 1
        /// A deposit of an address that never had a key or a node here.
        case ownerlessDeposit = 2
        /// Something that could be claimed for long.
        case unclaimed = 3
        /// A bond whose delay is over, or of a party that is shut out, and that was not taken out.
        case bondAfterExit = 4
        /// A root that could pay and that nobody made active.
        case rootNotActivated = 5
        /// A root that a guardian disputed and that no batch has replaced.
        case rootDisputed = 6
        /// A requested slash that could be carried out and was not.
        case slashNotExecuted = 7
        /// A batch that is not on chain for long.
        case batchStuck = 8
        /// More is owed in an asset than the chain holds for it.
        case uncovered = 9
        /// Tokens that left the house's account on Solana and are no payment.
        case solanaOutflow = 10
        /// Tokens that somebody sent to the house's account on Solana.
        case solanaInflow = 11
        /// A payment on Solana whose receiver cannot be paid.
        case paymentQuarantined = 12
        /// A payment that is made by the books, and that the chain does not have.
        case paymentMissing = 13
        /// The house's account on Solana was not read for long.
        case solanaUnread = 14
        /// Payments that are not made for long.
        case dispersalOpen = 15
        /// A batch on Solana of whose transactions nobody knows anything, so old that nodes may
        /// have forgotten them.
        case payoutStuck = 16
        /// Tokens that left the house's account on the EVM chain and that the house did not send.
        case payerOutflow = 17
        /// A deposit on Solana that is not credited for long.
        case depositWaiting = 18
        /// What moves at the account that pays on the EVM chain was not read for long.
        case payerUnread = 19
        /// What is promised by voucher and was not claimed.
        case voucherUnclaimed = 20
        /// Tokens at an account on Solana that the house paid from before.
        case solanaRetired = 21
        /// A slash that found no bond: the contract holds the request for it.
        case slashForgone = 22
        /// What is to be paid out and was not, settlement after settlement.
        case unpaid = 23
        /// Money of the house's own in a payment channel that should move and does not.
        case channelDeposit = 24
        /// The house was given up: what was in no root can be paid to nobody.
        case abandoned = 25
        /// What is to be paid out and is less than the house pays at all, of everybody together.
        case belowMinimum = 26
        /// Tokens that somebody sent to the account that pays on the EVM chain.
        case payerInflow = 27
        /// What came there in sums too small to list, or too many.
        case payerDust = 28
        /// The pool on Solana has a root that is none of the house's.
        case poolForeign = 29
    }

    /// What it is.
    public let kind: Kind
    /// In what, if it is money.
    public let asset: Asset?
    /// How much, in chain units.
    public let amount: UInt128
    /// Whose it is, or who sent it.
    public let account: EVMAddress?
    /// The batch, verdict, dispersal or payment channel it is about.
    public let number: UInt64?
    /// The transaction it came with.
    public let transaction: Digest?
    /// Since when, as far as that is known.
    public let since: Timestamp?
    /// Where it went to or came from on Solana: an owner, or a token account.
    public let solanaAccount: SolanaAddress?
    /// The transaction there.
    public let solanaTransaction: Signature?

    init(
        _ kind: Kind, _ asset: Asset? = nil, _ amount: UInt128 = 0, account: EVMAddress? = nil,
        number: UInt64? = nil, transaction: Digest? = nil, since: Timestamp? = nil,
        solanaAccount: SolanaAddress? = nil, solanaTransaction: Signature? = nil
    ) {
        self.kind = kind
        self.asset = asset
        self.amount = amount
        self.account = account
        self.number = number
        self.transaction = transaction
        self.since = since
        self.solanaAccount = solanaAccount
        self.solanaTransaction = solanaTransaction
    }
}

extension StrandedItem.Kind {
    /// The name that programs read.
    public var name: String {
        switch self {
        case .strayTransfer: "stray_transfer"
        case .ownerlessDeposit: "ownerless_deposit"
        case .unclaimed: "unclaimed"
        case .bondAfterExit: "bond_after_exit"
        case .rootNotActivated: "root_not_activated"
        case .rootDisputed: "root_disputed"
        case .slashNotExecuted: "slash_not_executed"
        case .batchStuck: "batch_stuck"
        case .uncovered: "uncovered"
        case .solanaOutflow: "solana_outflow"
        case .solanaInflow: "solana_inflow"
        case .paymentQuarantined: "payment_quarantined"
        case .paymentMissing: "payment_missing"
        case .solanaUnread: "solana_unread"
        case .dispersalOpen: "dispersal_open"
        case .payoutStuck: "payout_stuck"
        case .payerOutflow: "payer_outflow"
        case .depositWaiting: "deposit_waiting"
        case .payerUnread: "payer_unread"
        case .voucherUnclaimed: "voucher_unclaimed"
        case .slashForgone: "slash_forgone"
        case .solanaRetired: "solana_retired"
        case .unpaid: "unpaid"
        case .channelDeposit: "channel_deposit"
        case .abandoned: "abandoned"
        case .belowMinimum: "below_minimum"
        case .payerInflow: "payer_inflow"
        case .payerDust: "payer_dust"
        case .poolForeign: "pool_foreign"
        }
    }
}

extension Reconciliation.Check {
    /// The name that programs read.
    public var name: String {
        switch self {
        case .holdings: "holdings"
        case .bonds: "bonds"
        case .claimed: "claimed"
        case .activeRoot: "active_root"
        case .solanaSent: "solana_sent"
        case .solanaPaid: "solana_paid"
        case .solanaBalance: "solana_balance"
        case .solanaDeposited: "solana_deposited"
        case .payerSent: "payer_sent"
        case .poolPromised: "pool_promised"
        case .poolHeld: "pool_held"
        }
    }
}

/// After how long what waits counts as stranded.
public struct StrandingRules: Hashable, Sendable {
    /// Something that can be claimed.
    public var unclaimed = Timestamp.Span.seconds(30 * 86_400)
    /// A deposit of somebody who is not seen otherwise.
    public var ownerless = Timestamp.Span.seconds(7 * 86_400)
    /// What is to be paid out; and two epochs at least, unless it is nothing.
    public var unpaid = Timestamp.Span.seconds(7 * 86_400)
    /// What the house does by itself: a batch, a root, a slash, a dispersal.
    public var overdue = Timestamp.Span.seconds(3_600)

    /// Thirty days, seven days, and an hour.
    public init() {}
}
