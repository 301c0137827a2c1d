import Chains
import Primitives
import Testing

/// Data that no contract would write, or that is meant to harm the reader.
struct ABIRefusalTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let type: ABIType
        let data: [UInt8]
        let error: ABIError
    }

    private static let ones = [UInt8](repeating: 0xff, count: 32)
    private static let text = [UInt8]("abc".utf8) + [UInt8](repeating: 0, count: 29)

    static let cases: [Case] = [
        Case(
            testDescription: "a flag of 2", type: .bool, data: word(2), error: .notCanonical),
        Case(testDescription: "a huge flag", type: .bool, data: ones, error: .notCanonical),
        Case(
            testDescription: "an address with bits above it", type: .address,
            data: [UInt8](repeating: 0, count: 11) + [UInt8](repeating: 1, count: 21),
            error: .notCanonical),
        Case(testDescription: "no data", type: .bytes32, data: [], error: .truncated),
        Case(
            testDescription: "half a word", type: .bytes32, data: Array(ones.prefix(31)),
            error: .truncated),
        Case(
            testDescription: "an offset beyond the end", type: .bytes, data: word(64) + word(0),
            error: .truncated),
        Case(
            testDescription: "an offset that overflows", type: .bytes, data: ones + word(0),
            error: .truncated),
        Case(
            testDescription: "an offset near 2^63", type: .string,
            data: UInt256(low: UInt128(Int64.max)).word.bytes + word(0), error: .truncated),
        Case(
            testDescription: "a length beyond the end", type: .bytes,
            data: word(32) + word(33) + ones, error: .truncated),
        Case(
            testDescription: "a length that overflows", type: .bytes,
            data: word(32) + ones + ones, error: .truncated),
        Case(
            testDescription: "bytes without their padding", type: .bytes,
            data: word(32) + word(3) + Array(text.prefix(3)), error: .truncated),
        Case(
            testDescription: "set padding", type: .bytes, data: word(32) + word(2) + text,
            error: .notCanonical),
        Case(
            testDescription: "text that is not UTF-8", type: .string,
            data: word(32) + word(32) + ones, error: .notCanonical),
        Case(
            testDescription: "more elements than bytes", type: .array(.bool),
            data: word(32) + word(2) + word(1), error: .truncated),
        Case(
            testDescription: "a count of elements that overflows", type: .array(.bool),
            data: word(32) + ones + word(1), error: .truncated),
        Case(
            testDescription: "too many elements", type: .array(.bool),
            data: word(32) + word(65_537) + word(1), error: .tooLarge),
        Case(
            testDescription: "elements that are nothing", type: .array(.tuple([])),
            data: word(32) + word(65_537), error: .tooLarge),
        Case(
            testDescription: "a bad element", type: .array(.bool),
            data: word(32) + word(2) + word(1) + word(3), error: .notCanonical),
        Case(
            testDescription: "an element's offset beyond the end", type: .array(.string),
            data: word(32) + word(1) + word(64), error: .truncated),
        Case(
            testDescription: "over four megabytes", type: .bytes32,
            data: [UInt8](repeating: 0, count: (4 << 20) + 1), error: .tooLarge),
    ]

    @Test(arguments: cases) func refused(example: Case) {
        #expect(throws: example.error) {
            try ABIDecoder.decode(example.data, as: [example.type])
        }
    }

    @Test func everyTruncationOfEveryExampleIsRefused() throws {
        for example in ABIEncodingTests.examples {
            let bytes = try hex(example.encoded)
            for count in 0..<bytes.count {
                #expect(throws: ABIError.truncated) {
                    try ABIDecoder.decode(Array(bytes.prefix(count)), as: example.types)
                }
            }
        }
    }

    /// No single changed byte may stop the process, and what is read can be written again.
    @Test func aChangedByteIsRefusedOrReadAsSomethingElse() throws {
        for example in ABIEncodingTests.examples {
            let bytes = try hex(example.encoded)
            for place in bytes.indices {
                for flip: UInt8 in [0x01, 0x20, 0x80, 0xff] {
                    var changed = bytes
                    changed[place] ^= flip
                    guard let values = try? ABIDecoder.decode(changed, as: example.types) else {
                        continue
                    }
                    let again = try ABIEncoder.encode(values, as: example.types)
                    #expect(try ABIDecoder.decode(again, as: example.types) == values)
                }
            }
        }
    }

    /// Sixty thousand offsets that all point to the same two megabytes: a hundred gigabytes, were
    /// they read.
    @Test func dataThatUnfoldsIsRefused() throws {
        let count: UInt64 = 60_000
        let heads = (0..<count).flatMap { _ in word(count * 32) }
        let numbers = word(count) + (0..<count).flatMap { word($0) }
        let lists = word(32) + word(count) + heads + numbers
        #expect(throws: ABIError.tooLarge) {
            try ABIDecoder.decode(lists, as: [.array(.array(.uint(bits: 256)))])
        }
        let bytes =
            word(32) + word(count) + heads + word(count * 32)
            + [UInt8](repeating: 7, count: Int(count) * 32)
        #expect(throws: ABIError.tooLarge) {
            try ABIDecoder.decode(bytes, as: [.array(.bytes)])
        }
        #expect(try ABIDecoder.decode(word(32) + numbers, as: [.array(.uint(bits: 64))]).count == 1)
    }
}
