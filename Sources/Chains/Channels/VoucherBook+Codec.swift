public import Primitives

extension ChannelSighting: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(deposit)
        writer.write(claimed)
        writer.write(height)
        switch phase {
        case .open: writer.write(UInt8(0))
        case .closing(let deadline):
            writer.write(UInt8(1))
            writer.write(UInt64(bitPattern: deadline))
        case .closed: writer.write(UInt8(2))
        }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        let deposit = try reader.readUInt128()
        let claimed = try reader.readUInt128()
        let height = try reader.readUInt64()
        let phase: ChannelPhase
        switch try reader.readUInt8() {
        case 0: phase = .open
        case 1: phase = .closing(deadline: Int64(bitPattern: try reader.readUInt64()))
        case 2: phase = .closed
        default: throw .invalidValue("phase")
        }
        self.init(deposit: deposit, claimed: claimed, phase: phase, height: height)
    }
}

extension ChannelClaim.Row: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(voucher)
        writer.write(total)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(try reader.read(), total: try reader.readUInt128())
    }
}

extension ChannelClaim: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(id)
        writer.write(rows)
        writer.write(attempt)
        writer.write(transaction)
        writer.write(lastHeight)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            id: try reader.readDigest(), rows: try reader.readArray(limit: 4_096),
            attempt: try reader.readUInt32(), transaction: try reader.readBytes(limit: 4_096),
            lastHeight: try reader.readUInt64())
    }
}

extension VoucherInput: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .opened(let terms, let sighting):
            writer.write(UInt8(1))
            writer.write(terms)
            writer.write(sighting)
        case .seen(let channel, let sighting):
            writer.write(UInt8(2))
            writer.write(channel)
            writer.write(sighting)
        case .accepted(let voucher, let price):
            writer.write(UInt8(3))
            writer.write(voucher)
            writer.write(price)
        case .spent(let channel, let amount):
            writer.write(UInt8(4))
            writer.write(channel)
            writer.write(amount)
        case .claiming(let claim):
            writer.write(UInt8(5))
            writer.write(claim)
        case .ended(let id, let isSettled):
            writer.write(UInt8(6))
            writer.write(id)
            writer.write(isSettled)
        case .tick: writer.write(UInt8(7))
        }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        switch try reader.readUInt8() {
        case 1: self = .opened(try reader.read(), try reader.read())
        case 2: self = .seen(try reader.readDigest(), try reader.read())
        case 3: self = .accepted(try reader.read(), spends: try reader.readUInt128())
        case 4: self = .spent(try reader.readDigest(), try reader.readUInt128())
        case 5: self = .claiming(try reader.read())
        case 6: self = .ended(try reader.readDigest(), isSettled: try reader.readBool())
        case 7: self = .tick
        default: throw .invalidValue("input")
        }
    }
}

extension VoucherEntry: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(terms)
        writer.write(sighting)
        writer.write(best)
        writer.write(lasting)
        writer.write(spent)
        writer.write(UInt64(bitPattern: unclaimedSince))
        writer.write(UInt64(bitPattern: retryAt))
        writer.write(raised)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        terms = try reader.read()
        sighting = try reader.read()
        best = try reader.readOptional()
        lasting = try reader.readOptional()
        spent = try reader.readUInt128()
        unclaimedSince = Int64(bitPattern: try reader.readUInt64())
        retryAt = Int64(bitPattern: try reader.readUInt64())
        raised = try reader.readUInt8()
    }
}

extension VoucherBook {
    /// All channels and claims, in the order of their ids, after a version.
    public var stateBytes: [UInt8] {
        var writer = ByteWriter()
        writer.write(UInt8(1))
        writer.write(channels.compactMap { entries[$0] })
        writer.write(openClaims)
        return writer.bytes
    }

    /// The book of a state; throws if it is not one that a book writes.
    public init(policy: VoucherPolicy, stateBytes: [UInt8]) throws(CodecError) {
        self.init(policy: policy)
        var reader = ByteReader(stateBytes)
        guard try reader.readUInt8() == 1 else { throw .invalidValue("version") }
        for entry in try reader.readArray(of: VoucherEntry.self, limit: policy.maximumChannels) {
            let id = entry.terms.id
            guard entries.updateValue(entry, forKey: id) == nil else {
                throw .invalidValue("twice")
            }
            if hasDeadline(entry) { watched.insert(id) }
        }
        for claim in try reader.readArray(of: ChannelClaim.self, limit: policy.maximumChannels) {
            claims[claim.id] = claim
            for row in claim.rows { entries[row.voucher.channel]?.claim = claim.id }
        }
        try reader.finish()
    }
}
