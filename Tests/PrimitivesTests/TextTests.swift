import Primitives
import Testing

struct TextTests {
    @Test func hexadecimalReadsBothCasesAndWritesOne() {
        #expect(Hex.decode("0xDEADbeef") == [0xde, 0xad, 0xbe, 0xef])
        #expect(Hex.decode("") == [])
        #expect(Hex.encode([0, 0x0f, 0xf0]) == "000ff0")
        for bad in ["0", "0x1", "0g", "  ", "0x0x00", "é0"] { #expect(Hex.decode(bad) == nil) }
    }

    @Test func digestsOrderAsTheirBytesDo() {
        var random = SplitMix64(seed: 5)
        for _ in 0..<500 {
            let (left, right) = (random.bytes(32), random.bytes(32))
            guard let one = Digest(left), let other = Digest(right) else {
                Issue.record("32 bytes are a digest")
                return
            }
            #expect((one < other) == left.lexicographicallyPrecedes(right))
            #expect(one.bytes == left && Digest(hex: one.hex) == one)
        }
        #expect(Digest([UInt8](repeating: 0, count: 31)) == nil)
        #expect(Digest(hex: String(repeating: "0", count: 66)) == nil)
    }

    @Test func addressesKeepTheirBytesAndOrder() {
        var random = SplitMix64(seed: 6)
        for _ in 0..<500 {
            let (left, right) = (random.bytes(20), random.bytes(20))
            guard let one = EVMAddress(left), let other = EVMAddress(right) else {
                Issue.record("20 bytes are an address")
                return
            }
            #expect((one < other) == left.lexicographicallyPrecedes(right))
            #expect(one.bytes == left && EVMAddress(hex: one.hex) == one)
        }
        for bad in ["", "0x", String(repeating: "0", count: 39), String(repeating: "0", count: 42)]
        {
            #expect(EVMAddress(hex: bad) == nil)
        }
    }

    @Test func signaturesAndRangesHaveOneSize() {
        #expect(Signature([UInt8](repeating: 0, count: 63)) == nil)
        #expect(Signature([UInt8](repeating: 0, count: 65)) == nil)
        #expect(LayerRange(3, 3) == nil)
        #expect(LayerRange(4, 3) == nil)
        #expect(LayerRange(3, 5)?.count == 2)
    }
}
