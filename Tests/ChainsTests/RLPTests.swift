import Chains
import Primitives
import Testing

/// The vectors of ethereum/tests, RLPTests/rlptest.json.
struct RLPTests {
    private static let sentence = "Lorem ipsum dolor sit amet, consectetur adipisicing elit"

    private static func text(_ text: String) -> RLP { .bytes(Array(text.utf8)) }
    private static func texts(_ words: String) -> RLP {
        .list(words.split(separator: " ").map { text(String($0)) })
    }
    private static let row = texts("asdf qwer zxcv")

    @Test(arguments: [
        (RLP.bytes([]), "80"), (.bytes([0]), "00"), (.bytes([1]), "01"), (.bytes([0x7f]), "7f"),
        (.bytes([0x80]), "8180"), (text("dog"), "83646f67"),
        (
            text(String(sentence.dropLast())),
            """
            b74c6f72656d20697073756d20646f6c6f722073697420616d65742c20636f6e73\
            65637465747572206164697069736963696e6720656c69
            """
        ),
        (
            text(sentence),
            """
            b8384c6f72656d20697073756d20646f6c6f722073697420616d65742c20636f6e\
            7365637465747572206164697069736963696e6720656c6974
            """
        ),
    ])
    func strings(item: RLP, encoded: String) {
        #expect(Hex.encode(item.encoded) == encoded)
    }

    @Test(arguments: [
        (UInt128(0), "80"), (1, "01"), (16, "10"), (79, "4f"), (127, "7f"), (128, "8180"),
        (1_000, "8203e8"), (100_000, "830186a0"),
        (0x10_2030_4050_6070_8090_a0b0_c0d0_e0f2, "8f102030405060708090a0b0c0d0e0f2"),
        (.max, "90ffffffffffffffffffffffffffffffff"),
    ])
    func numbers(number: UInt128, encoded: String) {
        #expect(Hex.encode(RLP.number(number).encoded) == encoded)
    }

    @Test(arguments: [
        (RLP.list([]), "c0"), (texts("dog god cat"), "cc83646f6783676f6483636174"),
        (.list([text("zw"), .list([.number(4)]), .number(1)]), "c6827a77c10401"),
        (.list([.list([.list([]), .list([])]), .list([])]), "c4c2c0c0c0"),
        (
            .list([.list([]), .list([.list([])]), .list([.list([]), .list([.list([])])])]),
            "c7c0c1c0c3c0c1c0"
        ),
        (
            texts("asdf qwer zxcv asdf qwer zxcv asdf qwer zxcv asdf qwer"),
            """
            f784617364668471776572847a78637684617364668471776572847a7863768461\
            7364668471776572847a78637684617364668471776572
            """
        ),
        (
            .list((1...4).map { texts("key\($0) val\($0)") }),
            """
            ecca846b6579318476616c31ca846b6579328476616c32ca846b6579338476616c\
            33ca846b6579348476616c34
            """
        ),
        (
            .list([RLP](repeating: row, count: 4)),
            "f840" + String(repeating: "cf84617364668471776572847a786376", count: 4)
        ),
        (
            .list([RLP](repeating: row, count: 32)),
            "f90200" + String(repeating: "cf84617364668471776572847a786376", count: 32)
        ),
    ])
    func lists(item: RLP, encoded: String) {
        #expect(Hex.encode(item.encoded) == encoded)
    }

    /// Prefixes of pyrlp.
    @Test(arguments: [
        (55, "b7"), (56, "b838"), (255, "b8ff"), (256, "b90100"), (65_535, "b9ffff"),
        (65_536, "ba010000"),
    ])
    func lengths(count: Int, prefix: String) {
        let encoded = RLP.bytes([UInt8](repeating: 9, count: count)).encoded
        #expect(Hex.encode(encoded.dropLast(count)) == prefix)
    }
}
