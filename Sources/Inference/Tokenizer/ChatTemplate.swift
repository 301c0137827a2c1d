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

/// How a conversation becomes a prompt: ChatML, the only format this engine knows. A template in a
/// model file is recognised as a whole, never interpreted; every other text is refused.
public struct ChatTemplate: Hashable, Sendable {
    /// The system message put first when the conversation does not start with one.
    public let defaultSystem: String?

    private static let start = "<|im_start|>"
    private static let end = "<|im_end|>"
    private static let prologue = "{% for message in messages %}"
    private static let systemOpening =
        "{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n"
    private static let systemClosing = "<|im_end|>\n' }}{% endif %}"
    private static let epilogue =
        "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
        + "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"

    /// Recognises the Jinja text of a model file; `nil` if it is not ChatML.
    public init?(source: String) {
        var rest = source.replacing("\\n", with: "\n")[...]
        guard rest.hasPrefix(Self.prologue), rest.hasSuffix(Self.epilogue) else { return nil }
        rest = rest.dropFirst(Self.prologue.count).dropLast(Self.epilogue.count)
        if rest.isEmpty {
            defaultSystem = nil
            return
        }
        guard rest.hasPrefix(Self.systemOpening), rest.hasSuffix(Self.systemClosing) else {
            return nil
        }
        let text = rest.dropFirst(Self.systemOpening.count).dropLast(Self.systemClosing.count)
        guard !text.contains(where: { "'\\{}".contains($0) }) else { return nil }
        defaultSystem = String(text)
    }

    /// The prompt as text, special tokens by name. Only for showing: a message that contains the
    /// name of a special token cannot be told from the token. Use `encode` to run it.
    public func render(_ messages: [ChatMessage], addGenerationPrompt: Bool = true) -> String {
        var text = ""
        for message in complete(messages) {
            text += "\(Self.start)\(message.role)\n\(message.content)\(Self.end)\n"
        }
        return addGenerationPrompt ? text + "\(Self.start)assistant\n" : text
    }

    /// The prompt as tokens. Messages are plain text: no message can forge a special token.
    public func encode(
        _ messages: [ChatMessage], with tokenizer: Tokenizer, addGenerationPrompt: Bool = true
    ) throws(ModelError) -> [Int32] {
        guard let start = tokenizer.special(Self.start), let end = tokenizer.special(Self.end)
        else { throw ModelError(.invalidVocabulary, "ChatML without its special tokens") }
        var tokens: [Int32] = []
        for message in complete(messages) {
            tokens.append(start)
            tokens += tokenizer.encode("\(message.role)\n\(message.content)")
            tokens.append(end)
            tokens += tokenizer.encode("\n")
        }
        guard addGenerationPrompt else { return tokens }
        return tokens + [start] + tokenizer.encode("assistant\n")
    }

    private func complete(_ messages: [ChatMessage]) -> [ChatMessage] {
        guard let defaultSystem, let first = messages.first, first.role != "system" else {
            return messages
        }
        return [ChatMessage(role: "system", content: defaultSystem)] + messages
    }
}
