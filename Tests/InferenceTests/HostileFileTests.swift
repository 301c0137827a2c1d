import Inference
import Testing

/// Thousands of damaged files: each is read or refused, none stops the process.
@Suite struct HostileFileTests {
    /// Numbers that sit on limits of some type.
    private static let edges: [UInt64] = [
        0, 1, 2, 7, 31, 255, 4_095, 65_535, 65_536, 1 << 20, (1 << 31) - 1, 1 << 31,
        (1 << 32) - 1, 1 << 32, 1 << 48, (1 << 63) - 1, 1 << 63, .max - 31, .max,
    ]

    private static func damage(
        _ bytes: inout [UInt8], _ random: inout SyntheticModel, header: Int
    ) {
        for _ in 0..<1 + random.next() % 3 {
            let header = min(header, bytes.count)
            let place = Int(random.next()) % (header - 8)
            switch random.next() % 5 {
            case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
            case 1: bytes[place] ^= 1 << UInt8(random.next() % 8)
            case 2:
                let edge = edges[Int(random.next()) % edges.count]
                let width = [1, 2, 4, 8][Int(random.next() % 4)]
                for byte in 0..<width {
                    bytes[place + byte] = UInt8(truncatingIfNeeded: edge >> UInt64(8 * byte))
                }
            case 3:
                let length = Int(random.next() % 16)
                let source = Int(random.next()) % (header - 16)
                for byte in 0..<length where place + byte < header {
                    bytes[place + byte] = bytes[source + byte]
                }
            default:
                bytes.removeSubrange(place..<min(place + Int(random.next() % 12), header))
            }
        }
    }

    @Test func damagedHeadersNeverStopTheReader() throws {
        var builder = SyntheticModel().builder
        // The tensors shrink to nothing much, so that copies are small.
        builder.tensors = Array(builder.tensors.filter { $0.dimensions.count == 1 }.prefix(3))
        let bytes = builder.build()
        let header = bytes.count - 3 * 256
        var random = SyntheticModel(seed: 77)
        var refused: [ModelError.Code: Int] = [:]
        var read = 0
        for _ in 0..<6_000 {
            var damaged = bytes
            Self.damage(&damaged, &random, header: header)
            do throws(ModelError) {
                let tokenizer = try Tokenizer(GGUFFile(bytes: damaged))
                let tokens = try tokenizer.encode("ab the\u{0} é <|im_end|>", parseSpecial: true)
                #expect(tokens.allSatisfy { $0 >= 0 && Int($0) < tokenizer.count })
                _ = tokenizer.decode(tokens)
                read += 1
            } catch {
                refused[error.code, default: 0] += 1
            }
        }
        #expect(read > 100 && refused.count > 10, "\(read) read, refused \(refused)")
    }

    @Test func damagedPiecesNeverStopTheReader() throws {
        let bytes = try ModelFixture.vocabulary("sentence-pieces-prefixed")
        var random = SyntheticModel(seed: 5)
        var read = 0
        for _ in 0..<600 {
            var damaged = bytes
            Self.damage(&damaged, &random, header: bytes.count)
            guard let file = try? GGUFFile(bytes: damaged), let tokenizer = try? Tokenizer(file)
            else { continue }
            let tokens = try tokenizer.encode("a  the\u{0} é </s>▁", parseSpecial: true)
            #expect(tokens.allSatisfy { $0 >= 0 && Int($0) < tokenizer.count })
            read += 1
        }
        #expect(read > 50 && read < 600)
    }

    @Test("Damaged sizes of any family are refused or run", arguments: ModelFamily.allCases)
    func damagedSizes(family: ModelFamily) throws {
        let bytes = SyntheticModel(family: family, ropeFactors: family == .llama).builder.build()
        // The sizes come before the tokenizer.
        let end = try #require(bytes.firstRange(of: Array("tokenizer.ggml.model".utf8)))
        var random = SyntheticModel(seed: 31)
        var ran = 0
        for _ in 0..<400 {
            var damaged = bytes
            Self.damage(&damaged, &random, header: end.lowerBound)
            guard let model = try? ModelFile(bytes: damaged),
                let stage = try? Generator(model: model, threads: 1).stage,
                let session = try? stage.makeSession(capacity: 1)
            else { continue }
            _ = try? session.run(tokens: [5])
            ran += 1
        }
        #expect(ran > 5 && ran < 300, "\(ran) ran")
    }

    /// Memory follows what is in a file and not what it claims.
    @Test func claimsWithoutBytesCostNothing() {
        for claim in Self.edges where claim > 1_000 {
            var builder = GGUFBuilder()
            builder.entryCount = min(claim, 4_096)
            builder.tensorCount = min(claim, 65_536)
            #expect(throws: ModelError.self) { try GGUFFile(bytes: builder.build()) }
        }
    }
}
