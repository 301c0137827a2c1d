import Foundation
import Inference
import LoopbackServer
import Node
import Primitives
import Synchronization
import Testing
import UpstreamHarness

/// What the three kinds of servers answer, replayed, and what broken ones do.
///
/// llama.cpp's answers were recorded from xllamacpp 2026.10.11549. vLLM's and SGLang's are written
/// from their sources (vllm `entrypoints/openai/completion/serving.py` and
/// `entrypoints/serve/tokenize/protocol.py`, sglang `srt/entrypoints/http_server.py` and
/// `srt/managers/tokenizer_manager.py`): they were not run here.
@Suite(.timeLimit(.minutes(10))) struct UpstreamServerTests {
    private static let llamaProperties = """
        {"default_generation_settings":{"params":{"seed":4294967295},"n_ctx":1024},\
        "total_slots":2,"model_alias":"m.gguf","bos_token":"<|im_start|>"}
        """
    private static let llamaModels = """
        {"models":[{"name":"m.gguf"}],"object":"list","data":[{"id":"m.gguf","object":"model",\
        "owned_by":"llamacpp","meta":{"vocab_type":2,"n_vocab":49152,"n_ctx":1024,\
        "n_ctx_train":8192,"n_embd":576}}]}
        """
    private static let vllmModels = """
        {"object":"list","data":[{"id":"smol","object":"model","created":1,"owned_by":"vllm",\
        "root":"smol","parent":null,"max_model_len":4096,"permission":[]}]}
        """
    private static let sglangModels = """
        {"object":"list","data":[{"id":"smol","object":"model","created":1,"owned_by":"sglang",\
        "root":"smol","max_model_len":8192}]}
        """

    private static func vllmEvent(_ ids: [Int32], _ finish: String? = nil) -> String {
        """
        {"id":"cmpl-1","object":"text_completion","created":1,"model":"smol","choices":[{"index":0,\
        "text":"x","logprobs":null,"finish_reason":\(finish.map { "\"\($0)\"" } ?? "null"),\
        "stop_reason":null,"token_ids":\(ids)}]}
        """
    }

    private static func sglangEvent(
        _ ids: [Int32], total: Int, _ finish: String? = nil
    ) -> String {
        """
        {"text":"x","output_ids":\(ids),"meta_info":{"id":"1","finish_reason":\
        \(finish.map { "{\"type\":\"\($0)\"}" } ?? "null"),"prompt_tokens":3,\
        "completion_tokens":\(total),"cached_tokens":0}}
        """
    }

    private static func llamaEvent(
        _ content: String, _ ids: [Int32], total: Int, stop: String? = nil
    ) -> String {
        """
        {"index":0,"content":"\(content)","tokens":\(ids),"stop":\(stop != nil),"id_slot":-1,\
        "tokens_predicted":\(total),"tokens_evaluated":3\
        \(stop.map { ",\"stop_type\":\"\($0)\",\"stopping_word\":\"\"" } ?? "")}
        """
    }

    /// A server of this kind that answers completions with `completion`.
    private func server(
        _ kind: UpstreamKind, _ completion: @escaping @Sendable (Int) -> ReplayServer.Answer
    ) throws -> ReplayServer {
        let count = Mutex(0)
        return try ReplayServer { request in
            switch (request.line, kind) {
            case ("GET /health", _): return .whole(200, "{}")
            case ("GET /props", .llamaServer): return .whole(200, Self.llamaProperties)
            case ("GET /v1/models", .llamaServer): return .whole(200, Self.llamaModels)
            case ("GET /version", .vllm): return .whole(200, #"{"version":"0.12.0"}"#)
            case ("GET /v1/models", .vllm): return .whole(200, Self.vllmModels)
            case ("GET /get_model_info", .sglang):
                return .whole(200, #"{"model_path":"smol","is_generation":true}"#)
            case ("GET /v1/models", .sglang): return .whole(200, Self.sglangModels)
            case ("POST /tokenize", .llamaServer): return .whole(200, #"{"tokens":[1,2]}"#)
            case ("POST /tokenize", _):
                return .whole(200, #"{"count":2,"max_model_len":4096,"tokens":[1,2]}"#)
            case ("POST /completion", .llamaServer), ("POST /v1/completions", .vllm),
                ("POST /generate", .sglang):
                return completion(
                    count.withLock { count in
                        count += 1
                        return count
                    })
            default: return nil
            }
        }
    }

    private func find(
        _ server: ReplayServer, key: String? = nil, patience: Duration = .seconds(60)
    ) async throws -> UpstreamServer {
        try await UpstreamServer.find(
            at: server.url, key: key, patience: patience,
            tokenizer: NodeFixture.tokenizer())
    }

    private func request(_ maxTokens: Int, _ sampling: SamplingParameters = .greedy)
        -> UpstreamRequest
    {
        UpstreamRequest(
            job: JobID(1), attempt: 1, prompt: [7, 8, 9], maxTokens: maxTokens, sampling: sampling)
    }

    /// The tokens of an answer, and the error that ended it.
    private func complete(
        _ upstream: UpstreamServer, _ maxTokens: Int, _ sampling: SamplingParameters = .greedy
    ) async -> (tokens: [Int32], error: UpstreamError?) {
        let tokens = TokenBox()
        do throws(UpstreamError) {
            try await upstream.complete(request(maxTokens, sampling)) { tokens.append($0) }
            return (tokens.all, nil)
        } catch {
            return (tokens.all, error)
        }
    }

    @Test func eachKindIsRecognisedAndDescribed() async throws {
        for (kind, model, context, slots, vocabulary) in [
            (UpstreamKind.llamaServer, "m.gguf", 1_024, 2, 49_152),
            (.vllm, "smol", 4_096, nil, nil), (.sglang, "smol", 8_192, nil, nil),
        ] as [(UpstreamKind, String, Int, Int?, Int?)] {
            let replay = try server(kind) { _ in .whole(500, "") }
            let upstream = try await find(replay, key: "secret-key")
            #expect(upstream.kind == kind)
            #expect(upstream.description.model == model)
            #expect(upstream.description.context == context)
            #expect(upstream.description.slots == slots)
            #expect(upstream.description.vocabulary == vocabulary)
            #expect(try await upstream.tokenize("x") == [1, 2])
            #expect(await upstream.isHealthy())
            #expect(replay.requests.allSatisfy { $0.text.contains("Bearer secret-key") })
        }
    }

    @Test func aServerOfNoKnownKindIsRefused() async throws {
        let replay = try ReplayServer { _ in nil }
        await #expect(throws: UpstreamError.self) { try await find(replay) }
        let wrongKey = try ReplayServer { _ in .whole(401, "") }
        await #expect(throws: UpstreamError.refused(status: 401)) { try await find(wrongKey) }
    }

    @Test func vllmsAnswersAreRead() async throws {
        let replay = try server(.vllm) { _ in
            .events([
                Self.vllmEvent([20]), Self.vllmEvent([]), Self.vllmEvent([21, 22]),
                Self.vllmEvent([23], "length"),
                #"{"id":"cmpl-1","choices":[],"usage":{"prompt_tokens":3,"total_tokens":7}}"#,
                "[DONE]",
            ])
        }
        var sampling = SamplingParameters(temperature: 0.5, topK: 0, topP: 0.5, seed: .max)
        sampling.minP = 0.25
        sampling.presencePenalty = -1
        sampling.logitBias = [.init(token: 7, value: 2)]
        let answer = await complete(try find(replay), 4, sampling)
        #expect(answer.tokens == [20, 21, 22, 23] && answer.error == nil)
        let sent = try #require(replay.requests.last { $0.line == "POST /v1/completions" })
        for part in [
            #""prompt":[7,8,9]"#, #""return_token_ids":true"#, #""max_tokens":4"#,
            #""temperature":0.5"#, #""top_p":0.5"#, #""top_k":-1"#, #""repetition_penalty":1"#,
            #""seed":9223372036854775807"#, #""stream":true"#, #""model":"smol""#,
            #""min_p":0.25"#, #""presence_penalty":-1"#, #""frequency_penalty":0"#,
            #""logit_bias":{"7":2}"#,
        ] { #expect(sent.body.contains(part), "\(part) in \(sent.body)") }
    }

    @Test(arguments: [false, true])
    func sglangsAnswersAreRead(isIncremental: Bool) async throws {
        let replay = try server(.sglang) { _ in
            .events(
                isIncremental
                    ? [
                        Self.sglangEvent([20], total: 1), Self.sglangEvent([21, 22], total: 3),
                        Self.sglangEvent([23], total: 4, "length"), "[DONE]",
                    ]
                    : [
                        Self.sglangEvent([20], total: 1),
                        Self.sglangEvent([20, 21, 22], total: 3),
                        Self.sglangEvent([20, 21, 22, 23], total: 4, "length"), "[DONE]",
                    ])
        }
        let answer = await complete(try find(replay), 4)
        #expect(answer.tokens == [20, 21, 22, 23] && answer.error == nil)
        let sent = try #require(replay.requests.last { $0.line == "POST /generate" })
        for part in [#""input_ids":[7,8,9]"#, #""max_new_tokens":4"#, #""temperature":0"#] {
            #expect(sent.body.contains(part), "\(part) in \(sent.body)")
        }
    }

    /// llama.cpp sends only the last token of a character that took several.
    @Test func whatLlamaServerWithholdsIsFound() async throws {
        let replay = try server(.llamaServer) { number in
            number == 1
                ? .events([
                    Self.llamaEvent("🦖", [240], total: 3),
                    Self.llamaEvent(" a", [253], total: 4),
                    Self.llamaEvent("🦖", [240], total: 7),
                    Self.llamaEvent("", [], total: 8, stop: "limit"),
                ])
                : .whole(200, Self.llamaEvent("x", [10_813], total: 1, stop: "limit"))
        }
        let answer = await complete(try find(replay), 8)
        #expect(answer.tokens == [10_813, 116, 240, 253, 10_813, 116, 240, 10_813])
        #expect(answer.error == nil)
        // The last token was inside a character: it is asked for again, and not as a stream.
        let sent = replay.requests.filter { $0.line == "POST /completion" }
        #expect(sent.count == 2)
        #expect(sent[0].body.contains(#""return_tokens":true"#))
        #expect(sent[1].body.contains(#""stream":false"#))
        #expect(sent[1].body.contains("[7,8,9,10813,116,240,253,10813,116,240]"))
        #expect(sent[1].body.contains(#""n_predict":1"#))
    }

    @Test func whatCannotHaveBeenWithheldIsRefused() async throws {
        let replay = try server(.llamaServer) { _ in
            .events([Self.llamaEvent("abc", [240], total: 3)])
        }
        let answer = await complete(try find(replay), 8)
        #expect(answer.tokens.isEmpty)
        guard case .badAnswer? = answer.error else {
            Issue.record("\(String(describing: answer.error))")
            return
        }
    }

    /// A server may keep the token that ends an answer to itself, or send it: it counts once.
    @Test func theEndIsOneToken() async throws {
        for events in [
            [Self.vllmEvent([20]), Self.vllmEvent([], "stop"), "[DONE]"],
            [Self.vllmEvent([20]), Self.vllmEvent([2], "stop"), "[DONE]"],
            [Self.vllmEvent([20, 2, 21, 22])],
        ] {
            let replay = try server(.vllm) { _ in .events(events) }
            let answer = await complete(try find(replay), 8)
            #expect(answer.tokens == [20, 2] && answer.error == nil)
        }
    }

    @Test func aServerThatNeverEndsIsHungUpOn() async throws {
        let sent = Mutex(0)
        let replay = try server(.vllm) { _ in
            .stream { connection in
                while connection.write("data: \(Self.vllmEvent([20]))\n\n") {
                    sent.withLock { $0 += 1 }
                }
            }
        }
        let answer = await complete(try find(replay), 3)
        #expect(answer.tokens == [20, 20, 20] && answer.error == nil)
        // The writing ends by itself, because the connection does.
        var last = -1
        for _ in 0..<50 {
            let now = sent.withLock { $0 }
            if now == last { return }
            last = now
            try await Task.sleep(for: .milliseconds(200))
        }
        Issue.record("it still writes after \(last) tokens")
    }

    @Test func brokenAnswersEndWithAnErrorThatQuotesNothing() async throws {
        let huge = String(repeating: "x", count: 3 << 20)
        let cases: [(String, ReplayServer.Answer, [Int32])] = [
            ("garbage", .events(["SECRET PROMPT"]), []),
            ("other JSON", .events([#"{"choices":[{"text":"SECRET PROMPT"}]}"#]), []),
            ("a huge line", .events([Self.vllmEvent([20]), "SECRET PROMPT\(huge)"]), [20]),
            ("an error event", .events([#"{"error":{"message":"SECRET PROMPT","code":400}}"#]), []),
            ("an abort", .events([Self.vllmEvent([20]), Self.vllmEvent([], "abort")]), [20]),
            ("an end too early", .events([Self.vllmEvent([], "length")]), []),
            ("a break", .events([Self.vllmEvent([20])]), [20]),
            ("a refusal", .whole(400, #"{"message":"SECRET PROMPT"}"#), []),
            (
                "silence", .stream { connection in while !connection.read().isEmpty {} }, []
            ),
            (
                "comments only",
                .stream { connection in
                    while connection.write(": still here\n\n") { usleep(20_000) }
                }, []
            ),
        ]
        for (name, answer, tokens) in cases {
            let replay = try server(.vllm) { _ in answer }
            let patience = name == "silence" || name == "comments only" ? 1 : 60
            let found = await complete(try find(replay, patience: .seconds(patience)), 8)
            #expect(found.tokens == tokens, "\(name)")
            let error = try #require(found.error, "\(name)")
            #expect(!"\(error)".contains("SECRET"), "\(name)")
            // Nothing is asked twice once a token has come.
            if !tokens.isEmpty {
                #expect(replay.requests.count { $0.line == "POST /v1/completions" } == 1)
            }
        }
    }

    @Test func aBusyServerIsAskedAgainBeforeTheFirstToken() async throws {
        let replay = try server(.vllm) { number in
            number < 3 ? .whole(503, "{}") : .events([Self.vllmEvent([20], "length")])
        }
        let answer = await complete(try find(replay), 1)
        #expect(answer.tokens == [20] && answer.error == nil)
        let busy = try server(.vllm) { _ in .whole(503, "{}") }
        let error = await complete(try find(busy), 1).error
        #expect(error == .refused(status: 503))
        #expect(busy.requests.count { $0.line == "POST /v1/completions" } == 4)
    }

    /// Who waits for the node must hear in time that nothing comes: trying again takes no longer.
    @Test func tryingAgainTakesNoMorePatience() async throws {
        let replay = try server(.vllm) { _ in .stream { _ in usleep(1_000_000) } }
        let upstream = try await find(replay, patience: .seconds(1))
        // Each answer breaks off after a second: four of them have no time.
        #expect(await complete(upstream, 4).error == .timedOut)
        #expect(replay.requests.count { $0.line == "POST /v1/completions" } < 4)
    }

    /// Numbers are the server's word, and must not end the node.
    @Test func numbersThatCannotBeAreRefused() async throws {
        for number in [Int.min, -1, Int.max] {
            let llama = try server(.llamaServer) { _ in
                .events([Self.llamaEvent("x", [20], total: number)])
            }
            let sglang = try server(.sglang) { _ in
                .events([Self.sglangEvent([20], total: number)])
            }
            for replay in [llama, sglang] {
                let answer = await complete(try await find(replay), 8)
                #expect(answer.tokens.isEmpty)
                guard case .badAnswer? = answer.error else {
                    Issue.record("\(number): \(String(describing: answer.error))")
                    continue
                }
            }
        }
    }

    @Test func aServerThatIsGoneIsSaidToBe() async throws {
        let port = try TCPServer.closedPort()
        let tokenizer = try NodeFixture.tokenizer()
        do throws(UpstreamError) {
            _ = try await UpstreamServer.find(
                at: "http://127.0.0.1:\(port)", tokenizer: tokenizer)
            Issue.record("there is nobody")
        } catch {
            #expect(error.isTransient)
        }
    }

    /// The real server, with text that takes several tokens a character, and sampling.
    @Test func aRealLlamaServerAgreesWithTheTokenizer() async throws {
        let process = try await LlamaServerProcess.start(model: NodeFixture.modelPath(), key: "k3y")
        let tokenizer = try NodeFixture.tokenizer()
        let upstream = try await UpstreamServer.find(
            at: process.url, key: "k3y", tokenizer: tokenizer)
        #expect(upstream.kind == .llamaServer)
        #expect(upstream.description.vocabulary == 49_152)
        #expect(upstream.description.slots == 2)
        for text in ["Hello 123", "<|im_start|>user\n", "🦖 日本語 e\u{301}", "a\n\n b"] {
            #expect(try await upstream.tokenize(text) == tokenizer.encode(text, parseSpecial: true))
        }
        let prompt = try tokenizer.encode("😀🤖🦄😀🤖🦄😀🤖🦄😀🤖")
        for maxTokens in [1, 3, 16, 17] {
            let tokens = TokenBox()
            try await upstream.complete(
                UpstreamRequest(
                    job: JobID(1), attempt: 1, prompt: prompt, maxTokens: maxTokens,
                    sampling: .greedy)
            ) { tokens.append($0) }
            #expect(tokens.all.count == maxTokens)
            #expect(tokens.all.prefix(3) == [10_813, 116, 240].prefix(maxTokens))
        }
        var answers: [[Int32]] = []
        for seed in [UInt64(5), 5, 6] {
            let tokens = TokenBox()
            try await upstream.complete(
                UpstreamRequest(
                    job: JobID(1), attempt: 1, prompt: try tokenizer.encode("Once upon a time"),
                    maxTokens: 24, sampling: .init(temperature: 1.2, topP: 0.95, seed: seed))
            ) { tokens.append($0) }
            answers.append(tokens.all)
        }
        #expect(answers[0].first == answers[1].first)
        #expect(answers[0] != answers[2])
    }
}

private final class TokenBox: Sendable {
    private let tokens = Mutex<[Int32]>([])

    var all: [Int32] { tokens.withLock { $0 } }

    func append(_ new: [Int32]) { tokens.withLock { $0 += new } }
}
