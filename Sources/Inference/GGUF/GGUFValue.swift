/// One metadata value of a model file. Whole numbers of every width read as 64 bits, both float
/// widths as doubles; arrays hold one kind.
public enum GGUFValue: Hashable, Sendable {
    /// A whole number that is not negative.
    case unsigned(UInt64)
    /// A whole number of a signed type.
    case signed(Int64)
    /// A 32- or 64-bit float.
    case float(Double)
    /// A flag.
    case flag(Bool)
    /// Text.
    case text(String)
    /// An array of whole numbers, flags (0 or 1) included.
    case integers([Int64])
    /// An array of floats.
    case floats([Double])
    /// An array of texts.
    case texts([String])

    /// The number as a non-negative `Int`, or `nil`.
    public var count: Int? {
        switch self {
        case .unsigned(let value): Int(exactly: value)
        case .signed(let value): value >= 0 ? Int(exactly: value) : nil
        default: nil
        }
    }

    /// How people see it: arrays as their length.
    public var summary: String {
        switch self {
        case .unsigned(let value): "\(value)"
        case .signed(let value): "\(value)"
        case .float(let value): "\(value)"
        case .flag(let value): "\(value)"
        case .text(let value): value
        case .integers(let values): "[\(values.count) integers]"
        case .floats(let values): "[\(values.count) floats]"
        case .texts(let values): "[\(values.count) texts]"
        }
    }
}

/// The type numbers of the GGUF format.
enum GGUFValueType: UInt32 {
    case uint8 = 0
    case int8 = 1
    case uint16 = 2
    case int16 = 3
    case uint32 = 4
    case int32 = 5
    case float32 = 6
    case flag = 7
    case text = 8
    case array = 9
    case uint64 = 10
    case int64 = 11
    case float64 = 12

    /// The least bytes one value takes.
    var leastBytes: Int {
        switch self {
        case .uint8, .int8, .flag: 1
        case .uint16, .int16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64, .text: 8
        case .array: 12
        }
    }
}

extension GGUFCursor {
    /// Reads one metadata value of the type that comes first.
    mutating func value(of key: String) throws(ModelError) -> GGUFValue {
        let type = try valueType(of: key)
        return type == .array ? try array(of: key) : try single(type, of: key)
    }

    private mutating func valueType(of key: String) throws(ModelError) -> GGUFValueType {
        let number = try integer(UInt32.self, of: key)
        guard let type = GGUFValueType(rawValue: number) else {
            throw ModelError(.unknownValueType, "\(key): type \(number)")
        }
        return type
    }

    private mutating func single(
        _ type: GGUFValueType, of key: String
    ) throws(ModelError) -> GGUFValue {
        switch type {
        case .uint8: .unsigned(UInt64(try integer(UInt8.self, of: key)))
        case .uint16: .unsigned(UInt64(try integer(UInt16.self, of: key)))
        case .uint32: .unsigned(UInt64(try integer(UInt32.self, of: key)))
        case .uint64: .unsigned(try integer(UInt64.self, of: key))
        case .int8: .signed(Int64(try integer(Int8.self, of: key)))
        case .int16: .signed(Int64(try integer(Int16.self, of: key)))
        case .int32: .signed(Int64(try integer(Int32.self, of: key)))
        case .int64: .signed(try integer(Int64.self, of: key))
        case .float32: .float(Double(Float(bitPattern: try integer(UInt32.self, of: key))))
        case .float64: .float(Double(bitPattern: try integer(UInt64.self, of: key)))
        case .flag: .flag(try flag(of: key))
        case .text: .text(try text(limit: Limit.textBytes, of: key))
        case .array: throw ModelError(.nestedArray, key)
        }
    }

    private mutating func array(of key: String) throws(ModelError) -> GGUFValue {
        let type = try valueType(of: key)
        if type == .array { throw ModelError(.nestedArray, key) }
        let count = try elementCount(leastBytes: type.leastBytes, of: key)
        var integers: [Int64] = []
        var floats: [Double] = []
        var texts: [String] = []
        for _ in 0..<count {
            switch try single(type, of: key) {
            case .unsigned(let value):
                guard let value = Int64(exactly: value) else {
                    throw ModelError(.limitExceeded, "\(key): \(value)")
                }
                integers.append(value)
            case .signed(let value): integers.append(value)
            case .flag(let value): integers.append(value ? 1 : 0)
            case .float(let value): floats.append(value)
            case .text(let value): texts.append(value)
            case .integers, .floats, .texts: throw ModelError(.nestedArray, key)
            }
        }
        switch type {
        case .text: return .texts(texts)
        case .float32, .float64: return .floats(floats)
        default: return .integers(integers)
        }
    }
}
