import Foundation
import Inference
import Testing

/// The model every test of real weights shares, and the reference outputs.
enum ModelFixture {
    static let fileName = "SmolLM2-135M-Instruct.Q4_1.gguf"

    struct Missing: Error, CustomStringConvertible {
        let description: String
    }

    private static let repository = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The model, opened once; throws with what to do if it is not there.
    static let shared = Result { try ModelFile(path: path()) }

    static func model() throws -> ModelFile { try shared.get() }

    private static func path() throws -> String {
        if let path = ProcessInfo.processInfo.environment["EXCHEQUER_MODEL"], !path.isEmpty {
            return path
        }
        let path = repository.appending(path: ".models/\(fileName)").path()
        guard FileManager.default.fileExists(atPath: path) else {
            throw Missing(description: "no model at \(path): run `make model` to fetch it")
        }
        return path
    }

    /// Tests/Fixtures.
    static let fixtures = repository.appending(path: "Tests/Fixtures")

    /// A small vocabulary of Tests/Fixtures/tokenizer-vectors.
    static func vocabulary(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: fixtures.appending(path: "tokenizer-vectors/\(name).gguf")))
    }

    /// The lines of a page of docs/reference.
    static func page(_ name: String) throws -> [String] {
        let file = repository.appending(path: "docs/reference/\(name)")
        return try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n")
    }

    /// A text file of Tests/Fixtures.
    static func fixture(_ name: String) throws -> String {
        let file = repository.appending(path: "Tests/Fixtures/\(name)")
        return try String(contentsOf: file, encoding: .utf8)
    }

    /// Decodes a file of Tests/Fixtures/engine-vectors.
    static func vectors<Value: Decodable>(_ name: String, as type: Value.Type) throws -> Value {
        let file = repository.appending(path: "Tests/Fixtures/engine-vectors/\(name)")
        return try JSONDecoder().decode(type, from: Data(contentsOf: file))
    }
}

/// llamacpp-greedy.json: what llama.cpp produced greedily.
struct GreedyVectors: Decodable {
    struct Output: Decodable {
        let name: String
        let kind: String
        let prompt_text: String
        let prompt_ids: [Int32]
        let generated_ids: [Int32]
        let generated_text: String
        let top5: [[[Double]]]
    }

    let outputs: [Output]
}

/// float64-teacher-forced.json: an exact forward pass over the same tokens.
struct ExactVectors: Decodable {
    struct Output: Decodable {
        let name: String
        let argmax: [Int32]
        let top5: [[[Double]]]
    }

    let outputs: [Output]
}

/// tokenizer.json: what llama.cpp's tokenizer gives.
struct TokenizerVectors: Decodable {
    struct Entry: Decodable {
        let text: String
        let ids_parse_special: [Int32]
        let ids_no_special: [Int32]?
    }

    let strings: [Entry]
}
