import Foundation
import Inference
import Primitives
import Service

/// How tokens are to be chosen, and what is to be said about them.
extension CompletionPlan {
    static func sampling(
        _ body: CompletionBody, _ model: ServedModel
    ) throws(APIError) -> SamplingParameters {
        let temperature = body.temperature ?? 1
        let topP = body.topP ?? 1
        guard (0...2).contains(temperature) else {
            throw .invalid("temperature", "'temperature' is from 0 to 2")
        }
        guard topP > 0, topP <= 1, Float(topP) > 0 else {
            throw .invalid("top_p", "'top_p' is above 0 and at most 1")
        }
        guard let topK = UInt32(exactly: body.topK ?? 0) else {
            throw .invalid("top_k", "'top_k' is 0 or above")
        }
        var seed: UInt64 = 0
        if let given = body.seed {
            seed = UInt64(bitPattern: given)
        } else if temperature > 0 {
            seed = House.random(8).reduce(0) { $0 << 8 | UInt64($1) }
        }
        var parameters = SamplingParameters(
            temperature: Float(temperature), topK: topK, topP: Float(topP), seed: seed)
        try penalise(&parameters, body)
        parameters.logitBias = try biases(body.logitBias ?? [:], model)
        return parameters
    }

    private static func penalise(
        _ parameters: inout SamplingParameters, _ body: CompletionBody
    ) throws(APIError) {
        let minP = body.minP ?? 0
        guard (0...1).contains(minP) else { throw .invalid("min_p", "'min_p' is from 0 to 1") }
        parameters.minP = Float(minP)
        let repetition = body.repetitionPenalty ?? 1
        guard repetition <= 2, Float(repetition) > 0 else {
            throw .invalid("repetition_penalty", "'repetition_penalty' is above 0 and at most 2")
        }
        parameters.repetitionPenalty = Float(repetition)
        let presence = body.presencePenalty ?? 0
        guard (-2...2).contains(presence) else {
            throw .invalid("presence_penalty", "'presence_penalty' is from -2 to 2")
        }
        parameters.presencePenalty = Float(presence)
        let frequency = body.frequencyPenalty ?? 0
        guard (-2...2).contains(frequency) else {
            throw .invalid("frequency_penalty", "'frequency_penalty' is from -2 to 2")
        }
        parameters.frequencyPenalty = Float(frequency)
    }

    /// Biases in order of token; those of 0 change nothing and are left out.
    private static func biases(
        _ given: [String: Double], _ model: ServedModel
    ) throws(APIError) -> [SamplingParameters.Bias] {
        guard given.count <= SamplingParameters.maximumBiases else {
            throw .invalid(
                "logit_bias", "'logit_bias' has at most \(SamplingParameters.maximumBiases) tokens")
        }
        var biases: [SamplingParameters.Bias] = []
        for (name, value) in given {
            guard let token = Int32(name), "\(token)" == name, token >= 0,
                Int(token) < model.file.tokenizer.count
            else {
                throw .invalid("logit_bias", "'logit_bias' has a key that is no token's number")
            }
            guard (-100...100).contains(value) else {
                throw .invalid("logit_bias", "a bias is from -100 to 100")
            }
            if Float(value) != 0 {
                biases.append(SamplingParameters.Bias(token: token, value: Float(value)))
            }
        }
        return biases.sorted { $0.token < $1.token }
    }

    /// How many likely tokens' log probabilities are asked for beside each chosen token's; `nil`
    /// for none at all.
    static func scores(_ body: CompletionBody, isChat: Bool) throws(APIError) -> Int? {
        let range = 0...PositionScore.maximumTop
        if let top = body.topLogprobs {
            guard isChat, range.contains(top), body.logprobs == .flag(true) else {
                throw .invalid(
                    "top_logprobs", "'top_logprobs' is from 0 to 20, in chats with 'logprobs'")
            }
            return top
        }
        switch body.logprobs {
        case .flag(true) where isChat: return 0
        case .number(let count) where !isChat && range.contains(count): return count
        case .flag(false), nil: return nil
        case .flag, .number:
            throw .invalid(
                "logprobs", "'logprobs' is true or false in chats, otherwise from 0 to 20")
        }
    }
}
