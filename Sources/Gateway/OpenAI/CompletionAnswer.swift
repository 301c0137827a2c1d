import Foundation
import Inference
import Primitives
import Service

/// The JSON of answers, whole or in chunks, for chat and plain completions alike.
struct CompletionAnswer: Sendable {
    let plan: CompletionPlan
    let job: JobID
    let created: UInt64

    struct Usage: Encodable, Sendable {
        let promptTokens, completionTokens, totalTokens: Int
        /// Dollars. Exact text stands in `exchequer.cost`.
        let cost: Decimal
    }

    /// What this house adds: fields OpenAI's clients pass through.
    struct House: Encodable, Sendable {
        let job: UInt64
        let cost: String
        let providers: [String]
        let attempt: UInt32
        /// As the request's `seed` takes it.
        let seed: Int64
        /// `statistical` if no audit can re-execute the answer.
        let numerics: String
    }

    struct Message: Encodable, Sendable {
        let role: String?
        let content: String?
    }

    struct Choice: Encodable, Sendable {
        let index = 0
        var text: String?
        var message: Message?
        var delta: Message?
        let finishReason: String?
        var logprobs: CompletionLogprobs?

        enum CodingKeys: CodingKey { case index, text, message, delta, finishReason, logprobs }

        func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: CodingKeys.self)
            try fields.encode(index, forKey: .index)
            try fields.encodeIfPresent(text, forKey: .text)
            try fields.encodeIfPresent(message, forKey: .message)
            try fields.encodeIfPresent(delta, forKey: .delta)
            try fields.encode(finishReason, forKey: .finishReason)
            try fields.encode(logprobs, forKey: .logprobs)
        }
    }

    struct Body: Encodable, Sendable {
        let id, object, model, systemFingerprint: String
        let created: UInt64
        let choices: [Choice]
        var usage: Usage?
        var exchequer: House?
    }

    private func body(
        _ choices: [Choice], isChunk: Bool, usage: Usage? = nil, exchequer: House? = nil
    ) -> Body {
        let object =
            plan.isChat
            ? (isChunk ? "chat.completion.chunk" : "chat.completion") : "text_completion"
        return Body(
            id: "\(plan.isChat ? "chatcmpl" : "cmpl")-\(job)", object: object,
            model: plan.model.manifest.name,
            systemFingerprint: "\(plan.model.manifest.root)", created: created, choices: choices,
            usage: usage, exchequer: exchequer)
    }

    private func usage(_ result: JobResult) -> Usage {
        Usage(
            promptTokens: result.promptTokens, completionTokens: result.outputTokens,
            totalTokens: result.promptTokens + result.outputTokens,
            cost: Decimal(string: Asset.usd.format(result.cost)) ?? 0)
    }

    private func house(_ result: JobResult) -> House {
        House(
            job: job.rawValue, cost: Asset.usd.format(result.cost), providers: result.providers,
            attempt: result.attempt, seed: Int64(bitPattern: plan.sampling.seed),
            numerics: result.numerics.name)
    }

    /// OpenAI has no word for a buyer who went away.
    private func reason(_ result: JobResult) -> String {
        result.finish == "cancelled" ? "stop" : result.finish
    }

    /// Writes log probabilities; `nil` if they were not asked for.
    var logprobs: LogprobsWriter? {
        guard plan.scores != nil else { return nil }
        return LogprobsWriter(isChat: plan.isChat, tokenizer: plan.model.file.tokenizer)
    }

    /// The whole answer.
    func whole(_ text: String, _ scores: [PositionScore], _ result: JobResult) -> Body {
        var choice = Choice(finishReason: reason(result))
        var writer = logprobs
        choice.logprobs = writer?.write(scores)
        if plan.isChat {
            choice.message = Message(role: "assistant", content: text)
        } else {
            choice.text = text
        }
        return body([choice], isChunk: false, usage: usage(result), exchequer: house(result))
    }

    /// The first chunk of a chat: who speaks.
    var opening: Body? {
        guard plan.isChat else { return nil }
        return body(
            [Choice(delta: Message(role: "assistant", content: ""), finishReason: nil)],
            isChunk: true)
    }

    /// A chunk of text, with what the model thought of its tokens.
    func chunk(_ text: String, _ logprobs: CompletionLogprobs?) -> Body {
        var choice = Choice(finishReason: nil)
        choice.logprobs = logprobs
        if plan.isChat {
            choice.delta = Message(role: nil, content: text)
        } else {
            choice.text = text
        }
        return body([choice], isChunk: true)
    }

    /// The chunk that says why the answer ended and what it cost.
    func closing(_ result: JobResult) -> Body {
        var choice = Choice(finishReason: reason(result))
        if plan.isChat {
            choice.delta = Message(role: nil, content: nil)
        } else {
            choice.text = ""
        }
        return body([choice], isChunk: true, exchequer: house(result))
    }

    /// The chunk with usage, for those who asked for it.
    func usageChunk(_ result: JobResult) -> Body {
        body([], isChunk: true, usage: usage(result), exchequer: house(result))
    }
}
