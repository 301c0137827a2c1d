import Cryptography
import Primitives

/// A format of prompts that models were trained on.
struct ChatFormat: Hashable, Sendable {
    /// How a prompt is made up.
    enum Layout: Hashable, Sendable {
        case turns(TurnFormat)
        case qwen3
        /// With the text that asks for an answer.
        case deepSeekR1(String)
    }

    let name: String
    let layout: Layout
    /// Tokens the vocabulary must have: if they were text, a message could forge them.
    var tokens: [String] = []

    /// The layout if it is made of turns.
    var turns: TurnFormat? { if case .turns(let turns) = layout { turns } else { nil } }

    /// The longest Jinja text that is looked at; the longest known one has 5 KB.
    private static let maximumSource = 1 << 16

    /// Recognises the Jinja text of a model file.
    init?(source: String) {
        guard source.utf8.count <= Self.maximumSource else { return nil }
        let text = Self.normalised(source)
        if let known = ChatFormat(sha256: SHA256.hash(Array(text.utf8))) {
            self = known
            return
        }
        guard let defaultSystem = Self.chatMLDefault(text) else { return nil }
        self = .chatML("chatml", defaultSystem.isEmpty ? nil : defaultSystem)
    }

    /// The format of the Jinja text with this SHA-256.
    init?(sha256: Digest) {
        guard let name = Self.fingerprints[sha256.hex] else { return nil }
        self.init(named: name)
    }

    init?(named name: String) {
        guard let format = Self.all.first(where: { $0.name == name }) else { return nil }
        self = format
    }

    init(_ name: String, _ layout: Layout, tokens: [String] = []) {
        self.name = name
        self.layout = layout
        self.tokens = tokens
    }

    /// ChatML with or without a default system message.
    static func chatML(_ name: String, _ defaultSystem: String? = nil) -> ChatFormat {
        let turns = TurnFormat(
            roles: .named("<|im_start|>", "\n", "<|im_end|>\n"),
            prompt: "<|im_start|>assistant\n", defaultSystem: defaultSystem, mayBeEmpty: true)
        return ChatFormat(name, .turns(turns), tokens: ["<|im_start|>", "<|im_end|>"])
    }

    /// Files differ in line ends; Jinja drops one at the end.
    private static func normalised(_ source: String) -> String {
        let text = source.replacing("\r\n", with: "\n")
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }

    private static let prologue = "{% for message in messages %}"
    private static let systemOpening =
        "{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n"
    private static let systemClosing = "<|im_end|>\n' }}{% endif %}"
    private static let epilogue =
        "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
        + "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"

    /// The default system message of a ChatML template, empty if it has none; `nil` if the text is
    /// no ChatML template.
    private static func chatMLDefault(_ text: String) -> String? {
        var rest = text.replacing("\\n", with: "\n")[...]
        guard rest.hasPrefix(prologue), rest.hasSuffix(epilogue) else { return nil }
        rest = rest.dropFirst(prologue.count).dropLast(epilogue.count)
        if rest.isEmpty { return "" }
        guard rest.hasPrefix(systemOpening), rest.hasSuffix(systemClosing) else { return nil }
        let system = rest.dropFirst(systemOpening.count).dropLast(systemClosing.count)
        // Scalars, for a quote with an accent after it ends a text as well.
        return system.unicodeScalars.contains { "'\\{}".unicodeScalars.contains($0) }
            ? nil : String(system)
    }
}
