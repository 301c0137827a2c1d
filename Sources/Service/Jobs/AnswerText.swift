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

    /// Gives out all that cannot become a stop string, or cuts at the first one found.
    private mutating func release() -> String {
        if let found = stops.compactMap({ held.firstRange(of: $0)?.lowerBound }).min() {
            isStopped = true
            defer { held = "" }
            return String(held[..<found])
        }
        let open = stops.map { overlap(of: held, with: $0) }.max() ?? 0
        let cut = held.utf8.index(held.endIndex, offsetBy: -open)
        let ready = String(held[..<cut])
        held = String(held[cut...])
        return ready
    }

    /// The longest end of `text`, in bytes, that is a beginning of `stop`.
    private func overlap(of text: String, with stop: String) -> Int {
        let tail = Array(text.utf8.suffix(stop.utf8.count))
        let head = Array(stop.utf8)
        for length in stride(from: min(tail.count, head.count - 1), to: 0, by: -1)
        where tail.suffix(length).elementsEqual(head.prefix(length)) {
            return length
        }
        return 0
    }
}
