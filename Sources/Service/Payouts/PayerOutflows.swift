public import Chains
public import Primitives

/// What left an account that pays on the EVM chain, held against what the house sent: a value.
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
        /// The block.
        public let block: UInt64
        /// The transaction.
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
    /// What of the rest there was no place for.
    public private(set) var more: [Asset: UInt128] = [:]

    /// So many transactions are kept apart; what comes then is a sum.
    public static let mostItems = 1_000

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
        var all = items
        for flow in flows {
            if places.contains(flow.receiver) {
                own.add(flow.units, of: flow.asset)
            } else if let place = all.indices.last, all[place].transaction == flow.transaction,
                all[place].asset == flow.asset
            {
                all[place].units = all[place].units.saturatingSum(flow.units)
                if all[place].receiver != flow.receiver { all[place].receiver = nil }
            } else {
                all.append(
                    Item(
                        asset: flow.asset, units: flow.units, receiver: flow.receiver,
                        block: flow.block, transaction: flow.transaction, seenAt: now))
            }
        }
        items = []
        for item in all {
            if isOurs(item.transaction) {
                sent.add(item.units, of: item.asset)
            } else if let receiver = item.receiver, places.contains(receiver) {
                own.add(item.units, of: item.asset)
            } else if items.count < Self.mostItems {
                items.append(item)
            } else {
                more.add(item.units, of: item.asset)
            }
        }
    }

    /// Forgets what was seen from a block on, which the chain has no longer. What of it the house
    /// had sent stays in the sums: that says nothing of what nobody ordered.
    public mutating func rewind(to block: UInt64) {
        nextBlock = min(nextBlock, block)
        items.removeAll { $0.block >= block }
    }

    /// Until when something must have been seen for the books to have it by now, if the house sent
    /// it: a minute ago, or ten while something is under way; `overdue` at most.
    public static func known(
        at now: Timestamp, isBusy: Bool, overdue: Timestamp.Span
    ) -> Timestamp {
        let patience = min(Timestamp.Span.seconds(isBusy ? 600 : 60), overdue)
        return Timestamp(nanoseconds: now.nanoseconds - min(patience.nanoseconds, now.nanoseconds))
    }

    /// What nobody ordered. What was seen just now may be the house's and not in its books yet.
    public func unordered(since start: Timestamp) -> [Item] {
        items.filter { $0.seenAt <= start }
    }

    /// The comparisons of several accounts, one for each asset.
    public static func lines(
        _ accounts: [PayerOutflows], since start: Timestamp
    ) -> [Reconciliation.Line] {
        let lines = accounts.flatMap { $0.lines(since: start) }
        return Asset.allCases.map { asset in
            func sum(_ part: KeyPath<Reconciliation.Line, UInt128>) -> UInt128 {
                lines.reduce(0) {
                    $1.asset == asset ? $0.saturatingSum($1[keyPath: part]) : $0
                }
            }
            return Reconciliation.Line(
                check: .payerSent, asset: asset, chain: sum(\.chain), books: sum(\.books),
                explained: sum(\.explained))
        }
    }

    /// The comparisons: what left, and what the house sent.
    public func lines(since start: Timestamp) -> [Reconciliation.Line] {
        Asset.allCases.map { asset in
            let (sent, own) = (sent[asset] ?? 0, own[asset] ?? 0)
            func sum(_ items: [Item]) -> UInt128 {
                items.reduce(0) { $1.asset == asset ? $0.saturatingSum($1.units) : $0 }
            }
            let all = sum(items)
            let rest = all.saturatingSum(more[asset] ?? 0)
            return Reconciliation.Line(
                check: .payerSent, asset: asset,
                chain: sent.saturatingSum(own).saturatingSum(rest), books: sent,
                explained: own.saturatingSum(all - sum(unordered(since: start))))
        }
    }
}

extension [Asset: UInt128] {
    fileprivate mutating func add(_ units: UInt128, of asset: Asset) {
        self[asset] = (self[asset] ?? 0).saturatingSum(units)
    }
}

extension PayerOutflows: CanonicalCodable {
    /// The fields in order.
    public func encode(into writer: inout ByteWriter) {
        writer.write(account)
        writer.write(nextBlock)
        for asset in Asset.allCases {
            for sums in [sent, own, more] { writer.write(sums[asset] ?? 0) }
        }
        writer.write(items)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(of: try reader.read(), from: try reader.readUInt64())
        for asset in Asset.allCases {
            for place in [\Self.sent, \.own, \.more] {
                let sum = try reader.readUInt128()
                if sum > 0 { self[keyPath: place][asset] = sum }
            }
        }
        items = try reader.readArray(limit: Self.mostItems)
    }
}

extension PayerOutflows.Item: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(asset)
        writer.write(units)
        writer.write(receiver)
        writer.write(block)
        writer.write(transaction)
        writer.write(seenAt)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            asset: try reader.read(), units: try reader.readUInt128(),
            receiver: try reader.readOptional(), block: try reader.readUInt64(),
            transaction: try reader.readDigest(), seenAt: try reader.read())
    }
}
