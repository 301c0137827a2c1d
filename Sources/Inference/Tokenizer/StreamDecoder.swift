/// Turns bytes that arrive in pieces into text, holding back a character until it is complete.
/// What the pieces give together equals decoding all bytes at once.
public struct StreamDecoder: Sendable {
    private var held: [UInt8] = []

    /// A decoder that holds nothing.
    public init() {}

    /// The text that is certain after these bytes; invalid bytes become U+FFFD.
    public mutating func append(_ bytes: [UInt8]) -> String {
        held.append(contentsOf: bytes)
        let ready = held.count - Self.openTail(held)
        let text = String(decoding: held[..<ready], as: UTF8.self)
        held.removeFirst(ready)
        return text
    }

    /// The text of what was held back: U+FFFD if it is half a character. The decoder is empty
    /// again.
    public mutating func finish() -> String {
        defer { held = [] }
        return String(decoding: held, as: UTF8.self)
    }

    /// How many bytes at the end are the beginning of a character that may still become whole.
    private static func openTail(_ bytes: [UInt8]) -> Int {
        for length in 1...3 where length <= bytes.count {
            let lead = bytes[bytes.count - length]
            if lead & 0xc0 == 0x80 { continue }
            let needed = lead >= 0xf0 && lead <= 0xf4 ? 4 : lead >= 0xe0 ? 3 : 2
            guard lead >= 0xc2, lead <= 0xf4, length < needed else { return 0 }
            return isPossible(bytes[(bytes.count - length)...]) ? length : 0
        }
        return 0
    }

    /// Whether the second byte, if there is one, fits the first (no overlong forms, surrogates or
    /// numbers above U+10FFFF).
    private static func isPossible(_ tail: ArraySlice<UInt8>) -> Bool {
        guard tail.count > 1 else { return true }
        let second = tail[tail.startIndex + 1]
        switch tail[tail.startIndex] {
        case 0xe0: return second >= 0xa0
        case 0xed: return second < 0xa0
        case 0xf0: return second >= 0x90
        case 0xf4: return second < 0x90
        default: return true
        }
    }
}
