import Foundation
import Inference
import Testing

/// Random texts compared with llama.cpp's tokenizer (Tests/Harness/make_tokenizer_vectors.py).
@Suite struct TokenizerVectorTests {
    struct Vectors: Decodable {
        /// FNV-1a over the tokens of 64 texts each, names of control tokens not read.
        let plain: [String]
        /// The same with control tokens read and begin and end tokens added.
        let special: [String]
        /// FNV-1a over the bytes of all tokens.
        let pieces: String
        /// The tokens that end an answer.
        let ends: [Int32]
    }

    struct File: Decodable {
        let pieces: [String]
        let block: Int
        let vectors: [String: Vectors]
    }

    private static let folder = ModelFixture.fixtures.appending(path: "tokenizer-vectors")

    private static func read<Value: Decodable>(_ name: String, as: Value.Type) throws -> Value {
        try JSONDecoder().decode(
            Value.self, from: Data(contentsOf: folder.appending(path: name)))
    }

    /// The text with this number: the script makes the same.
    private static func text(_ number: Int, _ pieces: [String]) -> String {
        var state = UInt64(number) &* 0x9e37_79b9_7f4a_7c15 &+ 1
        func next() -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33)
        }
        var text = ""
        for _ in 0..<1 + next() % 12 {
            switch next() % 8 {
            case 0:
                text.unicodeScalars.append(Unicode.Scalar(UInt32(next() % 0x110000)) ?? "\u{fffd}")
            case 1:
                let piece = pieces[next() % pieces.count]
                text += String(repeating: piece, count: next() % 20)
            default:
                text += pieces[next() % pieces.count]
            }
        }
        return text
    }

    private struct Hash {
        private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

        mutating func add(bytes: some Sequence<UInt8>) {
            for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01b3 }
        }

        mutating func add(tokens: [Int32]) {
            for token in tokens + [-1] {
                add(bytes: (0..<4).map { UInt8(truncatingIfNeeded: token >> ($0 * 8)) })
            }
        }

        var hex: String {
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }
    }

    private static func compare(
        _ tokenizer: Tokenizer, with vectors: Vectors, _ name: String, _ file: File
    ) throws {
        for (index, wanted) in zip(vectors.plain, vectors.special).enumerated() {
            var (plain, special) = (Hash(), Hash())
            for number in index * file.block..<(index + 1) * file.block {
                let text = text(number, file.pieces)
                plain.add(tokens: try tokenizer.encode(text))
                special.add(
                    tokens: try tokenizer.encode(text, parseSpecial: true, addSpecial: true))
            }
            #expect(plain.hex == wanted.0, "\(name), texts \(index * file.block)...")
            #expect(special.hex == wanted.1, "\(name), special, texts \(index * file.block)...")
        }
        var pieces = Hash()
        for token in 0..<Int32(tokenizer.count) {
            pieces.add(bytes: tokenizer.bytes(of: token) + [0xff])
        }
        #expect(pieces.hex == vectors.pieces, "\(name)")
        let ends = (0..<Int32(tokenizer.count)).filter { tokenizer.isEnd($0) }
        #expect(ends == vectors.ends.filter { !isFillIn(tokenizer, $0) }, "\(name)")
    }

    /// Marks for filling in the middle end an answer in llama.cpp, but not here.
    private static func isFillIn(_ tokenizer: Tokenizer, _ token: Int32) -> Bool {
        let name = String(decoding: tokenizer.bytes(of: token), as: UTF8.self)
        return ["repo", "fim", "file_sep", "PAD"].contains { name.contains($0) }
    }

    /// The vocabulary of the demonstration model under the name of each pre-tokenizer, and a small
    /// one whose merges go across words wherever they can.
    @Test func bytePairsAreThoseOfTheReference() throws {
        let file = try Self.read("tokenizers.json", as: File.self)
        let model = try ModelFixture.model().file
        let small = try GGUFFile(bytes: ModelFixture.vocabulary("byte-pairs"))
        let names = file.vectors.keys.filter {
            !$0.hasSuffix(".gguf") && !$0.hasPrefix("byte-pairs")
        }
        #expect(names.count == 12)
        for pre in names.sorted() {
            for (source, name) in [(model, pre), (small, "byte-pairs \(pre)")] {
                let bytes = Self.vocabulary(source, pre: pre)
                let vectors = try #require(file.vectors[name])
                try Self.compare(Tokenizer(GGUFFile(bytes: bytes)), with: vectors, name, file)
            }
        }
    }

    private static func vocabulary(_ model: GGUFFile, pre: String) -> [UInt8] {
        var builder = GGUFBuilder()
        for (key, value) in model.metadata where key.hasPrefix("tokenizer.ggml.") {
            switch value {
            case .texts(let texts): builder.add(key, texts: texts)
            case .integers(let numbers):
                builder.add(key, integers: numbers.map { Int32(truncatingIfNeeded: $0) })
            case .unsigned(let number): builder.add(key, count: UInt32(number))
            case .text(let text): builder.add(key, text: key.hasSuffix(".pre") ? pre : text)
            case .flag(let flag): builder.set(key, type: 7, [flag ? 1 : 0])
            case .signed, .float, .floats: break
            }
        }
        return builder.build()
    }

    @Test func sentencePiecesAreThoseOfTheReference() throws {
        let file = try Self.read("tokenizers.json", as: File.self)
        let names = file.vectors.keys.filter { $0.hasSuffix(".gguf") }
        #expect(names.count == 3)
        for name in names.sorted() {
            let bytes = try ModelFixture.vocabulary(String(name.dropLast(5)))
            let vectors = try #require(file.vectors[name])
            try Self.compare(Tokenizer(GGUFFile(bytes: bytes)), with: vectors, name, file)
        }
    }

    /// Vocabularies of real models, if EXCHEQUER_VOCABULARIES names a folder that has them.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["EXCHEQUER_VOCABULARIES"] != nil))
    func realVocabulariesGiveTheSameTokens() throws {
        let file = try Self.read("tokenizers.json", as: File.self)
        let all = try Self.read("vocabularies.json", as: [String: Vectors].self)
        let folder = ProcessInfo.processInfo.environment["EXCHEQUER_VOCABULARIES"] ?? ""
        var compared = 0
        for (name, vectors) in all.sorted(by: { $0.key < $1.key }) {
            let path = "\(folder)/\(name)"
            guard FileManager.default.fileExists(atPath: path) else { continue }
            try Self.compare(Tokenizer(GGUFFile(path: path)), with: vectors, name, file)
            compared += 1
        }
        #expect(compared > 0, "no vocabulary in \(folder)")
    }
}
