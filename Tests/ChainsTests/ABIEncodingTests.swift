import Chains
import Primitives
import Testing

/// Examples of the Solidity ABI specification ("baz", "sam", "g") and one that eth-abi wrote.
struct ABIEncodingTests {
    struct Example: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let types: [ABIType]
        let values: [ABIValue]
        let encoded: String
    }

    private static func uints(_ numbers: UInt128...) -> ABIValue {
        .array(numbers.map { .uint($0) })
    }

    private static func filled(_ fill: UInt8) -> EVMAddress {
        EVMAddress([UInt8](repeating: fill, count: 20)) ?? .zero
    }

    static let examples = [
        Example(
            testDescription: "baz", types: [.uint(bits: 32), .bool],
            values: [.uint(69), .bool(true)],
            encoded: """
                0000000000000000000000000000000000000000000000000000000000000045
                0000000000000000000000000000000000000000000000000000000000000001
                """),
        Example(
            testDescription: "sam", types: [.bytes, .bool, .array(.uint(bits: 256))],
            values: [.bytes(Array("dave".utf8)), .bool(true), uints(1, 2, 3)],
            encoded: """
                0000000000000000000000000000000000000000000000000000000000000060
                0000000000000000000000000000000000000000000000000000000000000001
                00000000000000000000000000000000000000000000000000000000000000a0
                0000000000000000000000000000000000000000000000000000000000000004
                6461766500000000000000000000000000000000000000000000000000000000
                0000000000000000000000000000000000000000000000000000000000000003
                0000000000000000000000000000000000000000000000000000000000000001
                0000000000000000000000000000000000000000000000000000000000000002
                0000000000000000000000000000000000000000000000000000000000000003
                """),
        Example(
            testDescription: "g", types: [.array(.array(.uint(bits: 256))), .array(.string)],
            values: [
                .array([uints(1, 2), uints(3)]),
                .array([.string("one"), .string("two"), .string("three")]),
            ],
            encoded: """
                0000000000000000000000000000000000000000000000000000000000000040
                0000000000000000000000000000000000000000000000000000000000000140
                0000000000000000000000000000000000000000000000000000000000000002
                0000000000000000000000000000000000000000000000000000000000000040
                00000000000000000000000000000000000000000000000000000000000000a0
                0000000000000000000000000000000000000000000000000000000000000002
                0000000000000000000000000000000000000000000000000000000000000001
                0000000000000000000000000000000000000000000000000000000000000002
                0000000000000000000000000000000000000000000000000000000000000001
                0000000000000000000000000000000000000000000000000000000000000003
                0000000000000000000000000000000000000000000000000000000000000003
                0000000000000000000000000000000000000000000000000000000000000060
                00000000000000000000000000000000000000000000000000000000000000a0
                00000000000000000000000000000000000000000000000000000000000000e0
                0000000000000000000000000000000000000000000000000000000000000003
                6f6e650000000000000000000000000000000000000000000000000000000000
                0000000000000000000000000000000000000000000000000000000000000003
                74776f0000000000000000000000000000000000000000000000000000000000
                0000000000000000000000000000000000000000000000000000000000000005
                7468726565000000000000000000000000000000000000000000000000000000
                """),
        Example(
            testDescription: "nested tuples",
            types: [
                .array(.tuple([.address, .uint(bits: 64), .string])), .bytes32,
                .tuple([.uint(bits: 8), .tuple([.bool, .bytes])]),
            ],
            values: [
                .array([
                    .tuple([.address(filled(0x11)), .uint(7), .string("a")]),
                    .tuple([
                        .address(filled(0x22)), .uint(UInt128(UInt64.max)),
                        .string(String(repeating: "é", count: 20)),
                    ]),
                ]),
                .bytes32(Digest([UInt8](repeating: 9, count: 32)) ?? .zero),
                .tuple([
                    .uint(255),
                    .tuple([.bool(false), .bytes([UInt8](repeating: 1, count: 33))]),
                ]),
            ],
            encoded: """
                0000000000000000000000000000000000000000000000000000000000000060
                0909090909090909090909090909090909090909090909090909090909090909
                0000000000000000000000000000000000000000000000000000000000000220
                0000000000000000000000000000000000000000000000000000000000000002
                0000000000000000000000000000000000000000000000000000000000000040
                00000000000000000000000000000000000000000000000000000000000000e0
                0000000000000000000000001111111111111111111111111111111111111111
                0000000000000000000000000000000000000000000000000000000000000007
                0000000000000000000000000000000000000000000000000000000000000060
                0000000000000000000000000000000000000000000000000000000000000001
                6100000000000000000000000000000000000000000000000000000000000000
                0000000000000000000000002222222222222222222222222222222222222222
                000000000000000000000000000000000000000000000000ffffffffffffffff
                0000000000000000000000000000000000000000000000000000000000000060
                0000000000000000000000000000000000000000000000000000000000000028
                c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9c3a9
                c3a9c3a9c3a9c3a9000000000000000000000000000000000000000000000000
                00000000000000000000000000000000000000000000000000000000000000ff
                0000000000000000000000000000000000000000000000000000000000000040
                0000000000000000000000000000000000000000000000000000000000000000
                0000000000000000000000000000000000000000000000000000000000000040
                0000000000000000000000000000000000000000000000000000000000000021
                0101010101010101010101010101010101010101010101010101010101010101
                0100000000000000000000000000000000000000000000000000000000000000
                """),
    ]

    @Test(arguments: examples) func bothWays(example: Example) throws {
        let expected = try hex(example.encoded)
        #expect(try ABIEncoder.encode(example.values, as: example.types) == expected)
        #expect(try ABIDecoder.decode(expected, as: example.types) == example.values)
        #expect(
            try ABIDecoder.decode(expected + [1, 2, 3], as: example.types) == example.values)
    }

    @Test func staticTuplesStandInPlace() throws {
        let type = ABIType.array(.tuple([.uint(bits: 256), .uint(bits: 256)]))
        let value = ABIValue.array([.tuple([.uint(1), .uint(2)]), .tuple([.uint(3), .uint(4)])])
        let expected = word(32) + word(2) + word(1) + word(2) + word(3) + word(4)
        #expect(try ABIEncoder.encode([value], as: [type]) == expected)
        #expect(try ABIDecoder.decode(expected, as: [type]) == [value])
    }

    @Test func nothingAndEmptyThings() throws {
        #expect(try ABIEncoder.encode([], as: []) == [])
        #expect(try ABIDecoder.decode([], as: []) == [])
        let types: [ABIType] = [.bytes, .string, .array(.string)]
        let values: [ABIValue] = [.bytes([]), .string(""), .array([])]
        let expected = word(96) + word(128) + word(160) + word(0) + word(0) + word(0)
        #expect(try ABIEncoder.encode(values, as: types) == expected)
        #expect(try ABIDecoder.decode(expected, as: types) == values)
    }

    @Test(arguments: Array(stride(from: 8, through: 256, by: 8)))
    func numbersOverTheirWidthAreRefusedBothWays(bits: Int) throws {
        let all = UInt256(high: .max, low: .max)
        let largest =
            bits >= 256
            ? all
            : bits > 128
                ? UInt256(high: UInt128.max >> UInt128(256 - bits), low: .max)
                : UInt256(low: UInt128.max >> UInt128(128 - bits))
        let type = ABIType.uint(bits: bits)
        #expect(try ABIEncoder.encode([.uint(largest)], as: [type]) == largest.word.bytes)
        #expect(try ABIDecoder.decode(largest.word.bytes, as: [type]) == [.uint(largest)])
        guard bits < 256 else { return }
        let over =
            bits < 128
            ? UInt256(low: largest.low + 1)
            : UInt256(high: largest.high + 1, low: 0)
        #expect(throws: ABIError.badArgument("a number over uint\(bits)")) {
            try ABIEncoder.encode([.uint(over)], as: [type])
        }
        #expect(throws: ABIError.notCanonical) {
            try ABIDecoder.decode(over.word.bytes, as: [type])
        }
    }

    @Test func argumentsOfTheWrongKindOrCountAreRefused() throws {
        #expect(throws: ABIError.badArgument("1 arguments for 2 parameters")) {
            try ABIEncoder.encode([.bool(true)], as: [.bool, .bool])
        }
        let kinds: [(ABIValue, ABIType)] = [
            (.uint(1), .uint(bits: 8)), (.bool(true), .bool),
            (.address(try address(1)), .address), (.bytes32(try digest(1)), .bytes32),
            (.bytes([1]), .bytes), (.string("1"), .string), (.array([.uint(1)]), .array(.bool)),
            (.tuple([.uint(1)]), .tuple([.bool])),
        ]
        for (place, (value, _)) in kinds.enumerated() {
            for (other, (_, type)) in kinds.enumerated() where place != other || place > 5 {
                #expect(throws: ABIError.self) { try ABIEncoder.encode([value], as: [type]) }
            }
        }
    }

    @Test func valuesAreOnlyHandedOutAsWhatTheyAre() throws {
        #expect(try ABIValue.uint(5).uint64("x") == 5)
        #expect(try ABIValue.uint(.max).uint128("x") == .max)
        #expect(throws: ABIError.overflow("x")) { try ABIValue.uint(.max).uint64("x") }
        let huge = ABIValue.uint(UInt256(high: 1, low: 0))
        #expect(throws: ABIError.overflow("x")) { try huge.uint128("x") }
        #expect(throws: ABIError.overflow("x")) { try ABIValue.bool(true).uint128("x") }
        #expect(throws: ABIError.badArgument("x")) { try huge.address("x") }
        #expect(throws: ABIError.badArgument("x")) { try huge.digest("x") }
        #expect(throws: ABIError.badArgument("x")) { try huge.flag("x") }
        #expect(try ABIValue.bool(true).flag("x"))
        #expect(try ABIValue.address(try address(7)).address("x") == (try address(7)))
        #expect(try ABIValue.bytes32(try digest(7)).digest("x") == (try digest(7)))
    }
}
