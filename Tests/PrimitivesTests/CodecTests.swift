import Primitives
import Testing

/// A record with every kind of field the codec knows.
private struct Everything: Hashable, CanonicalCodable {
    var byte: UInt8
    var short: UInt16
    var word: UInt32
    var long: UInt64
    var wide: UInt128
    var flag: Bool
    var digest: Digest
    var blob: [UInt8]
    var text: String
    var list: [LayerRange]
    var maybe: Price?

    init(using random: inout SplitMix64) {
        byte = random.edgy()
        short = random.edgy()
        word = random.edgy()
        long = random.edgy()
        wide = random.edgy()
        flag = Bool.random(using: &random)
        digest = Digest(random.bytes(32)) ?? .zero
        blob = random.bytes(Int(random.next() % 20))
        text = String(["", "a", "né", "日本", "🜚"].randomElement(using: &random) ?? "")
        list = (0..<random.next() % 4).compactMap { LayerRange(UInt16($0), UInt16($0 + 3)) }
        maybe = Bool.random(using: &random) ? Price(perMillion: random.edgy()) : nil
    }

    func encode(into writer: inout ByteWriter) {
        writer.write(byte)
        writer.write(short)
        writer.write(word)
        writer.write(long)
        writer.write(wide)
        writer.write(flag)
        writer.write(digest)
        writer.write(blob)
        writer.write(text)
        writer.write(list)
        writer.write(maybe)
    }

    init(from reader: inout ByteReader) throws(CodecError) {
        byte = try reader.readUInt8()
        short = try reader.readUInt16()
        word = try reader.readUInt32()
        long = try reader.readUInt64()
        wide = try reader.readUInt128()
        flag = try reader.readBool()
        digest = try reader.readDigest()
        blob = try reader.readBytes(limit: 20)
        text = try reader.readString(limit: 20)
        list = try reader.readArray(limit: 4)
        maybe = try reader.readOptional()
    }
}

