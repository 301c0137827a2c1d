public import Primitives

extension EVMIntent: CanonicalCodable {
    /// The fields in order.
    public func encode(into writer: inout ByteWriter) {
        writer.write(id)
        writer.write(from)
        writer.write(to)
        writer.write(value)
        writer.write(data)
        writer.write(gasLimit)
        writer.write(feeLimit)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            id: try reader.readDigest(), from: try reader.read(), to: try reader.read(),
            value: try reader.readUInt128(),
            data: try reader.readBytes(limit: EVMIntent.maximumData),
            gasLimit: try reader.readUInt64(), feeLimit: try reader.readUInt128())
    }
}

extension EVMInclusion: CanonicalCodable {
    /// The second bit of the byte that says whether it succeeded: a rollup's fee follows at the
    /// end. Without one the bytes are those of before there were fees.
    private static let hasRollupFee: UInt8 = 2

    /// The fields in order.
    public func encode(into writer: inout ByteWriter) {
        writer.write(transaction)
        writer.write(blockNumber)
        writer.write(blockHash)
        writer.write(index)
        writer.write((succeeded ? 1 : 0) | (rollupFee > 0 ? Self.hasRollupFee : 0))
        writer.write(gasUsed)
        writer.write(gasPrice)
        if rollupFee > 0 { writer.write(rollupFee) }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        let transaction = try reader.readDigest()
        let blockNumber = try reader.readUInt64()
        let blockHash = try reader.readDigest()
        let index = try reader.readUInt64()
        let flags = try reader.readUInt8()
        guard flags < 2 * Self.hasRollupFee else { throw .invalidValue("flags") }
        let gasUsed = try reader.readUInt64()
        let gasPrice = try reader.readUInt128()
        let hasFee = flags & Self.hasRollupFee != 0
        let fee = hasFee ? try reader.readUInt128() : 0
        guard hasFee == (fee > 0) else { throw .invalidValue("fee") }
        self.init(
            transaction: transaction, blockNumber: blockNumber, blockHash: blockHash,
            index: index, succeeded: flags & 1 != 0, gasUsed: gasUsed, gasPrice: gasPrice,
            rollupFee: fee)
    }
}

extension EVMIntentOutcome: CanonicalCodable {
    /// A byte for the case, then what it carries.
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .submitted(let hash):
            writer.write(UInt8(1))
            writer.write(hash)
        case .settled(let inclusion):
            writer.write(UInt8(2))
            writer.write(inclusion)
        case .failed(let failure):
            writer.write(UInt8(3))
            writer.write(failure)
        case .unknown:
            writer.write(UInt8(4))
        }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        switch try reader.readUInt8() {
        case 1: self = .submitted(try reader.readDigest())
        case 2: self = .settled(try reader.read())
        case 3: self = .failed(try reader.read())
        case 4: self = .unknown
        default: throw .invalidValue("outcome")
        }
    }
}

extension EVMIntentFailure: CanonicalCodable {
    /// A byte for the case, then what it carries.
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .reverted(let inclusion):
            writer.write(UInt8(1))
            writer.write(inclusion)
        case .wouldRevert(let text):
            writer.write(UInt8(2))
            writer.write(text)
        case .cancelled: writer.write(UInt8(3))
        case .refused(let text):
            writer.write(UInt8(4))
            writer.write(text)
        case .replaced: writer.write(UInt8(5))
        case .declined(let text):
            writer.write(UInt8(6))
            writer.write(text)
        }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        switch try reader.readUInt8() {
        case 1: self = .reverted(try reader.read())
        case 2: self = .wouldRevert(try reader.readString(limit: EVMManager.maximumText))
        case 3: self = .cancelled
        case 4: self = .refused(try reader.readString(limit: EVMManager.maximumText))
        case 5: self = .replaced
        case 6: self = .declined(try reader.readString(limit: EVMManager.maximumText))
        default: throw .invalidValue("failure")
        }
    }
}

extension EVMFees: CanonicalCodable {
    /// Tip, then cap.
    public func encode(into writer: inout ByteWriter) {
        writer.write(tip)
        writer.write(cap)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(tip: try reader.readUInt128(), cap: try reader.readUInt128())
    }
}

extension EVMFeeMarket: CanonicalCodable {
    /// Base fee, then tip.
    public func encode(into writer: inout ByteWriter) {
        writer.write(baseFee)
        writer.write(tip)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(baseFee: try reader.readUInt128(), tip: try reader.readUInt128())
    }
}
