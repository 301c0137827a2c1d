import ArgumentParser
import Foundation
import Inference
import Primitives

/// How tokens are chosen and what ends an answer, for every command that generates.
struct SamplingArguments: ParsableArguments {
    @Option(help: "0 for the most likely token; higher is more random.") var temperature: Float = 0
    @Option(help: "Only the K most likely tokens; 0 for all.") var topK: UInt32 = 0
    @Option(help: "Only the most likely tokens with this probability together.")
    var topP: Float = 1
    @Option(help: "Only tokens at least this likely, compared with the most likely one; 0 for all.")
    var minP: Float = 0
    @Option(help: "Above 1: tokens of prompt and output become less likely.")
    var repetitionPenalty: Float = 1
    @Option(help: "Taken off the logits of tokens that were chosen before.")
    var presencePenalty: Float = 0
    @Option(help: "Taken off the logits of tokens for each time they were chosen before.")
    var frequencyPenalty: Float = 0
    @Option(help: "A token's bias as ID=VALUE, -100 to 100; up to 300 of them.")
    var logitBias: [String] = []
    @Option(help: "A file with a JSON schema that the answer is held to.") var jsonSchema: String?
    @Flag(help: "Hold the answer to being a JSON object.") var jsonObject = false
    @Option(help: "The seed of the random choices.") var seed: UInt64 = 0
    @Option(help: "A text that ends the answer and is not part of it; up to 16 of them.")
    var stop: [String] = []

    func validate() throws {
        guard stop.count <= 16, stop.allSatisfy({ (1...256).contains($0.utf8.count) }) else {
            throw ValidationError("--stop: up to 16 texts of 1 to 256 bytes.")
        }
        if jsonObject, jsonSchema != nil {
            throw ValidationError("--json-object or --json-schema, not both.")
        }
        _ = try parameters()
    }

    /// The parameters; a value that cannot be ends the program with the code for wrong usage.
    func parameters() throws -> SamplingParameters {
        var parameters = SamplingParameters(
            temperature: temperature, topK: topK, topP: topP, seed: seed)
        parameters.minP = minP
        parameters.repetitionPenalty = repetitionPenalty
        parameters.presencePenalty = presencePenalty
        parameters.frequencyPenalty = frequencyPenalty
        parameters.format = try format()
        parameters.logitBias = try logitBias.map(bias).sorted { $0.token < $1.token }
        // The engine names the other fields.
        if parameters.invalidField == "logitBias" {
            throw ValidationError(
                "--logit-bias: up to 300 different tokens, each with -100 to 100 and not 0.")
        }
        return parameters
    }

    private func format() throws -> OutputFormat {
        guard let jsonSchema else { return jsonObject ? .jsonObject : .text }
        guard let schema = FileManager.default.contents(atPath: jsonSchema) else {
            throw ValidationError("--json-schema \(jsonSchema): cannot be read.")
        }
        do {
            return try OutputFormat(schema: schema)
        } catch {
            throw ValidationError("--json-schema \(jsonSchema): \(error)")
        }
    }

    private func bias(_ text: String) throws -> SamplingParameters.Bias {
        let parts = text.split(separator: "=", maxSplits: 1)
        guard parts.count == 2, let token = Int32(parts[0]), let value = Float(parts[1]) else {
            throw ValidationError("--logit-bias \(text): write ID=VALUE.")
        }
        return SamplingParameters.Bias(token: token, value: value)
    }
}

/// Prints the text of an answer as it comes, up to a stop text.
struct AnswerPrinter: Sendable {
    private var answer: AnswerText
    private let isSilent: Bool
    /// The whole text so far.
    private(set) var text = ""
    /// Whether a stop text came.
    var isStopped: Bool { answer.isStopped }

    /// - Parameter isSilent: whether the text is only kept.
    init(_ tokenizer: Tokenizer, stops: [String], isSilent: Bool) {
        answer = AnswerText(tokenizer: tokenizer, stops: stops)
        self.isSilent = isSilent
    }

    /// Takes a token. Returns whether the answer goes on.
    mutating func take(_ token: Int32) -> Bool {
        put(answer.append(token))
        return !isStopped
    }

    /// The end of the text, and of its line.
    mutating func finish() {
        put(answer.finish())
        if !isSilent { Console.put("") }
    }

    private mutating func put(_ part: String) {
        text += part
        if !isSilent, !part.isEmpty { FileHandle.standardOutput.write(Data(part.utf8)) }
    }
}
