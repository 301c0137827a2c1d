import Primitives

/// Reads values a contract wrote, and refuses whatever an encoder would not have written inside a
/// word: set padding, flags other than 0 and 1, numbers over their width. Offsets may point to the
/// same place again and again, so what is read in all is limited too.
public struct ABIDecoder: Sendable {
    private let data: [UInt8]
    /// How many bytes may still be read, those that are read twice counted twice.
    private var budget = 2 * maximumBytes
    private static let maximumBytes = 4 << 20
    private static let maximumElements = 65_536

    private init(_ data: [UInt8]) { self.data = data }

    /// Values of these types from the result of one call or the data of one event. Bytes after the
    /// values are ignored, as contracts themselves do.
    public static func decode(
        _ data: [UInt8], as types: [ABIType]
    ) throws(ABIError) -> [ABIValue] {
        guard data.count <= maximumBytes else { throw .tooLarge }
        var decoder = ABIDecoder(data)
        return try decoder.fields(types, base: 0)
    }

    /// A value of a type that stands in one word.
    static func decodeWord(_ word: Digest, as type: ABIType) throws(ABIError) -> ABIValue {
        guard !type.isDynamic, type.headBytes == 32 else { throw .badArgument(type.signature) }
        var decoder = ABIDecoder(word.bytes)
        return try decoder.value(type, at: 0)
    }

    private mutating func fields(_ types: [ABIType], base: Int) throws(ABIError) -> [ABIValue] {
        var values: [ABIValue] = []
        var place = base
        for type in types {
            if type.isDynamic {
                let offset = try size(at: place)
                guard offset <= data.count - base else { throw .truncated }
                values.append(try value(type, at: base + offset))
            } else {
                values.append(try value(type, at: place))
            }
            place += type.headBytes
        }
        return values
    }

    private mutating func value(_ type: ABIType, at place: Int) throws(ABIError) -> ABIValue {
        switch type {
        case .uint(let bits):
            let number = UInt256(try word(at: place))
            guard ABIEncoder.fits(number, bits: bits) else { throw .notCanonical }
            return .uint(number)
        case .bool:
            let number = UInt256(try word(at: place))
            guard number.high == 0, number.low <= 1 else { throw .notCanonical }
            return .bool(number.low == 1)
        case .address:
            let bytes = try word(at: place).bytes
            guard bytes.prefix(12).allSatisfy({ $0 == 0 }), let address = EVMAddress(bytes[12...])
            else { throw .notCanonical }
            return .address(address)
        case .bytes32: return .bytes32(try word(at: place))
        case .bytes: return .bytes(try counted(at: place))
        case .string:
            let bytes = try counted(at: place)
            guard let text = String(validating: bytes, as: UTF8.self) else { throw .notCanonical }
            return .string(text)
        case .array(let element):
            let count = try size(at: place)
            guard count <= Self.maximumElements else { throw .tooLarge }
            guard count * element.headBytes <= data.count - place - 32 else { throw .truncated }
            let types = [ABIType](repeating: element, count: count)
            return .array(try fields(types, base: place + 32))
        case .tuple(let types): return .tuple(try fields(types, base: place))
        }
    }

    private mutating func word(at place: Int) throws(ABIError) -> Digest {
        guard place >= 0, place <= data.count - 32, let word = Digest(data[place..<place + 32])
        else { throw .truncated }
        try spend(32)
        return word
    }

    private mutating func spend(_ bytes: Int) throws(ABIError) {
        guard bytes <= budget else { throw .tooLarge }
        budget -= bytes
    }

    /// An offset or a count: a number that data of our size could hold.
    private mutating func size(at place: Int) throws(ABIError) -> Int {
        guard let number = UInt256(try word(at: place)).exactly64, number <= Self.maximumBytes
        else { throw .truncated }
        return Int(number)
    }

    private mutating func counted(at place: Int) throws(ABIError) -> [UInt8] {
        let count = try size(at: place)
        let padded = (count + 31) / 32 * 32
        guard padded <= data.count - place - 32 else { throw .truncated }
        try spend(padded)
        let start = place + 32
        guard data[start + count..<start + padded].allSatisfy({ $0 == 0 }) else {
            throw .notCanonical
        }
        return Array(data[start..<start + count])
    }
}
