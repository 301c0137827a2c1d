public import Inference
import Synchronization
import Transport

/// A server that computes a whole model for this node: llama.cpp, vLLM or SGLang.
///
/// Prompts go out and tokens come back as ids. A request is tried again only while no token of it
/// has come; afterwards whatever breaks the answer ends it.
public struct UpstreamServer: Sendable {
    /// What kind of server it is.
    public let kind: UpstreamKind
    /// What it said about itself when it was found.
    public let description: UpstreamDescription
    private let link: UpstreamLink
    private let dialect: any UpstreamDialect
    private let tokenizer: Tokenizer
    private let patience: Duration
    /// More patience for the first token, for each position of the prompt.
    private static let promptPatience = Duration.milliseconds(50)
    /// How often a request is tried again before its first token.
    private static let retries = 3
    /// How often an answer that ended early may be continued.
    private static let continuations = 8

    /// Finds out what stands at `url`, unless `kind` says it, and what model it serves. `tokenizer`
    /// is that of the model it is to serve; `model` is its name there, the first if left out;
    /// `patience` is how long it may take for the next token.
    public static func find(
        at url: String, kind: UpstreamKind? = nil, model: String? = nil, key: String? = nil,
        patience: Duration = .seconds(15), tokenizer: Tokenizer
    ) async throws(UpstreamError) -> UpstreamServer {
        let link = UpstreamLink(base: url, key: key)
        let found: UpstreamKind
        if let kind { found = kind } else { found = try await self.kind(at: link) }
        let dialect: any UpstreamDialect =
            switch found {
            case .llamaServer: LlamaServerDialect(tokenizer: tokenizer)
            case .vllm: VLLMDialect()
            case .sglang: SGLangDialect()
            }
        return UpstreamServer(
            kind: found, description: try await dialect.describe(link, model: model), link: link,
            dialect: dialect, tokenizer: tokenizer, patience: patience)
    }

    /// Each kind has a page that the others lack.
    private static func kind(at link: UpstreamLink) async throws(UpstreamError) -> UpstreamKind {
        let pages: [(String, UpstreamKind)] = [
            ("/props", .llamaServer), ("/get_model_info", .sglang), ("/version", .vllm),
        ]
        for (path, kind) in pages {
            switch try await link.status(of: path) {
            case 200: return kind
            case 401, 403: throw .refused(status: 401)
            case 429, 500...: throw .refused(status: 503)
            default: continue
            }
        }
        throw .badAnswer("it is neither llama.cpp nor vLLM nor SGLang; --upstream-kind says which")
    }

    /// Whether it can take requests now.
    public func isHealthy() async -> Bool {
        (try? await link.status(of: "/health")) == 200
    }

    /// The server's tokens of `text`.
    public func tokenize(_ text: String) async throws(UpstreamError) -> [Int32] {
        try await dialect.tokenize(text, model: description.model, link)
    }

    /// Asks for the rest of an answer and hands tokens to `onTokens` as they come. Returns after
    /// `maxTokens`, or after a token that ends the answer, which is the last one handed out.
    /// Cancelling the task hangs up, so that the server stops computing.
    ///
    /// The patience is for the next token, however often the server is asked for it: who waits
    /// for this node must hear in time that it will not come.
    public func complete(
        _ request: UpstreamRequest, onTokens: @escaping @Sendable ([Int32]) async -> Void
    ) async throws(UpstreamError) {
        typealias Outcome = Result<Void, UpstreamError>
        let answer = Answer()
        let outcome = await withTaskGroup(of: Outcome.self) { group in
            group.addTask {
                do throws(UpstreamError) {
                    return .success(try await fill(answer, request, onTokens))
                } catch {
                    return .failure(error)
                }
            }
            group.addTask {
                let first = patience + Self.promptPatience * request.prompt.count
                while answer.isComplete(request, tokenizer)
                    || answer.age < (answer.tokens.isEmpty ? first : patience)
                {
                    do {
                        try await Task.sleep(for: .milliseconds(100))
                    } catch {
                        return .failure(.cancelled)
                    }
                }
                return .failure(.timedOut)
            }
            let first = await group.next()
            group.cancelAll()
            return first ?? .failure(.cancelled)
        }
        try outcome.get()
    }

