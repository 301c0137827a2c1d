import Clearing
import Foundation
import HTTPTypes
import Inference
import Primitives
import Service

/// From a completion's body to what the house is asked for: everything a stranger can get wrong is
/// found here, before any money is held.
struct CompletionPlan: Sendable {
    /// The most output tokens if the request does not say: OpenAI's 16 for plain completions.
    private static let defaultTokens = (chat: 512, plain: 16)
    private static let maximumMessages = 4_096
    private static let maximumStops = 16
    private static let maximumStopBytes = 256

    let isChat: Bool
    let body: CompletionBody
    let model: ServedModel
    let prompt: [Int32]
    let sampling: SamplingParameters
    let maxTokens: UInt32
    let stops: [String]
    /// How many likely tokens' log probabilities come with each token; `nil` for none at all.
    let scores: Int?

    /// Whether the answer is streamed, and with a last chunk of usage.
    var isStream: Bool { body.stream == true }
    var includesUsage: Bool { body.streamOptions?.includeUsage == true }

    /// - Parameter text: the body's bytes.
    init(
        _ body: CompletionBody, text: some Sequence<UInt8>, isChat: Bool, models: ModelLibrary
    ) throws(APIError) {
        if let field = body.unsupported {
            throw APIError(
                .badRequest, code: "unsupported_parameter",
                "this house cannot do what '\(field)' asks for: leave it out", parameter: field)
        }
        guard let model = models.model(named: body.model) else {
            throw APIError(
                .notFound, code: "model_not_found",
                "there is no model '\(body.model.prefix(80))': GET /v1/models lists them",
                parameter: "model", rejection: Rejection.modelNotFound.rawValue)
        }
        self.isChat = isChat
        self.body = body
        self.model = model
        prompt =
            isChat
            ? try Self.chat(body.messages ?? [], model) : try Self.plain(body.prompt, model)
        var sampling = try Self.sampling(body, model)
        sampling.format = try Self.format(body, text: text, model)
        self.sampling = sampling
        scores = try Self.scores(body, isChat: isChat)
        maxTokens = try Self.limit(body, isChat, prompt: prompt.count, model)
        guard ["exact", "any"].contains(body.provider?.numerics ?? "exact") else {
            throw .invalid("provider.numerics", "'provider.numerics' is 'exact' or 'any'")
        }
        stops = body.stop?.texts ?? []
        guard stops.count <= Self.maximumStops,
            stops.allSatisfy({ (1...Self.maximumStopBytes).contains($0.utf8.count) })
        else {
            throw .invalid(
                "stop", "'stop' is up to 16 texts of 1 to \(Self.maximumStopBytes) bytes")
        }
    }

    private static func chat(
        _ messages: [CompletionBody.Message], _ model: ServedModel
    ) throws(APIError) -> [Int32] {
        guard (1...maximumMessages).contains(messages.count) else {
            throw .invalid("messages", "'messages' is a list of 1 to \(maximumMessages)")
        }
        var turns: [ChatMessage] = []
        var bytes = 0
        for (place, message) in messages.enumerated() {
            let role = message.role == "developer" ? "system" : message.role
            guard ["system", "user", "assistant"].contains(role) else {
                throw .invalid(
                    "messages.\(place).role", "a role is 'system', 'user' or 'assistant'")
            }
            guard let text = message.content?.text else {
                throw .invalid("messages.\(place).content", "only text can be sent")
            }
            bytes += text.utf8.count
            turns.append(ChatMessage(role: role, content: text))
        }
        try check(bytes: bytes, "messages", model)
        do throws(ModelError) {
            return try model.file.requireChatTemplate().encode(turns, with: model.file.tokenizer)
        } catch {
            let blamesMessages = error.code == .unsuitableConversation || error.code == .textTooLong
            throw blamesMessages
                ? .invalid("messages", "\(error)")
                : .invalid("model", "this model cannot chat: \(error)")
        }
    }

    private static func plain(
        _ prompt: CompletionBody.Prompt?, _ model: ServedModel
    ) throws(APIError) -> [Int32] {
        switch prompt {
        case .text(let text):
            try check(bytes: text.utf8.count, "prompt", model)
            do throws(ModelError) {
                return try model.file.tokenizer.encode(text, addSpecial: true)
            } catch {
                throw .invalid("prompt", "\(error)")
            }
        case .tokens(let tokens):
            guard tokens.allSatisfy({ $0 >= 0 && Int($0) < model.file.tokenizer.count }) else {
                throw .invalid("prompt", "a token is not in the model's vocabulary")
            }
            return tokens
        case .many:
            throw .invalid("prompt", "one prompt a request")
        case nil:
            throw .invalid("prompt", "'prompt' is missing")
        }
    }

