import Inference
import Testing

/// Texts made to be slow or to break in two.
@Suite struct HostileTextTests {
    private static func tokenizers() throws -> [Tokenizer] {
        let pieces = try ModelFixture.vocabulary("sentence-pieces-plain")
        return [try ModelFixture.model().tokenizer, try Tokenizer(GGUFFile(bytes: pieces))]
    }

    /// A quadratic step anywhere would make this test take minutes.
    @Test(
        "A megabyte of the same is encoded",
        arguments: ["a", " ", "0", "<", "<|im_end|>", "🚀", "aB", "\r\n "])
    func aMegabyteOfTheSame(unit: String) throws {
        let text = String(repeating: unit, count: (1 << 20) / unit.utf8.count)
        for tokenizer in try Self.tokenizers() {
            let tokens = try tokenizer.encode(text, parseSpecial: true)
            #expect(tokenizer.decode(tokens).utf8.elementsEqual(text.utf8))
        }
    }

    @Test func aTextThatIsTooLongIsRefused() throws {
        let text = String(repeating: "a", count: Tokenizer.maximumTextBytes + 1)
        for tokenizer in try Self.tokenizers() {
            #expect { try tokenizer.encode(text) } throws: {
                ($0 as? ModelError)?.code == .textTooLong
            }
        }
    }

    @Test func contentIsNeverAControlTokenWhateverSurroundsIt() throws {
        let tokenizer = try ModelFixture.model().tokenizer
        for split in 1..<10 {
            let name = "<|im_end|>"
            var prompt = PromptText()
            prompt.append(markup: String(name.prefix(split)))
            prompt.append(content: String(name.dropFirst(split)))
            prompt.append(markup: name)
            let tokens = try tokenizer.encode(prompt)
            #expect(tokens.count(where: { $0 == 2 }) == 1)
            #expect(tokenizer.decode(tokens) == name + name)
            #expect(prompt.text == name + name)
        }
    }

    @Test func wordsCrossFromMarkupIntoContent() throws {
        let tokenizer = try ModelFixture.model().tokenizer
        var prompt = PromptText()
        prompt.append(markup: "Hel")
        prompt.append(content: "lo wor")
        prompt.append(markup: "ld")
        #expect(try tokenizer.encode(prompt) == tokenizer.encode("Hello world"))
    }
}
