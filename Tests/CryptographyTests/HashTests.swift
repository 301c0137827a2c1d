import Cryptography
import Primitives
import Testing

struct HashTests {
    /// FIPS 180-4 examples (NIST, "SHA256.pdf") and the hash of nothing.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (
            String(repeating: "a", count: 1_000_000),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        ),
    ])
    func sha256(message: String, expected: String) throws {
        #expect(SHA256.hash(Array(message.utf8)).hex == expected)
    }

    @Test func sha256InPiecesEqualsSha256AtOnce() {
        let message = pattern(1_000, step: 3)
        for size in [1, 7, 63, 64, 65, 999] {
            var hasher = SHA256()
            var offset = 0
            while offset < message.count {
                let end = min(offset + size, message.count)
                hasher.update(Array(message[offset..<end]))
                hasher.update([])
                offset = end
            }
            #expect(hasher.finish() == SHA256.hash(message))
        }
    }

    /// Every length up to 399, and every place to cut it in two; the value is Python's hashlib's.
    @Test func sha256OfEveryLength() {
        var digests: [UInt8] = []
        for count in 0..<400 {
            let message = pattern(count, step: 7)
            let whole = SHA256.hash(message)
            digests += whole.bytes
            guard count % 20 == 19 else { continue }
            for cut in 0...count {
                var hasher = SHA256()
                hasher.update(Array(message[..<cut]))
                hasher.update(Array(message[cut...]))
                #expect(hasher.finish() == whole)
            }
        }
        #expect(
            SHA256.hash(digests).hex
                == "9724180474406b243a13074bdd27aac9471dfcfeba193a485b05a1d8cfc255f1")
    }

    @Test func sha256OfNumbersIsThatOfTheirBytes() {
        let digest = SHA256.hash([7])
        var hasher = SHA256()
        hasher.update(UInt32(0x0403_0201))
        hasher.update(UInt64(0x0C0B_0A09_0807_0605))
        hasher.update(digest)
        #expect(hasher.finish() == SHA256.hash(Array(1...12) + digest.bytes))
    }

    /// Values of the reference implementation by the BLAKE2 team (as in Python's hashlib); the
    /// last is keyed.
    @Test func blake2b() throws {
        #expect(
            BLAKE2b.hash([]).hex
                == "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8")
        #expect(
            BLAKE2b.hash(Array("abc".utf8)).hex
                == "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319")
        #expect(
            BLAKE2b.hash(pattern(255), key: pattern(32)).hex
                == "f60f5c4a575c43db6c93608515866ea998e04b35792f5a92b27aa5880cd6721e")
    }

    /// The first two are the Keccak team's; the rest are eth-utils' for the bytes 0, 7, 14 ...,
    /// at both sides of the block length of 136 and of twice that.
    @Test(arguments: [
        (0, "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (1, "bc36789e7a1e281436464229828f817d6612f7b477d66591ff96a9e064bcc98a"),
        (135, "154f5dc27520a599653a2b10189cf53f5ce03b7c594d11fd98f67012ea304b6c"),
        (136, "81e7ecb492d033f1692e770a6eb874e70aac45ec10da93483fc8d3537805c097"),
        (137, "a595973359b39ba1fec5cf8f40710c5a213e76281dd4f174f1ea83106ee7759b"),
        (271, "f0f79e1b757cfc6a5cb0263d2636afe57489bb73ab924b875b896868a9fb3cf4"),
        (272, "99d5a295c114ab3f94028d25825ea798399dacfc613f0193fb32c3c4973f1777"),
        (273, "27005ba9916961e2ddd78d739ee52ff4b2a2e90b40fa4730516d8f1ee4bf25cb"),
        (1000, "82bc59cea7b5eac6d5e84cfabd1450ecba233bc6c0b375bda57dd7848a088ce6"),
    ])
    func keccak256(count: Int, expected: String) {
        #expect(Keccak256.hash(pattern(count, step: 7)).hex == expected)
    }

    @Test func keccakIsNotSha3() {
        #expect(
            Keccak256.hash(Array("abc".utf8)).hex
                == "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45")
    }
}
