public import Primitives

/// Where on a chain something stands: enough to name it once and for ever.
public struct ChainReference: Hashable, Comparable, Sendable {
    /// The chain.
    public let chainID: UInt64
    /// The height of the block.
    public let blockNumber: UInt64
    /// The hash of the block.
    public let blockHash: Digest
    /// The transaction.
    public let transaction: Digest
    /// The place among the block's logs.
    public let logIndex: UInt64

    /// A place of these parts.
    public init(
        chainID: UInt64, blockNumber: UInt64, blockHash: Digest, transaction: Digest,
        logIndex: UInt64
    ) {
        self.chainID = chainID
        self.blockNumber = blockNumber
        self.blockHash = blockHash
        self.transaction = transaction
        self.logIndex = logIndex
    }

    /// Orders by place on the chain.
    public static func < (left: ChainReference, right: ChainReference) -> Bool {
        (left.chainID, left.blockNumber, left.logIndex)
            < (right.chainID, right.blockNumber, right.logIndex)
    }
}

extension ChainReference: CanonicalCodable {
    /// The fields in order.
    public func encode(into writer: inout ByteWriter) {
        writer.write(chainID)
        writer.write(blockNumber)
        writer.write(blockHash)
        writer.write(transaction)
        writer.write(logIndex)
    }

    /// Reads the fields in order.
    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            chainID: try reader.readUInt64(), blockNumber: try reader.readUInt64(),
            blockHash: try reader.readDigest(), transaction: try reader.readDigest(),
            logIndex: try reader.readUInt64())
    }
}

/// What the settlement contract, or the one of payment channels, reported. Amounts are in the
/// token's chain units.
public enum ChainEvent: Hashable, Sendable {
    /// An account paid into the house.
    case deposited(account: EVMAddress, amount: UInt128)
    /// A provider added to its bond.
    case bonded(provider: EVMAddress, amount: UInt128)
    /// A provider asked for a part of its bond back, to be had from a moment in Unix seconds.
    case unbondRequested(provider: EVMAddress, amount: UInt128, unlocksAt: UInt64)
    /// A provider took back what was due.
    case bondWithdrawn(provider: EVMAddress, amount: UInt128)
    /// A bond was cut for a verdict.
    case slashed(
        provider: EVMAddress, verdict: Digest, amount: UInt128, burned: UInt128,
        fromUnbonding: UInt128)
    /// The root of a batch was committed.
    case rootCommitted(
        batch: UInt64, root: Digest, journalHead: Digest, totalUSD: UInt128, totalTLY: UInt128,
        liabilities: Digest, timestamp: UInt64)
    /// An account was paid what it was owed.
    case claimed(token: EVMAddress, account: EVMAddress, amount: UInt128, cumulative: UInt128)
    /// Somebody sent accounts tokens of its own, under a name that counts once for it.
    case dispersed(sender: EVMAddress, name: Digest, token: EVMAddress, count: UInt64)
    /// The root of a batch pays from now on.
    case rootActivated(batch: UInt64, root: Digest)
    /// A guardian dropped the root of a batch before it paid.
    case rootDisputed(batch: UInt64, guardian: EVMAddress, reason: Digest)
    /// A slash waits for its veto window to be over, a moment in Unix seconds.
    case slashRequested(
        provider: EVMAddress, verdict: Digest, amount: UInt128, burned: UInt128,
        executableFrom: UInt64)
    /// The accused objected to a requested slash, which gave the arbiters another window.
    case slashAppealed(provider: EVMAddress, verdict: Digest, executableFrom: UInt64)
    /// An arbiter set a requested slash aside for good.
    case slashVetoed(verdict: Digest, arbiter: EVMAddress)
    /// Nobody executed a requested slash in time.
    case slashLapsed(verdict: Digest)
    /// Somebody declared the house abandoned: it has no roots any more, for good.
    case abandoned(by: EVMAddress)
    /// Something happened to a payment channel, at the contract of channels.
    case channel(Digest, ChannelEvent)
    /// Who may do what on the contract is another thing, or will be.
    case administered(AdministrationEvent)

