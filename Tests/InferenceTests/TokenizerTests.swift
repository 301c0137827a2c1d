import Inference
import Primitives
import Testing

@Suite struct TokenizerTests {
    @Test func everyPublishedStringGivesTheSameTokens() throws {
        let tokenizer = try ModelFixture.model().tokenizer
        let vectors = try ModelFixture.vectors("tokenizer.json", as: TokenizerVectors.self)
        #expect(vectors.strings.count == 24)
        for entry in vectors.strings {
            let special = try tokenizer.encode(entry.text, parseSpecial: true)
            #expect(special == entry.ids_parse_special, "\(entry.text)")
            let plain = try tokenizer.encode(entry.text)
            #expect(plain == entry.ids_no_special ?? entry.ids_parse_special, "\(entry.text)")
            #expect(tokenizer.decode(special) == entry.text)
        }
    }

    @Test func promptsOfTheReferenceEngineGiveTheSameTokens() throws {
        let tokenizer = try ModelFixture.model().tokenizer
        let vectors = try ModelFixture.vectors("llamacpp-greedy.json", as: GreedyVectors.self)
        for output in vectors.outputs {
            #expect(
                try tokenizer.encode(output.prompt_text, parseSpecial: true) == output.prompt_ids,
                "\(output.name)")
            #expect(
                tokenizer.decode(output.generated_ids, showSpecial: false)
                    == output.generated_text, "\(output.name)")
        }
    }

    @Test func specialTokensAreKnown() throws {
        let tokenizer = try ModelFixture.model().tokenizer
        #expect(tokenizer.count == 49_152)
        #expect(tokenizer.special("<|im_start|>") == 1)
        #expect(tokenizer.endToken == 2)
        #expect(tokenizer.isEnd(2) && tokenizer.isEnd(0) && !tokenizer.isEnd(1))
        #expect(tokenizer.kind(2) == .control)
        #expect(tokenizer.kind(49_152) == nil)
        #expect(tokenizer.bytes(of: -1).isEmpty)
    }

    /// The same texts with another token for what is unknown are another tokenizer.
    @Test func theUnknownTokenIsPartOfTheDigest() throws {
        let tokenizers = try [UInt32(0), 3].map { unknown in
            var builder = GGUFBuilder()
            builder.add("tokenizer.ggml.model", text: "llama")
            builder.add("tokenizer.ggml.tokens", texts: ["<unk>", "<s>", "</s>", "a"])
            builder.add("tokenizer.ggml.token_type", integers: [2, 3, 3, 1])
            var scores = ByteWriter()
            scores.write(UInt32(6))
            scores.write(UInt64(4))
            for _ in 0..<4 { scores.write(Float(0).bitPattern) }
            builder.set("tokenizer.ggml.scores", type: 9, scores.bytes)
            builder.add("tokenizer.ggml.unknown_token_id", count: unknown)
            return try Tokenizer(GGUFFile(bytes: builder.build()))
        }
        #expect(try tokenizers.map { try $0.encode("b") } == [[0, 0, 0, 0], [3, 3, 3, 3]])
        #expect(tokenizers[0].digest != tokenizers[1].digest)
    }

    @Test func aLongWordTakesTheSameMergesAsItsPieces() throws {
        let tokenizer = try ModelFixture.model().tokenizer
        let text = String(repeating: "ab", count: 20_000)
        let tokens = try tokenizer.encode(text)
        #expect(tokenizer.decode(tokens) == text)
        #expect(tokens.count < 20_001)
    }

    @Test func streamedTextEqualsWholeText() {
        let text = "aé中🚀👨‍👩‍👧 ok\u{1F1EB}\u{1F1F7}"
        let invalid: [UInt8] = [
            0xff, 0x61, 0xe4, 0xb8, 0x62, 0xf0, 0x9f, 0xc0, 0xed, 0xa0, 0x80, 0xe2,
        ]
        for bytes in [Array(text.utf8), invalid] {
            for size in 1...5 {
                var decoder = StreamDecoder()
                var result = ""
                for start in stride(from: 0, to: bytes.count, by: size) {
                    let part = decoder.append(Array(bytes[start..<min(start + size, bytes.count)]))
                    if bytes != invalid { #expect(!part.unicodeScalars.contains("\u{fffd}")) }
                    result.unicodeScalars.append(contentsOf: part.unicodeScalars)
                }
                result.unicodeScalars.append(contentsOf: decoder.finish().unicodeScalars)
                #expect(
                    Array(result.unicodeScalars)
                        == Array(String(decoding: bytes, as: UTF8.self).unicodeScalars))
            }
        }
    }
}
