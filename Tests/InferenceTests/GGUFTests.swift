import Inference
import Primitives
import Testing

/// Model files that must be refused, one row for each code a stranger's file can cause.
@Suite struct GGUFTests {
    struct Row: CustomTestStringConvertible, Sendable {
        let code: ModelError.Code
        let name: String
        let edit: @Sendable (inout GGUFBuilder) -> Void

        var testDescription: String { "\(code.rawValue) \(name)" }
    }

    private static func count(_ value: UInt64) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(value)
        return writer.bytes
    }

    private static func word(_ value: UInt32) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(value)
        return writer.bytes
    }

    private static func row(
        _ code: ModelError.Code, _ name: String,
        _ edit: @escaping @Sendable (inout GGUFBuilder) -> Void
    ) -> Row {
        Row(code: code, name: name, edit: edit)
    }

    static let fileRows: [Row] = [
        row(.badMagic, "another magic") { $0.magic = Array("GGML".utf8) },
        row(.unsupportedVersion, "version 1") { $0.version = 1 },
        row(.unsupportedVersion, "version 4") { $0.version = 4 },
        row(.unsupportedVersion, "big endian version") { $0.version = 3 << 24 },
        row(.limitExceeded, "huge tensor count") { $0.tensorCount = .max },
        row(.limitExceeded, "huge metadata count") { $0.entryCount = 1 << 40 },
        row(.limitExceeded, "huge key") {
            $0.entries[0].key = String(repeating: "k", count: 2_000)
        },
        row(.limitExceeded, "huge text") { $0.set("x", type: 8, count(1 << 50)) },
        row(.limitExceeded, "huge array") { $0.set("x", type: 9, word(4) + count(1 << 50)) },
        row(.limitExceeded, "array number over 63 bits") {
            $0.set("x", type: 9, word(10) + count(1) + count(.max))
        },
        row(.limitExceeded, "arrays that are large together") {
            for name in ["x", "y", "z"] {
                let bytes = [UInt8](repeating: 1, count: 3 << 20)
                $0.set(name, type: 9, word(0) + count(UInt64(bytes.count)) + bytes)
            }
        },
        row(.truncated, "text past the end") { $0.set("x", type: 8, count(1 << 21)) },
        row(.truncated, "array past the end") { $0.set("x", type: 9, word(8) + count(1 << 21)) },
        row(.invalidText, "text that is not UTF-8") {
            $0.set("x", type: 8, count(2) + [0xff, 0xfe])
        },
        row(.unknownValueType, "value type 13") { $0.set("x", type: 13, []) },
        row(.unknownValueType, "array of type 99") { $0.set("x", type: 9, word(99) + count(0)) },
        row(.duplicateKey, "key twice") { $0.entries.append($0.entries[0]) },
        row(.nestedArray, "array of arrays") { $0.set("x", type: 9, word(9) + count(1)) },
        row(.nestedArray, "a thousand arrays in each other") {
            let opening = word(9) + count(1)
            $0.set("x", type: 9, Array((0..<1_000).map { _ in opening }.joined()))
        },
        row(.invalidFlag, "flag 2") { $0.set("x", type: 7, [2]) },
        row(.badAlignment, "alignment 24") { $0.set("general.alignment", type: 4, word(24)) },
        row(.badAlignment, "alignment 0") { $0.set("general.alignment", type: 4, word(0)) },
        row(.wrongValueType, "alignment as text") {
            $0.set("general.alignment", type: 8, GGUFBuilder.text("32"))
        },
        row(.duplicateTensor, "tensor twice") { $0.tensors.append($0.tensors[1]) },
        row(.badDimensions, "no dimensions") { $0.tensors[3].dimensions = [] },
        row(.badDimensions, "five dimensions") { $0.tensors[3].dimensions = [32, 1, 1, 1, 1] },
        row(.badDimensions, "empty dimension") { $0.tensors[3].dimensions = [64, 0] },
        row(.badDimensions, "huge dimension") { $0.tensors[3].dimensions = [1 << 40] },
        row(.badDimensions, "huge product") {
            $0.tensors[3].dimensions = [1 << 30, 1 << 30, 1 << 30, 1 << 30]
        },
        row(.unsupportedTensorType, "type Q2_K") { $0.tensors[3].type = 10 },
        row(.partialBlock, "rows of 48") { $0.tensors[3].dimensions = [48, 64] },
        row(.misalignedTensor, "odd offset") { $0.tensors[3].offset = 33 },
        row(.tensorOutOfBounds, "offset past the end") { $0.tensors[3].offset = 1 << 30 },
        row(.tensorOutOfBounds, "offset near 2^64") { $0.tensors[3].offset = .max - 31 },
        row(.tensorOutOfBounds, "size past the end") { $0.tensors[3].dimensions = [64, 1 << 20] },
        row(.overlappingTensors, "same place") { $0.tensors[3].offset = 0 },
    ]

    static let modelRows: [Row] = [
        row(.missingKey, "no architecture") {
            $0.entries.removeAll { $0.key == "general.architecture" }
        },
        row(.missingKey, "no layers") { $0.entries.removeAll { $0.key == "llama.block_count" } },
        row(.wrongValueType, "layers as text") {
            $0.set("llama.block_count", type: 8, GGUFBuilder.text("3"))
        },
        row(.limitExceeded, "no layers at all") { $0.set("llama.block_count", type: 4, word(0)) },
        row(.limitExceeded, "huge width") {
            $0.set("llama.embedding_length", type: 10, count(1 << 60))
        },
        row(.unsupportedArchitecture, "another family") {
            $0.set("general.architecture", type: 8, GGUFBuilder.text("gemma2"))
        },
        row(.unsupportedFeature, "rope scaling") {
            $0.set("llama.rope.scaling.type", type: 8, GGUFBuilder.text("linear"))
        },
        row(.unsupportedFeature, "experts") { $0.set("llama.expert_count", type: 4, word(8)) },
        row(.invalidArchitecture, "heads that do not divide") {
            $0.set("llama.attention.head_count_kv", type: 4, word(3))
        },
        row(.invalidArchitecture, "rope wider than the head") {
            $0.set("llama.rope.dimension_count", type: 4, word(32))
        },
        row(.invalidArchitecture, "another vocabulary size") {
            $0.set("llama.vocab_size", type: 4, word(270))
        },
        row(.missingTensor, "tensor left out") { $0.tensors.remove(at: 4) },
        row(.missingTensor, "one layer more") { $0.set("llama.block_count", type: 4, word(4)) },
        row(.unexpectedTensor, "a name nobody knows") {
            $0.tensors[$0.tensors.count - 1].name = "x"
        },
        row(.unexpectedTensor, "one layer less") { $0.set("llama.block_count", type: 4, word(2)) },
        row(.wrongShape, "flat matrix") { $0.tensors[2].dimensions = [4_096] },
        row(.wrongTensorType, "norm in half precision") {
            $0.tensors[1].type = 1
            $0.tensors[1].bytes = Array($0.tensors[1].bytes.prefix(128))
        },
        row(.unsupportedTokenizer, "another model") {
            $0.set("tokenizer.ggml.model", type: 8, GGUFBuilder.text("bert"))
        },
        row(.unsupportedTokenizer, "another pre-tokenizer") {
            $0.set("tokenizer.ggml.pre", type: 8, GGUFBuilder.text("qwen9"))
        },
        row(.missingKey, "pieces without scores") {
            $0.set("tokenizer.ggml.model", type: 8, GGUFBuilder.text("llama"))
        },
        row(.invalidVocabulary, "too few scores") {
            $0.set("tokenizer.ggml.model", type: 8, GGUFBuilder.text("llama"))
            $0.set("tokenizer.ggml.scores", type: 9, word(6) + count(1) + word(0))
        },
        row(.invalidVocabulary, "scores that are no numbers") {
            $0.set("tokenizer.ggml.model", type: 8, GGUFBuilder.text("llama"))
            let scores = Array((0..<269).map { _ in word(0x7fc0_0000) }.joined())
            $0.set("tokenizer.ggml.scores", type: 9, word(6) + count(269) + scores)
        },
        row(.wrongValueType, "a flag that is a number") {
            $0.set("tokenizer.ggml.add_bos_token", type: 4, word(1))
        },
        row(.limitExceeded, "a token of five thousand bytes") {
            $0.replaceToken(100, String(repeating: "x", count: 5_000))
        },
        row(.limitExceeded, "a special token of two thousand bytes") {
            $0.replaceToken(1, String(repeating: "x", count: 2_000))
        },
        row(.invalidVocabulary, "a token twice") { $0.replaceToken(100, "ab") },
        row(.invalidVocabulary, "a merge twice") {
            let merge = GGUFBuilder.text("a b")
            $0.set("tokenizer.ggml.merges", type: 9, word(8) + count(2) + merge + merge)
        },
        row(.invalidVocabulary, "types missing") {
            $0.set("tokenizer.ggml.token_type", type: 9, word(5) + count(1) + word(1))
        },
        row(.invalidVocabulary, "merge of nothing") {
            $0.set("tokenizer.ggml.merges", type: 9, word(8) + count(1) + GGUFBuilder.text("a"))
        },
        row(.invalidVocabulary, "merge of strangers") {
            $0.set("tokenizer.ggml.merges", type: 9, word(8) + count(1) + GGUFBuilder.text("a zz"))
        },
        row(.invalidVocabulary, "end token out of range") {
            $0.set("tokenizer.ggml.eos_token_id", type: 4, word(269))
        },
    ]

    @Test("Files that are not sound are refused", arguments: fileRows)
    func unsoundFile(row: Row) {
        var builder = SyntheticModel().builder
        row.edit(&builder)
        #expect { try GGUFFile(bytes: builder.build()) } throws: {
            ($0 as? ModelError)?.code == row.code
        }
    }

    @Test("Sound files that are no model of ours are refused", arguments: modelRows)
    func foreignModel(row: Row) throws {
        var builder = SyntheticModel(tied: false).builder
        row.edit(&builder)
        let file = try GGUFFile(bytes: builder.build())
        #expect { try ModelFile(file: file) } throws: { ($0 as? ModelError)?.code == row.code }
    }

    @Test func everyCodeAFileCanCauseHasARow() {
        let covered = Set((Self.fileRows + Self.modelRows).map(\.code))
        for code in ModelError.Code.allCases where code.rawValue < 503 && code != .cannotOpen {
            #expect(covered.contains(code), "\(code)")
        }
        let numbers = ModelError.Code.allCases.map(\.rawValue)
        #expect(Set(numbers).count == numbers.count)
    }

    @Test func everyCodeIsInTheReference() throws {
        let page = try ModelFixture.page("models.md")
        for code in ModelError.Code.allCases {
            let start = "| \(code.rawValue) | \(code) | "
            #expect(page.contains { $0.hasPrefix(start) }, "\(start)")
        }
        for profile in [
            NumericsProfile.id, NumericsProfile.idOfFormats, NumericsProfile.idOfArchitectures,
        ] {
            #expect(try ModelFixture.page("numerics-v1.md").contains("    \(profile.hex)"))
        }
    }

    @Test func aFileCutShortAnywhereIsRefused() throws {
        let bytes = SyntheticModel().builder.build()
        #expect(try GGUFFile(bytes: bytes).tensors.count == 29)
        var lengths = Array(0..<200)
        lengths += stride(from: 200, to: bytes.count, by: 499)
        lengths.append(bytes.count - 1)
        for length in lengths {
            #expect(throws: ModelError.self) { try GGUFFile(bytes: Array(bytes[..<length])) }
        }
    }

    @Test func aFileThatIsNotThereIsRefused() {
        for path in ["/nonexistent/model.gguf", "/"] {
            #expect { try GGUFFile(path: path) } throws: {
                ($0 as? ModelError)?.code == .cannotOpen
            }
        }
    }

    @Test func versionTwoIsReadToo() throws {
        var builder = SyntheticModel().builder
        builder.version = 2
        #expect(try ModelFile(bytes: builder.build()).architecture.layers == 3)
    }

    @Test func theRealModelIsReadWhole() throws {
        let model = try ModelFixture.model()
        #expect(model.file.tensors.count == 272)
        #expect(model.file.metadata.count == 33)
        #expect(model.architecture.layers == 30)
        #expect(model.architecture.hidden == 576)
        #expect(model.architecture.ropeBase == 100_000)
        #expect(model.architecture.cacheBytes * 30 == 23_040)
        #expect(model.quantisation == "Q4_1")
        #expect(model.tiesOutput)
        #expect(model.name == "Smollm2 135M 8k Lc100K Mix1 Ep2")
    }

    @Test func aModelWithoutATemplateSaysSo() throws {
        var synthetic = SyntheticModel()
        #expect { try synthetic.model().requireChatTemplate() } throws: {
            ($0 as? ModelError)?.code == .noChatTemplate
        }
        synthetic.builder.add("tokenizer.chat_template", text: "{{ messages }}")
        #expect { try synthetic.model().requireChatTemplate() } throws: {
            ($0 as? ModelError)?.code == .unsupportedChatTemplate
                && "\($0)".contains("--chat-template: chatml, smollm2")
        }
        #expect { try synthetic.model().requireChatTemplate(named: "none") } throws: {
            ($0 as? ModelError)?.code == .unsupportedChatTemplate
        }
        let tokens = try synthetic.model().requireChatTemplate(named: "chatml")
            .encode([ChatMessage(role: "user", content: "a")], with: synthetic.model().tokenizer)
        #expect(tokens.first == 1)
    }
}
