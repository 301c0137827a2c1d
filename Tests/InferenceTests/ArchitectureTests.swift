import Cryptography
import Inference
import Primitives
import Testing
import Verification

/// What makes a file a model of one family and not of another.
@Suite struct ArchitectureTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let family: ModelFamily
        let code: ModelError.Code
        let testDescription: String
        let edit: @Sendable (inout GGUFBuilder) -> Void
    }

    private static func row(
        _ family: ModelFamily, _ code: ModelError.Code, _ name: String,
        _ edit: @escaping @Sendable (inout GGUFBuilder) -> Void
    ) -> Row {
        Row(family: family, code: code, testDescription: "\(family): \(name)", edit: edit)
    }

    private static func set(_ builder: inout GGUFBuilder, _ key: String, _ count: UInt32) {
        builder.entries.removeAll { $0.key == key }
        builder.add(key, count: count)
    }

    private static func set(_ builder: inout GGUFBuilder, _ key: String, float: Float) {
        builder.entries.removeAll { $0.key == key }
        builder.add(key, float: float)
    }

    private static func set(_ builder: inout GGUFBuilder, _ key: String, text: String) {
        builder.entries.removeAll { $0.key == key }
        builder.add(key, text: text)
    }

    private static func addVector(_ builder: inout GGUFBuilder, _ name: String, _ numbers: [Float])
    {
        var writer = ByteWriter()
        for number in numbers { writer.write(number.bitPattern) }
        builder.tensors.append(
            .init(
                name: name, type: 0, dimensions: [UInt64(numbers.count)], bytes: writer.bytes))
    }

    private static func remove(_ builder: inout GGUFBuilder, _ tensor: String) {
        builder.tensors.removeAll { $0.name == tensor }
    }

    private static let factors = "rope_freqs.weight"
    private static let ones = [Float](repeating: 1, count: 8)

    static let rows: [Row] = [
        row(.qwen2, .missingTensor, "no bias") { remove(&$0, "blk.1.attn_k.bias") },
        row(.qwen3, .missingTensor, "no head norm") { remove(&$0, "blk.2.attn_q_norm.weight") },
        row(.gemma3, .missingTensor, "no norm of a result") {
            remove(&$0, "blk.0.post_ffw_norm.weight")
        },
        row(.llama, .unexpectedTensor, "a bias") {
            addVector(&$0, "blk.0.attn_v.bias", [Float](repeating: 0, count: 32))
        },
        row(.qwen3, .unexpectedTensor, "a bias") {
            addVector(&$0, "blk.0.attn_v.bias", [Float](repeating: 0, count: 48))
        },
        row(.qwen2, .unexpectedTensor, "rope factors") { addVector(&$0, factors, ones) },
        row(.gemma3, .unexpectedTensor, "rope factors") { addVector(&$0, factors, ones) },
        row(.qwen2, .wrongShape, "a bias for each input") { builder in
            remove(&builder, "blk.1.attn_k.bias")
            addVector(&builder, "blk.1.attn_k.bias", [Float](repeating: 0, count: 64))
        },
        row(.llama, .wrongShape, "a rope factor too many") { addVector(&$0, factors, ones + [1]) },
        row(.llama, .invalidArchitecture, "rope factor 0") {
            addVector(&$0, factors, ones.dropLast() + [0])
        },
        row(.llama, .invalidArchitecture, "a rope factor that is no number") {
            addVector(&$0, factors, ones.dropLast() + [.nan])
        },
        row(.qwen2, .wrongTensorType, "a bias in half precision") { builder in
            for place in builder.tensors.indices
            where builder.tensors[place].name == "blk.0.attn_q.bias" {
                builder.tensors[place].type = 1
                builder.tensors[place].bytes = Array(builder.tensors[place].bytes.prefix(128))
            }
        },
        row(.qwen3, .unsupportedFeature, "rope scaling") {
            set(&$0, "qwen3.rope.scaling.type", text: "linear")
        },
        row(.qwen2, .unsupportedFeature, "rope scaling under the old name") {
            set(&$0, "qwen2.rope.scale_linear", float: 4)
        },
        row(.gemma3, .unsupportedFeature, "yarn") {
            set(&$0, "gemma3.rope.scaling.type", text: "yarn")
        },
        row(.gemma3, .unsupportedFeature, "a parameter of yarn") {
            set(&$0, "gemma3.rope.scaling.yarn_ext_factor", float: 1)
        },
        row(.qwen2, .unsupportedFeature, "a window") {
            set(&$0, "qwen2.attention.sliding_window", 128)
        },
        row(.qwen3, .unsupportedFeature, "experts") { set(&$0, "qwen3.expert_count", 8) },
        row(.gemma3, .unsupportedFeature, "capped logits") {
            set(&$0, "gemma3.final_logit_softcapping", float: 30)
        },
        row(.gemma3, .unsupportedFeature, "attention to what comes after") {
            $0.set("gemma3.attention.causal", type: 7, [0])
        },
        row(.gemma3, .unsupportedFeature, "a pattern without a period") { builder in
            let key = "gemma3.attention.sliding_window_pattern"
            builder.entries.removeAll { $0.key == key }
            builder.add(key, integers: [0, 1, 1])
        },
        row(.gemma3, .wrongValueType, "a pattern of too few layers") { builder in
            let key = "gemma3.attention.sliding_window_pattern"
            builder.entries.removeAll { $0.key == key }
            builder.add(key, integers: [1, 0])
        },
        row(.gemma3, .limitExceeded, "a huge period") {
            set(&$0, "gemma3.attention.sliding_window_pattern", 1 << 31)
        },
        row(.gemma3, .limitExceeded, "a huge window") {
            set(&$0, "gemma3.attention.sliding_window", 1 << 31)
        },
        row(.gemma3, .wrongValueType, "a window as text") {
            set(&$0, "gemma3.attention.sliding_window", text: "16")
        },
        row(.gemma3, .invalidArchitecture, "scaling by 0") {
            set(&$0, "gemma3.rope.scaling.factor", float: 0)
        },
        row(.gemma3, .invalidArchitecture, "local base 0") {
            set(&$0, "gemma3.rope.freq_base_swa", float: 0)
        },
        row(.gemma3, .wrongValueType, "an infinite base") {
            set(&$0, "gemma3.rope.freq_base_swa", float: .infinity)
        },
        row(.qwen3, .invalidArchitecture, "values of another size than keys") {
            set(&$0, "qwen3.attention.value_length", 16)
        },
        row(.qwen3, .missingKey, "another family's keys") {
            for place in $0.entries.indices where $0.entries[place].key == "qwen3.block_count" {
                $0.entries[place].key = "qwen2.block_count"
            }
        },
    ]

    @Test("Files that are no model of their family are refused", arguments: rows)
    func refusals(row: Row) throws {
        var builder = SyntheticModel(family: row.family).builder
        row.edit(&builder)
        let file = try GGUFFile(bytes: builder.build())
        #expect { try ModelFile(file: file) } throws: { ($0 as? ModelError)?.code == row.code }
    }

    @Test func whatChangesNothingIsAccepted() throws {
        var builder = SyntheticModel(family: .gemma3).builder
        let expected = try ModelFile(bytes: builder.build()).architecture
        Self.set(&builder, "gemma3.final_logit_softcapping", float: 0)
        Self.set(&builder, "gemma3.expert_count", 0)
        builder.set("gemma3.attention.causal", type: 7, [1])
        // The same pattern, as a flag for each layer.
        let key = "gemma3.attention.sliding_window_pattern"
        builder.entries.removeAll { $0.key == key }
        builder.add(key, integers: [1, 0, 1])
        #expect(try ModelFile(bytes: builder.build()).architecture == expected)
        #expect(expected.window == SlidingWindow(size: 16, period: 2, ropeBase: 500))
        #expect(expected.ropeScale == 4)
        Self.set(&builder, "gemma3.rope.scaling.type", text: "none")
        #expect(try ModelFile(bytes: builder.build()).architecture.ropeScale == 1)
        #expect((0..<3).map { expected.window?.holds(layer: $0) } == [true, false, true])
    }

    @Test func aGemmaWithoutAPatternHasFiveLocalLayersOfSix() throws {
        var builder = SyntheticModel(family: .gemma3, layers: 7).builder
        builder.entries.removeAll { $0.key == "gemma3.attention.sliding_window_pattern" }
        builder.entries.removeAll { $0.key == "gemma3.rope.freq_base_swa" }
        let window = try #require(try ModelFile(bytes: builder.build()).architecture.window)
        #expect(window == SlidingWindow(size: 16, period: 6, ropeBase: 10_000))
        #expect((0..<7).map { window.holds(layer: $0) ? "l" : "g" }.joined() == "lllllgl")
        Self.set(&builder, "gemma3.attention.sliding_window", 0)
        #expect(try ModelFile(bytes: builder.build()).architecture.window == nil)
    }

    @Test func infiniteBiasesAndNormsOfHeadsAreRefused() throws {
        for (family, name) in [
            (ModelFamily.qwen2, "blk.0.attn_q.bias"), (.qwen2, "blk.2.attn_v.bias"),
            (.qwen3, "blk.1.attn_k_norm.weight"), (.gemma3, "blk.1.post_attention_norm.weight"),
        ] {
            var builder = SyntheticModel(family: family).builder
            let place = try #require(builder.tensors.firstIndex { $0.name == name })
            builder.tensors[place].bytes.replaceSubrange(0..<4, with: [0, 0, 0x80, 0x7f])
            let model = try ModelFile(bytes: builder.build())
            #expect { try Generator(model: model) } throws: {
                ($0 as? ModelError)?.code == .weightsNotFinite
            }
        }
    }

    @Test("Manifests hold what decides the arithmetic", arguments: ModelFamily.allCases)
    func manifests(family: ModelFamily) throws {
        let manifest = try SyntheticModel(family: family).model().manifest()
        let bytes = manifest.canonicalBytes()
        #expect(try ModelManifest(canonicalBytes: bytes) == manifest)
        let isLlama = family == .llama
        #expect(
            manifest.profile == (isLlama ? NumericsProfile.id : NumericsProfile.idOfArchitectures))
        for length in stride(from: 0, to: 160, by: 3) {
            #expect(throws: CodecError.self) {
                try ModelManifest(canonicalBytes: Array(bytes[..<length]))
            }
        }
    }

    /// A referee that computed them as Llama's would convict an honest provider.
    @Test func singleOperationsOfOtherFamiliesAreRefused() throws {
        let error = ModelError(.unsupportedFeature, "single operations of numerics-v1.2")
        #expect(try SyntheticModel().model().manifest().disputeModel.layers.count == 3)
        for synthetic in [
            SyntheticModel(family: .qwen2), SyntheticModel(family: .qwen3),
            SyntheticModel(family: .gemma3), SyntheticModel(ropeFactors: true),
        ] {
            let model = try synthetic.model()
            let manifest = model.manifest()
            #expect(throws: error) { try manifest.disputeModel }
            let task = StageTask(
                stage: 0, stages: 1, layers: try #require(model.architecture.allLayers),
                positions: 2, promptTokens: 1, sampling: SamplingParameters().canonicalBytes(),
                input: .tokens([1, 2]))
            #expect(throws: error) { try StageTrace(model: model, task: task, threads: 1) }
        }
    }

    @Test func everyNumberOfTheWindowIsInTheRoot() throws {
        let manifest = try SyntheticModel(family: .gemma3).model().manifest()
        let edits: [(inout ModelArchitecture) -> Void] = [
            { $0.window?.size = 17 }, { $0.window?.period = 3 }, { $0.window?.ropeBase = 501 },
            { $0.ropeScale = 2 }, { $0.scoreSize = 16 }, { $0.window = nil }, { $0.headSize = 32 },
        ]
        var roots: Set = [manifest.root]
        for edit in edits {
            var changed = manifest
            edit(&changed.architecture)
            roots.insert(changed.root)
            #expect(try ModelManifest(canonicalBytes: changed.canonicalBytes()) == changed)
        }
        #expect(roots.count == edits.count + 1)
    }

    @Test func vectorsOfALayerAreInItsRoot() throws {
        for (family, tensor, layer) in [
            (ModelFamily.qwen2, "blk.1.attn_k.bias", 1),
            (.qwen3, "blk.2.attn_q_norm.weight", 2), (.gemma3, "blk.0.post_ffw_norm.weight", 0),
        ] {
            let before = try SyntheticModel(family: family).model().manifest()
            var synthetic = SyntheticModel(family: family)
            let place = try #require(synthetic.builder.tensors.firstIndex { $0.name == tensor })
            synthetic.builder.tensors[place].bytes[5] ^= 1
            let after = try synthetic.model().manifest()
            for index in 0..<3 {
                #expect((after.layerRoots[index] == before.layerRoots[index]) == (index != layer))
            }
            #expect(after.headRoot == before.headRoot && after.tailRoot == before.tailRoot)
        }
    }

    @Test func ropeFactorsAreInTheRootOfEveryLayer() throws {
        let plain = try SyntheticModel().model().manifest()
        let before = try SyntheticModel(ropeFactors: true).model().manifest()
        var synthetic = SyntheticModel(ropeFactors: true)
        let place = try #require(
            synthetic.builder.tensors.firstIndex { $0.name == Self.factors })
        synthetic.builder.tensors[place].bytes[0] ^= 1
        let after = try synthetic.model().manifest()
        for index in 0..<3 {
            #expect(after.layerRoots[index] != before.layerRoots[index])
            #expect(plain.layerRoots[index] != before.layerRoots[index])
        }
        #expect(plain.profile == NumericsProfile.id)
        #expect(before.profile == NumericsProfile.idOfArchitectures)
    }
}
