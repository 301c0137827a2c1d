public import Primitives

/// How deep a transaction must be for its intent to count as settled.
public enum EVMFinality: Hashable, Sendable {
    /// A node took it: for what may be lost.
    case submitted
    /// So many blocks stand in the chain from its block up to the head, itself included.
    case confirmed(UInt64)
    /// As deep as the manager follows transactions at all: `EVMManagerPolicy.finalDepth`.
    case finalized
}

/// The numbers a manager works by. Times are those of op-service/txmgr (ethereum-optimism) where
/// it has one.
public struct EVMManagerPolicy: Hashable, Sendable {
    /// The chain.
    public var chainID: UInt64
    /// When an intent is reported as settled. Its transaction is followed further, until final.
    public var finality: EVMFinality = .finalized
    /// Blocks from a transaction's up to the head, itself included, from which on it can no longer
    /// be reorganised away.
    public var finalDepth: UInt64 = 12
    /// Whether the nodes' `finalized` block decides instead. While too few name one, as after a
    /// start, nothing becomes final.
    public var usesFinalizedTag = false

    /// The most wei per unit of gas that is ever offered.
    public var maximumFeePerGas: UInt128 = 500_000_000_000
    /// The least tip offered; txmgr's `MinTipCap`.
    public var minimumTip: UInt128 = 1_000_000_000
    /// The least base fee reckoned with; txmgr's `MinBaseFee`.
    public var minimumBaseFee: UInt128 = 1_000_000_000
    /// How much more a replacement must offer, in percent, on tip and cap; txmgr's `priceBump`.
    public var bumpPercent: UInt128 = 15
    /// After how long without inclusion a transaction's price is looked at again.
    public var resubmitAfter: Timestamp.Span = .seconds(48)
    /// The most transactions that are signed for one nonce; OpenZeppelin relayer's
    /// `MAXIMUM_TX_ATTEMPTS`.
    public var maximumAttempts = 50

    /// The most transactions of a lane that are in no block; geth's pools guarantee 16 an account
    /// (`AccountSlots`).
    public var inFlight = 16
    /// The most nonces of a lane that are not final.
    public var maximumTracked = 1_024
    /// The most intents that wait in a lane.
    public var maximumWaiting = 1_000_000
    /// The most intents that are remembered, those that are over included.
    public var maximumIntents = 4_000_000
    /// The most lanes.
    public var maximumLanes = 64

    /// How often the chain is asked.
    public var pollInterval: Timestamp.Span = .seconds(12)
    /// How often a transaction in no block is given to the nodes again.
    public var rebroadcastAfter: Timestamp.Span = .seconds(24)
    /// After how long an unanswered action is repeated.
    public var retryAfter: Timestamp.Span = .seconds(10)
    /// After how long a foreign nonce that stays open is filled by an empty transaction; txmgr's
    /// mempool timeout.
    public var gapAfter: Timestamp.Span = .seconds(120)
    /// After how long in no block an intent is reported as `unknown`.
    public var unknownAfter: Timestamp.Span = .seconds(600)
    /// Without an observation for so long, nothing new is started.
    public var staleAfter: Timestamp.Span = .seconds(60)

    /// After how many looks in a row without any answer new intents wait.
    public var failuresAllowed: UInt32 = 3
    /// How often the nodes may refuse a transaction for what it is until its nonce is filled.
    public var refusalsAllowed: UInt32 = 3
    /// How many looks in a row must find a nonce used by nobody known until it counts as replaced;
    /// txmgr's `SafeAbortNonceTooLowCount`.
    public var replacedLooks: UInt32 = 3
    /// The wei below which a lane starts nothing new.
    public var minimumBalance: UInt128 = 0
    /// The most wei that a lane's transactions may cost in a day of UTC, with what they send along,
    /// at their worst price until they are in a block. Above it intents wait for the next day.
    public var dayLimit: UInt128 = .max

    /// The usual numbers for a chain.
    public init(chainID: UInt64) {
        self.chainID = chainID
    }

    /// The gas of an empty transaction (Ethereum Yellow Paper, G_transaction).
    static let emptyGas: UInt64 = 21_000
    /// The most gas a transaction may ask for (EIP-7825).
    static let maximumGas: UInt64 = 1 << 24
}

extension EVMManagerPolicy {
    /// The height up to which blocks are final; `nil` while the chain is too short, or nobody says.
    func finalHeight(head: UInt64, finalized: UInt64?) -> UInt64? {
        if usesFinalizedTag { return finalized.map { min($0, head) } }
        let depth = max(finalDepth, 1) - 1
        return head >= depth ? head - depth : nil
    }

    /// Whether a block at `height` is deep enough to report what it holds.
    func isReportable(_ height: UInt64, head: UInt64, finalHeight: UInt64?) -> Bool {
        switch finality {
        case .submitted: true
        case .confirmed(let depth): head >= height && head - height >= max(depth, 1) - 1
        case .finalized: finalHeight.map { height <= $0 } ?? false
        }
    }
}
