/// Reads JSON text (RFC 8259) of a known shape in one pass, strictly: no second spelling of a
/// number, no field twice, valid UTF-8 and nothing after the end. What does not fit the shape is
/// refused where it is found, so nothing is ever nested deeper than the shape.
struct JSONReader {
    private let bytes: [UInt8]
    private var place = 0
    /// The field that is read, for faults.
    private var list = ""
    private var event: Int?
    private var field = ""

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    // MARK: Lists of events

    /// Reads `{"NAME": [...]}` or just the list; each element with `element`.
    mutating func events(
        _ name: String, limit: Int,
        _ element: (inout JSONReader) throws(HTTPFault) -> Void
    ) throws(HTTPFault) {
        list = name
        skipSpace()
        let isObject = next == 0x7B
        if isObject {
            place += 1
            skipSpace()
            guard next == 0x22 else {
                throw next == 0x7D ? .invalid(name, "is missing") : fault("a field is missing")
            }
            let key = try string()
            guard key.elementsEqual(name.utf8) else { throw unknown(key) }
            try take(0x3A, "a colon is missing")
            skipSpace()
        }
        guard next == 0x5B else {
            if !isObject, next == nil { throw fault("the JSON text is missing") }
            throw .invalid(name, "must be a list")
        }
        try elements(limit, element)
        if isObject { try endOfObject(after: name) }
        skipSpace()
        if next != nil { throw fault("there is something after the JSON text") }
    }

    private mutating func elements(
        _ limit: Int, _ element: (inout JSONReader) throws(HTTPFault) -> Void
    ) throws(HTTPFault) {
        place += 1
        skipSpace()
        if next == 0x5D { throw .invalid(list, "must have 1 to \(limit) events") }
        var count = 0
        while true {
            if count == limit { throw .invalid(list, "must have 1 to \(limit) events") }
            event = count
            field = ""
            try element(&self)
            count += 1
            skipSpace()
            if next == 0x5D { break }
            try take(0x2C, "a comma or the end of the list is missing")
        }
        place += 1
        event = nil
        field = ""
    }

    private mutating func endOfObject(after name: String) throws(HTTPFault) {
        skipSpace()
        if next == 0x2C {
            place += 1
            skipSpace()
            guard next == 0x22 else { throw fault("a field is missing") }
            let key = try string()
            throw key.elementsEqual(name.utf8) ? .invalid(name, "is there twice") : unknown(key)
        }
        try take(0x7D, "a comma or the end of the object is missing")
    }

    private func unknown(_ key: ArraySlice<UInt8>) -> HTTPFault {
        .invalid(String(decoding: key.prefix(64), as: UTF8.self), "is not a field of this request")
    }

    // MARK: Events

    /// Reads an object whose fields have these names; `value` reads the one with that place.
    mutating func object(
        _ names: [[UInt8]], required: Int,
        _ value: (inout JSONReader, Int) throws(HTTPFault) -> Void
    ) throws(HTTPFault) {
        skipSpace()
        guard next == 0x7B else { throw wrong("must be an object") }
        place += 1
        var seen: UInt32 = 0
        skipSpace()
        if next == 0x7D {
            place += 1
        } else {
            while true {
                skipSpace()
                field = ""
                guard next == 0x22 else { throw fault("a field is missing") }
                let key = try string()
                let number = names.firstIndex { key.elementsEqual($0) }
                field = String(decoding: key.prefix(64), as: UTF8.self)
                guard let number else { throw wrong("is not a field of an event") }
                if seen & 1 << number != 0 { throw wrong("is there twice") }
                seen |= 1 << number
                try take(0x3A, "a colon is missing")
                skipSpace()
                try value(&self, number)
                skipSpace()
                if next == 0x7D { break }
                try take(0x2C, "a comma or the end of the object is missing")
            }
            place += 1
        }
        if seen & 1 << required == 0 {
            field = String(decoding: names[required], as: UTF8.self)
            throw wrong("is missing")
        }
    }

    // MARK: Values

    /// A number as decimal text.
    mutating func wide(_ largest: UInt128 = .max) throws(HTTPFault) -> UInt128 {
        guard next == 0x22 else { throw wrong("must be a whole number as text") }
        guard let number = UInt128(strictDecimal: try string()), number <= largest else {
            throw wrong("must be a whole number from 0 to \(largest) as text")
        }
        return number
    }

    /// A number as a number.
    mutating func small<Number: FixedWidthInteger & UnsignedInteger>(
        _ type: Number.Type = Number.self
    ) throws(HTTPFault) -> Number {
        let start = place
        while let byte = next, byte >= 0x30, byte <= 0x39 { place += 1 }
        let isWhole = next != 0x2E && next != 0x65 && next != 0x45
        guard start < place, isWhole, let number = UInt128(strictDecimal: bytes[start..<place]),
            let small = Number(exactly: number)
        else { throw wrong("must be a whole number from 0 to \(Number.max)") }
        return small
    }

