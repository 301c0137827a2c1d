public import Primitives

/// One message of a conversation.
public struct ChatMessage: Hashable, Sendable {
    /// Who speaks: `system`, `user`, `assistant`.
    public let role: String
    /// What is said.
    public let content: String

    /// A message.
    public init(role: String, content: String) {
        self.role = role
        self.content = content
    }
}

/// How a conversation becomes a prompt. The Jinja text in a model file is recognised as a whole,
/// by its hash, and rendered by code that gives the same; it is never interpreted. ChatML is also
/// recognised by its form, whatever its default system message is.
public struct ChatTemplate: Hashable, Sendable {
    /// What the format is called: `chatml`, `llama-3`; one of `names`.
    public let name: String
    private let format: ChatFormat
    private let begin: String
    private let end: String

    /// The names of all formats, for people to choose from.
    public static let names = ChatFormat.all.map(\.name)

    /// Recognises the Jinja text of a model file; `nil` if this engine does not know it, as if it
    /// is longer than 64 KiB.
    ///
    /// - Parameters:
    ///   - begin: the name of the begin token, `bos_token` in Jinja.
    ///   - end: the name of the end token, `eos_token` in Jinja.
    public init?(source: String, begin: String = "", end: String = "") {
        guard let format = ChatFormat(source: source) else { return nil }
        self.init(format, begin, end)
    }

    /// The format of the Jinja text with this SHA-256; `nil` if this engine does not know it. The
    /// text is taken with `\n` as line end and without one at its end.
    public init?(sha256: Digest, begin: String = "", end: String = "") {
        guard let format = ChatFormat(sha256: sha256) else { return nil }
        self.init(format, begin, end)
    }

    /// The format with this name, whatever a model file says; `nil` if there is none.
    public init?(named name: String, begin: String = "", end: String = "") {
        guard let format = ChatFormat(named: name) else { return nil }
        self.init(format, begin, end)
    }

    private init(_ format: ChatFormat, _ begin: String, _ end: String) {
        name = format.name
        self.format = format
        self.begin = begin
        self.end = end
    }

    /// The system message put first when the conversation does not start with one.
    public var defaultSystem: String? { format.turns?.defaultSystem }

    /// The prompt: the template's words as markup, the messages as content.
    ///
    /// - Throws: `unsuitableConversation` where the Jinja text raises an exception, and for no
    ///   messages at all where it reads the first.
    public func render(
        _ messages: [ChatMessage], addGenerationPrompt: Bool = true
    ) throws(ModelError) -> PromptText {
        var writer = ChatWriter(begin: begin, end: end)
        switch format.layout {
        case .turns(let turns):
            try turns.render(messages, addGenerationPrompt, into: &writer)
        case .qwen3:
            try ReasoningLayouts.qwen3(messages, addGenerationPrompt, into: &writer)
        case .deepSeekR1(let prompt):
            ReasoningLayouts.deepSeekR1(messages, addGenerationPrompt ? prompt : "", into: &writer)
        }
        return writer.prompt
    }

    /// The prompt as tokens. Messages are plain text: no message can forge a special token.
    public func encode(
        _ messages: [ChatMessage], with tokenizer: Tokenizer, addGenerationPrompt: Bool = true
    ) throws(ModelError) -> [Int32] {
        for token in format.tokens where tokenizer.special(token) == nil {
            throw ModelError(.invalidVocabulary, "chat template \(name) without token \(token)")
        }
        return try tokenizer.encode(render(messages, addGenerationPrompt: addGenerationPrompt))
    }
}

/// Writes a prompt. In markup `{bos}` and `{eos}` stand for the names of the begin and end token.
struct ChatWriter {
    private(set) var prompt = PromptText()
    private let begin: String
    private let end: String

    init(begin: String, end: String) {
        self.begin = begin
        self.end = end
    }

    mutating func markup(_ text: String) {
        guard text.contains("{") else {
            prompt.append(markup: text)
            return
        }
        prompt.append(
            markup: text.replacing("{bos}", with: begin).replacing("{eos}", with: end))
    }

    mutating func content(_ text: some StringProtocol) { prompt.append(content: text) }
}

extension StringProtocol {
    /// Without white space at both ends, as Python's `strip()` understands it.
    var stripped: SubSequence { strippedRight.strippedLeft }

    /// Without white space at the end.
    var strippedRight: SubSequence {
        var rest = self[...]
        while let last = rest.unicodeScalars.last, last.isPythonSpace {
            rest = rest[..<rest.unicodeScalars.index(before: rest.endIndex)]
        }
        return rest
    }

    private var strippedLeft: SubSequence {
        var rest = self[...]
        while let first = rest.unicodeScalars.first, first.isPythonSpace {
            rest = rest[rest.unicodeScalars.index(after: rest.startIndex)...]
        }
        return rest
    }
}

extension Unicode.Scalar {
    /// What Python's `str.isspace` accepts.
    fileprivate var isPythonSpace: Bool {
        (0x1c...0x1f).contains(value) || CharacterClass(value) == .space
    }
}
