import Primitives

extension NonceLane: CanonicalCodable {
    func encode(into writer: inout ByteWriter) {
        writer.write(address)
        writer.writeOptional(first)
        writer.write(slots)
        writer.write(count)
        writer.write(balance)
        writer.write(isBalanceLow)
        writer.write(shortfall)
        writer.write(aside)
        writer.write(Array(waitingIntents))
    }

    init(from reader: inout ByteReader) throws(CodecError) {
        self.init(address: try reader.read())
        first = try reader.readOptionalUInt64()
        slots = try reader.readArray(limit: EVMObservation.maximumTransactions)
        count = try reader.readUInt64()
        balance = try reader.readUInt128()
        isBalanceLow = try reader.readBool()
        shortfall = try reader.readUInt128()
        aside = try reader.readArray(limit: EVMObservation.maximumTransactions)
        for intent: EVMIntent in try reader.readArray(limit: .max) { enqueue(intent) }
        for (place, slot) in slots.enumerated()
        where first.map({ slot.nonce != $0 + UInt64(place) }) ?? true {
            throw .invalidValue("nonce")
        }
    }
}

extension NonceSlot: CanonicalCodable {
    func encode(into writer: inout ByteWriter) {
        writer.write(nonce)
        writer.write(intent)
        writer.write(gasLimit)
        writer.write(reservedAt)
        writer.write(filling)
        writer.write(pendingFees)
        writer.write(attempts)
        writer.write(raw)
        writer.write(signedAt)
        writer.write(actedAt)
        writer.write(wantsBump)
        writer.write(refusals)
        writer.write(missingLooks)
        writer.write(inclusion)
        writer.write(reported)
        writer.write(isOverLimit)
        writer.write(isFinal)
    }

    init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            nonce: try reader.readUInt64(), intent: try reader.readOptional(),
            gasLimit: try reader.readUInt64(), reservedAt: try reader.read(),
            filling: try reader.readOptional(), pendingFees: try reader.readOptional(),
            attempts: try reader.readArray(limit: 1 << 16),
            raw: try reader.readBytes(limit: 1 << 20), signedAt: try reader.read(),
            actedAt: try reader.read(), wantsBump: try reader.readBool(),
            refusals: try reader.readUInt32(), missingLooks: try reader.readUInt32(),
            inclusion: try reader.readOptional(), reported: try reader.readOptional(),
            isOverLimit: try reader.readBool(), isFinal: try reader.readBool())
    }
}

extension SignedAttempt: CanonicalCodable {
    func encode(into writer: inout ByteWriter) {
        writer.write(hash)
        writer.write(fees)
        writer.write(isFiller)
    }

    init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            hash: try reader.readDigest(), fees: try reader.read(),
            isFiller: try reader.readBool())
    }
}

extension FillReason: CanonicalCodable {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .gap: writer.write(UInt8(1))
        case .cancelled: writer.write(UInt8(2))
        case .refused(let words):
            writer.write(UInt8(3))
            writer.write(words)
        case .declined(let words):
            writer.write(UInt8(4))
            writer.write(words)
        }
    }

    init(from reader: inout ByteReader) throws(CodecError) {
        switch try reader.readUInt8() {
        case 1: self = .gap
        case 2: self = .cancelled
        case 3: self = .refused(try reader.readString(limit: EVMManager.maximumText))
        case 4: self = .declined(try reader.readString(limit: EVMManager.maximumText))
        default: throw .invalidValue("filling")
        }
    }
}

extension IntentAside: CanonicalCodable {
    func encode(into writer: inout ByteWriter) {
        writer.write(intent)
        writer.write(gas)
        writer.write(askedAt)
        writer.write(isOverLimit)
    }

    init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            intent: try reader.read(), gas: try reader.readUInt64(), askedAt: try reader.read(),
            isOverLimit: try reader.readBool())
    }
}
