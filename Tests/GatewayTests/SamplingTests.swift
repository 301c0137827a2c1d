import Clearing
import Foundation
import Inference
import Primitives
import Service
import Storage
import Testing
import Transport
import Verification

/// The whole sampling set through the whole house: what comes out is what the engine says alone,
/// and what an audit reproduces.
@Suite(.serialized, .timeLimit(.minutes(10))) struct SamplingTests {
    private static let prompt = "The capital of France is"
    private static let fields = """
        "max_tokens":20,"temperature":0.8,"seed":11,"min_p":0.05,"repetition_penalty":1.25,\
        "presence_penalty":0.5,"frequency_penalty":0.25,"logit_bias":{"7042":-100,"28":3,"5":0}
        """

    private static var parameters: SamplingParameters {
        var parameters = SamplingParameters(temperature: 0.8, seed: 11)
        parameters.minP = 0.05
        parameters.repetitionPenalty = 1.25
        parameters.presencePenalty = 0.5
        parameters.frequencyPenalty = 0.25
        parameters.logitBias = [.init(token: 28, value: 3), .init(token: 7042, value: -100)]
        return parameters
    }

    private func startThree(_ house: RunningHouse) async throws {
        for (place, name) in ["alder", "birch", "cedar"].enumerated() {
            let first = UInt16(place * 10)
            try await house.startNode(
                UInt8(place + 1), name: name, layers: LayerRange(first, first + 10))
        }
    }

    @Test func everyParameterReachesTheLastStage() async throws {
        try await RunningHouse.with { house in
            try await startThree(house)
            let key = try await house.buyer()
            let file = try ModelFile(path: RunningHouse.modelPath())
            let generator = try Generator(model: file, threads: 2)
            let prompt = try file.tokenizer.encode(Self.prompt, addSpecial: true)
            let wanted = try generator.generate(
                prompt: prompt, parameters: Self.parameters, maxTokens: 20, scores: 2)
            let body = "{\"model\":\"smol\",\"prompt\":\"\(Self.prompt)\",\(Self.fields)"
            let answer: Completion = try await house.call(
                "POST", "/v1/completions", json: body + ",\"logprobs\":2}", bearer: key
            ).decoded()
            #expect(answer.text == file.tokenizer.decode(wanted.tokens, showSpecial: false))
            let logprobs = try #require(answer.choices.first?.logprobs)
            let shown = wanted.scores.filter { file.tokenizer.kind($0.chosen.token) != .control }
            #expect(logprobs.token_logprobs == shown.map(\.chosen.logProbability))
            #expect(logprobs.tokens?.joined() == answer.text)
            #expect(logprobs.text_offset?.count == shown.count)
            for (place, score) in shown.enumerated() {
                let top = try #require(logprobs.top_logprobs?[place])
                for entry in score.top + [score.chosen] {
                    #expect(top[file.tokenizer.decode([entry.token])] == entry.logProbability)
                }
            }
            let plain: Completion = try await house.call(
                "POST", "/v1/completions", json: body + "}", bearer: key
            ).decoded()
            #expect(plain.text == answer.text)
            #expect(plain.choices.first?.logprobs == nil)
            try await isReproduced(house, try #require(answer.exchequer).job, file)
        }
    }

    /// Anybody with the evidence and the file comes to the same tokens.
    private func isReproduced(_ house: RunningHouse, _ job: UInt64, _ file: ModelFile) async throws
    {
        let bytes = try #require(try await house.house.evidence.bundle(of: JobID(job)))
        let bundle = try EvidenceBundle(untrusted: bytes)
        let evidence = try bundle.verified()
        let sampling = try SamplingParameters(canonicalBytes: bundle.sampling)
        let prompt = Array(bundle.tokens.prefix(Int(bundle.promptTokens)))
        #expect(sampling == Self.parameters.committed(to: prompt))
        #expect(sampling.promptHash != nil)
        let engine = ModelReexecutor(file: file, manifest: file.manifest(name: "smol"), threads: 2)
        #expect(try Judge.judge(evidence, with: engine).code == .reproduced)
    }

    @Test func chatsStreamLogprobsAsOpenAIDoes() async throws {
        try await RunningHouse.with { house in
            try await house.startNode(1, name: "oak")
            let key = try await house.buyer()
            let body = """
                {"model":"smol","max_tokens":24,"temperature":0,"logprobs":true,\
                "top_logprobs":3,"messages":[{"role":"user","content":"Write 日本 and 🌍."}]
                """
            let whole: Completion = try await house.call(
                "POST", "/v1/chat/completions", json: body + "}", bearer: key
            ).decoded()
            let content = try #require(whole.choices.first?.logprobs?.content)
            let bytes = content.flatMap(\.bytes)
            #expect(String(decoding: bytes, as: UTF8.self) == whole.text)
            for token in content {
                #expect(token.top_logprobs?.count == 3)
                #expect(token.top_logprobs?.first?.logprob == token.logprob)
                #expect(token.top_logprobs?.first?.bytes == token.bytes)
                #expect(String(decoding: token.bytes, as: UTF8.self) == token.token)
            }
            let chunks = try Completion.chunks(
                await house.call(
                    "POST", "/v1/chat/completions", json: body + ",\"stream\":true}", bearer: key))
            #expect(chunks.map(\.text).joined() == whole.text)
            #expect(chunks.flatMap { $0.choices.first?.logprobs?.content ?? [] } == content)

            // Up to a stop text, which may be inside a token.
            let stop = String(whole.text.dropFirst(12).prefix(5))
            let cut: Completion = try await house.call(
                "POST", "/v1/chat/completions", json: body + ",\"stop\":\"\(stop)\"}", bearer: key
            ).decoded()
            let place = try #require(whole.text.range(of: stop))
            #expect(cut.text == String(whole.text[..<place.lowerBound]))
            #expect(cut.choices.first?.finish_reason == "stop")
            let said = try #require(cut.choices.first?.logprobs?.content)
            #expect(said[...] == content.prefix(said.count))
            let before = said.dropLast().reduce(0) { $0 + $1.bytes.count }
            #expect(before < cut.text.utf8.count)
            #expect(before + (said.last?.bytes.count ?? 0) >= cut.text.utf8.count)
            // The token that completed it is charged, none after it.
            let charged = try #require(cut.usage?.completion_tokens)
            let through = Array(content.prefix(charged).flatMap(\.bytes))
            #expect(String(decoding: through, as: UTF8.self).contains(stop))
            let short = Array(content.prefix(charged - 1).flatMap(\.bytes))
            #expect(!String(decoding: short, as: UTF8.self).contains(stop))
        }
    }
}
