/// The text of an answer as its tokens come: whole characters only, and nothing of a stop string.
///
/// Text that may be the beginning of a stop string is held back until it is known not to be one.
/// Stop strings are looked for in the text, so one may end in the middle of a token.
public struct AnswerText: Sendable {
    /// A token's score, and where its text begins in the whole text, in bytes.
    private struct Waiting {
        let start: Int
        let score: PositionScore
    }

    private let tokenizer: Tokenizer
    private let stops: [String]
    private var decoder = StreamDecoder()
    private var held = ""
    /// Bytes of text that were given out.
    private var released = 0
    private var waiting: [Waiting] = []
    private var ready: [PositionScore] = []
    /// Whether a stop string was found; nothing more is given out.
    public private(set) var isStopped = false

    /// No text yet. Empty stop strings are left out.
    public init(tokenizer: Tokenizer, stops: [String]) {
        self.tokenizer = tokenizer
        self.stops = stops.filter { !$0.isEmpty }
    }

    /// The text that is certain after this token. Control tokens are not text.
    ///
    /// - Parameter score: what the model thought of the token, if that is wanted with the text.
    public mutating func append(_ token: Int32, score: PositionScore? = nil) -> String {
        if isStopped || tokenizer.kind(token) == .control { return "" }
        if let score {
            waiting.append(Waiting(start: released + held.utf8.count, score: score))
        }
        held += decoder.append(tokenizer.bytes(of: token))
        return release()
    }

    /// What was held back, when no more tokens come.
    public mutating func finish() -> String {
        if isStopped { return "" }
        held += decoder.finish()
        let rest = release()
        if isStopped { return rest }
        ready += waiting.map(\.score)
        waiting = []
        defer { held = "" }
        return rest + held
    }

    /// The scores of tokens whose text, or the beginning of it, was given out since the last call.
    /// Tokens from a stop string on have none.
    public mutating func takeScores() -> [PositionScore] {
        defer { ready = [] }
        return ready
    }

    /// Gives out all that cannot become a stop string, or cuts at the first one found. Bytes are
    /// compared, so that a stop is found whatever character stands before or after it.
    private mutating func release() -> String {
        let bytes = Array(held.utf8)
        if let found = stops.compactMap({ Self.place(of: Array($0.utf8), in: bytes) }).min() {
            isStopped = true
            held = ""
            count(found)
            waiting = []
            return String(decoding: bytes[..<found], as: UTF8.self)
        }
        var ready = bytes.count - (stops.map { Self.overlap(of: bytes, with: $0) }.max() ?? 0)
        // Never in the middle of a character.
        while ready < bytes.count, bytes[ready] & 0xC0 == 0x80 { ready += 1 }
        held = String(decoding: bytes[ready...], as: UTF8.self)
        count(ready)
        return String(decoding: bytes[..<ready], as: UTF8.self)
    }

    /// So many more bytes go out, and with them the scores of tokens that began before their end.
    private mutating func count(_ bytes: Int) {
        released += bytes
        let out = waiting.prefix { $0.start < released }
        ready += out.map(\.score)
        waiting.removeFirst(out.count)
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
