/// Formats of models that reason before they answer: what they thought earlier is left out of
/// later prompts.
enum ReasoningLayouts {
    /// Qwen 3. Thoughts stay only in answers after the last question.
    static func qwen3(
        _ messages: [ChatMessage], _ addPrompt: Bool, into writer: inout ChatWriter
    ) throws(ModelError) {
        guard !messages.isEmpty else { throw TurnFormat.refusal("there is no message") }
        let lastQuestion = messages.lastIndex(where: isQuestion) ?? messages.count - 1
        for (index, message) in messages.enumerated() {
            switch message.role {
            case "user", "system":
                turn(message.role, message.content, into: &writer)
            case "assistant":
                let (thoughts, answer) = split(message.content)
                let isLast = index == messages.count - 1
                guard index > lastQuestion, isLast || !thoughts.isEmpty else {
                    turn(message.role, answer, into: &writer)
                    continue
                }
                writer.markup("<|im_start|>assistant\n<think>\n")
                writer.content(thoughts)
                writer.markup("\n</think>\n\n")
                writer.content(stripLeft(answer))
                writer.markup("<|im_end|>\n")
            default:
                throw TurnFormat.refusal("there can be no message of \(message.role) here")
            }
        }
        if addPrompt { writer.markup("<|im_start|>assistant\n") }
    }

    /// DeepSeek R1 and its distilled models. The last system message counts, wherever it is.
    static func deepSeekR1(
        _ messages: [ChatMessage], _ prompt: String, into writer: inout ChatWriter
    ) {
        writer.markup("{bos}")
        writer.content(messages.last { $0.role == "system" }?.content ?? "")
        for message in messages {
            if message.role == "user" {
                writer.markup("<｜User｜>")
                writer.content(message.content)
            } else if message.role == "assistant" {
                writer.markup("<｜Assistant｜>")
                let text = message.content[...]
                writer.content(afterLast("</think>", in: text) ?? text)
                writer.markup("<｜end▁of▁sentence｜>")
            }
        }
        writer.markup(prompt)
    }

    private static func turn(
        _ role: String, _ text: some StringProtocol, into writer: inout ChatWriter
    ) {
        writer.markup("<|im_start|>")
        writer.content(role)
        writer.markup("\n")
        writer.content(text)
        writer.markup("<|im_end|>\n")
    }

    /// Whether this is a question of the user and not the answer of a tool.
    private static func isQuestion(_ message: ChatMessage) -> Bool {
        let text = message.content.utf8
        return message.role == "user"
            && !(text.starts(with: "<tool_response>".utf8)
                && text.suffix(16).elementsEqual("</tool_response>".utf8))
    }

    /// What was thought and what was said.
    private static func split(_ text: String) -> (thoughts: Substring, answer: Substring) {
        let close = text.utf8.ranges(of: "</think>".utf8)
        guard let first = close.first, let last = close.last else { return ("", text[...]) }
        var before = text[..<first.lowerBound]
        while before.utf8.last == 0x0a {
            before = before[..<before.utf8.index(before: before.endIndex)]
        }
        let thoughts = afterLast("<think>", in: before) ?? before
        return (stripLeft(thoughts), stripLeft(text[last.upperBound...]))
    }

    private static func afterLast(_ mark: String, in text: Substring) -> Substring? {
        text.utf8.ranges(of: mark.utf8).last.map { text[$0.upperBound...] }
    }

    private static func stripLeft(_ text: Substring) -> Substring {
        Substring(text.utf8.drop { $0 == 0x0a })
    }
}