    /// Asks until the answer is complete.
    private func fill(
        _ answer: Answer, _ request: UpstreamRequest,
        _ onTokens: @Sendable ([Int32]) async -> Void
    ) async throws(UpstreamError) {
        var failures = 0
        for _ in 0..<Self.continuations {
            let before = answer.tokens.count
            var rest = request
            rest.prompt += answer.tokens
            rest.maxTokens -= before
            do throws(UpstreamError) {
                let end = try await read(rest, answer, onTokens)
                if answer.isComplete(request, tokenizer) { return }
                if end == .stop, let token = tokenizer.endToken {
                    // The model ended the answer and the server keeps the token to itself.
                    answer.append([token])
                    return await onTokens([token])
                }
                guard answer.tokens.count > before else {
                    throw .badAnswer("it ended after \(before) of \(request.maxTokens) tokens")
                }
            } catch {
                failures += 1
                guard error.isTransient, answer.tokens.isEmpty, failures <= Self.retries else {
                    throw error
                }
                try? await Task.sleep(for: .milliseconds(100 << failures))
                if Task.isCancelled { throw .cancelled }
            }
        }
        throw .badAnswer("it ended early again and again")
    }

    /// Reads one answer up to its end, or to the last token that was asked for.
    private func read(
        _ request: UpstreamRequest, _ answer: Answer,
        _ onTokens: @Sendable ([Int32]) async -> Void
    ) async throws(UpstreamError) -> UpstreamChunk.End? {
        let call = dialect.completion(request, model: description.model)
        let exchange = try await link.open(call)
        defer { exchange.cancel() }
        var reader = dialect.makeReader()
        var parser = ServerSentEventParser(maximumEventBytes: UpstreamLink.maximumBytes)
        var left = request.maxTokens
        var whole: [UInt8] = []
        while let bytes = try await next(exchange) {
            guard call.isStream else {
                whole += bytes
                guard whole.count <= UpstreamLink.maximumBytes else {
                    throw .badAnswer("it is longer than \(UpstreamLink.maximumBytes) bytes")
                }
                continue
            }
            for event in try events(bytes, &parser) where event.data != "[DONE]" {
                let chunk = try reader.read(event.data)
                if let end = await take(chunk, answer, &left, onTokens) { return end }
            }
        }
        if Task.isCancelled { throw .cancelled }
        if !call.isStream {
            let chunk = try reader.read(String(decoding: whole, as: UTF8.self))
            return await take(chunk, answer, &left, onTokens)
        }
        throw .unreachable("the answer broke off")
    }

    /// Hands new tokens on; the end, if the answer has come to it.
    private func take(
        _ chunk: UpstreamChunk, _ answer: Answer, _ left: inout Int,
        _ onTokens: @Sendable ([Int32]) async -> Void
    ) async -> UpstreamChunk.End? {
        var new = Array(chunk.tokens.prefix(left))
        if let end = new.firstIndex(where: { tokenizer.isEnd($0) }) {
            new.removeSubrange((end + 1)...)
        }
        if !new.isEmpty {
            left -= new.count
            answer.append(new)
            await onTokens(new)
        }
        if let last = new.last, tokenizer.isEnd(last) { return .stop }
        return left == 0 ? .length : chunk.end
    }

    private func next(_ exchange: HTTPExchange) async throws(UpstreamError) -> [UInt8]? {
        do throws(HTTPError) {
            return try await exchange.next()
        } catch {
            throw UpstreamLink.error(error)
        }
    }

    private func events(
        _ bytes: [UInt8], _ parser: inout ServerSentEventParser
    ) throws(UpstreamError) -> [ServerSentEvent] {
        do throws(ServerSentEventError) {
            return try parser.feed(bytes)
        } catch {
            throw .badAnswer("one event is longer than \(UpstreamLink.maximumBytes) bytes")
        }
    }
}

/// The tokens of an answer so far, shared by who reads it and who watches.
private final class Answer: Sendable {
    private let state = Mutex<[Int32]>([])
    private let pulse = Pulse()

    var tokens: [Int32] { state.withLock { $0 } }
    /// Since the last token came, or since the answer was begun.
    var age: Duration { pulse.age }

    func append(_ new: [Int32]) {
        pulse.beat()
        state.withLock { $0 += new }
    }

    func isComplete(_ request: UpstreamRequest, _ tokenizer: Tokenizer) -> Bool {
        state.withLock { tokens in
            tokens.count >= request.maxTokens || tokens.last.map(tokenizer.isEnd) == true
        }
    }
}
