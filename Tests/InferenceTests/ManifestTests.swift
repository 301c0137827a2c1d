import Cryptography
import Inference
import Primitives
import Testing
import Verification

@Suite struct ManifestTests {
    @Test func theRealModelHasItsGoldenRoot() throws {
        let manifest = try ModelFixture.model().manifest(name: "smollm2-135m-instruct")
        #expect(manifest.layerRoots.count == 30)
        #expect(Set(manifest.layerRoots).count == 30)
        #expect(manifest.profile == NumericsProfile.id)
        #expect(
            manifest.tokenizerHash.hex
                == "c56940cf99a10f4b44dc504edeb16dccc5c74fd78e16ea15f66caa5e684902a2")
        #expect(
            manifest.root.hex
                == "0890cff308b69c2de89a5fd8bc3576085852a0e47fb0474911efbca5655473ac")
    }

    @Test func aModelDeclaresTheFirstContractThatDefinesItsFormats() throws {
        for type in TensorType.allCases {
            let manifest = try SyntheticModel(type).model().manifest()
            let added = [.bf16, .q5_0, .q4_K, .q6_K].contains(type)
            #expect(
                manifest.profile == (added ? NumericsProfile.idOfFormats : NumericsProfile.id))
        }
    }

    @Test func theProfileIsPinned() {
        #expect(
            NumericsProfile.id.hex
                == "ade9efb25a98bfcfeb9c8de4006863d3f3accdc5286b073e4a2a569efa54b860")
        #expect(
            NumericsProfile.idOfFormats.hex
                == "30bea6e1b3d38605c506acbf7420baead013e73d583338dda8148b0957c932fd")
        #expect(
            NumericsProfile.idOfArchitectures.hex
                == "25c4dd40b84002f32bfe4a13fc005db33c1237e8d67ee29a0004b8e50d012f99")
    }

    @Test func anotherWeightChangesOnlyItsLayer() throws {
        let before = try SyntheticModel().model().manifest()
        for (tensor, layer) in [
            ("blk.1.ffn_up.weight", 1), ("blk.0.attn_norm.weight", 0), ("blk.2.attn_v.weight", 2),
        ] {
            var synthetic = SyntheticModel()
            let place = try #require(
                synthetic.builder.tensors.firstIndex { $0.name == tensor })
            synthetic.builder.tensors[place].bytes[100] ^= 1
            let after = try synthetic.model().manifest()
            for index in 0..<3 {
                #expect((after.layerRoots[index] == before.layerRoots[index]) == (index != layer))
            }
            #expect(after.headRoot == before.headRoot && after.tailRoot == before.tailRoot)
            #expect(after.root != before.root)
            for (first, end) in [(0, 1), (1, 2), (2, 3), (0, 2), (1, 3), (0, 3)] {
                let range = try #require(LayerRange(UInt16(first), UInt16(end)))
                let same = after.weightsRoot(of: range) == before.weightsRoot(of: range)
                #expect(same == !(first..<end).contains(layer))
            }
        }
    }

    @Test func theEmbeddingCountsForTheEndsOnly() throws {
        let before = try SyntheticModel().model().manifest()
        var synthetic = SyntheticModel()
        synthetic.builder.tensors[0].bytes[9] ^= 1
        let after = try synthetic.model().manifest()
        #expect(after.layerRoots == before.layerRoots)
        #expect(after.headRoot != before.headRoot && after.tailRoot != before.tailRoot)
        let middle = try #require(LayerRange(1, 2))
        #expect(after.weightsRoot(of: middle) == before.weightsRoot(of: middle))
    }

    @Test func aRangeOutsideTheModelHasNoRoot() throws {
        let manifest = try SyntheticModel().model().manifest()
        let beyond = try #require(LayerRange(1, 4))
        #expect(manifest.weightsRoot(of: beyond) == .zero)
    }

    @Test func manifestsRoundTripAndRefuseOtherCounts() throws {
        let manifest = try SyntheticModel().model().manifest(name: "naïve model")
        let bytes = manifest.canonicalBytes()
        #expect(try ModelManifest(canonicalBytes: bytes) == manifest)
        for length in [0, 10, 40, bytes.count - 1] {
            #expect(throws: CodecError.self) {
                try ModelManifest(canonicalBytes: Array(bytes[..<length]))
            }
        }
        var short = manifest
        short.layerRoots.removeLast()
        #expect(throws: CodecError.invalidValue("layer roots")) {
            try ModelManifest(canonicalBytes: short.canonicalBytes())
        }
    }

    @Test func oneChunkOpensAgainstTheTensorRoot() throws {
        let model = try ModelFixture.model()
        let tensor = try #require(model.file.tensor("blk.7.ffn_down.weight"))
        let leaves = TensorCommitment.leaves(
            name: tensor.name, first: 0,
            bytes: model.file.copyBytes(tensor, offset: 0, count: tensor.byteCount))
        #expect(leaves.count == 9)
        var writer = ByteWriter()
        writer.write(UInt8(2))
        writer.write(SHA256.hash(Array(tensor.name.utf8)))
        writer.write(UInt32(3))
        writer.write(UInt32(2))
        writer.write(UInt64(1_536))
        writer.write(UInt64(576))
        writer.write(MerkleTree(leaves: leaves).root)
        #expect(WeightHasher(model.file).root(of: tensor) == SHA256.hash(writer.bytes))
    }
}