    /// The events that are watched, by their names in the contract.
    static let names =
        [
            "Deposited", "Bonded", "UnbondRequested", "BondWithdrawn", "Slashed", "RootCommitted",
            "Claimed", "Dispersed", "RootActivated", "RootDisputed", "SlashRequested",
            "SlashAppealed", "SlashVetoed", "SlashLapsed", "Abandoned",
        ] + AdministrationEvent.names

    /// Those of them that contracts of before do not log.
    static let laterNames: Set = ["Dispersed"]

    /// The event of a contract's log; `nil` for a name that is not watched.
    init?(name: String, values: [ABIValue]) throws(ABIError) {
        func amount(_ index: Int) throws(ABIError) -> UInt128 {
            try values[index].uint128(name)
        }
        func account(_ index: Int) throws(ABIError) -> EVMAddress {
            try values[index].address(name)
        }
        switch (name, values.count) {
        case ("Deposited", 2): self = .deposited(account: try account(0), amount: try amount(1))
        case ("Bonded", 2): self = .bonded(provider: try account(0), amount: try amount(1))
        case ("UnbondRequested", 3):
            self = .unbondRequested(
                provider: try account(0), amount: try amount(1),
                unlocksAt: try values[2].uint64(name))
        case ("BondWithdrawn", 2):
            self = .bondWithdrawn(provider: try account(0), amount: try amount(1))
        case ("Slashed", 5):
            self = .slashed(
                provider: try account(0), verdict: try values[1].digest(name),
                amount: try amount(2), burned: try amount(3), fromUnbonding: try amount(4))
        case ("RootCommitted", 7):
            self = .rootCommitted(
                batch: try values[0].uint64(name), root: try values[1].digest(name),
                journalHead: try values[2].digest(name), totalUSD: try amount(3),
                totalTLY: try amount(4), liabilities: try values[5].digest(name),
                timestamp: try values[6].uint64(name))
        case ("Claimed", 4):
            self = .claimed(
                token: try account(0), account: try account(1), amount: try amount(2),
                cumulative: try amount(3))
        case ("Dispersed", 4):
            self = .dispersed(
                sender: try account(0), name: try values[1].digest(name), token: try account(2),
                count: try values[3].uint64(name))
        default:
            if let event = try Self.waiting(name, values) {
                self = event
            } else if let event = try AdministrationEvent(name: name, values: values) {
                self = .administered(event)
            } else {
                return nil
            }
        }
    }

    /// What roots and slashes go through while they wait.
    private static func waiting(
        _ name: String, _ values: [ABIValue]
    ) throws(ABIError) -> ChainEvent? {
        switch (name, values.count) {
        case ("RootActivated", 2):
            .rootActivated(
                batch: try values[0].uint64(name), root: try values[1].digest(name))
        case ("RootDisputed", 3):
            .rootDisputed(
                batch: try values[0].uint64(name), guardian: try values[1].address(name),
                reason: try values[2].digest(name))
        case ("SlashRequested", 5):
            .slashRequested(
                provider: try values[0].address(name), verdict: try values[1].digest(name),
                amount: try values[2].clamped128(name), burned: try values[3].clamped128(name),
                executableFrom: try values[4].uint64(name))
        case ("SlashAppealed", 4):
            .slashAppealed(
                provider: try values[0].address(name), verdict: try values[1].digest(name),
                executableFrom: try values[3].uint64(name))
        case ("SlashVetoed", 2):
            .slashVetoed(
                verdict: try values[0].digest(name), arbiter: try values[1].address(name))
        case ("SlashLapsed", 1): .slashLapsed(verdict: try values[0].digest(name))
        case ("Abandoned", 1): .abandoned(by: try values[0].address(name))
        default: nil
        }
    }
}

/// An event with its place: what the house books, once for each place.
public struct ChainRecord: Hashable, Sendable {
    /// Where it stands.
    public let reference: ChainReference
    /// What happened.
    public let event: ChainEvent

    /// An event at a place.
    public init(reference: ChainReference, event: ChainEvent) {
        self.reference = reference
        self.event = event
    }
}
