public import Primitives

extension ModelDraft: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(name)
        writer.write(root)
        writer.write(layers)
        writer.write(context)
        writer.write(profile)
        writer.write(manifest)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            name: try reader.readString(limit: Limits.textBytes), root: try reader.readDigest(),
            layers: try reader.readUInt16(), context: try reader.readUInt32(),
            profile: try reader.readDigest(),
            manifest: try reader.readBytes(limit: Limits.manifestBytes))
    }
}

extension OfferDraft: CanonicalCodable {
    /// Above every concurrency there can be (`Limits.concurrency`): the bit that says statistical.
    /// Without it the bytes, and so the state hashes, are those of before there was such a thing.
    private static let statisticalBit: UInt16 = 0x8000

    public func encode(into writer: inout ByteWriter) {
        writer.write(node)
        writer.write(model)
        writer.write(layers)
        writer.write(weights)
        writer.write(inputPrice)
        writer.write(outputPrice)
        writer.write(concurrency | (numerics == .statistical ? Self.statisticalBit : 0))
        writer.write(context)
        writer.write(region)
        writer.write(expiresAt)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            node: try reader.read(), model: try reader.read(), layers: try reader.read(),
            weights: try reader.readDigest(), inputPrice: try reader.read(),
            outputPrice: try reader.read(), concurrency: try reader.readUInt16(),
            context: try reader.readUInt32(),
            region: try reader.readString(limit: Limits.textBytes),
            expiresAt: try reader.read())
        if concurrency & Self.statisticalBit != 0 {
            concurrency &= ~Self.statisticalBit
            numerics = .statistical
        }
    }
}

extension Demand: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(buyer)
        writer.write(request)
        writer.write(model)
        writer.write(promptTokens)
        writer.write(maxTokens)
        writer.write(maxInputPrice)
        writer.write(maxOutputPrice)
        writer.write(order)
        writer.write(only)
        writer.write(ignore)
        // The first bit is the oldest: without the others the bytes are those of before.
        writer.write(
            UInt8(allowFallbacks ? 1 : 0) | (acceptsStatistical ? 2 : 0) | sort.rawValue << 2)
        writer.write(input)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        let buyer: PartyID = try reader.read()
        let request = try reader.readUInt128()
        let model: ModelID = try reader.read()
        let promptTokens = try reader.readUInt32()
        let maxTokens = try reader.readUInt32()
        let maxInputPrice: Price? = try reader.readOptional()
        let maxOutputPrice: Price? = try reader.readOptional()
        let order: [PartyID] = try reader.readArray(limit: Limits.preferences)
        let only: [PartyID] = try reader.readArray(limit: Limits.preferences)
        let ignore: [PartyID] = try reader.readArray(limit: Limits.preferences)
        let flags = try reader.readUInt8()
        guard let sort = RouteSort(rawValue: flags >> 2) else { throw .invalidValue("flag") }
        self.init(
            buyer: buyer, request: request, model: model, promptTokens: promptTokens,
            maxTokens: maxTokens, input: try reader.readDigest())
        self.maxInputPrice = maxInputPrice
        self.maxOutputPrice = maxOutputPrice
        self.order = order
        self.only = only
        self.ignore = ignore
        allowFallbacks = flags & 1 != 0
        acceptsStatistical = flags & 2 != 0
        self.sort = sort
    }
}

extension Delivery: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(job)
        writer.write(attempt)
        writer.write(outputTokens)
        writer.write(output)
        writer.write(receipts)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            job: try reader.read(), attempt: try reader.readUInt32(),
            outputTokens: try reader.readUInt32(), output: try reader.readDigest(),
            receipts: try reader.readArray(limit: Limits.stages))
    }
}

extension ChainReference: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(chain)
        writer.write(block)
        writer.write(logIndex)
        writer.write(blockHash)
        writer.write(transaction)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            chain: try reader.readUInt64(), block: try reader.readUInt64(),
            logIndex: try reader.readUInt32(), blockHash: try reader.readDigest(),
            transaction: try reader.readDigest())
    }
}

extension ChainObservation: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .deposited(let account, let units): money(1, account, units, &writer)
        case .bonded(let account, let units): money(2, account, units, &writer)
        case .unbondRequested(let account, let units): money(3, account, units, &writer)
        case .bondWithdrawn(let account, let units): money(4, account, units, &writer)
        case .slashed(let account, let units, let burned, let verdict):
            money(5, account, units, &writer)
            writer.write(burned)
            writer.write(verdict)
        case .rootCommitted(let batch, let root):
            writer.write(UInt8(6))
            writer.write(batch)
            writer.write(root)
        case .claimed(let account, let asset, let units):
            money(7, account, units, &writer)
            writer.write(asset)
        case .dispersed(let name):
            writer.write(UInt8(8))
            writer.write(name)
        case .rootDisputed(let batch):
            writer.write(UInt8(9))
            writer.write(batch)
        case .slashReleased(let verdict):
            writer.write(UInt8(10))
            writer.write(verdict)
        case .channelMoved(let channel, let move):
            writer.write(UInt8(11))
            writer.write(channel)
            writer.write(move)
        case .channelClaimed(let channel, let total, let units):
            writer.write(UInt8(12))
            writer.write(channel)
            writer.write(total)
            writer.write(units)
        case .bondCut(let account, let units, let burned, let verdict):
            money(90, account, units, &writer)
            writer.write(burned)
            writer.write(verdict)
        case .rootDropped(let batch):
            writer.write(UInt8(91))
            writer.write(batch)
        }
    }

    private func money(
        _ tag: UInt8, _ account: EVMAddress, _ units: UInt128, _ writer: inout ByteWriter
    ) {
        writer.write(tag)
        writer.write(account)
        writer.write(units)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        let tag = try reader.readUInt8()
        switch tag {
        case 6:
            self = .rootCommitted(batch: try reader.read(), root: try reader.readDigest())
            return
        case 8:
            self = .dispersed(name: try reader.readDigest())
            return
        case 9:
            self = .rootDisputed(batch: try reader.read())
            return
        case 10:
            self = .slashReleased(verdict: try reader.readDigest())
            return
        case 11:
            self = .channelMoved(try reader.readDigest(), try reader.read())
            return
        case 12:
            self = .channelClaimed(
                try reader.readDigest(), total: try reader.readUInt128(),
                chainUnits: try reader.readUInt128())
            return
        case 91:
            self = .rootDropped(batch: try reader.read())
            return
        default: break
        }
        let account: EVMAddress = try reader.read()
        let units = try reader.readUInt128()
        switch tag {
        case 1: self = .deposited(account: account, chainUnits: units)
        case 2: self = .bonded(account: account, chainUnits: units)
        case 3: self = .unbondRequested(account: account, chainUnits: units)
        case 4: self = .bondWithdrawn(account: account, chainUnits: units)
        case 5:
            self = .slashed(
                account: account, chainUnits: units, burned: try reader.readUInt128(),
                verdict: try reader.readDigest())
        case 7: self = .claimed(account: account, asset: try reader.read(), chainUnits: units)
        case 90:
            self = .bondCut(
                account: account, chainUnits: units, burned: try reader.readUInt128(),
                verdict: try reader.readDigest())
        default: throw .invalidValue("chain observation")
        }
    }
}
