import Clearing
import Cryptography
import Foundation
import Inference
import Node
import Primitives
import Service
import Storage
import Testing
import Transport
import UpstreamHarness
import Verification

/// Real llama.cpp servers behind real nodes of a whole house.
@Suite(.serialized, .timeLimit(.minutes(10))) struct UpstreamTests {
    private static let emoji = "😀🤖🦄😀🤖🦄😀🤖🦄😀🤖"

    private func body(
        _ prompt: String, _ maxTokens: Int, numerics: String = "any", isStream: Bool = false
    ) -> String {
        """
        {"model":"smol","prompt":"\(prompt)","max_tokens":\(maxTokens),"temperature":0,\
        "stream":\(isStream),"provider":{"numerics":"\(numerics)"}}
        """
    }

    @Test func aLlamaServerAnswersThoseWhoAcceptIt() async throws {
        let llama = try await LlamaServerProcess.start(model: RunningHouse.modelPath())
        try await RunningHouse.with { house in
            try await house.startNode(1, name: "llama", upstream: llama.url)
            try await house.startNode(2, name: "judge", offers: false, verifies: true)
            let key = try await house.buyer()
            struct Offers: Decodable {
                struct Offer: Decodable { let numerics: String; let context, concurrency: Int }
                let data: [Offer]
            }
            let offers: Offers = try await house.call("GET", "/v1/offers").decoded()
            #expect(offers.data.map(\.numerics) == ["statistical"])
            // Not more than the server has room for.
            #expect(offers.data.map(\.context) == [1_024])
            #expect(offers.data.map(\.concurrency) == [2])

            let exact = try await house.call(
                "POST", "/v1/completions", json: body("One", 2, numerics: "exact"), bearer: key)
            #expect(exact.status == 503)
            let odd = try await house.call(
                "POST", "/v1/completions", json: body("One", 2, numerics: "loose"), bearer: key)
            #expect(odd.status == 400)

            let chunks = try Completion.chunks(
                await house.call(
                    "POST", "/v1/completions", json: body(Self.emoji, 16, isStream: true),
                    bearer: key))
            #expect(chunks.map(\.text).joined().hasPrefix("🦖"))
            #expect(chunks.last?.exchequer?.numerics == "statistical")

            let whole: Completion = try await house.call(
                "POST", "/v1/completions", json: body("Once upon a time", 24), bearer: key
            ).decoded()
            #expect(whole.usage?.completion_tokens == 24)
            #expect(whole.choices.first?.finish_reason == "length")
            #expect(whole.exchequer?.providers == ["llama"])
            try await isBookedAndNeverJudged(house, try #require(whole.exchequer?.job))
        }
    }

    /// The answer is charged, its receipt holds, and no audit can be drawn or would judge it.
    private func isBookedAndNeverJudged(_ house: RunningHouse, _ id: UInt64) async throws {
        let job = try await house.job(id)
        #expect(job.state == .delivered && job.cost > .zero && job.outputTokens == 24)
        let outcome = try await house.house.sequencer.submit(
            .drawAudits(beacon: SHA256.hash([1, 2, 3])))
        #expect(try outcome.get().isEmpty)
        #expect(try await house.job(id).state == .delivered)
        let stored = try await house.house.evidence.bundle(of: JobID(id))
        let evidence = try EvidenceBundle(untrusted: try #require(stored)).verified()
        #expect(evidence.bundle.profile == Numerics.statisticalProfile)
        let model = try #require(house.house.models.model(named: "smol"))
        let engine = ModelReexecutor(file: model.file, manifest: model.manifest, threads: 1)
        #expect { try Judge.judge(evidence, with: engine) } throws: {
            ($0 as? EvidenceRejection)?.code == .otherModel
        }
    }

    /// The buyer's stream goes on where it stopped, from another server; then there is none left
    /// and nothing is charged. Nobody is blamed.
    @Test func aServerThatIsKilledIsReplacedOrTheMoneyStays() async throws {
        let first = try await LlamaServerProcess.start(model: RunningHouse.modelPath())
        let second = try await LlamaServerProcess.start(model: RunningHouse.modelPath())
        try await RunningHouse.with { house in
            try await house.startNode(1, name: "older", price: "0.50", upstream: first.url)
            try await house.startNode(2, name: "younger", price: "0.50", upstream: second.url)
            let key = try await house.buyer()
            let text = try await stream(house, key, killing: first)
            let end = try #require(text.end)
            #expect(end.providers == ["younger"] && end.attempt == 2)
            #expect(text.tokens >= 300)
            let job = try await house.job(end.job)
            #expect(job.state == .delivered && job.outputTokens == 400)
            // The node behind the dead server takes its offer back.
            try await eventually("one offer is left") {
                try await house.house.sequencer.read { house in
                    house.offers.count { $0.state == .live } == 1
                }
            }
            let before = try await balance(house, job.demand.buyer)
            let broken = try await stream(house, key, killing: second)
            #expect(broken.end == nil)
            let failed = try await house.job(end.job + 1)
            #expect(failed.state == .failed && failed.failure == .noReplacement)
            #expect(try await balance(house, job.demand.buyer) == before)
            let faults = try await house.house.sequencer.read { house in
                house.parties.map { $0.livenessFaults + $0.objectiveFaults }
            }
            #expect(faults.allSatisfy { $0 == 0 })
        }
    }

    private func balance(_ house: RunningHouse, _ party: PartyID) async throws -> Amount {
        try await house.house.sequencer.read { $0.balance(.available, .usd, of: party) }
    }

    /// Streams 400 tokens and kills the server once ten have come.
    private func stream(
        _ house: RunningHouse, _ key: String, killing server: LlamaServerProcess
    ) async throws -> (tokens: Int, end: Completion.House?) {
        var request = HTTPRequest.json(
            house.base + "/v1/completions",
            body: Array(body("Once upon a time", 400, isStream: true).utf8),
            headers: [("Authorization", "Bearer \(key)")], timeout: .seconds(120))
        request.maximumResponseBytes = 8 << 20
        let events = try await HTTPClient.shared.events(request)
        var tokens = 0
        var end: Completion.House?
        for try await event in events where event.data != "[DONE]" {
            guard
                let chunk = try? JSONDecoder().decode(Completion.self, from: Data(event.data.utf8))
            else { continue }
            tokens += 1
            if tokens == 10 { server.kill() }
            end = chunk.exchequer ?? end
        }
        return (tokens, end)
    }

    /// A server with another tokenizer, or other sizes, must not get as far as an offer.
    @Test(arguments: ["tokens", "vocabulary", "ids", "context", "slots"])
    func aServerOfAnotherModelIsRefusedAtTheStart(lie: String) async throws {
        let tokenizer = try ModelFile(path: RunningHouse.modelPath()).tokenizer
        let replay = try ReplayServer { request in
            switch request.line {
            case "GET /props":
                let context = lie == "context" ? -1 : 512
                let slots = lie == "slots" ? -1 : 1
                return .whole(
                    200,
                    """
                    {"default_generation_settings":{"n_ctx":\(context)},"total_slots":\(slots)}
                    """)
            case "GET /v1/models":
                let count = lie == "vocabulary" ? 32_000 : 49_152
                return .whole(
                    200, #"{"data":[{"id":"m","meta":{"n_vocab":\#(count),"n_embd":576}}]}"#)
            case "POST /tokenize":
                struct Question: Decodable { let content: String }
                guard
                    let question = try? JSONDecoder().decode(
                        Question.self, from: Data(request.body.utf8))
                else { return nil }
                let tokens = (try? tokenizer.encode(question.content, parseSpecial: true)) ?? []
                return .whole(
                    200, "{\"tokens\":\(lie == "tokens" ? tokens.map { $0 + 1 } : tokens)}")
            case "POST /completion":
                return .events([#"{"content":"no ids","stop":false}"#])
            default: return nil
            }
        }
        try await RunningHouse.with { house in
            var configuration = try await house.nodeConfiguration(1, name: "liar")
            configuration.offers = [.init(layers: nil, inputPrice: "0.1", outputPrice: "0.1")]
            configuration.upstream = .init(url: replay.url)
            let runtime = NodeRuntime(configuration: configuration) { _ in }
            let wanted: NodeError.Code =
                ["tokens", "vocabulary"].contains(lie) ? .upstreamMismatch : .upstreamUnusable
            await #expect {
                try await runtime.run()
            } throws: {
                ($0 as? NodeError)?.code == wanted
            }
            #expect(try await house.house.sequencer.read { $0.offers.isEmpty })
        }
    }
}
