import Cryptography
public import Primitives

/// A value of a contract parameter.
public indirect enum ABIValue: Hashable, Sendable {
    /// A number of any width.
    case uint(UInt256)
    /// True or false.
    case bool(Bool)
    /// An account.
    case address(EVMAddress)
    /// 32 bytes.
    case bytes32(Digest)
    /// Bytes.
    case bytes([UInt8])
    /// Text.
    case string(String)
    /// Elements of one type.
    case array([ABIValue])
    /// Fields in order.
    case tuple([ABIValue])

    /// A number.
    public static func uint(_ value: UInt128) -> ABIValue { .uint(UInt256(low: value)) }

    /// The number, if it is one and fits 128 bits.
    public func uint128(_ name: String) throws(ABIError) -> UInt128 {
        guard case .uint(let value) = self, let number = value.exactly128 else {
            throw .overflow(name)
        }
        return number
    }

    /// The number, or the greatest of 128 bits if it is greater: where whoever says it is bound by
    /// nothing, and nobody pays it.
    func clamped128(_ name: String) throws(ABIError) -> UInt128 {
        guard case .uint(let value) = self else { throw .overflow(name) }
        return value.exactly128 ?? .max
    }

    /// The number, if it is one and fits 64 bits.
    public func uint64(_ name: String) throws(ABIError) -> UInt64 {
        guard case .uint(let value) = self, let number = value.exactly64 else {
            throw .overflow(name)
        }
        return number
    }

    /// The address, if it is one.
    public func address(_ name: String) throws(ABIError) -> EVMAddress {
        guard case .address(let value) = self else { throw .badArgument(name) }
        return value
    }

    /// The 32 bytes, if it is that.
    public func digest(_ name: String) throws(ABIError) -> Digest {
        guard case .bytes32(let value) = self else { throw .badArgument(name) }
        return value
    }

    /// The flag, if it is one.
    public func flag(_ name: String) throws(ABIError) -> Bool {
        guard case .bool(let value) = self else { throw .badArgument(name) }
        return value
    }
}

/// Writes values the way contracts read their arguments.
public enum ABIEncoder {
    /// The encoding of values of these types, as the arguments of one call.
    public static func encode(
        _ values: [ABIValue], as types: [ABIType]
    ) throws(ABIError) -> [UInt8] {
        guard values.count == types.count else {
            throw .badArgument("\(values.count) arguments for \(types.count) parameters")
        }
        var head: [UInt8] = []
        var tail: [UInt8] = []
        let headBytes = types.reduce(0) { $0 + $1.headBytes }
        for (value, type) in zip(values, types) {
            let encoded = try encode(value, as: type)
            if type.isDynamic {
                head += number(headBytes + tail.count)
                tail += encoded
            } else {
                head += encoded
            }
        }
        return head + tail
    }

    private static func encode(_ value: ABIValue, as type: ABIType) throws(ABIError) -> [UInt8] {
        switch (value, type) {
        case (.uint(let number), .uint(let bits)):
            guard fits(number, bits: bits) else { throw .badArgument("a number over uint\(bits)") }
            return number.word.bytes
        case (.bool(let flag), .bool): return number(flag ? 1 : 0)
        case (.address(let address), .address): return EIP712.word(address).bytes
        case (.bytes32(let word), .bytes32): return word.bytes
        case (.bytes(let bytes), .bytes): return counted(bytes)
        case (.string(let text), .string): return counted(Array(text.utf8))
        case (.array(let elements), .array(let element)):
            let types = [ABIType](repeating: element, count: elements.count)
            return number(elements.count) + (try encode(elements, as: types))
        case (.tuple(let fields), .tuple(let types)): return try encode(fields, as: types)
        default: throw .badArgument(type.signature)
        }
    }

    static func fits(_ number: UInt256, bits: Int) -> Bool {
        if bits >= 256 { return true }
        if bits > 128 { return number.high >> UInt128(bits - 128) == 0 }
        return number.high == 0 && (bits == 128 || number.low >> UInt128(bits) == 0)
    }

    private static func number(_ value: Int) -> [UInt8] {
        UInt256(low: UInt128(value)).word.bytes
    }

    private static func counted(_ bytes: [UInt8]) -> [UInt8] {
        let padding = (32 - bytes.count % 32) % 32
        return number(bytes.count) + bytes + [UInt8](repeating: 0, count: padding)
    }
}
