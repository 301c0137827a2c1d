public import Chains
public import Primitives

/// What left an account that pays on the EVM chain, held against what the house sent, and what came
/// to it: a value.
///
/// The account's key is a hot one. Whoever has it moves tokens without the books, by a transaction
/// or by a signature that others send; nothing else of the house would notice. Nor of what somebody
/// sends there, who is credited with nothing: deposits go to the contract.
public struct PayerFlows: Hashable, Sendable {
    /// What one transaction took that the house is not known to have sent, or one transfer brought.
    public struct Item: Hashable, Sendable {
        /// In what.
        public let asset: Asset
        /// How much, in chain units.
        public internal(set) var units: UInt128
        /// Who got it, `nil` if several did; or who sent it.
        public internal(set) var other: EVMAddress?
        /// The block.
        public let block: UInt64
        /// The transaction.
        public let transaction: Digest
        /// When it was seen first.
        public let seenAt: Timestamp
    }

    /// A sum of one token.
    public struct Sum: Hashable, Sendable {
        /// In what.
        public let asset: Asset
        /// How much, in chain units.
        public let units: UInt128

        /// So much of a token.
        public init(_ asset: Asset, _ units: UInt128) {
            (self.asset, self.units) = (asset, units)
        }
    }

    /// What needs no explanation.
    public struct Known: Sendable {
        /// Accounts of the house's own: what goes there or comes from there is.
        public var own: Set<EVMAddress> = []
        /// Who else pays the account what is its own: contracts, and whoever fills it up.
        public var senders: Set<EVMAddress> = []
        /// Transactions that the house sent.
        public var sent: Set<Digest> = []
        /// Deposits in the house's channels, by their transactions, whoever sent those. Each
        /// explains one transfer of the very sum: a thief could deposit a unit beside a theft.
        public var deposits: [Digest: [Sum]] = [:]
        /// The least that is listed of what comes.
        public var minimum: [Asset: UInt128] = [:]

        /// Nothing is known.
        public init() {}

        /// Whether what an account sends is no stranger's.
        func isSender(_ account: EVMAddress) -> Bool {
            own.contains(account) || senders.contains(account)
        }
    }

    /// What came from strangers and is not listed.
    public struct Unlisted: Hashable, Sendable {
        /// How many transfers.
        public internal(set) var transfers: UInt64 = 0
        /// Their sum, in chain units.
        public internal(set) var units: UInt128 = 0
    }

    /// The account.
    public let account: EVMAddress
    /// The first block that was looked at: what was before is nobody's business.
    public private(set) var firstBlock: UInt64
    /// The first block that was not looked at.
    public private(set) var nextBlock: UInt64
    /// What the house sent, in chain units.
    public private(set) var sent: [Asset: UInt128] = [:]
    /// What went to places of the house's own, or back to where it had come from.
    public private(set) var own: [Asset: UInt128] = [:]
    /// The rest of what left, oldest first.
    public private(set) var items: [Item] = []
    /// What of the rest there was no place for.
    public private(set) var more: [Asset: UInt128] = [:]
    /// What came from strangers, oldest first: of each token the greatest, and what went back.
    public private(set) var incoming: [Item] = []
    /// What came from strangers besides: less than is listed, or more than there was place for.
    public private(set) var unlisted: [Asset: Unlisted] = [:]

    /// So many transactions are kept apart, and of what comes so many transfers of each token; what
    /// comes then is a sum.
    public static let mostItems = 1_000
    /// How long it is kept apart that something went back.
    public static let keptReturn = Timestamp.Span.seconds(7 * 86_400)

    /// Nothing yet, from a block on.
    public init(of account: EVMAddress, from block: UInt64) {
        self.account = account
        firstBlock = block
        nextBlock = block
    }

    /// Takes what was read up to a block. O(n log n) of transfers and items.
    public mutating func take(
        _ flows: [TokenFlow], upTo last: UInt64, at now: Timestamp, known: Known
    ) {
        nextBlock = max(nextBlock, last + 1)
        takeOutgoing(flows.filter { $0.sender == account }, now, known)
        for flow in flows where flow.sender != account && !known.isSender(flow.sender) {
            incoming.append(Item(flow, flow.sender, now))
        }
        keepStrays(known)
        retireReturns(at: now)
    }

