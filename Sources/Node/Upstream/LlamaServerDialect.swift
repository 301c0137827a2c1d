import Inference

/// `llama-server`'s own API: `/completion` takes and gives token ids (`return_tokens`).
struct LlamaServerDialect: UpstreamDialect {
    private let splitter: TokenSplitter
    /// So few tokens are asked for in one piece: a stream withholds those inside a character.
    private static let unstreamed = 4

    init(tokenizer: Tokenizer) {
        splitter = TokenSplitter(tokenizer)
    }

    private struct Properties: Decodable {
        struct Settings: Decodable {
            let nCtx: Int
        }

        let defaultGenerationSettings: Settings
        let totalSlots: Int
    }

    func describe(
        _ link: UpstreamLink, model: String?
    ) async throws(UpstreamError) -> UpstreamDescription {
        let properties: Properties = try await link.get("/props")
        let entry = try await UpstreamModels.entry(link, named: model)
        return UpstreamDescription(
            model: entry.id, context: properties.defaultGenerationSettings.nCtx,
            slots: properties.totalSlots, vocabulary: entry.meta?.nVocab, hidden: entry.meta?.nEmbd)
    }

    private struct Tokenize: Encodable {
        let content: String
        let addSpecial = false
        let parseSpecial = true
    }

    private struct Tokens: Decodable {
        let tokens: [Int32]
    }

    func tokenize(
        _ text: String, model: String, _ link: UpstreamLink
    ) async throws(UpstreamError) -> [Int32] {
        let answer: Tokens = try await link.post("/tokenize", Tokenize(content: text))
        return answer.tokens
    }

    private struct Completion: Encodable {
        let prompt: [Int32]
        let nPredict: Int
        let stream: Bool
        let returnTokens = true
        let cachePrompt = true
        let temperature: Double
        let topK: UInt32
        let topP: Double
        let seed: UInt32
        let minP: Double
        let repeatPenalty: Double
        let presencePenalty: Double
        let frequencyPenalty: Double
        /// Penalties count all tokens. The server's presence and frequency penalties count the
        /// prompt too, ours do not.
        let repeatLastN: Int
        /// Pairs of a token and its bias.
        let logitBias: [[Double]]
        /// In the order of our sampling: top-p and min-p compare probabilities at the temperature.
        /// Nothing else the server was started with may change the choice.
        let samplers = ["penalties", "top_k", "temperature", "top_p", "min_p"]
    }

    func completion(_ request: UpstreamRequest, model: String) -> UpstreamCall {
        let isStream = request.maxTokens > Self.unstreamed
        let sampling = request.sampling
        let body = Completion(
            prompt: request.prompt, nPredict: request.maxTokens, stream: isStream,
            temperature: Double(sampling.temperature), topK: sampling.topK,
            topP: Double(sampling.topP), seed: UInt32(sampling.seed % UInt64(UInt32.max)),
            minP: Double(sampling.minP), repeatPenalty: Double(sampling.repetitionPenalty),
            presencePenalty: Double(sampling.presencePenalty),
            frequencyPenalty: Double(sampling.frequencyPenalty),
            repeatLastN: request.prompt.count + request.maxTokens,
            logitBias: sampling.logitBias.map { [Double($0.token), Double($0.value)] })
        return UpstreamCall(
            path: "/completion", body: SnakeCaseJSON.encode(body), isStream: isStream)
    }

    func makeReader() -> any UpstreamReader { LlamaServerReader(splitter: splitter) }
}

/// The events of `/completion`.
///
/// While a character is incomplete the server sends nothing, and then an event with the whole
/// character but only its last token. How many were withheld shows in `tokens_predicted`.
private struct LlamaServerReader: UpstreamReader {
    let splitter: TokenSplitter
    private var predicted = 0

    init(splitter: TokenSplitter) {
        self.splitter = splitter
    }

    private struct Event: Decodable {
        struct Failure: Decodable {
            let code: Int?
        }

        let content: String?
        let tokens: [Int32]?
        let stop: Bool?
        let stopType: String?
        let tokensPredicted: Int?
        let error: Failure?
    }

    mutating func read(_ data: String) throws(UpstreamError) -> UpstreamChunk {
        guard let event: Event = SnakeCaseJSON.decode(data.utf8) else {
            throw .badAnswer("an event is not the JSON such a server sends")
        }
        if let error = event.error { throw .refused(status: error.code ?? 500) }
        guard let tokens = event.tokens, let total = event.tokensPredicted else {
            throw .badAnswer("an event without token ids: is it a llama-server?")
        }
        guard UpstreamChunk.counts.contains(total) else {
            throw .badAnswer("a number of tokens that cannot be")
        }
        var chunk = UpstreamChunk(tokens: tokens)
        let isEnd = event.stop == true
        let missing = total - predicted - tokens.count
        if missing > 0, !isEnd {
            let text = Array((event.content ?? "").utf8)
            guard
                let withheld = splitter.split(text, before: tokens, missing: missing)
            else { throw .badAnswer("\(missing) tokens were withheld and do not follow") }
            chunk.tokens = withheld + tokens
        }
        guard missing >= 0 || isEnd else { throw .badAnswer("more tokens than were counted") }
        predicted += chunk.tokens.count
        if isEnd { chunk.end = event.stopType == "limit" ? .length : .stop }
        return chunk
    }
}
