import Chains
import Primitives
import Testing

struct UInt256Tests {
    private let powers: [UInt256] = (0..<256).map { bit in
        bit < 128
            ? UInt256(low: UInt128(1) << UInt128(bit))
            : UInt256(high: UInt128(1) << UInt128(bit - 128), low: 0)
    }

    @Test func wordsAreBigEndian() throws {
        let word = try digest(
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
        let number = UInt256(word)
        #expect(number.high == 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f)
        #expect(number.low == 0x1011_1213_1415_1617_1819_1a1b_1c1d_1e1f)
        #expect(number.word == word)
        #expect(
            UInt256(low: 258).word.hex
                == "0000000000000000000000000000000000000000000000000000000000000102")
    }

    @Test func everyBitKeepsItsPlaceAndOrdersBySize() throws {
        for (bit, number) in powers.enumerated() {
            var bytes = [UInt8](repeating: 0, count: 32)
            bytes[31 - bit / 8] = 1 << UInt8(bit % 8)
            #expect(number.word.bytes == bytes)
            #expect(UInt256(try #require(Digest(bytes))) == number)
        }
        #expect(powers.sorted(by: >) == powers.reversed())
        #expect(UInt256(high: 1, low: 0) > UInt256(low: .max))
        #expect(UInt256(high: 1, low: 1) > UInt256(high: 1, low: 0))
        let same = UInt256(high: 3, low: 4)
        let isLess = same < same
        #expect(!isLess)
    }

    @Test func onlyWhatFitsIsHandedOut() {
        #expect(UInt256(low: UInt128(UInt64.max)).exactly64 == .max)
        #expect(UInt256(low: UInt128(UInt64.max) + 1).exactly64 == nil)
        #expect(UInt256(low: UInt128(UInt64.max) + 1).exactly128 == UInt128(UInt64.max) + 1)
        #expect(UInt256(low: .max).exactly128 == .max)
        #expect(UInt256(high: 1, low: 5).exactly128 == nil)
        #expect(UInt256(high: 1, low: 5).exactly64 == nil)
    }
}
