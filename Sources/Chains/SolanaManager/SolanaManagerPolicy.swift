public import Primitives

/// The numbers a Solana manager works by, and whose tokens it pays.
public struct SolanaManagerPolicy: Hashable, Sendable {
    /// The token.
    public var mint: SolanaAddress
    /// Its decimals.
    public var decimals: UInt8
    /// SPL Token or Token-2022, whichever the mint belongs to.
    public var program = SolanaAddress.token
    /// The owner of the account that pays; pays the fees too, and may advance the nonces.
    public var payer: SolanaAddress

    /// When a payout is reported as settled. It is followed further, until final.
    public var finality = SolanaCommitment.finalized
    /// Whether a payout is reported as soon as a node took it.
    public var reportsSubmission = false
    /// Durable nonce accounts. With them a transaction that is too cheap can be replaced: only one
    /// of those that were signed for a nonce's value can be carried out. Without, the next is
    /// signed when the last can no longer be carried out.
    public var nonces: [SolanaAddress] = []

    /// The least and the most paid for a compute unit, in millionths of a lamport.
    public var minimumPrice: UInt64 = 1_000
    /// See `minimumPrice`.
    public var maximumPrice: UInt64 = 10_000_000
    /// How much more the next transaction offers than the last one, in percent, as far as the
    /// limits let it.
    public var bumpPercent: UInt64 = 15
    /// The most lamports that one transaction may cost, price times limit included.
    public var feeLimit: UInt64 = 1_000_000
    /// The lamports below which nothing new is sent. Making accounts leaves as many.
    public var minimumLamports: UInt64 = 1_000_000
    /// The most lamports that transactions may cost in a day of UTC, with what the accounts that
    /// they make hold. Above it batches wait for the next day.
    public var dayLimit = UInt64.max
    /// The lamports that a token account holds at most when it is made: what exempts the 170 bytes
    /// of one of Token-2022 with an immutable owner from rent. One of SPL Token holds 2,039,280.
    public var accountRent: UInt64 = 2_074_080
    /// The most transactions that are signed for one nonce's value.
    public var maximumAttempts = 8

    /// The most batches on their way. With eight attempts each their statuses fit one call.
    public var inFlight = 16
    /// The most payouts that are remembered, those that are over included.
    public var maximumPayouts = 4_000_000

    /// How often the chain is asked.
    public var pollInterval: Timestamp.Span = .seconds(2)
    /// How often a transaction that nobody has seen is given to the nodes again.
    public var rebroadcastAfter: Timestamp.Span = .seconds(3)
    /// With a nonce: after how long a transaction that nobody has seen is replaced.
    public var resubmitAfter: Timestamp.Span = .seconds(15)
    /// After how long an unanswered action is repeated.
    public var retryAfter: Timestamp.Span = .seconds(10)
    /// After how long a quarantined recipient is looked at again.
    public var recheckAfter: Timestamp.Span = .seconds(600)
    /// After how long a payout that was sent and is in no final block is reported as `unknown`.
    public var unknownAfter: Timestamp.Span = .seconds(300)
    /// Without an observation for so long, nothing new is started.
    public var staleAfter: Timestamp.Span = .seconds(30)
    /// How long after its signature a transaction's absence is evidence: nodes forget old ones.
    public var historyKept: Timestamp.Span = .seconds(12 * 3_600)
    /// For how many blocks after its own a blockhash may be used (solana-clock,
    /// `MAX_PROCESSING_AGE`).
    public var blockhashLifetime = SolanaRecentHash.lifetime
    /// By how many blocks a blockhash's last block must be passed beyond that.
    public var expiryMargin: UInt64 = 8
    /// After how many looks in a row without any answer new batches wait.
    public var failuresAllowed: UInt32 = 3

    /// The usual numbers for a token.
    public init(mint: SolanaAddress, decimals: UInt8, payer: SolanaAddress) {
        self.mint = mint
        self.decimals = decimals
        self.payer = payer
    }

    /// Whether the same token is paid from the same account.
    func paysTheSame(as other: SolanaManagerPolicy) -> Bool {
        mint == other.mint && decimals == other.decimals && program == other.program
            && payer == other.payer
    }

    /// The plan by which transactions of a price are made.
    func plan(price: UInt64) -> TokenPayoutPlan {
        var plan = TokenPayoutPlan(
            mint: mint, decimals: decimals, payer: payer, program: program)
        plan.computePrice = price
        plan.feeLimit = feeLimit
        return plan
    }

    /// What a transaction of a batch of `count` costs at most, in lamports; if it is undone, the
    /// accounts that it makes cost nothing.
    func cost(
        _ kind: SolanaBatchKind, _ count: Int, price: UInt64, isUndone: Bool = false
    ) -> UInt64 {
        // One that was signed may cost more than today's limit.
        var plan = plan(price: price)
        plan.feeLimit = .max
        switch kind {
        case .pay: return (try? plan.fee(transfers: count)) ?? .max
        case .makeAccounts:
            let (rent, overflow) = accountRent.multipliedReportingOverflow(by: UInt64(count))
            let fee = (try? plan.fee(accounts: count)) ?? .max
            return isUndone ? fee : fee.saturatingSum(overflow ? .max : rent)
        }
    }

    /// Whether a transaction of a batch of `count` costs no more than one may. What the accounts
    /// that it makes hold is no part of that.
    func isWithinFeeLimit(_ kind: SolanaBatchKind, _ count: Int, price: UInt64) -> Bool {
        cost(kind, count, price: price, isUndone: true) <= feeLimit
    }

    /// The highest price from `least` to `most` at which it costs no more; `nil` if it costs more
    /// at any.
    func price(
        _ kind: SolanaBatchKind, _ count: Int, from least: UInt64, to most: UInt64
    ) -> UInt64? {
        if isWithinFeeLimit(kind, count, price: most) { return most }
        guard isWithinFeeLimit(kind, count, price: least) else { return nil }
        var (low, high) = (least, most)
        while high - low > 1 {
            let middle = low + (high - low) / 2
            if isWithinFeeLimit(kind, count, price: middle) { low = middle } else { high = middle }
        }
        return low
    }

    /// A price within the bounds.
    func bounded(_ price: UInt64) -> UInt64 { min(max(price, minimumPrice), maximumPrice) }

    /// What the next transaction offers after one of `price`.
    func bumped(_ price: UInt64) -> UInt64 {
        let (product, overflow) = price.multipliedReportingOverflow(by: 100 + bumpPercent)
        return overflow ? .max : product / 100 + (product % 100 == 0 ? 0 : 1)
    }
}
