/// A pre-tokenizer of the byte-pair tokenizers: how text is cut into the words that merging never
/// crosses, and two habits that go with it.
///
/// Names, order and patterns are those of llama.cpp (`src/llama-vocab.cpp`, `src/unicode.cpp`),
/// whose converter writes the name into `tokenizer.ggml.pre`.
struct PreTokenizer: Sendable {
    /// The cuts, one after the other; each cuts the pieces the one before left.
    let cuts: [WordCut]
    /// Whether a word that is itself a token is that token, whatever the merges say.
    var takesWholeWords = false
    /// Whether the begin token is put first when the file does not say.
    var addsBegin = false

    /// The pre-tokenizer a file names; `nil` if this engine does not know it.
    init?(named name: String) {
        switch name {
        case "gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "jina-es",
            "jina-de", "jina-v2-es", "jina-v2-de", "gigachat", "a.x-4.0", "mellum", "modern-bert",
            "exaone4":
            cuts = [.gpt2]
        case "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b",
            "mellum2":
            cuts = [.eachNumber, .gpt2]
        case "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0",
            "lfm2", "jina-v5-nano":
            cuts = [.words(.llama3)]
            takesWholeWords = true
            addsBegin = true
        case "dbrx", "smaug-bpe", "chatglm-bpe":
            cuts = [.words(.llama3)]
        case "glm4", "glm5":
            cuts = [.words(.llama3)]
            takesWholeWords = true
        case "qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan",
            "solar-open", "grok-2":
            cuts = [.words(.qwen2)]
        case "qwen35":
            cuts = [.words(.qwen35)]
        case "tekken":
            cuts = [.words(.tekken)]
            takesWholeWords = true
            addsBegin = true
        case "gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2":
            cuts = [.words(.gpt4o)]
        case "deepseek-coder":
            cuts = [
                .lineBreaks, .spacedRun(.letter), .spacedRun(.punctuation),
                .scripts(Self.codeScripts), .eachNumber,
            ]
        case "deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4":
            cuts = [.numberTriples, .scripts(Self.chineseAndJapanese), .words(.deepseek3)]
        case "falcon":
            cuts = [.punctuation("$+<=>^~|`"), .gpt2, .digitTriples]
        case "default":
            cuts = [.punctuation("$+<=>^~|"), .gpt2, .numberRuns, .digitTriples]
        default:
            return nil
        }
    }

    /// For people: some of the names this engine knows.
    static let examples = "gpt-2, smollm, llama-bpe, qwen2, tekken, gpt-4o, deepseek-v3"

    private static let codeScripts: [ClosedRange<UInt32>] = [
        0x4e00...0x9fa5, 0x0800...0x4e00, 0xac00...0xd7ff,
    ]
    private static let chineseAndJapanese: [ClosedRange<UInt32>] = [
        0x4e00...0x9fa5, 0x3040...0x30ff,
    ]

    /// Calls `body` with the range of bytes of each word, in order; together they cover the text.
    /// O(bytes).
    func forEachWord(in text: ArraySlice<UInt8>, _ body: (Range<Int>) -> Void) {
        let text = ClassifiedText(text)
        var ends = [text.count]
        for cut in cuts { ends = cut.apply(to: text, ends) }
        var start = 0
        for end in ends {
            body(text.offsets[start]..<text.offsets[end])
            start = end
        }
    }
}

/// Text as code points with their classes.
struct ClassifiedText {
    private(set) var points: [UInt32] = []
    private(set) var classes: [CharacterClass] = []
    /// Where each code point starts among the bytes, and at the end where the last one ends.
    private(set) var offsets: [Int] = []

    var count: Int { points.count }

    /// Reads UTF-8 that is known to be valid.
    init(_ text: ArraySlice<UInt8>) {
        points.reserveCapacity(text.count)
        classes.reserveCapacity(text.count)
        offsets.reserveCapacity(text.count + 1)
        var place = text.startIndex
        while place < text.endIndex {
            offsets.append(place)
            let lead = text[place]
            let width = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
            var point = UInt32(width == 1 ? lead : lead & (0x7f >> UInt8(width)))
            for next in place + 1..<place + width {
                point = point << 6 | UInt32(text[next] & 0x3f)
            }
            points.append(point)
            classes.append(CharacterClass(point))
            place += width
        }
        offsets.append(text.endIndex)
    }
}
