import Clearing
import Cryptography
import Foundation
import HTTPTypes
import Hummingbird
import Inference
import Primitives
import Service

/// `/v1/models`, `/v1/chat/completions`, `/v1/completions`: what OpenAI's clients call.
enum OpenAIRoutes {
    private static let bodyLimit = 4 << 20

    static let all: [Route] = [
        Route(.get, "/v1/models", .anyone, "openai", "The models that can be asked for") { call in
            JSON.ok(Page(try await models(call)))
        },
        Route(.get, "/v1/models/{model}", .anyone, "openai", "One model, by its name or root") {
            call in
            let name = (call.parameters.get("model") ?? "").removingPercentEncoding ?? ""
            guard
                let model = try await models(call).first(where: { $0.id == name || $0.root == name }
                )
            else { throw APIError(Rejection.modelNotFound) }
            return JSON.ok(model)
        },
        Route(
            .get, "/v1/models/{model}/manifest", .anyone, "openai",
            "The canonical bytes of a model's manifest, by its root"
        ) { call in
            guard let root = call.parameters.get("model").flatMap({ Digest(hex: $0) }),
                let model = try await call.read({ $0.model(root: root) })
            else { throw APIError(Rejection.modelNotFound) }
            return Response(
                status: .ok, headers: [.contentType: "application/octet-stream"],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: model.draft.manifest)))
        },
        Route(
            .post, "/v1/chat/completions", .apiKey, "openai", "Continue a conversation",
            body: [
                .required("messages", "array", "What was said"),
                .optional("logprobs", "boolean", "Give each token's log probability"),
                .optional("top_logprobs", "integer", "0 to 20: and those of the likeliest"),
            ] + common, bodyLimit: bodyLimit, isLong: true
        ) { try await complete($0, isChat: true) },
        Route(
            .post, "/v1/completions", .apiKey, "openai", "Continue a text",
            body: [
                .required("prompt", "string", "The text, or token ids"),
                .optional(
                    "logprobs", "integer", "0 to 20: log probabilities of as many likely tokens"),
            ] + common, bodyLimit: bodyLimit, isLong: true
        ) { try await complete($0, isChat: false) },
    ]

    private static let common: [Route.Field] = [
        .required("model", "string", "A name of /v1/models"),
        .optional("stream", "boolean", "Send the answer as server-sent events"),
        .optional("stream_options", "object", "include_usage: a last chunk with usage and cost"),
        .optional("max_tokens", "integer", "The most output tokens; the hold covers as many"),
        .optional("temperature", "number", "0 to 2, 1 if left out; 0 takes the likeliest token"),
        .optional("top_p", "number", "Above 0, at most 1"),
        .optional("top_k", "integer", "0 for all"),
        .optional("min_p", "number", "0 to 1: likely tokens only, compared with the likeliest"),
        .optional("repetition_penalty", "number", "Above 0, at most 2: prompt and output"),
        .optional("presence_penalty", "number", "-2 to 2: tokens that were chosen before"),
        .optional("frequency_penalty", "number", "-2 to 2: for each time a token was chosen"),
        .optional("logit_bias", "object", "Up to 300 token ids with a bias of -100 to 100"),
        .optional("seed", "integer", "The same seed gives the same answer, byte for byte"),
        .optional(
            "response_format", "object",
            "text, json_object, or json_schema with a schema that the answer satisfies"),
        .optional("stop", "array", "Up to 16 texts that end the answer"),
        .optional("provider", "object", "Routing preferences as OpenRouter spells them"),
    ]

    struct ModelView: Encodable, Sendable {
        let id, object, ownedBy, root, profile, quantisation: String
        let created: UInt64
        let layers: Int
        let contextLength: UInt32
        let offersOnline: Int
    }

    private static func models(_ call: Call) async throws(APIError) -> [ModelView] {
        let library = call.house.models
        return try await call.read { house in
            house.models.compactMap { model in
                guard let served = library.model(model.id) else { return nil }
                return ModelView(
                    id: model.draft.name, object: "model", ownedBy: "exchequer",
                    root: model.draft.root.hex, profile: model.draft.profile.hex,
                    quantisation: served.manifest.quantisation,
                    created: model.createdAt.nanoseconds / 1_000_000_000,
                    layers: Int(model.draft.layers), contextLength: model.draft.context,
                    offersOnline: model.offers.count { id in
                        house.offer(id).flatMap { house.node($0.draft.node) }?.online == true
                    })
            }
        }
    }

    // MARK: Completions

    private static let idempotency = HTTPField.Name("Idempotency-Key")

    private static func complete(_ call: Call, isChat: Bool) async throws -> Response {
        let buyer = try await call.buyer()
        let plan = try CompletionPlan(
            JSON.decode(from: call.body), text: call.body.readableBytesView, isChat: isChat,
            models: call.house.models)
        if let refusal = plan.preferenceRefusal { throw refusal }
        var request = JobRequest(
            buyer: buyer, request: try requestID(call), model: plan.model, prompt: plan.prompt,
            maxTokens: plan.maxTokens, sampling: plan.sampling, stops: plan.stops)
        request.scores = plan.scores
        switch try await call.read({ plan.routing($0) }) {
        case .success(let routing): request.routing = routing
        case .failure(let rejection): throw APIError(rejection)
        }
        let job: RunningJob
        do throws(JobFailure) {
            job = try await call.house.jobs.start(request)
        } catch {
            throw APIError(error)
        }
        let answer = CompletionAnswer(
            plan: plan, job: job.id,
            created: Timestamp.systemNow.nanoseconds / 1_000_000_000)
        return plan.isStream ? stream(job, answer) : try await whole(job, answer)
    }

    /// The buyer's id for the request: from its `Idempotency-Key`, or random.
    private static func requestID(_ call: Call) throws(APIError) -> UInt128 {
        var bytes = House.random(16)
        if let key = idempotency.flatMap({ call.head.headerFields[$0] }) {
            guard (1...256).contains(key.utf8.count) else {
                throw .invalid("Idempotency-Key", "'Idempotency-Key' has 1 to 256 bytes")
            }
            bytes = Array(SHA256.hash(Array("exchequer-idempotency-v1\n\(key)".utf8)).bytes[..<16])
        }
        return bytes.reduce(0) { $0 << 8 | UInt128($1) }
    }

    private static func whole(
        _ job: RunningJob, _ answer: CompletionAnswer
    ) async throws(APIError) -> Response {
        // Whatever ends this ends the job, if it has not ended by itself.
        defer { job.cancel() }
        var text = ""
        var scores: [PositionScore] = []
        for await output in job.outputs {
            switch output {
            case .text(let piece, _, let new):
                text += piece
                scores += new
            case .done(let result): return JSON.ok(answer.whole(text, scores, result))
            case .failed(let failure): throw APIError(failure)
            }
        }
        // The task was cancelled: the buyer went away.
        throw APIError(JobFailure.unavailable("the request was cancelled"))
    }

    private static func stream(_ job: RunningJob, _ answer: CompletionAnswer) -> Response {
        let body = ResponseBody { writer in
            // The buyer went away: what was chosen so far is charged, or nothing.
            defer { job.cancel() }
            var logprobs = answer.logprobs
            if let opening = answer.opening { try await writer.write(EventText.json(opening)) }
            for await output in job.outputs {
                switch output {
                case .text(let piece, _, let scores):
                    if piece.isEmpty, scores.isEmpty { continue }
                    let chunk = answer.chunk(piece, logprobs?.write(scores))
                    try await writer.write(EventText.json(chunk))
                case .done(let result):
                    try await writer.write(EventText.json(answer.closing(result)))
                    if answer.plan.includesUsage {
                        try await writer.write(EventText.json(answer.usageChunk(result)))
                    }
                    try await writer.write(EventText.data(ByteBuffer(string: "[DONE]")))
                case .failed(let failure):
                    try await writer.write(EventText.data(APIError(failure).json))
                }
            }
            try await writer.finish(nil)
        }
        return EventText.response(body)
    }
}

/// Server-sent events as text.
enum EventText {
    static func data(_ json: ByteBuffer) -> ByteBuffer {
        var buffer = ByteBuffer(string: "data: ")
        buffer.writeImmutableBuffer(json)
        buffer.writeString("\n\n")
        return buffer
    }

    static func json(_ value: some Encodable) -> ByteBuffer { data(JSON.encode(value)) }

    static func event(_ event: NodeEvent) -> ByteBuffer {
        ByteBuffer(string: "event: \(event.name)\ndata: \(event.data)\n\n")
    }

    static func response(_ body: ResponseBody) -> Response {
        Response(
            status: .ok,
            headers: [
                .contentType: "text/event-stream", .cacheControl: "no-cache",
                .accelBuffering: "no",
            ], body: body)
    }
}

extension HTTPField.Name {
    /// Tells proxies not to hold events back.
    fileprivate static var accelBuffering: HTTPField.Name {
        HTTPField.Name("X-Accel-Buffering") ?? .cacheControl
    }
}
