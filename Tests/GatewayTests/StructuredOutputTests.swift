import Foundation
import Inference
import Primitives
import Service
import Storage
import Testing
import Verification

/// `response_format` through the whole house: the answer is of the format, it is what the engine
/// says alone, and what an audit reproduces.
@Suite(.serialized, .timeLimit(.minutes(10))) struct StructuredOutputTests {
    /// Not in the order of the alphabet, which a dictionary might bring.
    private static let schema = """
        {"type":"object","properties":{"city":{"type":"string","maxLength":24},"area":{"type":\
        "integer","minimum":1,"maximum":99999},"coast":{"type":"boolean"}},\
        "required":["city","area","coast"],"additionalProperties":false}
        """

    private func body(_ format: String, more: String = "") -> String {
        """
        {"model":"smol","max_tokens":80,"temperature":0.7,"seed":5,"response_format":\(format)\
        \(more),"messages":[{"role":"user","content":"Describe Lisbon."}]}
        """
    }

    private func reference(_ format: OutputFormat) throws -> (file: ModelFile, text: String) {
        let file = try ModelFile(path: RunningHouse.modelPath())
        let prompt = try file.requireChatTemplate().encode(
            [ChatMessage(role: "user", content: "Describe Lisbon.")], with: file.tokenizer)
        var parameters = SamplingParameters(temperature: 0.7, seed: 5)
        parameters.format = format
        let answer = try Generator(model: file, threads: 2).generate(
            prompt: prompt, parameters: parameters, maxTokens: 80)
        return (file, file.tokenizer.decode(answer.tokens, showSpecial: false))
    }

    @Test func aSchemaHoldsTheAnswerAndTheAudit() async throws {
        try await RunningHouse.with { house in
            for (place, name) in ["alder", "birch", "cedar"].enumerated() {
                let first = UInt16(place * 10)
                try await house.startNode(
                    UInt8(place + 1), name: name, layers: LayerRange(first, first + 10))
            }
            let key = try await house.buyer()
            let format = try OutputFormat(schema: Self.schema.utf8)
            let (file, text) = try reference(format)
            let wanted = """
                {"type":"json_schema","json_schema":{"name":"place","strict":true,\
                "schema":\(Self.schema)}}
                """
            let answer: Completion = try await house.call(
                "POST", "/v1/chat/completions", json: body(wanted), bearer: key
            ).decoded()
            #expect(answer.text == text)
            #expect(answer.choices.first?.finish_reason == "stop")
            #expect(try format.accepts(answer.text.utf8))
            let chunks = try Completion.chunks(
                await house.call(
                    "POST", "/v1/chat/completions",
                    json: body(wanted, more: ",\"stream\":true"), bearer: key))
            #expect(chunks.map(\.text).joined() == text)

            // Anybody with the evidence and the file comes to the same tokens.
            let job = JobID(try #require(answer.exchequer).job)
            let bytes = try #require(try await house.house.evidence.bundle(of: job))
            let bundle = try EvidenceBundle(untrusted: bytes)
            #expect(try SamplingParameters(canonicalBytes: bundle.sampling).format == format)
            let engine = ModelReexecutor(
                file: file, manifest: file.manifest(name: "smol"), threads: 2)
            #expect(try Judge.judge(bundle.verified(), with: engine).code == .reproduced)
            // Another format is another request.
            var other = bundle
            var sampling = try SamplingParameters(canonicalBytes: bundle.sampling)
            sampling.format = .jsonObject
            other.sampling = sampling.canonicalBytes()
            let error = #expect(throws: EvidenceRejection.self) { try other.verified() }
            #expect(error?.code == .requestMismatch)
        }
    }

    @Test func anyObjectIsJSON() async throws {
        try await RunningHouse.with { house in
            try await house.startNode(1, name: "oak")
            let key = try await house.buyer()
            let answer: Completion = try await house.call(
                "POST", "/v1/chat/completions", json: body("{\"type\":\"json_object\"}"),
                bearer: key
            ).decoded()
            #expect(answer.text == (try reference(.jsonObject)).text)
            #expect(answer.text.hasPrefix("{"))
            let plain: Completion = try await house.call(
                "POST", "/v1/chat/completions", json: body("{\"type\":\"text\"}"), bearer: key
            ).decoded()
            #expect(plain.text == (try reference(.text)).text)
        }
    }
}