    /// Text that is too long whatever its tokens are is not worth the time to tokenize it.
    private static func check(
        bytes: Int, _ parameter: String, _ model: ServedModel
    ) throws(APIError) {
        guard bytes <= model.manifest.context * model.longestToken else {
            throw APIError(
                .badRequest, code: "context_length_exceeded",
                "\(bytes) bytes are more than the model's \(model.manifest.context) tokens can be",
                parameter: parameter, rejection: Rejection.contextExceeded.rawValue)
        }
    }

    private static func limit(
        _ body: CompletionBody, _ isChat: Bool, prompt: Int, _ model: ServedModel
    ) throws(APIError) -> UInt32 {
        let context = model.manifest.context
        if prompt == 0 { throw APIError(Rejection.emptyPrompt) }
        let given = body.maxCompletionTokens ?? body.maxTokens
        if let given, given < 1 { throw .invalid("max_tokens", "'max_tokens' is above 0") }
        let usual = isChat ? defaultTokens.chat : defaultTokens.plain
        let wanted = given ?? min(usual, max(context - prompt, 1))
        guard prompt < context, wanted <= context - prompt else {
            throw APIError(
                .badRequest, code: "context_length_exceeded",
                "the prompt has \(prompt) tokens and \(wanted) are asked for; together at most "
                    + "\(context)", parameter: isChat ? "messages" : "prompt",
                rejection: Rejection.contextExceeded.rawValue)
        }
        return UInt32(wanted)
    }

    /// Preferences with names looked up. Names nobody has are left out; if `only` names nobody
    /// who exists, nobody can serve.
    func routing(_ house: borrowing ClearingHouse) -> Result<JobRequest.Routing, Rejection> {
        var routing = JobRequest.Routing()
        guard let wanted = body.provider else { return .success(routing) }
        func parties(_ names: [String]?) -> [PartyID] {
            var found: [PartyID] = []
            for name in names ?? [] {
                if let id = house.party(named: name)?.id, !found.contains(id) { found.append(id) }
            }
            return found
        }
        for list in [wanted.order, wanted.only, wanted.ignore]
        where (list?.count ?? 0) > Limits.preferences {
            return .failure(.limitExceeded)
        }
        routing.order = parties(wanted.order)
        routing.only = parties(wanted.only)
        routing.ignore = parties(wanted.ignore)
        routing.allowFallbacks = wanted.allowFallbacks ?? true
        // Nothing holds a server behind a node to a format.
        routing.acceptsStatistical = wanted.numerics == "any" && sampling.format == .text
        routing.sort = sort ?? .price
        routing.maxInputPrice = Self.price(wanted.maxPrice?.prompt)
        routing.maxOutputPrice = Self.price(wanted.maxPrice?.completion)
        if wanted.only?.isEmpty == false, routing.only.isEmpty { return .failure(.noOffers) }
        if !routing.allowFallbacks, wanted.order?.isEmpty == false, routing.order.isEmpty {
            return .failure(.noOffers)
        }
        let quantisation = model.manifest.quantisation.lowercased()
        if let wanted = wanted.quantizations, !wanted.isEmpty,
            !wanted.contains(where: { $0.lowercased() == quantisation })
        {
            return .failure(.noOffers)
        }
        return .success(routing)
    }

    /// Dollars per million tokens as a limit, rounded down; above what a price can be, no limit.
    private static func price(_ dollars: Decimal?) -> Price? {
        guard let dollars else { return nil }
        if dollars <= 0 { return .zero }
        var scaled = dollars * 1_000_000_000_000
        var whole = Decimal()
        unsafe NSDecimalRound(&whole, &scaled, 0, .down)
        return UInt64(whole.description).map { Price(perMillion: $0) }
    }

    /// Why the privacy asked for cannot be given: every stage reads the prompt.
    var privacyRefusal: APIError? {
        guard body.provider?.dataCollection == "deny" || body.provider?.zdr == true else {
            return nil
        }
        return APIError(
            .serviceUnavailable, code: "privacy_unavailable",
            "providers here can read prompts, so this house cannot promise that none is kept",
            parameter: "provider")
    }
}
