public import Primitives

extension EVMQuestion: CanonicalCodable {
    /// The fields in order.
    public func encode(into writer: inout ByteWriter) {
        writer.writeOptional(finalHeight)
        writer.writeOptional(anchorHeight)
        writer.write(lanes)
        writer.writeDigests(transactions)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            finalHeight: try reader.readOptionalUInt64(),
            anchorHeight: try reader.readOptionalUInt64(),
            lanes: try reader.readArray(limit: EVMObservation.maximumLanes),
            transactions: try reader.readDigests(limit: EVMObservation.maximumTransactions))
    }
}

extension EVMAccountAnswer: CanonicalCodable {
    /// The fields in order.
    public func encode(into writer: inout ByteWriter) {
        writer.write(count)
        writer.write(pendingCount)
        writer.writeOptional(finalCount)
        writer.write(balance)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            count: try reader.readUInt64(), pendingCount: try reader.readUInt64(),
            finalCount: try reader.readOptionalUInt64(), balance: try reader.readUInt128())
    }
}

extension EVMReceiptView: CanonicalCodable {
    /// A byte for the case, then what it carries.
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .absent: writer.write(UInt8(1))
        case .included(let inclusion, let head, let finalized):
            writer.write(UInt8(2))
            writer.write(inclusion)
            writer.write(head)
            writer.writeOptional(finalized)
        case .unknown: writer.write(UInt8(3))
        }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        switch try reader.readUInt8() {
        case 1: self = .absent
        case 2:
            self = .included(
                try reader.read(), head: try reader.readUInt64(),
                finalized: try reader.readOptionalUInt64())
        case 3: self = .unknown
        default: throw .invalidValue("receipt")
        }
    }
}

extension EVMObservation: CanonicalCodable {
    static let maximumLanes = 1 << 16
    static let maximumTransactions = 1 << 20

    /// The fields in order; the answers have no counts of their own, the question has them.
    public func encode(into writer: inout ByteWriter) {
        writer.write(question)
        writer.write(head)
        writer.writeOptional(finalized)
        writer.writeOptional(finalHash)
        writer.writeOptional(anchorHash)
        writer.write(market)
        for account in accounts { writer.write(account) }
        for receipt in receipts { writer.write(receipt) }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        let question: EVMQuestion = try reader.read()
        let head = try reader.readUInt64()
        let finalized = try reader.readOptionalUInt64()
        let finalHash = try reader.readOptionalDigest()
        let anchorHash = try reader.readOptionalDigest()
        let market: EVMFeeMarket = try reader.read()
        var accounts: [EVMAccountAnswer] = []
        for _ in question.lanes { accounts.append(try reader.read()) }
        var receipts: [EVMReceiptView] = []
        for _ in question.transactions { receipts.append(try reader.read()) }
        self.init(
            question: question, head: head, finalized: finalized, finalHash: finalHash,
            anchorHash: anchorHash, market: market, accounts: accounts, receipts: receipts)
    }
}

extension ByteWriter {
    mutating func writeOptional(_ value: UInt64?) {
        write(value != nil)
        if let value { write(value) }
    }

    mutating func writeOptional(_ value: Digest?) {
        write(value != nil)
        if let value { write(value) }
    }

    mutating func writeDigests(_ values: [Digest]) {
        write(UInt32(values.count))
        for value in values { write(value) }
    }
}

extension ByteReader {
    mutating func readOptionalUInt64() throws(CodecError) -> UInt64? {
        try readBool() ? try readUInt64() : nil
    }

    mutating func readOptionalDigest() throws(CodecError) -> Digest? {
        try readBool() ? try readDigest() : nil
    }

    mutating func readDigests(limit: Int) throws(CodecError) -> [Digest] {
        let count = try readCount(limit: limit)
        var values: [Digest] = []
        for _ in 0..<count { values.append(try readDigest()) }
        return values
    }
}
