/// Text for a model in parts of two kinds: markup, where names of control tokens are those tokens,
/// and content, where they are only text.
public struct PromptText: Hashable, Sendable {
    private(set) var bytes: [UInt8] = []
    private var marks: [Mark] = []

    private struct Mark: Hashable, Sendable {
        var end: Int
        var isMarkup: Bool
    }

    /// An empty text.
    public init() {}

    /// Appends text that is trusted: a template's own words.
    public mutating func append(markup text: String) { append(text.utf8, isMarkup: true) }

    /// Appends text from somebody else: a message.
    public mutating func append(content text: some StringProtocol) {
        append(text.utf8, isMarkup: false)
    }

    /// All of it as one text, control tokens by name. Only for showing: content that contains the
    /// name of a token cannot be told from the token.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// Where each part ends, and whether it is markup.
    var parts: [(end: Int, isTrusted: Bool)] { marks.map { ($0.end, $0.isMarkup) } }

    private mutating func append(_ text: some Collection<UInt8>, isMarkup: Bool) {
        bytes.append(contentsOf: text)
        if marks.last?.isMarkup == isMarkup { marks.removeLast() }
        marks.append(Mark(end: bytes.count, isMarkup: isMarkup))
    }
}
