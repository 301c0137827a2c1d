public import Inference

/// The text of an answer as its tokens come: whole characters only, and nothing of a stop string.
///
/// Text that may be the beginning of a stop string is held back until it is known not to be one.
/// Stop strings are looked for in the text, so one may end in the middle of a token.
public struct AnswerText: Sendable {
    private let tokenizer: Tokenizer
    private let stops: [String]
    private var decoder = StreamDecoder()
    private var held = ""
    /// Whether a stop string was found; nothing more is given out.
    public private(set) var isStopped = false

    /// No text yet. Empty stop strings are left out.
    public init(tokenizer: Tokenizer, stops: [String]) {
        self.tokenizer = tokenizer
        self.stops = stops.filter { !$0.isEmpty }
    }

    /// The text that is certain after this token. Control tokens are not text.
    public mutating func append(_ token: Int32) -> String {
        if isStopped || tokenizer.kind(token) == .control { return "" }
        held += decoder.append(tokenizer.bytes(of: token))
        return release()
    }

    /// What was held back, when no more tokens come.
    public mutating func finish() -> String {
        if isStopped { return "" }
        held += decoder.finish()
        let rest = release()
        defer { held = "" }
        return rest + held
    }

    /// Gives out all that cannot become a stop string, or cuts at the first one found. Bytes are
    /// compared, so that a stop is found whatever character stands before or after it.
    private mutating func release() -> String {
        let bytes = Array(held.utf8)
        if let found = stops.compactMap({ Self.place(of: Array($0.utf8), in: bytes) }).min() {
            isStopped = true
            held = ""
            return String(decoding: bytes[..<found], as: UTF8.self)
        }
        var ready = bytes.count - (stops.map { Self.overlap(of: bytes, with: $0) }.max() ?? 0)
        // Never in the middle of a character.
        while ready < bytes.count, bytes[ready] & 0xC0 == 0x80 { ready += 1 }
        held = String(decoding: bytes[ready...], as: UTF8.self)
        return String(decoding: bytes[..<ready], as: UTF8.self)
    }

    private static func place(of stop: [UInt8], in text: [UInt8]) -> Int? {
        guard text.count >= stop.count else { return nil }
        return (0...text.count - stop.count).first { start in
            text[start..<start + stop.count].elementsEqual(stop)
        }
    }

    /// The longest end of `text`, in bytes, that is a beginning of `stop`.
    private static func overlap(of text: [UInt8], with stop: String) -> Int {
        let head = Array(stop.utf8)
        for length in stride(from: min(text.count, head.count - 1), to: 0, by: -1)
        where text.suffix(length).elementsEqual(head.prefix(length)) {
            return length
        }
        return 0
    }
}
