import Clearing
import Foundation
import Inference
import Primitives
import Service
import Testing
import Transport

/// Answers through the whole house: gateway, clearing, real nodes on the real model.
@Suite(.serialized, .timeLimit(.minutes(10))) struct CompletionTests {
    private static let prompt = "The capital of France is"

    /// What the engine says when it is called directly.
    private func reference(_ maxTokens: Int, _ sampling: SamplingParameters = .greedy) throws
        -> (text: String, tokens: Int)
    {
        let file = try ModelFile(path: RunningHouse.modelPath())
        let generator = try Generator(model: file, threads: 2)
        let prompt = try file.tokenizer.encode(Self.prompt, addSpecial: true)
        let result = try generator.generate(
            prompt: prompt, parameters: sampling, maxTokens: maxTokens)
        return (file.tokenizer.decode(result.tokens, showSpecial: false), result.tokens.count)
    }

    @Test func onePipelineAnswersWhateverWayItIsAsked() async throws {
        try await RunningHouse.with { house in
            for (place, name) in ["alder", "birch", "cedar"].enumerated() {
                let first = UInt16(place * 10)
                try await house.startNode(
                    UInt8(place + 1), name: name, layers: LayerRange(first, first + 10))
            }
            let key = try await house.buyer()
            let wanted = try reference(24)

            let whole: Completion = try await house.call(
                "POST", "/v1/completions",
                json: """
                    {"model":"smol","prompt":"\(Self.prompt)","max_tokens":24,"temperature":0}
                    """, bearer: key
            ).decoded()
            #expect(whole.text == wanted.text)
            #expect(whole.usage?.completion_tokens == wanted.tokens)
            #expect(whole.exchequer?.providers == ["alder", "birch", "cedar"])
            #expect(whole.object == "text_completion")

            let chunks = try Completion.chunks(
                await house.call(
                    "POST", "/v1/completions",
                    json: """
                        {"model":"smol","prompt":["\(Self.prompt)"],"max_tokens":24,\
                        "temperature":0,"stream":true,"stream_options":{"include_usage":true}}
                        """, bearer: key))
            #expect(chunks.map(\.text).joined() == wanted.text)
            #expect(chunks.last?.usage?.completion_tokens == wanted.tokens)
            #expect(chunks.last?.choices.isEmpty == true)
            #expect(chunks.contains { $0.choices.first?.finish_reason == "length" })
            try await bookkeepingHolds(house, whole, chunks)
            try await stopsAndSeeds(house, key)
        }
    }

    /// What was charged is what the offers ask, and what the books and the answer say.
    private func bookkeepingHolds(
        _ house: RunningHouse, _ whole: Completion, _ chunks: [Completion]
    ) async throws {
        let extra = try #require(whole.exchequer)
        let job = try await house.job(extra.job)
        let usage = try #require(whole.usage)
        let price = Price(perMillion: 100_000_000_000)
        var cost = Amount.zero
        for _ in 0..<3 {
            cost += price.cost(tokens: UInt64(usage.prompt_tokens))
            cost += price.cost(tokens: UInt64(usage.completion_tokens))
        }
        #expect(job.cost == cost)
        #expect(extra.cost == Asset.usd.format(cost))
        #expect(chunks.last?.exchequer?.cost == extra.cost)
        #expect(job.pipeline.allSatisfy { $0.roots != nil })
        struct Receipt: Decodable { let stage: Int }
        struct Page: Decodable { let data: [Receipt] }
        let receipts: Page = try await house.call("GET", "/v1/jobs/\(extra.job)/receipts")
            .decoded()
        #expect(receipts.data.map(\.stage) == [0, 1, 2])
        let held = try await house.house.sequencer.read { state in
            state.pending(.available, .usd, of: job.demand.buyer)
        }
        #expect(held == .zero)
    }

    private func stopsAndSeeds(_ house: RunningHouse, _ key: String) async throws {
        let whole = try reference(24).text
        let stop = String(whole.split(separator: " ")[2])
        let cut: Completion = try await house.call(
            "POST", "/v1/completions",
            json: """
                {"model":"smol","prompt":"\(Self.prompt)","max_tokens":24,"temperature":0,\
                "stop":["\(stop)"]}
                """, bearer: key
        ).decoded()
        let end = try #require(whole.range(of: stop))
        #expect(cut.text == String(whole[..<end.lowerBound]))
        #expect(cut.choices.first?.finish_reason == "stop")
        #expect((cut.usage?.completion_tokens ?? 99) < 24)

        let seeded = try reference(
            16, SamplingParameters(temperature: 0.8, topK: 40, topP: 0.95, seed: 42))
        let chat: Completion = try await house.call(
            "POST", "/v1/completions",
            json: """
                {"model":"smol","prompt":"\(Self.prompt)","max_tokens":16,"temperature":0.8,\
                "top_k":40,"top_p":0.95,"seed":42}
                """, bearer: key
        ).decoded()
        #expect(chat.text == seeded.text)
    }

    @Test func chatsUseTheTemplateAndStopAtTheEndToken() async throws {
        try await RunningHouse.with { house in
            try await house.startNode(1, name: "oak")
            let key = try await house.buyer()
            let body = """
                {"model":"smol","max_tokens":40,"temperature":0,"messages":[\
                {"role":"user","content":[{"type":"text","text":"Say hi."}]}]}
                """
            let answer: Completion = try await house.call(
                "POST", "/v1/chat/completions", json: body, bearer: key
            ).decoded()
            #expect(answer.object == "chat.completion")
            #expect(answer.choices.first?.message?.role == "assistant")
            #expect(!answer.text.contains("<|im_end|>"))
            let chunks = try Completion.chunks(
                await house.call(
                    "POST", "/v1/chat/completions",
                    json: String(body.dropLast()) + ",\"stream\":true}", bearer: key))
            #expect(chunks.first?.choices.first?.delta?.role == "assistant")
            #expect(chunks.map(\.text).joined() == answer.text)
            #expect(chunks.allSatisfy { $0.usage == nil })
        }
    }

    @Test func aRequestWithTheSameIdIsNeverServedTwice() async throws {
        try await RunningHouse.with { house in
            try await house.startNode(1, name: "oak")
            let key = try await house.buyer()
            let body = "{\"model\":\"smol\",\"prompt\":\"One\",\"max_tokens\":2}"
            let first = try await house.call(
                "POST", "/v1/completions", json: body, bearer: key,
                headers: [("Idempotency-Key", "a")])
            #expect(first.status == 200)
            let second = try await house.call(
                "POST", "/v1/completions", json: body, bearer: key,
                headers: [("Idempotency-Key", "a")])
            #expect(second.status == 409)
            #expect(try second.failure().rejection == Rejection.requestAlreadyUsed.rawValue)
            let other = try await house.call(
                "POST", "/v1/completions", json: body, bearer: key,
                headers: [("Idempotency-Key", "b")])
            #expect(other.status == 200)
            #expect(try await house.house.sequencer.read { $0.jobs.count } == 2)
        }
    }

    /// Preferences by name, price limits, and privacy that cannot be promised.
    @Test func routingPreferencesAreObeyed() async throws {
        try await RunningHouse.with { house in
            try await house.startNode(1, name: "cheap", price: "0.01")
            try await house.startNode(2, name: "dear", price: "0.90")
            let key = try await house.buyer()
            func ask(_ provider: String) async throws -> (status: Int, by: [String]?) {
                let response = try await house.call(
                    "POST", "/v1/completions",
                    json: """
                        {"model":"smol","prompt":"One","max_tokens":1,"temperature":0,\
                        "provider":\(provider)}
                        """, bearer: key)
                let by = try? response.decoded(Completion.self).exchequer?.providers
                return (response.status, by)
            }
            #expect(try await ask("{}").by == ["cheap"])
            #expect(try await ask("{\"only\":[\"dear\"]}").by == ["dear"])
            #expect(try await ask("{\"order\":[\"nobody\",\"dear\"]}").by == ["dear"])
            #expect(try await ask("{\"ignore\":[\"cheap\"]}").by == ["dear"])
            #expect(try await ask("{\"only\":[\"nobody\"]}").status == 503)
            #expect(
                try await ask("{\"only\":[\"dear\"],\"max_price\":{\"prompt\":0.5}}").status == 503)
            #expect(
                try await ask("{\"only\":[\"dear\"],\"max_price\":{\"prompt\":0.9}}").status == 200)
            #expect(try await ask("{\"quantizations\":[\"q4_1\"]}").status == 200)
            #expect(try await ask("{\"quantizations\":[\"fp8\"]}").status == 503)
            #expect(try await ask("{\"data_collection\":\"deny\"}").status == 503)
        }
    }
}
