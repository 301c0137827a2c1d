/// A JSON value whose objects keep the order of their fields and whose numbers keep their spelling:
/// a schema's properties are written in its own order. Source: RFC 8259.
public indirect enum OrderedJSON: Hashable, Sendable {
    /// `null`.
    case null
    /// `true` or `false`.
    case bool(Bool)
    /// A number as it is spelled.
    case number(String)
    /// Text.
    case string(String)
    /// A list.
    case array([OrderedJSON])
    /// Names and values, each name once, in the text's order.
    case object([Field])

    /// A field of an object.
    public struct Field: Hashable, Sendable {
        /// Its name.
        public let name: String
        /// Its value.
        public let value: OrderedJSON
    }

    /// Lists and objects nested deeper are refused.
    public static let maximumDepth = 64

    /// Reads one value with nothing but white space around it.
    ///
    /// - Throws: `notJSON` and `tooLarge`.
    public init(_ text: some Sequence<UInt8>, maximumBytes: Int = 1 << 20) throws(SchemaError) {
        let bytes = Array(text)
        guard bytes.count <= maximumBytes else {
            throw SchemaError(.tooLarge, "\(bytes.count) bytes, at most \(maximumBytes)")
        }
        var reader = OrderedJSONReader(bytes)
        self = try reader.document()
    }

    /// The field of an object with this name; `nil` if there is none or this is no object.
    public subscript(name: String) -> OrderedJSON? {
        guard case .object(let fields) = self else { return nil }
        return fields.first { $0.name == name }?.value
    }

    /// The value as text without white space. Characters are escaped only where they must be.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        write(into: &bytes)
        return bytes
    }

    private func write(into bytes: inout [UInt8]) {
        switch self {
        case .null: bytes += "null".utf8
        case .bool(let flag): bytes += (flag ? "true" : "false").utf8
        case .number(let text): bytes += text.utf8
        case .string(let text): bytes += Self.quoted(text)
        case .array(let values):
            bytes.append(UInt8(ascii: "["))
            for (place, value) in values.enumerated() {
                if place > 0 { bytes.append(UInt8(ascii: ",")) }
                value.write(into: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        case .object(let fields):
            bytes.append(UInt8(ascii: "{"))
            for (place, field) in fields.enumerated() {
                if place > 0 { bytes.append(UInt8(ascii: ",")) }
                bytes += Self.quoted(field.name)
                bytes.append(UInt8(ascii: ":"))
                field.value.write(into: &bytes)
            }
            bytes.append(UInt8(ascii: "}"))
        }
    }

    /// A text in quotes, escaped where it must be.
    static func quoted(_ text: String) -> [UInt8] {
        var bytes = [UInt8(ascii: "\"")]
        for scalar in text.unicodeScalars {
            bytes += escape(scalar) ?? Array(String(scalar).utf8)
        }
        bytes.append(UInt8(ascii: "\""))
        return bytes
    }

    /// How a character that cannot stand in a JSON text by itself is written; `nil` for others.
    static func escape(_ scalar: Unicode.Scalar) -> [UInt8]? {
        switch scalar.value {
        case 0x22: return Array("\\\"".utf8)
        case 0x5c: return Array("\\\\".utf8)
        case 0x08: return Array("\\b".utf8)
        case 0x09: return Array("\\t".utf8)
        case 0x0a: return Array("\\n".utf8)
        case 0x0c: return Array("\\f".utf8)
        case 0x0d: return Array("\\r".utf8)
        case 0..<0x20:
            let digits = String(scalar.value, radix: 16)
            return Array("\\u".utf8) + Array(repeating: 0x30, count: 4 - digits.utf8.count)
                + Array(digits.utf8)
        default: return nil
        }
    }
}

/// Reads JSON text strictly and to a bounded depth.
private struct OrderedJSONReader {
    private let bytes: [UInt8]
    private var place = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    private var next: UInt8? { place < bytes.count ? bytes[place] : nil }

    private func fault(_ what: String) -> SchemaError {
        SchemaError(.notJSON, "\(what) at byte \(place)")
    }

    mutating func document() throws(SchemaError) -> OrderedJSON {
        let value = try value(depth: 0)
        skipSpace()
        if next != nil { throw fault("something after the value") }
        return value
    }

    private mutating func skipSpace() {
        while let byte = next, [0x20, 0x09, 0x0a, 0x0d].contains(byte) { place += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        skipSpace()
        guard next == byte else { return false }
        place += 1
        return true
    }

    private mutating func value(depth: Int) throws(SchemaError) -> OrderedJSON {
        skipSpace()
        guard depth <= OrderedJSON.maximumDepth else {
            throw SchemaError(.tooLarge, "nested deeper than \(OrderedJSON.maximumDepth)")
        }
        switch next {
        case UInt8(ascii: "{"): return .object(try fields(depth: depth + 1))
        case UInt8(ascii: "["): return .array(try elements(depth: depth + 1))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return .number(try number())
        }
    }

    private mutating func word(
        _ word: String, _ value: OrderedJSON
    ) throws(SchemaError) -> OrderedJSON {
        guard bytes[place...].starts(with: word.utf8) else { throw fault("no value") }
        place += word.utf8.count
        return value
    }

    private mutating func fields(depth: Int) throws(SchemaError) -> [OrderedJSON.Field] {
        place += 1
        var fields: [OrderedJSON.Field] = []
        var names: Set<[UInt8]> = []
        if take(UInt8(ascii: "}")) { return fields }
        repeat {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw fault("no name") }
            let name = try string()
            // By bytes: String's equality would take two spellings of a letter for one name.
            guard names.insert(Array(name.utf8)).inserted else {
                throw fault("a name stands twice")
            }
            guard take(UInt8(ascii: ":")) else { throw fault("no colon") }
            fields.append(OrderedJSON.Field(name: name, value: try value(depth: depth)))
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "}")) else { throw fault("no end of the object") }
        return fields
    }

    private mutating func elements(depth: Int) throws(SchemaError) -> [OrderedJSON] {
        place += 1
        var values: [OrderedJSON] = []
        if take(UInt8(ascii: "]")) { return values }
        repeat { values.append(try value(depth: depth)) } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "]")) else { throw fault("no end of the list") }
        return values
    }

    private mutating func number() throws(SchemaError) -> String {
        let start = place
        if next == UInt8(ascii: "-") { place += 1 }
        let leads = next
        let whole = digits()
        guard whole > 0, leads != UInt8(ascii: "0") || whole == 1 else { throw fault("no value") }
        if next == UInt8(ascii: ".") {
            place += 1
            if digits() == 0 { throw fault("no digit after the point") }
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            place += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { place += 1 }
            if digits() == 0 { throw fault("no digit in the exponent") }
        }
        return String(decoding: bytes[start..<place], as: UTF8.self)
    }

    private mutating func digits() -> Int {
        let start = place
        while let byte = next, (0x30...0x39).contains(byte) { place += 1 }
        return place - start
    }

    private mutating func string() throws(SchemaError) -> String {
        place += 1
        var text: [UInt8] = []
        while let byte = next {
            place += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw fault("text that is not UTF-8")
                }
                return string
            case UInt8(ascii: "\\"): text += String(try escaped()).utf8
            case 0..<0x20: throw fault("a control character")
            default: text.append(byte)
            }
        }
        throw fault("no end of the text")
    }

    private mutating func escaped() throws(SchemaError) -> Unicode.Scalar {
        let byte = next
        place += 1
        switch byte {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            let high = try fourDigits()
            if let scalar = Unicode.Scalar(high) { return scalar }
            guard high < 0xdc00, bytes[min(place, bytes.count)...].starts(with: "\\u".utf8) else {
                throw fault("half a character")
            }
            place += 2
            let low = try fourDigits()
            guard (0xdc00..<0xe000).contains(low),
                let scalar = Unicode.Scalar(0x10000 + (high - 0xd800) << 10 + (low - 0xdc00))
            else { throw fault("half a character") }
            return scalar
        default: throw fault("an unknown escape")
        }
    }

    private mutating func fourDigits() throws(SchemaError) -> UInt32 {
        guard place + 4 <= bytes.count,
            bytes[place..<place + 4].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let value = UInt32(String(decoding: bytes[place..<place + 4], as: UTF8.self), radix: 16)
        else { throw fault("no four hexadecimal digits") }
        place += 4
        return value
    }
}
