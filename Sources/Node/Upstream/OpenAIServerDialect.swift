import Inference

/// What vLLM and SGLang have in common.
protocol OpenAIServerDialect: UpstreamDialect {}

extension OpenAIServerDialect {
    func describe(
        _ link: UpstreamLink, model: String?
    ) async throws(UpstreamError) -> UpstreamDescription {
        let entry = try await UpstreamModels.entry(link, named: model)
        return UpstreamDescription(model: entry.id, context: entry.maxModelLen)
    }

    func tokenize(
        _ text: String, model: String, _ link: UpstreamLink
    ) async throws(UpstreamError) -> [Int32] {
        let answer: TokenizeAnswer = try await link.post(
            "/tokenize", TokenizeQuestion(model: model, prompt: text))
        return answer.tokens
    }
}

extension SamplingParameters {
    /// Biases by token as OpenAI's API spells them; `nil` if there are none.
    var biasesByName: [String: Double]? {
        if logitBias.isEmpty { return nil }
        return Dictionary(uniqueKeysWithValues: logitBias.map { ("\($0.token)", Double($0.value)) })
    }
}

private struct TokenizeQuestion: Encodable {
    let model: String
    let prompt: String
    let addSpecialTokens = false
}

private struct TokenizeAnswer: Decodable {
    let tokens: [Int32]
}

extension UpstreamChunk.End {
    /// Why an answer ended, as vLLM and SGLang say it; `nil` if it goes on.
    static func named(_ reason: String?) throws(UpstreamError) -> UpstreamChunk.End? {
        switch reason {
        case nil: nil
        case "stop": .stop
        case "length": .length
        default: throw .badAnswer("the answer was given up by the server")
        }
    }
}
