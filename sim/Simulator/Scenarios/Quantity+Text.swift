/// How numbers stand in files: decimal text in natural units, exact in both directions and never
/// floating point on the way.
extension Quantity {
    /// Reads `0.025`, `2.5 %`, `250 usd`, `1_000`, `lazy`. A unit may follow the number, and must
    /// be this quantity's. Throws where the text is not a number, has another unit, too many
    /// decimals, or does not fit.
    public func read(_ text: String) throws(ScenarioError) -> Int64 {
        if case .choice(let words) = self {
            guard let place = words.firstIndex(of: text) else {
                throw ScenarioError(
                    "`\(text)` is none of \(words.joined(separator: ", "))"
                        + Nearest.hint(text, in: words))
            }
            return Int64(place)
        }
        let (number, unit) = Quantity.split(text)
        return try DecimalText.read(number, places: try places(under: unit, in: text))
    }

    /// Decimal places of the number before this unit.
    private func places(under unit: String, in text: String) throws(ScenarioError) -> Int {
        if unit.isEmpty || Quantity.isSame(unit, counted) { return places }
        if unit == "%", isShare { return places - 2 }
        if unit == "%" { throw ScenarioError("`\(text)`: this is counted in \(counted), not in %") }
        throw ScenarioError(
            "`\(text)` has the unit `\(unit)`, but this is counted in \(counted)"
                + (isShare ? " or %" : ""))
    }

    /// Appends the text of a value.
    public func write(_ value: Int64, to bytes: inout [UInt8]) {
        switch self {
        case .count: DecimalText.write(value, places: 0, to: &bytes)
        case .decimal(let places, _): DecimalText.write(value, places: places, to: &bytes)
        case .choice(let words):
            let isKnown = words.indices.contains(Int(clamping: value))
            bytes += Array((isKnown ? words[Int(value)] : "\(value)").utf8)
        }
    }

    /// The text of a value.
    public func text(_ value: Int64) -> String {
        var bytes: [UInt8] = []
        write(value, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Decimal places of the last place of a value.
    public var places: Int {
        if case .decimal(let places, _) = self { places } else { 0 }
    }

    /// What is counted; the words of a choice.
    public var counted: String {
        switch self {
        case .count(let name), .decimal(_, let name): name
        case .choice(let words): words.joined(separator: "|")
        }
    }

    /// Whether it is a part of something, which can be written in percent.
    public var isShare: Bool {
        guard case .decimal(let places, let name) = self, places >= 2 else { return false }
        let shares = ["share", "part", "rate", "ratio", "chance", "return", "fraction"]
        return name.isEmpty || shares.contains { name.lowercased().contains($0) }
    }

    /// The number and the unit behind it.
    private static func split(_ text: String) -> (String, String) {
        let end =
            text.firstIndex { !($0.isASCII && ($0.isNumber || "+-._".contains($0))) }
            ?? text.endIndex
        let unit = text[end...].drop { $0 == " " }
        return (String(text[..<end]), String(unit))
    }

    private static func isSame(_ unit: String, _ counted: String) -> Bool {
        let (one, other) = (unit.lowercased(), counted.lowercased())
        let dollars = ["usd", "dollar", "dollars"]
        return one == other || one + "s" == other || one == other + "s"
            || dollars.contains(one) && dollars.contains(other)
    }
}

/// Decimal text of integers with a fixed number of places.
enum DecimalText {
    /// Reads digits with at most one point and so many decimals; `_` may stand between digits.
    /// With `rounding`, as for numbers that other programs wrote, any decimals and an exponent are
    /// read and rounded half away from zero.
    static func read(
        _ text: String, places: Int, rounding: Bool = false
    ) throws(ScenarioError) -> Int64 {
        var parts = Parts()
        guard parts.read(text, exponent: rounding), parts.hasDigits else {
            throw ScenarioError("`\(text)` is not a decimal number")
        }
        let shift = places - parts.decimals + parts.exponent
        var digits = parts.digits.drop { $0 == 0 }
        var up = false
        if shift < 0 {
            let cut = min(-shift, digits.count)
            let rest = digits.suffix(cut)
            digits = digits.dropLast(cut)
            let isExact = rest.allSatisfy { $0 == 0 }
            if !isExact, !rounding {
                let most = places > 0 ? "at most \(places) decimals" : "no decimals"
                throw ScenarioError("`\(text)` has too many decimals: there are \(most) here")
            }
            up = -shift == cut && (rest.first ?? 0) >= 5
        }
        guard shift <= 40, digits.count + max(0, shift) <= 20 || digits.isEmpty else {
            throw ScenarioError("`\(text)` is too large")
        }
        var value: Int128 = 0
        for digit in digits { value = value * 10 + Int128(digit) }
        if shift > 0, !digits.isEmpty { for _ in 0..<shift { value *= 10 } }
        if up { value += 1 }
        guard let whole = Int64(exactly: parts.isNegative ? -value : value) else {
            throw ScenarioError("`\(text)` is too large")
        }
        return whole
    }

    /// Appends the shortest decimal text.
    static func write(_ value: Int64, places: Int, to bytes: inout [UInt8]) {
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        var rest = value.magnitude
        var decimals = places
        while decimals > 0, rest.isMultiple(of: 10) {
            rest /= 10
            decimals -= 1
        }
        let start = bytes.count
        var written = 0
        repeat {
            if written == decimals, decimals > 0 { bytes.append(UInt8(ascii: ".")) }
            bytes.append(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
            written += 1
        } while rest > 0 || written <= decimals
        var (low, high) = (start, bytes.count - 1)
        while low < high {
            bytes.swapAt(low, high)
            (low, high) = (low + 1, high - 1)
        }
    }

    /// A number in its parts.
    private struct Parts {
        var isNegative = false
        var digits: [UInt8] = []
        var decimals = 0
        var exponent = 0
        var hasDigits: Bool { !digits.isEmpty }

        /// Reads it all; false where it is something else.
        mutating func read(_ text: String, exponent hasExponent: Bool) -> Bool {
            var bytes = Array(text.utf8)[...]
            if let sign = bytes.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
                isNegative = sign == UInt8(ascii: "-")
                bytes = bytes.dropFirst()
            }
            var isBehindPoint = false
            var last = UInt8(ascii: "_")
            while let byte = bytes.first {
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"):
                    digits.append(byte - UInt8(ascii: "0"))
                    if isBehindPoint { decimals += 1 }
                case UInt8(ascii: "."):
                    if isBehindPoint || last == UInt8(ascii: "_") && hasDigits { return false }
                    isBehindPoint = true
                case UInt8(ascii: "_"):
                    if last == UInt8(ascii: "_") || last == UInt8(ascii: ".") { return false }
                case UInt8(ascii: "e"), UInt8(ascii: "E"):
                    let rest = String(decoding: bytes.dropFirst(), as: UTF8.self)
                    guard hasExponent, let power = Int(rest), abs(power) <= 400 else {
                        return false
                    }
                    exponent = power
                    return digits.count <= 400
                default: return false
                }
                last = byte
                bytes = bytes.dropFirst()
            }
            return last != UInt8(ascii: "_") && last != UInt8(ascii: ".") && digits.count <= 400
        }
    }
}
