/// How one kind of server is spoken to. All of them are given a prompt as token ids and asked for
/// token ids back, because text does not say which tokens it was made of.
protocol UpstreamDialect: Sendable {
    /// What the server says about itself and the model it is asked for.
    func describe(
        _ link: UpstreamLink, model: String?
    ) async throws(UpstreamError) -> UpstreamDescription

    /// The server's tokens of `text`, without any that it would put before.
    func tokenize(
        _ text: String, model: String, _ link: UpstreamLink
    ) async throws(UpstreamError) -> [Int32]

    /// What to send for a completion.
    func completion(_ request: UpstreamRequest, model: String) -> UpstreamCall

    /// Reads the answer to one completion.
    func makeReader() -> any UpstreamReader
}

/// Reads the events of one answer, in order.
protocol UpstreamReader: Sendable {
    /// What one event's data, or a whole answer that was not streamed, brings.
    mutating func read(_ data: String) throws(UpstreamError) -> UpstreamChunk
}

/// A request as one kind of server takes it.
struct UpstreamCall: Sendable {
    let path: String
    let body: [UInt8]
    /// Whether the answer comes as server-sent events.
    let isStream: Bool
}

/// New tokens of an answer, and whether it has ended.
struct UpstreamChunk: Hashable, Sendable {
    /// Why an answer ended.
    enum End: Hashable, Sendable {
        /// The model ended it.
        case stop
        /// The server's limit, or the request's, was reached.
        case length
    }

    /// The numbers of tokens that any answer can have; a server may say anything.
    static let counts = 0...Int(Int32.max)

    var tokens: [Int32] = []
    var end: End?
}

/// What a server says about itself.
public struct UpstreamDescription: Hashable, Sendable {
    /// The name requests call the model by.
    public var model: String
    /// The longest prompt plus output of one request; `nil` if it does not say.
    public var context: Int?
    /// Requests it works on at the same time; `nil` if it does not say.
    public var slots: Int?
    /// Tokens in its vocabulary; `nil` if it does not say.
    public var vocabulary: Int?
    /// The width of its model; `nil` if it does not say.
    public var hidden: Int?
}

/// The list at `/v1/models`, which all of them have.
struct UpstreamModels: Decodable, Sendable {
    struct Entry: Decodable, Sendable {
        struct Meta: Decodable, Sendable {
            let nVocab: Int?
            let nEmbd: Int?
        }

        let id: String
        let maxModelLen: Int?
        let meta: Meta?
    }

    let data: [Entry]

    /// The entry called `name`, or the first.
    static func entry(
        _ link: UpstreamLink, named name: String?
    ) async throws(UpstreamError) -> Entry {
        let models: UpstreamModels = try await link.get("/v1/models")
        let entry = name.map { name in models.data.first { $0.id == name } } ?? models.data.first
        guard let entry else {
            throw .badAnswer(name.map { "it has no model '\($0)'" } ?? "it has no model")
        }
        return entry
    }
}
