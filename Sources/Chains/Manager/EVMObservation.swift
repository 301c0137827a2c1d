public import Primitives

/// What a manager wants to know of the chain.
public struct EVMQuestion: Hashable, Sendable {
    /// The height the manager holds final: its block's hash and the lanes' counts at it. `nil`
    /// before the first answer.
    public let finalHeight: UInt64?
    /// A height whose block the manager knows, to see whether it is still there.
    public let anchorHeight: UInt64?
    /// The accounts of the lanes.
    public let lanes: [EVMAddress]
    /// The transactions whose receipts are wanted.
    public let transactions: [Digest]

    /// A question of these parts.
    public init(
        finalHeight: UInt64?, anchorHeight: UInt64?, lanes: [EVMAddress], transactions: [Digest]
    ) {
        self.finalHeight = finalHeight
        self.anchorHeight = anchorHeight
        self.lanes = lanes
        self.transactions = transactions
    }
}

/// A receipt as one endpoint tells it, with what the same endpoint says about that block.
public struct EVMReceiptClaim: Hashable, Sendable {
    /// What the receipt says.
    public let inclusion: EVMInclusion
    /// The hash of the endpoint's own block at the receipt's height; `nil` if it has none.
    public let blockHash: Digest?
    /// The transaction at the receipt's place in that block; `nil` if there is none.
    public let transaction: Digest?

    /// A claim of these parts.
    public init(inclusion: EVMInclusion, blockHash: Digest?, transaction: Digest?) {
        self.inclusion = inclusion
        self.blockHash = blockHash
        self.transaction = transaction
    }

    /// Whether the receipt is of `asked` and lies in the chain where it says: block, hash and
    /// place fit. A receipt of a reorganised block does not.
    public func isConsistent(for asked: Digest) -> Bool {
        inclusion.transaction == asked && blockHash == inclusion.blockHash && transaction == asked
    }
}

/// What an endpoint says about one transaction.
public enum EVMReceiptAnswer: Hashable, Sendable {
    /// It has no receipt for it.
    case absent
    /// It has one.
    case present(EVMReceiptClaim)
    /// It gave no answer.
    case unknown
}

/// What an endpoint says about an account.
public struct EVMAccountAnswer: Hashable, Sendable {
    /// Its transactions in the chain.
    public let count: UInt64
    /// Those and the waiting ones.
    public let pendingCount: UInt64
    /// Its transactions in the chain at the question's final height; `nil` if the endpoint does
    /// not reach that far.
    public let finalCount: UInt64?
    /// Wei.
    public let balance: UInt128

    /// An answer of these parts.
    public init(count: UInt64, pendingCount: UInt64, finalCount: UInt64?, balance: UInt128) {
        self.count = count
        self.pendingCount = pendingCount
        self.finalCount = finalCount
        self.balance = balance
    }
}

/// What one endpoint answered to a question, in the order of the question.
public struct EVMEndpointAnswer: Hashable, Sendable {
    /// The height of its head.
    public var head: UInt64
    /// The height of its `finalized` block, if it names one.
    public var finalized: UInt64?
    /// Its block at the question's final height, if it has one.
    public var finalHash: Digest?
    /// Its block at the question's anchor, if it has one.
    public var anchorHash: Digest?
    /// What gas costs.
    public var market: EVMFeeMarket
    /// Its answer for each lane.
    public var accounts: [EVMAccountAnswer]
    /// Its answer for each transaction.
    public var receipts: [EVMReceiptAnswer]

    /// An answer of these parts.
    public init(
        head: UInt64, finalized: UInt64? = nil, finalHash: Digest?, anchorHash: Digest?,
        market: EVMFeeMarket, accounts: [EVMAccountAnswer], receipts: [EVMReceiptAnswer]
    ) {
        self.head = head
        self.finalized = finalized
        self.finalHash = finalHash
        self.anchorHash = anchorHash
        self.market = market
        self.accounts = accounts
        self.receipts = receipts
    }
}

/// What enough endpoints agree on about one transaction.
public enum EVMReceiptView: Hashable, Sendable {
    /// It is in no block.
    case absent
    /// It is in this one, as seen by endpoints of which enough have reached this head and, if they
    /// name one, this finalized height.
    case included(EVMInclusion, head: UInt64, finalized: UInt64?)
    /// They do not agree, or too few answered.
    case unknown
}

/// The chain as enough endpoints agree on it, in the order of the question.
public struct EVMObservation: Hashable, Sendable {
    /// What was asked.
    public let question: EVMQuestion
    /// A height that enough endpoints have reached.
    public let head: UInt64
    /// A height that enough endpoints hold final, if they name one.
    public let finalized: UInt64?
    /// The block at the question's final height, if they agree.
    public let finalHash: Digest?
    /// The block at the question's anchor, if they agree.
    public let anchorHash: Digest?
    /// Prices that enough endpoints have at least.
    public let market: EVMFeeMarket
    /// For each lane what enough endpoints have at least.
    public let accounts: [EVMAccountAnswer]
    /// For each transaction what they agree on.
    public let receipts: [EVMReceiptView]

    /// An observation of these parts.
    public init(
        question: EVMQuestion, head: UInt64, finalized: UInt64?, finalHash: Digest?,
        anchorHash: Digest?, market: EVMFeeMarket, accounts: [EVMAccountAnswer],
        receipts: [EVMReceiptView]
    ) {
        self.question = question
        self.head = head
        self.finalized = finalized
        self.finalHash = finalHash
        self.anchorHash = anchorHash
        self.market = market
        self.accounts = accounts
        self.receipts = receipts
    }
}