    /// A list of names, each at most once, as bits.
    mutating func flags(_ names: [(name: String, bits: UInt16)]) throws(HTTPFault) -> UInt16 {
        guard next == 0x5B else { throw wrong("must be a list of names") }
        place += 1
        var bits: UInt16 = 0
        skipSpace()
        if next == 0x5D {
            place += 1
            return 0
        }
        while true {
            skipSpace()
            guard next == 0x22 else { throw wrong("must be a list of names") }
            let text = try string()
            guard let known = names.first(where: { text.elementsEqual($0.name.utf8) }) else {
                throw wrong("has a name that is no flag")
            }
            if bits & known.bits != 0 { throw wrong("has a name twice") }
            bits |= known.bits
            skipSpace()
            if next == 0x5D { break }
            try take(0x2C, "a comma or the end of the list is missing")
        }
        place += 1
        return bits
    }

    // MARK: Bytes

    private var next: UInt8? { place < bytes.count ? bytes[place] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            place += 1
        }
    }

    private mutating func take(_ byte: UInt8, _ otherwise: String) throws(HTTPFault) {
        skipSpace()
        guard next == byte else { throw fault(otherwise) }
        place += 1
    }

    /// The bytes of a string, which starts here.
    private mutating func string() throws(HTTPFault) -> ArraySlice<UInt8> {
        place += 1
        let start = place
        while place < bytes.count {
            let byte = bytes[place]
            if byte == 0x22 {
                place += 1
                return bytes[start..<(place - 1)]
            }
            if byte == 0x5C || byte >= 0x80 || byte < 0x20 { break }
            place += 1
        }
        return try unusualString(bytes[start..<place])
    }

    private mutating func unusualString(
        _ begun: ArraySlice<UInt8>
    ) throws(HTTPFault) -> ArraySlice<UInt8> {
        var text = Array(begun)
        while let byte = next, byte != 0x22 {
            if byte < 0x20 { throw fault("a string holds a control character") }
            place += 1
            if byte == 0x5C { try escape(into: &text) } else { text.append(byte) }
        }
        guard next == 0x22 else { throw fault("a string does not end") }
        guard String(validating: text, as: UTF8.self) != nil else {
            throw fault("a string is not UTF-8")
        }
        place += 1
        return text[...]
    }

    private mutating func escape(into text: inout [UInt8]) throws(HTTPFault) {
        guard let byte = next else { throw fault("a string does not end") }
        place += 1
        switch byte {
        case 0x22, 0x5C, 0x2F: text.append(byte)
        case 0x62: text.append(0x08)
        case 0x66: text.append(0x0C)
        case 0x6E: text.append(0x0A)
        case 0x72: text.append(0x0D)
        case 0x74: text.append(0x09)
        case 0x75:
            var value = try hexadecimal()
            if value & 0xFC00 == 0xD800, next == 0x5C {
                place += 1
                guard next == 0x75 else { throw fault("half of a surrogate pair") }
                place += 1
                let low = try hexadecimal()
                guard low & 0xFC00 == 0xDC00 else { throw fault("half of a surrogate pair") }
                value = 0x10000 + (value & 0x3FF) << 10 + low & 0x3FF
            }
            guard let scalar = Unicode.Scalar(value) else {
                throw fault("half of a surrogate pair")
            }
            text += Array(String(Character(scalar)).utf8)
        default: throw fault("there is no such escape")
        }
    }

    private mutating func hexadecimal() throws(HTTPFault) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue,
                byte < 0x80
            else { throw fault("an escape has four hexadecimal digits") }
            value = value << 4 | UInt32(digit)
            place += 1
        }
        return value
    }

    // MARK: Faults

    private func fault(_ what: String) -> HTTPFault { .notJSON(what, at: place) }

    private func wrong(_ what: String) -> HTTPFault {
        var name = list
        if let event { name += "[\(event)]" }
        if !field.isEmpty { name += ".\(field)" }
        return .invalid(name, what)
    }
}

extension UInt128 {
    /// Reads decimal digits; `nil` for any spelling but the shortest one, or a larger number.
    init?(strictDecimal digits: ArraySlice<UInt8>) {
        guard let first = digits.first, digits.count <= 39, first != 0x30 || digits.count == 1
        else { return nil }
        var number: UInt128 = 0
        var part: UInt64 = 0
        var scale: UInt64 = 1
        for digit in digits {
            guard digit >= 0x30, digit <= 0x39 else { return nil }
            if scale == 10_000_000_000_000_000_000 {
                // At most 38 digits stand before the last part, so only the end can overflow.
                number = number * UInt128(scale) + UInt128(part)
                part = 0
                scale = 1
            }
            part = part * 10 + UInt64(digit - 0x30)
            scale *= 10
        }
        let (shifted, tooLarge) = number.multipliedReportingOverflow(by: UInt128(scale))
        let (sum, overflow) = shifted.addingReportingOverflow(UInt128(part))
        if tooLarge || overflow { return nil }
        self = sum
    }
}
