import Primitives

/// A model ready to be run: a checked file, its sizes, its tokenizer and its chat template.
/// Immutable; many stages can share one.
public final class ModelFile: Sendable {
    /// The file itself: metadata and tensors.
    public let file: GGUFFile
    /// Sizes and constants.
    public let architecture: ModelArchitecture
    /// Text to tokens and back.
    public let tokenizer: Tokenizer
    /// How a conversation becomes a prompt; `nil` if the model has no template or one this engine
    /// does not know. `requireChatTemplate` says which.
    public let chatTemplate: ChatTemplate?
    /// Compiles what answers can be held to.
    public let constraints: OutputConstraints
    /// What the model calls itself; empty if it has no name.
    public let name: String

    /// Maps and checks the model at `path`.
    public convenience init(path: String) throws(ModelError) {
        try self.init(file: try GGUFFile(path: path))
    }

    /// Checks a model held in memory.
    public convenience init(bytes: [UInt8]) throws(ModelError) {
        try self.init(file: try GGUFFile(bytes: bytes))
    }

    /// Checks that `file` holds exactly a model of a known architecture.
    public init(file: GGUFFile) throws(ModelError) {
        architecture = try ModelArchitecture(file)
        try ModelLayout(architecture).check(file)
        tokenizer = try Tokenizer(file)
        constraints = OutputConstraints(tokenizer)
        let (begin, end) = (tokenizer.beginName, tokenizer.endName)
        chatTemplate = Self.templateText(file).flatMap {
            ChatTemplate(source: $0, begin: begin, end: end)
        }
        name = if case .text(let name)? = file.value("general.name") { name } else { "" }
        self.file = file
    }

    /// The chat template, or why there is none.
    ///
    /// - Parameter name: a format to use whatever the file says, one of `ChatTemplate.names`.
    public func requireChatTemplate(named name: String? = nil) throws(ModelError) -> ChatTemplate {
        if let name {
            guard
                let template = ChatTemplate(
                    named: name, begin: tokenizer.beginName, end: tokenizer.endName)
            else { throw ModelError(.unsupportedChatTemplate, "\(name); \(Self.templateAdvice)") }
            return template
        }
        if let chatTemplate { return chatTemplate }
        guard let text = Self.templateText(file) else {
            throw ModelError(.noChatTemplate, "\(self.name); \(Self.templateAdvice)")
        }
        throw ModelError(
            .unsupportedChatTemplate,
            "it starts with: \(text.prefix(60)); \(Self.templateAdvice)")
    }

    private static var templateAdvice: String {
        "choose one with --chat-template: \(ChatTemplate.names.joined(separator: ", "))"
    }

    /// The number format that most weight bytes of the layers have: `Q4_1`.
    public var quantisation: String {
        var bytes: [Int] = Array(repeating: 0, count: TensorType.allCases.count)
        for tensor in file.tensors where tensor.name.hasPrefix("blk.") {
            guard let place = TensorType.allCases.firstIndex(of: tensor.type) else { continue }
            bytes[place] += tensor.byteCount
        }
        let most = bytes.indices.max { (bytes[$0], $1) < (bytes[$1], $0) } ?? 0
        return TensorType.allCases[most].name
    }

    /// Whether the output matrix is the embedding matrix.
    public var tiesOutput: Bool { file.tensor("output.weight") == nil }

    /// Bytes of weights in the file.
    public var weightBytes: Int { file.tensors.reduce(0) { $0 + $1.byteCount } }

    private static func templateText(_ file: GGUFFile) -> String? {
        guard case .text(let text)? = file.value("tokenizer.chat_template") else { return nil }
        return text
    }
}
