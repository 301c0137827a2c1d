public import Chains
public import Primitives

/// What left the account that pays on the EVM chain, held against what the house sent: a value.
///
/// The account's key is a hot one. Whoever has it moves tokens without the books, by a transaction
/// or by a signature that others send; nothing else of the house would notice.
public struct PayerOutflows: Hashable, Sendable {
    /// What one transaction took that the house is not known to have sent.
    public struct Item: Hashable, Sendable {
        /// In what.
        public let asset: Asset
        /// How much, in chain units.
        public internal(set) var units: UInt128
        /// Who got it; `nil` if several did.
        public internal(set) var receiver: EVMAddress?
        /// The transaction; of the last of them once there are too many.
        public let transaction: Digest
        /// When it was seen first.
        public let seenAt: Timestamp
    }

    /// The account.
    public let account: EVMAddress
    /// The first block that was not looked at.
    public private(set) var nextBlock: UInt64
    /// What the house sent, in chain units.
    public private(set) var sent: [Asset: UInt128] = [:]
    /// What went to places of the house's own.
    public private(set) var own: [Asset: UInt128] = [:]
    /// The rest, oldest first.
    public private(set) var items: [Item] = []

    /// So many are kept apart; what comes then is added to the last.
    public static let mostItems = 1_000
    /// For how long something may be the house's own that it has not booked yet, in seconds.
    private static let patience: UInt64 = 600

    /// Nothing yet, from a block on.
    public init(of account: EVMAddress, from block: UInt64) {
        self.account = account
        nextBlock = block
    }

    /// Takes what was read up to a block. `isOurs` says of a transaction whether the house sent it,
    /// `places` are the house's own. O(transfers + items).
    public mutating func take(
        _ flows: [TokenOutflow], upTo last: UInt64, at now: Timestamp,
        places: Set<EVMAddress>, isOurs: (Digest) -> Bool
    ) {
        nextBlock = max(nextBlock, last + 1)
        var found: [Item] = []
        for flow in flows {
            if places.contains(flow.receiver) {
                own[flow.asset] = Self.sum(own[flow.asset], flow.units)
            } else if let place = found.indices.last,
                found[place].transaction == flow.transaction, found[place].asset == flow.asset
            {
                found[place].units = Self.sum(found[place].units, flow.units)
                if found[place].receiver != flow.receiver { found[place].receiver = nil }
            } else {
                found.append(
                    Item(
                        asset: flow.asset, units: flow.units, receiver: flow.receiver,
                        transaction: flow.transaction, seenAt: now))
            }
        }
        let all = items + found
        items = []
        for item in all {
            if isOurs(item.transaction) {
                sent[item.asset] = Self.sum(sent[item.asset], item.units)
            } else if let receiver = item.receiver, places.contains(receiver) {
                own[item.asset] = Self.sum(own[item.asset], item.units)
            } else if items.count >= Self.mostItems,
                let place = items.lastIndex(where: { $0.asset == item.asset })
            {
                items[place].units = Self.sum(items[place].units, item.units)
                items[place].receiver = nil
            } else {
                items.append(item)
            }
        }
    }

    /// What nobody ordered. While the house has something under way, what was seen just now may be
    /// that.
    public func unordered(at now: Timestamp, isBusy: Bool) -> [Item] {
        items.filter { !isBusy || $0.seenAt + .seconds(Self.patience) <= now }
    }

    /// The comparisons: what left, and what the house sent.
    public func lines(at now: Timestamp, isBusy: Bool) -> [Reconciliation.Line] {
        let unordered = unordered(at: now, isBusy: isBusy)
        func sum(_ items: [Item], _ asset: Asset) -> UInt128 {
            items.reduce(0) { $1.asset == asset ? Self.sum($0, $1.units) : $0 }
        }
        return Asset.allCases.map { asset in
            let (sent, own) = (sent[asset] ?? 0, own[asset] ?? 0)
            let (all, known) = (sum(items, asset), Self.sum(sent, own))
            return Reconciliation.Line(
                check: .payerSent, asset: asset, chain: Self.sum(known, all), books: sent,
                explained: Self.sum(own, all - sum(unordered, asset)))
        }
    }

    /// What a node says is no reason to trap.
    private static func sum(_ one: UInt128?, _ other: UInt128) -> UInt128 {
        let (sum, overflow) = (one ?? 0).addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}

extension PayerOutflows: CanonicalCodable {
    /// A version, then the fields in order.
    public func encode(into writer: inout ByteWriter) {
        writer.write(UInt8(1))
        writer.write(account)
        writer.write(nextBlock)
        for asset in Asset.allCases {
            writer.write(sent[asset] ?? 0)
            writer.write(own[asset] ?? 0)
        }
        writer.write(items)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        guard try reader.readUInt8() == 1 else { throw .invalidValue("version") }
        self.init(of: try reader.read(), from: try reader.readUInt64())
        for asset in Asset.allCases {
            let (sent, own) = (try reader.readUInt128(), try reader.readUInt128())
            if sent > 0 { self.sent[asset] = sent }
            if own > 0 { self.own[asset] = own }
        }
        items = try reader.readArray(limit: 2 * Self.mostItems)
    }
}

extension PayerOutflows.Item: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(asset)
        writer.write(units)
        writer.write(receiver)
        writer.write(transaction)
        writer.write(seenAt)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            asset: try reader.read(), units: try reader.readUInt128(),
            receiver: try reader.readOptional(), transaction: try reader.readDigest(),
            seenAt: try reader.read())
    }
}
