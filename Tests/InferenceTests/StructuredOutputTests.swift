import Foundation
import Inference
import Primitives
import Testing

/// Real answers held to formats: they parse, they are of the format, and they are the same however
/// they come about.
@Suite struct StructuredOutputTests {
    static let person = """
        {"type":"object","properties":{"name":{"type":"string","maxLength":30},\
        "age":{"type":"integer","minimum":0,"maximum":150},"email":{"type":"string",\
        "format":"email"},"tags":{"type":"array","items":{"enum":["old","new","odd"]},\
        "maxItems":3},"home":{"anyOf":[{"type":"null"},{"type":"object","properties":{"city":\
        {"type":"string","maxLength":20}},"required":["city"]}]}},\
        "required":["name","age","email","tags","home"],"additionalProperties":false}
        """
    private static let date = "{\"type\":\"string\",\"format\":\"date\"}"

    static func parameters(
        _ format: OutputFormat, temperature: Float = 0, seed: UInt64 = 0
    ) -> SamplingParameters {
        var parameters = SamplingParameters(temperature: temperature, seed: seed)
        parameters.format = format
        return parameters
    }

    private static let generator = Result {
        try Generator(model: try ModelFixture.model(), threads: 2)
    }

    private func prompt(_ text: String) throws -> [Int32] {
        let model = try ModelFixture.model()
        return try model.requireChatTemplate().encode(
            [ChatMessage(role: "user", content: text)], with: model.tokenizer)
    }

    @Test(arguments: [Float(0), 0.8, 1.5])
    func answersAreOfTheirFormat(temperature: Float) throws {
        let tokenizer = try ModelFixture.model().tokenizer
        let generator = try Self.generator.get()
        let formats = [
            try OutputFormat(schema: Self.person.utf8), try OutputFormat(schema: Self.date.utf8),
            try OutputFormat(schema: "{\"type\":\"array\",\"items\":{\"type\":\"boolean\"}}".utf8),
        ]
        let prompt = try prompt("Who was Ada Lovelace? Answer as JSON.")
        for (number, format) in formats.enumerated() {
            let parameters = Self.parameters(
                format, temperature: temperature, seed: UInt64(number))
            let answer = try generator.generate(
                prompt: prompt, parameters: parameters, maxTokens: 300)
            let text = tokenizer.decode(answer.tokens, showSpecial: false)
            if answer.reason == .stop {
                #expect(try format.accepts(text.utf8), "\(text)")
                #expect(
                    (try? JSONSerialization.jsonObject(
                        with: Data(text.utf8), options: .fragmentsAllowed)) != nil, "\(text)")
            } else {
                // Only a list without an end is as long.
                #expect(number == 2)
            }
        }
    }

    @Test func anAnswerThatIsCutIsTheBeginningOfTheWhole() throws {
        let generator = try Self.generator.get()
        let parameters = Self.parameters(try OutputFormat(schema: Self.person.utf8))
        let prompt = try prompt("Invent a person.")
        let whole = try generator.generate(prompt: prompt, parameters: parameters, maxTokens: 300)
        let cut = try generator.generate(prompt: prompt, parameters: parameters, maxTokens: 9)
        #expect(whole.reason == .stop && cut.reason == .length)
        #expect(cut.tokens == Array(whole.tokens.prefix(9)))
    }

    @Test func answersBesideOthersAreAsAlone() async throws {
        let generator = try Self.generator.get()
        let prompt = try prompt("Invent a person.")
        let formats = [try OutputFormat(schema: Self.person.utf8), .jsonObject, .text]
        let all: [SamplingParameters] = (0..<6).map { number in
            Self.parameters(formats[number % 3], temperature: 0.9, seed: UInt64(number))
        }
        let alone = try all.map {
            try generator.generate(prompt: prompt, parameters: $0, maxTokens: 40)
        }
        let batch = BatchGenerator(stage: generator.stage)
        try await withThrowingTaskGroup(of: (Int, Generation).self) { group in
            for (number, parameters) in all.enumerated() {
                group.addTask {
                    let answer = try await batch.generate(
                        prompt: prompt, parameters: parameters, maxTokens: 40)
                    return (number, answer)
                }
            }
            for try await (number, answer) in group { #expect(answer == alone[number]) }
        }
    }

    @Test func aSplitModelIsHeldToTheFormatOnItsLastStage() throws {
        let model = try ModelFixture.model()
        let parameters = Self.parameters(.jsonObject, temperature: 0.9, seed: 4)
        let prompt = try prompt("Name three colours.")
        let wanted = try Self.generator.get().generate(
            prompt: prompt, parameters: parameters, maxTokens: 24)
        let stages = try [LayerRange(0, 14), LayerRange(14, 30)].map {
            try Stage(model: model, layers: try #require($0), threads: 2)
        }
        var runners = try stages.map {
            try StageRunner(
                stage: $0, promptTokens: prompt.count, capacity: prompt.count + 24,
                sampling: parameters)
        }
        var tokens: [Int32] = []
        func goOn(_ input: [Int32]) throws {
            var next = input
            while tokens.count < wanted.tokens.count {
                guard case .activations(let rows) = try runners[0].run(tokens: next),
                    case .sampled(_, let chosen) = try runners[1].run(activations: rows)
                else { return }
                tokens += chosen
                next = chosen
            }
        }
        try goOn(prompt)
        #expect(tokens == wanted.tokens)
        // Taking positions back takes the answer's place in its format back.
        for place in runners.indices { try runners[place].rewind(to: prompt.count + 3) }
        tokens.removeLast(tokens.count - 4)
        try goOn(Array(tokens.suffix(1)))
        #expect(tokens == wanted.tokens)
    }

    @Test func whatCannotBeEnforcedEndsBeforeAnythingRuns() throws {
        let format = try OutputFormat(schema: "{\"multipleOf\":2}".utf8)
        let error = #expect(throws: EngineError.self) {
            try Self.generator.get().generate(
                prompt: [1], parameters: Self.parameters(format), maxTokens: 1)
        }
        guard case .unusableFormat(let reason)? = error else {
            Issue.record("another error: \(String(describing: error))")
            return
        }
        #expect(error?.code == 16 && reason.code == .unsupportedKeyword)
        #expect(throws: EngineError.invalidParameter("format")) {
            try Sampler(Self.parameters(.jsonObject))
        }
    }

    @Test func theParametersHaveTheFormatBehindTheirExtension() throws {
        let plain = SamplingParameters(temperature: 0.5, topK: 3, topP: 1, seed: 9)
        var parameters = plain
        parameters.format = .jsonObject
        let bytes = parameters.canonicalBytes()
        let empty = "00000000" + "0000803f" + "00000000" + "00000000" + "00" + "00000000"
        #expect(
            Hex.encode(bytes) == Hex.encode(plain.canonicalBytes()) + "02" + empty + "01")
        #expect(try SamplingParameters(canonicalBytes: bytes) == parameters)
        parameters.format = .jsonSchema(Array("{}".utf8))
        let schema = parameters.canonicalBytes()
        #expect(Hex.encode(schema.suffix(7)) == "02" + "02000000" + "7b7d")
        #expect(try SamplingParameters(canonicalBytes: schema) == parameters)
        // Version 2 without a format, version 1 with one, and other formats.
        for wrong in [
            bytes.dropLast() + [0], bytes.dropLast() + [3], bytes.dropLast() + [],
            bytes.prefix(20) + [1] + bytes.dropFirst(21), bytes + [0],
        ] {
            #expect(throws: CodecError.self) {
                try SamplingParameters(canonicalBytes: Array(wrong))
            }
        }
    }
}
