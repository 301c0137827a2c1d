import ArgumentParser
import Foundation
import Inference

/// `exchequer model embed`.
struct ModelEmbedCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "embed",
        abstract: "Turn a text into a vector of length 1.",
        discussion: """
            The hidden rows behind the last layer and the final norm, pooled. Two texts are as \
            close as the sum of the products of their numbers. Models that are not made for this \
            give rough vectors.

            EXAMPLES
              exchequer model embed MODEL.gguf "A cat sat on the mat."
              exchequer model embed MODEL.gguf --pooling last --json < text.txt
            """)

    @OptionGroup var model: ModelArgument
    @Argument(help: "The text; standard input if left out.") var text: String?
    @Option(
        help: "mean of all rows, or the last one.",
        transform: { text in
            guard let pooling = Pooling(rawValue: text) else {
                throw ValidationError("--pooling is mean or last.")
            }
            return pooling
        })
    var pooling = Pooling.mean
    @Option(help: "Threads; one per processor if left out.") var threads: Int?
    @Flag(help: "Print one JSON object.") var json = false

    private struct Report: Encodable {
        var embedding: [Float]
        var tokens: Int
        var pooling: String
    }

    func validate() throws {
        if let threads, threads < 1 { throw ValidationError("--threads is at least 1.") }
    }

    func run() throws {
        let file = try model.open()
        let input = try ModelArgument.text(text)
        do {
            let tokens = try file.tokenizer.encode(input, addSpecial: true)
            let generator = try Generator(model: file, threads: threads ?? Stage.defaultThreads)
            let embedding = try generator.embed(tokens, pooling: pooling)
            if json {
                try Console.put(
                    json: Report(
                        embedding: embedding, tokens: tokens.count, pooling: pooling.rawValue))
            } else {
                Console.put(embedding.map { "\($0)" }.joined(separator: " "))
            }
        } catch let error as ModelError {
            throw ModelArgument.end(error)
        } catch let error as EngineError {
            throw ModelArgument.end(error)
        }
    }
}
