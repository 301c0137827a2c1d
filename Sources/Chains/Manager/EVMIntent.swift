public import Primitives

/// A transaction somebody wants carried out exactly once.
///
/// The id is the caller's: the same id with the same content is the same intent however often it
/// is submitted, and with other content it is refused.
public struct EVMIntent: Hashable, Sendable {
    /// The caller's name of it, for example the hash of a payout's record.
    public let id: Digest
    /// The account that sends it: the nonce lane it waits in.
    public let from: EVMAddress
    /// Who is called.
    public let to: EVMAddress
    /// Wei sent along.
    public let value: UInt128
    /// The call's data, at most `EVMIntent.maximumData` bytes.
    public let data: [UInt8]
    /// The most gas it may use; 0 has it estimated when its turn comes.
    public let gasLimit: UInt64
    /// The most wei that all gas of the transaction may cost: gas limit times fee cap.
    public let feeLimit: UInt128

    /// geth's pools refuse transactions of more than 128 KiB (core/txpool/legacypool,
    /// `txMaxSize`); 1 KiB is left for the other fields.
    public static let maximumData = 127 << 10

    /// An intent of these fields.
    public init(
        id: Digest, from: EVMAddress, to: EVMAddress, value: UInt128 = 0, data: [UInt8] = [],
        gasLimit: UInt64, feeLimit: UInt128
    ) {
        self.id = id
        self.from = from
        self.to = to
        self.value = value
        self.data = data
        self.gasLimit = gasLimit
        self.feeLimit = feeLimit
    }
}

/// Where a transaction stands in the chain, as enough endpoints agree.
public struct EVMInclusion: Hashable, Sendable {
    /// The transaction.
    public let transaction: Digest
    /// The height of its block.
    public let blockNumber: UInt64
    /// The hash of its block.
    public let blockHash: Digest
    /// Its place in the block.
    public let index: UInt64
    /// Whether it was carried out; otherwise it was undone and only cost gas.
    public let succeeded: Bool
    /// Gas used.
    public let gasUsed: UInt64
    /// Wei paid per unit of gas.
    public let gasPrice: UInt128
    /// Wei that a rollup charged beside gas, for data and for its operator, as far as enough
    /// endpoints tell: it is agreed on by itself, since some leave it out.
    public var rollupFee: UInt128

    /// All that the transaction was charged in wei, without what it sent along.
    public var cost: UInt128 {
        let (gas, overflow) = gasPrice.multipliedReportingOverflow(by: UInt128(gasUsed))
        return (overflow ? .max : gas).saturatingSum(rollupFee)
    }

    /// This without what endpoints may leave out of a receipt.
    var plain: EVMInclusion {
        var plain = self
        plain.rollupFee = 0
        return plain
    }

    /// An inclusion of these fields.
    public init(
        transaction: Digest, blockNumber: UInt64, blockHash: Digest, index: UInt64,
        succeeded: Bool, gasUsed: UInt64, gasPrice: UInt128, rollupFee: UInt128 = 0
    ) {
        self.transaction = transaction
        self.blockNumber = blockNumber
        self.blockHash = blockHash
        self.index = index
        self.succeeded = succeeded
        self.gasUsed = gasUsed
        self.gasPrice = gasPrice
        self.rollupFee = rollupFee
    }
}

/// What became of an intent. `unknown` is no end: the reserve stays, and only the chain closes it.
public enum EVMIntentOutcome: Hashable, Sendable {
    /// Enough nodes took the transaction. Only a manager whose finality is `submitted` says so.
    case submitted(Digest)
    /// It was carried out, as deep in the chain as the manager's finality asks.
    case settled(EVMInclusion)
    /// It was not carried out and never will be.
    case failed(EVMIntentFailure)
    /// It has been on its way for long and may or may not be carried out.
    case unknown

    /// This without what endpoints may leave out of a receipt.
    var plain: EVMIntentOutcome {
        switch self {
        case .settled(let inclusion): .settled(inclusion.plain)
        case .failed(.reverted(let inclusion)): .failed(.reverted(inclusion.plain))
        case .submitted, .failed, .unknown: self
        }
    }
}

/// Why an intent is not carried out and never will be.
public enum EVMIntentFailure: Hashable, Sendable {
    /// It is in the chain and was undone.
    case reverted(EVMInclusion)
    /// The contract refused it when its gas was estimated, and nothing was signed.
    case wouldRevert(String)
    /// The caller called it off, and either nothing was signed or an empty transaction with its
    /// nonce is in the chain for good.
    case cancelled
    /// The nodes refused it for what it is, and an empty transaction with its nonce is in the chain
    /// for good.
    case refused(String)
    /// The account's signer refused it by its policy: nothing of it was ever signed. If a later
    /// nonce needed its nonce, an empty transaction with it is in the chain for good.
    case declined(String)
    /// A transaction that this manager did not sign is in the chain with its nonce, for good.
    case replaced
}

/// How far an intent is.
public enum EVMIntentStatus: Hashable, Sendable {
    /// Nobody submitted it.
    case absent
    /// It waits for its turn; nothing was signed.
    case waiting
    /// It has a nonce; these transactions were signed for it, oldest first.
    case inFlight(nonce: UInt64, transactions: [Digest])
    /// It is over.
    case closed(EVMIntentOutcome)
}

/// Why a manager refused an input. Numbers are stable for ever and never reused; a refused input
/// changes nothing.
public enum EVMManagerRejection: UInt16, Error, CaseIterable, Hashable, Sendable {
    /// The lane's account has no lane here.
    case noSuchLane = 1
    /// There are as many lanes as there may be.
    case tooManyLanes = 2
    /// The id was used before with other content.
    case otherContent = 3
    /// The data is too long, the gas is beyond a block's, or the fee limit is zero.
    case invalidIntent = 4
    /// As many intents wait or are remembered as may be.
    case tooManyIntents = 5
    /// Nobody submitted this intent.
    case noSuchIntent = 6
    /// The intent is over.
    case alreadyClosed = 7

    /// One sentence for people.
    public var message: String {
        switch self {
        case .noSuchLane: "the sending account has no lane in this manager"
        case .tooManyLanes: "the manager has as many lanes as it may have"
        case .otherContent: "the id was used before with other content"
        case .invalidIntent: "the data is too long, the gas beyond a block's, or the limit zero"
        case .tooManyIntents: "as many intents wait or are remembered as may be"
        case .noSuchIntent: "nobody submitted this intent"
        case .alreadyClosed: "the intent is over"
        }
    }
}