struct CodecTests {
    @Test func randomRecordsSurviveARoundTripAndAnyCutOfThemIsRefused() throws {
        var random = SplitMix64(seed: 1)
        for _ in 0..<200 {
            let record = Everything(using: &random)
            let bytes = record.canonicalBytes()
            #expect(try Everything(canonicalBytes: bytes) == record)
            for length in 0..<bytes.count {
                #expect(throws: CodecError.truncated) {
                    try Everything(canonicalBytes: Array(bytes[..<length]))
                }
            }
            #expect(throws: CodecError.trailingBytes) {
                try Everything(canonicalBytes: bytes + [0])
            }
        }
    }

    @Test func whateverDecodesEncodesToTheSameBytes() throws {
        var random = SplitMix64(seed: 2)
        var accepted = 0
        var refused = 0
        for _ in 0..<5_000 {
            var bytes = Everything(using: &random).canonicalBytes()
            let place = Int(random.next() % UInt64(bytes.count))
            bytes[place] ^= 1 << UInt8(random.next() % 8)
            do {
                #expect(try Everything(canonicalBytes: bytes).canonicalBytes() == bytes)
                accepted += 1
            } catch {
                refused += 1
            }
        }
        #expect(accepted > 100 && refused > 100)
    }

    /// A source that gives a few bytes at a time.
    private final class Pieces: ByteSource, @unchecked Sendable {
        private var left: [UInt8]

        init(_ bytes: [UInt8]) { left = bytes }

        var remaining: Int { left.count }

        func next() -> [UInt8] {
            defer { left.removeFirst(min(3, left.count)) }
            return Array(left.prefix(3))
        }
    }

    @Test func aPartOfAReaderEndsWhereItShould() throws {
        let bytes: [UInt8] = Array(1...20)
        for var reader in [ByteReader(bytes), ByteReader(from: Pieces(bytes))] {
            _ = try reader.readUInt16()
            var part = try reader.readPart(count: 5)
            #expect(part.remaining == 5 && reader.remaining == 13)
            // The bytes behind it are in the same array and are not its own.
            #expect(throws: CodecError.truncated) { try part.readUInt64() }
            #expect(throws: CodecError.truncated) { try part.readPart(count: 6) }
            #expect(try part.readUInt32() == 0x0605_0403)
            #expect(throws: CodecError.trailingBytes) { try part.finish() }
            #expect(try part.readRaw(count: 1) == [7])
            try part.finish()
            let sum = try reader.withRaw(count: 4) { span in
                (0..<4).reduce(0) {
                    unsafe $0 + Int(span.unsafeLoad(fromByteOffset: $1, as: UInt8.self))
                }
            }
            #expect(sum == 8 + 9 + 10 + 11)
            #expect(throws: CodecError.truncated) { try reader.withRaw(count: 10) { _ in } }
            #expect(throws: CodecError.truncated) { try reader.readPart(count: -1) }
            #expect(try reader.readRaw(count: 9) == Array(12...20))
            #expect(throws: CodecError.truncated) { try reader.readUInt8() }
            try reader.finish()
        }
    }

    @Test func integersAreLittleEndian() {
        var writer = ByteWriter()
        writer.write(UInt16(0x0102))
        writer.write(UInt32(0x0304_0506))
        writer.write(UInt128(1))
        writer.write("ab")
        let expected: [UInt8] =
            [2, 1, 6, 5, 4, 3, 1] + [UInt8](repeating: 0, count: 15) + [2, 0, 0, 0, 0x61, 0x62]
        #expect(writer.bytes == expected)
    }

    @Test func secondSpellingsAreRefused() {
        #expect(throws: CodecError.invalidValue("flag")) {
            var reader = ByteReader([2])
            _ = try reader.readBool()
        }
        #expect(throws: CodecError.invalidValue("flag")) {
            var reader = ByteReader([2] + [UInt8](repeating: 0, count: 8))
            _ = try reader.readOptional(Price.self)
        }
        #expect(throws: CodecError.invalidValue("text")) {
            var reader = ByteReader([1, 0, 0, 0, 0xff])
            _ = try reader.readString(limit: 9)
        }
        #expect(throws: CodecError.limitExceeded("count")) {
            var reader = ByteReader([10, 0, 0, 0] + [UInt8](repeating: 0, count: 10))
            _ = try reader.readBytes(limit: 9)
        }
        #expect(throws: CodecError.limitExceeded("count")) {
            var reader = ByteReader([0xff, 0xff, 0xff, 0xff])
            _ = try reader.readArray(of: Price.self, limit: 1_000)
        }
        #expect(throws: CodecError.invalidValue("asset")) {
            try Asset(canonicalBytes: [3, 0, 0, 0])
        }
        #expect(throws: CodecError.invalidValue("layers")) {
            try LayerRange(canonicalBytes: [4, 0, 4, 0])
        }
        #expect(throws: CodecError.invalidValue("fault code")) {
            try Verdict(
                canonicalBytes: [UInt8](repeating: 9, count: 12) + [0xe7, 3]
                    + [UInt8](repeating: 0, count: 65))
        }
    }

    @Test func receiptsAndVerdictsRoundTrip() throws {
        let receipt = Receipt.sample
        #expect(try Receipt(canonicalBytes: receipt.canonicalBytes()) == receipt)
        for stage: UInt16? in [nil, 0, 7] {
            let verdict = Verdict(
                job: JobID(5), attempt: 2, code: .outputMismatch, accusedStage: stage,
                recomputedRoot: .zero, evidence: Receipt.sample.weights)
            #expect(try Verdict(canonicalBytes: verdict.canonicalBytes()) == verdict)
        }
    }

    @Test func domainsKeepSignaturesOfDifferentRecordsApart() {
        #expect(
            Receipt.sample.signingBytes().starts(with: [20, 0, 0, 0] + "exchequer-receipt-v1".utf8))
        #expect(Receipt.domain != Verdict.domain)
    }
}

extension Receipt {
    static var sample: Receipt {
        let digest = Digest(words: (1, 2, 3, 4))
        return Receipt(
            job: JobID(9), attempt: 1, stage: 0, stages: 3, layers: LayerRange(0, 10).sampleValue,
            model: digest, weights: Digest(words: (5, 6, 7, 8)), profile: .zero, positions: 12,
            promptTokens: 8, outputTokens: 5, inputRoot: digest, outputRoot: digest,
            startedAt: Timestamp(seconds: 1), finishedAt: Timestamp(seconds: 2), previous: .zero)
    }
}

extension LayerRange? {
    var sampleValue: LayerRange {
        guard let self else { preconditionFailure("the sample's layers are a range") }
        return self
    }
}
