import Inference

/// vLLM's OpenAI server: `/v1/completions` takes token ids as the prompt and, with
/// `return_token_ids`, gives those of each chunk (vLLM 0.10.2 and later).
struct VLLMDialect: UpstreamDialect {
    func describe(
        _ link: UpstreamLink, model: String?
    ) async throws(UpstreamError) -> UpstreamDescription {
        let entry = try await UpstreamModels.entry(link, named: model)
        return UpstreamDescription(model: entry.id, context: entry.maxModelLen)
    }

    func tokenize(
        _ text: String, model: String, _ link: UpstreamLink
    ) async throws(UpstreamError) -> [Int32] {
        try await OpenAITokenizer.tokenize(text, model: model, link)
    }

    private struct Completion: Encodable {
        let model: String
        let prompt: [Int32]
        let maxTokens: Int
        let stream = true
        let returnTokenIds = true
        let skipSpecialTokens = false
        let temperature: Double
        let topP: Double
        let topK: Int
        let seed: Int64
        // The model's generation_config.json must not change the choice.
        let minP = 0.0
        let repetitionPenalty = 1.0
        let presencePenalty = 0.0
        let frequencyPenalty = 0.0
    }

    func completion(_ request: UpstreamRequest, model: String) -> UpstreamCall {
        let sampling = request.sampling
        let body = Completion(
            model: model, prompt: request.prompt, maxTokens: request.maxTokens,
            temperature: Double(sampling.temperature), topP: Double(sampling.topP),
            topK: sampling.topK == 0 ? -1 : Int(sampling.topK),
            seed: Int64(sampling.seed & UInt64(Int64.max)))
        return UpstreamCall(
            path: "/v1/completions", body: UpstreamJSON.encode(body), isStream: true)
    }

    func makeReader() -> any UpstreamReader { VLLMReader() }
}

private struct VLLMReader: UpstreamReader {
    private struct Event: Decodable {
        struct Choice: Decodable {
            let tokenIds: [Int32]?
            let finishReason: String?
        }

        struct Failure: Decodable {
            let code: Int?
        }

        let choices: [Choice]?
        let error: Failure?
    }

    mutating func read(_ data: String) throws(UpstreamError) -> UpstreamChunk {
        let event: Event = try UpstreamJSON.decode(data.utf8, "an event")
        if let error = event.error { throw .refused(status: error.code ?? 500) }
        guard let choices = event.choices else { throw .badAnswer("an event without choices") }
        // The last event may hold usage only.
        guard let choice = choices.first else { return UpstreamChunk() }
        guard let tokens = choice.tokenIds else {
            throw .badAnswer("no token ids: vLLM 0.10.2 or later has 'return_token_ids'")
        }
        return UpstreamChunk(tokens: tokens, end: try OpenAIFinish.end(choice.finishReason))
    }
}

/// `/tokenize` as vLLM and SGLang have it.
enum OpenAITokenizer {
    private struct Question: Encodable {
        let model: String
        let prompt: String
        let addSpecialTokens = false
    }

    private struct Answer: Decodable {
        let tokens: [Int32]
    }

    static func tokenize(
        _ text: String, model: String, _ link: UpstreamLink
    ) async throws(UpstreamError) -> [Int32] {
        let answer: Answer = try await link.post(
            "/tokenize", Question(model: model, prompt: text))
        return answer.tokens
    }
}

/// Why an answer ended, as vLLM and SGLang say it.
enum OpenAIFinish {
    static func end(_ reason: String?) throws(UpstreamError) -> UpstreamChunk.End? {
        switch reason {
        case nil: nil
        case "stop": .stop
        case "length": .length
        default: throw .badAnswer("the answer was given up by the server")
        }
    }
}
