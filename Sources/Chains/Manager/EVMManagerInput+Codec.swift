public import Primitives

extension EVMManagerInput: CanonicalCodable {
    /// A byte for the case, then what it carries: a line of a log of inputs, to which the log adds
    /// the time.
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .openLane(let address):
            writer.write(UInt8(1))
            writer.write(address)
        case .submit(let intent):
            writer.write(UInt8(2))
            writer.write(intent)
        case .cancel(let id):
            writer.write(UInt8(3))
            writer.write(id)
        case .estimated(let id, let gas):
            writer.write(UInt8(4))
            writer.write(id)
            writer.write(gas)
        case .estimateReverted(let id, let text):
            writer.write(UInt8(5))
            writer.write(id)
            writer.write(text)
        case .signed(let transaction):
            writer.write(UInt8(6))
            writer.write(transaction)
        case .answered(let hash, let answer, let text):
            writer.write(UInt8(7))
            writer.write(hash)
            writer.write(answer.rawValue)
            writer.write(text)
        case .observed(let observation):
            writer.write(UInt8(8))
            writer.write(observation)
        case .unanswered: writer.write(UInt8(9))
        case .acknowledged(let id, let outcome):
            writer.write(UInt8(10))
            writer.write(id)
            writer.write(outcome)
        case .tick: writer.write(UInt8(11))
        case .restarted: writer.write(UInt8(12))
        case .resumed: writer.write(UInt8(13))
        case .configured(let policy):
            writer.write(UInt8(14))
            writer.write(policy)
        case .retireLane(let address):
            writer.write(UInt8(15))
            writer.write(address)
        case .declined(let draft, let address, let nonce, let words):
            writer.write(UInt8(16))
            writer.write(draft)
            writer.write(address)
            writer.write(nonce)
            writer.write(words)
        }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        switch try reader.readUInt8() {
        case 1: self = .openLane(try reader.read())
        case 2: self = .submit(try reader.read())
        case 3: self = .cancel(try reader.readDigest())
        case 4: self = .estimated(try reader.readDigest(), gas: try reader.readUInt64())
        case 5:
            self = .estimateReverted(
                try reader.readDigest(), try reader.readString(limit: EVMManager.maximumText))
        case 6: self = .signed(try reader.read())
        case 7:
            let hash = try reader.readDigest()
            guard let answer = BroadcastAnswer(rawValue: try reader.readUInt8()) else {
                throw .invalidValue("answer")
            }
            self = .answered(
                transaction: hash, answer, try reader.readString(limit: EVMManager.maximumText))
        case 8: self = .observed(try reader.read())
        case 9: self = .unanswered
        case 10: self = .acknowledged(try reader.readDigest(), try reader.read())
        case 11: self = .tick
        case 12: self = .restarted
        case 13: self = .resumed
        case 14: self = .configured(try reader.read())
        case 15: self = .retireLane(try reader.read())
        case 16:
            self = .declined(
                draft: try reader.readDigest(), by: try reader.read(),
                nonce: try reader.readUInt64(),
                try reader.readString(limit: EVMManager.maximumText))
        default: throw .invalidValue("input")
        }
    }
}
