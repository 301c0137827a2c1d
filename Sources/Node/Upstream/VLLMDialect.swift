import Inference

/// vLLM's OpenAI server: `/v1/completions` takes token ids as the prompt and, with
/// `return_token_ids`, gives those of each chunk (vLLM 0.10.2 and later).
struct VLLMDialect: OpenAIServerDialect {
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
        // Said in any case: the model's generation_config.json must not change the choice.
        let minP: Double
        let repetitionPenalty: Double
        let presencePenalty: Double
        let frequencyPenalty: Double
        let logitBias: [String: Double]?
    }

    func completion(_ request: UpstreamRequest, model: String) -> UpstreamCall {
        let sampling = request.sampling
        let body = Completion(
            model: model, prompt: request.prompt, maxTokens: request.maxTokens,
            temperature: Double(sampling.temperature), topP: Double(sampling.topP),
            topK: sampling.topK == 0 ? -1 : Int(sampling.topK),
            seed: Int64(sampling.seed & UInt64(Int64.max)), minP: Double(sampling.minP),
            repetitionPenalty: Double(sampling.repetitionPenalty),
            presencePenalty: Double(sampling.presencePenalty),
            frequencyPenalty: Double(sampling.frequencyPenalty), logitBias: sampling.biasesByName)
        return UpstreamCall(
            path: "/v1/completions", body: SnakeCaseJSON.encode(body), isStream: true)
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
        guard let event: Event = SnakeCaseJSON.decode(data.utf8) else {
            throw .badAnswer("an event is not the JSON such a server sends")
        }
        if let error = event.error { throw .refused(status: error.code ?? 500) }
        guard let choices = event.choices else { throw .badAnswer("an event without choices") }
        // The last event may hold usage only.
        guard let choice = choices.first else { return UpstreamChunk() }
        guard let tokens = choice.tokenIds else {
            throw .badAnswer("no token ids: vLLM 0.10.2 or later has 'return_token_ids'")
        }
        return UpstreamChunk(tokens: tokens, end: try .named(choice.finishReason))
    }
}
