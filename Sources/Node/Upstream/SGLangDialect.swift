import Inference

/// SGLang's native API: `/generate` takes `input_ids` and gives `output_ids`.
struct SGLangDialect: OpenAIServerDialect {
    private struct Completion: Encodable {
        struct Sampling: Encodable {
            let maxNewTokens: Int
            let temperature: Double
            let topP: Double
            let topK: Int
            /// Heeded by servers with deterministic inference only.
            let samplingSeed: Int64
            // Said in any case: the model's generation_config.json must not change the choice.
            let minP: Double
            let repetitionPenalty: Double
            let presencePenalty: Double
            let frequencyPenalty: Double
            let logitBias: [String: Double]?
        }

        let inputIds: [Int32]
        let samplingParams: Sampling
        let stream = true
    }

    func completion(_ request: UpstreamRequest, model: String) -> UpstreamCall {
        let sampling = request.sampling
        let body = Completion(
            inputIds: request.prompt,
            samplingParams: .init(
                maxNewTokens: request.maxTokens, temperature: Double(sampling.temperature),
                topP: Double(sampling.topP), topK: sampling.topK == 0 ? -1 : Int(sampling.topK),
                samplingSeed: Int64(sampling.seed & UInt64(Int32.max)),
                minP: Double(sampling.minP),
                repetitionPenalty: Double(sampling.repetitionPenalty),
                presencePenalty: Double(sampling.presencePenalty),
                frequencyPenalty: Double(sampling.frequencyPenalty),
                logitBias: sampling.biasesByName))
        return UpstreamCall(path: "/generate", body: SnakeCaseJSON.encode(body), isStream: true)
    }

    func makeReader() -> any UpstreamReader { SGLangReader() }
}

/// The events of `/generate`: `output_ids` are all tokens so far, or only the new ones if the
/// server streams incrementally. `completion_tokens` tells which.
private struct SGLangReader: UpstreamReader {
    private var received = 0

    private struct Event: Decodable {
        struct Meta: Decodable {
            struct Finish: Decodable {
                let type: String
            }

            let completionTokens: Int
            let finishReason: Finish?
        }

        struct Failure: Decodable {}

        let outputIds: [Int32]?
        let metaInfo: Meta?
        let error: Failure?
    }

    mutating func read(_ data: String) throws(UpstreamError) -> UpstreamChunk {
        guard let event: Event = SnakeCaseJSON.decode(data.utf8) else {
            throw .badAnswer("an event is not the JSON such a server sends")
        }
        if event.error != nil { throw .refused(status: 500) }
        guard let ids = event.outputIds, let meta = event.metaInfo else {
            throw .badAnswer("an event without output ids")
        }
        guard UpstreamChunk.counts.contains(meta.completionTokens) else {
            throw .badAnswer("a number of tokens that cannot be")
        }
        let known = received - (meta.completionTokens - ids.count)
        guard known >= 0, known <= ids.count else {
            throw .badAnswer("tokens that do not follow those before")
        }
        received = meta.completionTokens
        return UpstreamChunk(
            tokens: Array(ids[known...]), end: try .named(meta.finishReason?.type))
    }
}