    /// Takes down what left, each transaction's together, and what of it is explained by now.
    private mutating func takeOutgoing(_ flows: [TokenFlow], _ now: Timestamp, _ known: Known) {
        var (all, deposits) = (items, known.deposits)
        for flow in flows {
            let sum = Sum(flow.asset, flow.units)
            if known.own.contains(flow.receiver) {
                own.add(flow.units, of: flow.asset)
            } else if let place = deposits[flow.transaction]?.firstIndex(of: sum) {
                deposits[flow.transaction]?.remove(at: place)
                sent.add(flow.units, of: flow.asset)
            } else if let place = all.indices.last, all[place].transaction == flow.transaction,
                all[place].asset == flow.asset
            {
                all[place].units = all[place].units.saturatingSum(flow.units)
                if all[place].other != flow.receiver { all[place].other = nil }
            } else {
                all.append(Item(flow, flow.receiver, now))
            }
        }
        items = []
        for item in all {
            if known.sent.contains(item.transaction) {
                sent.add(item.units, of: item.asset)
            } else if let receiver = item.other, known.own.contains(receiver) {
                own.add(item.units, of: item.asset)
            } else if items.count < Self.mostItems {
                items.append(item)
            } else {
                more.add(item.units, of: item.asset)
            }
        }
    }

    /// Keeps what came from strangers, and whatever went back. Whoever sends many small sums fills
    /// nothing up, and hides no great one.
    private mutating func keepStrays(_ known: Known) {
        let returned = Set(returns.map(\.incoming))
        let open = incoming.indices.filter { !returned.contains($0) }
        let strays = open.filter { place in
            incoming[place].other.map { !known.isSender($0) } ?? false
        }
        var dropped: [Int] = []
        for asset in Asset.allCases {
            let least = known.minimum[asset] ?? 0
            let all = strays.filter { incoming[$0].asset == asset }
            dropped += all.filter { incoming[$0].units < least }
            let rest = all.filter { incoming[$0].units >= least }
            guard rest.count > Self.mostItems else { continue }
            let greatest = rest.sorted { (incoming[$1].units, $0) < (incoming[$0].units, $1) }
            dropped += greatest.dropFirst(Self.mostItems)
        }
        for place in dropped {
            var sum = unlisted[incoming[place].asset] ?? Unlisted()
            sum.transfers = sum.transfers.saturatingSum(1)
            sum.units = sum.units.saturatingSum(incoming[place].units)
            unlisted[incoming[place].asset] = sum
        }
        let kept = returned.union(strays).subtracting(dropped)
        guard kept.count < incoming.count else { return }
        incoming = incoming.indices.filter { kept.contains($0) }.map { incoming[$0] }
    }

    /// What went back long ago is a sum: it takes up no place.
    private mutating func retireReturns(at now: Timestamp) {
        let old = returns.filter { items[$0.item].seenAt + Self.keptReturn <= now }
        guard !old.isEmpty else { return }
        for pair in old { own.add(items[pair.item].units, of: items[pair.item].asset) }
        let (gone, came) = (Set(old.map(\.item)), Set(old.map(\.incoming)))
        items = items.indices.filter { !gone.contains($0) }.map { items[$0] }
        incoming = incoming.indices.filter { !came.contains($0) }.map { incoming[$0] }
    }

    /// Forgets what was seen from a block on, which the chain has no longer. Sums stay, and what is
    /// read again counts twice in them: of what the house sent and what is its own that says
    /// nothing, of what left besides there is a sum only after a thousand, and what is not listed
    /// of what came is dust, or was too much.
    public mutating func rewind(to block: UInt64) {
        nextBlock = max(firstBlock, min(nextBlock, block))
        items.removeAll { $0.block >= block }
        incoming.removeAll { $0.block >= block }
    }

    /// Until when something must have been seen for the books to have it by now, if the house sent
    /// it: a minute ago, or ten while something is under way; `overdue` at most.
    public static func known(
        at now: Timestamp, isBusy: Bool, overdue: Timestamp.Span
    ) -> Timestamp {
        let patience = min(Timestamp.Span.seconds(isBusy ? 600 : 60), overdue)
        return Timestamp(nanoseconds: now.nanoseconds - min(patience.nanoseconds, now.nanoseconds))
    }

    /// The places of what went back to where it had come from: to the unit, and in a later block.
    /// Nothing goes back to where tokens are made.
    private var returns: [(item: Int, incoming: Int)] {
        struct Way: Hashable {
            let asset: Asset
            let units: UInt128
            let other: EVMAddress
        }
        if items.isEmpty || incoming.isEmpty { return [] }
        func way(_ item: Item) -> Way? {
            guard let other = item.other, other != .zero else { return nil }
            return Way(asset: item.asset, units: item.units, other: other)
        }
        var (found, waiting): ([(item: Int, incoming: Int)], [Way: [Int]]) = ([], [:])
        // The oldest is the last of each list.
        for (place, item) in incoming.enumerated().reversed() {
            if let way = way(item) { waiting[way, default: []].append(place) }
        }
        for (place, item) in items.enumerated() {
            guard let way = way(item), let came = waiting[way]?.last,
                incoming[came].block < item.block
            else { continue }
            waiting[way]?.removeLast()
            found.append((place, came))
        }
        return found
    }

