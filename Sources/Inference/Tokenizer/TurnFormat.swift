/// A prompt made of turns: marks before and after each message. In marks `{bos}` and `{eos}` stand
/// for the names of the begin and end token.
struct TurnFormat: Hashable, Sendable {
    /// The marks around the messages of one role.
    struct Turn: Hashable, Sendable {
        var open: String
        var close: String

        init(_ open: String, _ close: String) {
            self.open = open
            self.close = close
        }
    }

    /// How roles are told apart.
    enum Roles: Hashable, Sendable {
        /// By name between two marks: `<|im_start|>user\n`.
        case named(String, String, String)
        /// By name, with `model` for the assistant.
        case gemma(String, String, String)
        /// By marks of their own.
        case fixed(user: Turn, assistant: Turn, system: Turn?, others: Others)
    }

    /// What happens to a message of another role.
    enum Others: Hashable, Sendable {
        case refused
        case ignored
        case likeAssistant
    }

    /// What happens to a system message that comes first.
    enum System: Hashable, Sendable {
        /// It is a turn.
        case turn
        case refused
        /// It stands in the first message of the user.
        case inFirst(Turn)
        /// It stands in the last message if that is the user's.
        case inLast(Turn)
        /// The marks stand there with or without a message.
        case always(Turn)
        /// The marks stand there if there is a message.
        case before(Turn)
    }

    /// What is taken off messages.
    enum Strips: Hashable, Sendable {
        case nothing
        /// White space at both ends.
        case all
        /// White space at both ends of what the assistant said.
        case assistant
    }

    var opening = ""
    var roles: Roles
    var system = System.turn
    var strips = Strips.nothing
    /// Whether user and assistant must take turns.
    var alternates = false
    /// What asks for an answer.
    var prompt = ""
    /// What stands there if no answer is asked for.
    var promptless = ""
    /// Whether the prompt is left out after a message of the assistant.
    var answersOnlyUser = false
    /// The system message if the conversation does not start with one.
    var defaultSystem: String?
    /// The text at the start if no message is a system message.
    var withoutSystem = ""
    /// Whether an empty system message is left out.
    var dropsEmptySystem = false
    /// Whether there can be no messages at all.
    var mayBeEmpty = false

    /// Writes the prompt of a conversation.
    func render(
        _ messages: [ChatMessage], _ addPrompt: Bool, into writer: inout ChatWriter
    ) throws(ModelError) {
        if messages.isEmpty, !mayBeEmpty { throw Self.refusal("there is no message") }
        writer.markup(opening)
        if !withoutSystem.isEmpty, !messages.contains(where: { $0.role == "system" }) {
            writer.markup(withoutSystem)
        }
        var turns = messages[...]
        if let defaultSystem, let first = messages.first, first.role != "system" {
            turns.insert(ChatMessage(role: "system", content: defaultSystem), at: 0)
        }
        let systemText = try takeSystem(&turns, into: &writer)
        let texts = Array(turns)
        for (index, message) in texts.enumerated() {
            if alternates, (message.role == "user") != index.isMultiple(of: 2) {
                throw Self.refusal("user and assistant must take turns")
            }
            let isPlace =
                switch system {
                case .inFirst: index == 0
                case .inLast: index == texts.count - 1 && message.role == "user"
                default: false
                }
            try write(message, system: isPlace ? systemText : nil, into: &writer)
        }
        let isAnswered = answersOnlyUser && messages.last?.role == "assistant"
        writer.markup(addPrompt ? isAnswered ? "" : prompt : promptless)
    }

    /// Takes the system message off and writes it, or gives it to be written later.
    private func takeSystem(
        _ turns: inout ArraySlice<ChatMessage>, into writer: inout ChatWriter
    ) throws(ModelError) -> String? {
        if system == .turn { return nil }
        let message = turns.first?.role == "system" ? turns.first : nil
        if message != nil {
            if system == .refused { throw Self.refusal("there can be no system message") }
            turns = turns.dropFirst()
        }
        switch system {
        case .always(let marks):
            writer.markup(marks.open)
            writer.content(strip(message?.content ?? "", "system"))
            writer.markup(marks.close)
        case .before(let marks):
            guard let message else { return nil }
            writer.markup(marks.open)
            writer.content(message.content)
            writer.markup(marks.close)
        case .turn, .refused, .inFirst, .inLast:
            return message?.content
        }
        return nil
    }

    private func strip(_ text: String, _ role: String) -> Substring {
        switch strips {
        case .nothing: text[...]
        case .all: text.stripped
        case .assistant: role == "assistant" ? text.stripped : text[...]
        }
    }

    private func write(
        _ message: ChatMessage, system text: String?, into writer: inout ChatWriter
    ) throws(ModelError) {
        var close: String
        switch roles {
        case .named(let open, let middle, let end):
            writer.markup(open)
            writer.content(message.role)
            writer.markup(middle)
            close = end
        case .gemma(let open, let middle, let end):
            writer.markup(open)
            writer.content(message.role == "assistant" ? "model" : message.role)
            writer.markup(middle)
            close = end
        case .fixed(let user, let assistant, let system, let others):
            guard
                let turn = try Self.turn(
                    message, user, assistant, system, others, dropsEmptySystem)
            else { return }
            writer.markup(turn.open)
            close = turn.close
        }
        if let text {
            writeInside(text, message, into: &writer)
        } else {
            writer.content(strip(message.content, message.role))
        }
        writer.markup(close)
    }

    /// The system message and then the user's, in one turn. Where white space is stripped it is
    /// stripped from both as one text, except that Gemma strips only the user's.
    private func writeInside(
        _ text: String, _ message: ChatMessage, into writer: inout ChatWriter
    ) {
        guard case .inFirst(let marks) = system else {
            guard case .inLast(let marks) = system else { return }
            writer.markup(marks.open)
            writer.content(text)
            writer.markup(marks.close)
            writer.content(message.content)
            return
        }
        writer.markup(marks.open)
        writer.content(text)
        let said = strip(message.content, message.role)
        let joins = strips == .all && !marks.open.isEmpty
        writer.markup(said.isEmpty && joins ? String(marks.close.strippedRight) : marks.close)
        writer.content(joins ? message.content.strippedRight : said)
    }

    private static func turn(
        _ message: ChatMessage, _ user: Turn, _ assistant: Turn, _ system: Turn?, _ others: Others,
        _ dropsEmptySystem: Bool
    ) throws(ModelError) -> Turn? {
        switch message.role {
        case "user": return user
        case "assistant": return assistant
        case "system":
            if let system { return dropsEmptySystem && message.content.isEmpty ? nil : system }
        default: break
        }
        switch others {
        case .refused: throw refusal("there can be no message of \(message.role) here")
        case .ignored: return nil
        case .likeAssistant: return assistant
        }
    }

    static func refusal(_ why: String) -> ModelError {
        ModelError(.unsuitableConversation, why)
    }
}