    /// What nobody ordered, and went to nobody who had sent it. What was seen just now may be the
    /// house's and not in its books yet.
    public func unordered(since start: Timestamp) -> [Item] {
        let returned = Set(returns.map(\.item))
        return items.indices.filter { !returned.contains($0) && items[$0].seenAt <= start }
            .map { items[$0] }
    }

    /// What came from strangers and did not go back.
    public var strays: [Item] {
        let returned = Set(returns.map(\.incoming))
        return incoming.indices.filter { !returned.contains($0) }.map { incoming[$0] }
    }

    /// The comparisons of several accounts, one for each asset.
    public static func lines(
        _ accounts: [PayerFlows], since start: Timestamp
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
        let unordered = unordered(since: start)
        return Asset.allCases.map { asset in
            let (sent, own) = (sent[asset] ?? 0, own[asset] ?? 0)
            func sum(_ items: [Item]) -> UInt128 {
                items.reduce(0) { $1.asset == asset ? $0.saturatingSum($1.units) : $0 }
            }
            let all = sum(items)
            let rest = all.saturatingSum(more[asset] ?? 0)
            return Reconciliation.Line(
                check: .payerSent, asset: asset,
                chain: sent.saturatingSum(own).saturatingSum(rest), books: sent,
                explained: own.saturatingSum(all - sum(unordered)))
        }
    }
}

extension PayerFlows.Item {
    fileprivate init(_ flow: TokenFlow, _ other: EVMAddress, _ now: Timestamp) {
        self.init(
            asset: flow.asset, units: flow.units, other: other, block: flow.block,
            transaction: flow.transaction, seenAt: now)
    }
}

extension [Asset: UInt128] {
    fileprivate mutating func add(_ units: UInt128, of asset: Asset) {
        self[asset] = (self[asset] ?? 0).saturatingSum(units)
    }
}

extension PayerFlows: CanonicalCodable {
    /// The fields in order, what came behind what left.
    public func encode(into writer: inout ByteWriter) {
        writer.write(account)
        writer.write(nextBlock)
        for asset in Asset.allCases {
            for sums in [sent, own, more] { writer.write(sums[asset] ?? 0) }
        }
        writer.write(items)
        writer.write(firstBlock)
        writer.write(incoming)
        for asset in Asset.allCases {
            let sum = unlisted[asset] ?? Unlisted()
            writer.write(sum.transfers)
            writer.write(sum.units)
        }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        try self.init(outgoingFrom: &reader)
        firstBlock = try reader.readUInt64()
        incoming = try reader.readArray(limit: (Asset.allCases.count + 1) * Self.mostItems)
        for asset in Asset.allCases {
            let sum = Unlisted(
                transfers: try reader.readUInt64(), units: try reader.readUInt128())
            if sum.transfers > 0 { unlisted[asset] = sum }
        }
    }

    /// Reads what left alone, as if it began where it ends.
    private init(outgoingFrom reader: inout ByteReader) throws(CodecError) {
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

extension PayerFlows.Item: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(asset)
        writer.write(units)
        writer.write(other)
        writer.write(block)
        writer.write(transaction)
        writer.write(seenAt)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            asset: try reader.read(), units: try reader.readUInt128(),
            other: try reader.readOptional(), block: try reader.readUInt64(),
            transaction: try reader.readDigest(), seenAt: try reader.read())
    }
}

extension PayerFlows {
    /// Version 1 had not what came, nor where it began.
    private static let version: UInt8 = 2

    /// Several accounts as a file has them, behind its version.
    public static func file(of accounts: [PayerFlows]) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(version)
        writer.write(accounts)
        return writer.bytes
    }

    /// Reads such a file, also one of before.
    public static func all(inFile bytes: [UInt8]) throws(CodecError) -> [PayerFlows] {
        var reader = ByteReader(bytes)
        let version = try reader.readUInt8()
        guard (1...Self.version).contains(version) else { throw .invalidValue("version") }
        var found: [PayerFlows] = []
        for _ in 0..<(try reader.readCount(limit: 1_024)) {
            found.append(version == 1 ? try PayerFlows(outgoingFrom: &reader) : try reader.read())
        }
        try reader.finish()
        return found
    }
}
