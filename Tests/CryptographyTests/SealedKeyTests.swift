import Cryptography
import Foundation
import Primitives
import Testing

/// Sealed keys against a file that another program made (Argon2id by libsodium's C interface from
/// Python, XChaCha20-Poly1305 by PyCryptodome, the account by eth-keys).
@Suite struct SealedKeyTests {
    private static let text = """
        exchequer-sealed-key 1
        address 0x6370ef2f4db3611d657b90667de398a2cc2a370c
        node 79b5562e8fe654f94078b112e8a98ba7901f853ae695bed7e0e3910bad049664
        kdf argon2id13 1 8192
        salt 000102030405060708090a0b0c0d0e0f
        nonce 6465666768696a6b6c6d6e6f707172737475767778797a7b
        sealed 0b868928a4aa447d05e1d9ec17b958657e2ec50ed8bfdbb57d136974896c4641\
        98363a37abef6963bc410c6b3bd8bc59
        check 68dc680dbb9a8c29d8fe0f8fd7cf3455f3c911b1e0e7b3ef788ba5bf8fb36274

        """
    private let secret = Secret(Array(1...32))
    private let passphrase = Secret(Array("correct horse battery".utf8))
    private let random = Array(UInt8(0)..<16) + Array(UInt8(100)..<124)

    /// The least that Argon2id takes, so that a thousand openings are quick.
    private var cost: SealedKey.Cost {
        get throws { try SealedKey(text: Self.text).cost }
    }

    @Test func anotherProgramsFileIsOpenedAndMadeAgain() throws {
        let key = try SealedKey(text: Self.text)
        #expect(try key.open(with: passphrase).bytes == Array(1...32))
        #expect(key.address.hex == "0x6370ef2f4db3611d657b90667de398a2cc2a370c")
        let again = try SealedKey(secret, with: passphrase, cost: try cost, random: random)
        #expect(again.text == Self.text)
    }

    @Test func eachByteThatDiffersIsDamageAndNotAWrongPassphrase() throws {
        let bytes = Array(Self.text.utf8)
        for place in bytes.indices {
            for flip: UInt8 in [1, 0x20, 0x80] {
                var other = bytes
                other[place] ^= flip
                #expect(throws: SealedKeyError.self, "byte \(place)") {
                    try SealedKey(text: String(decoding: other, as: UTF8.self))
                }
            }
            #expect(throws: SealedKeyError.self) {
                try SealedKey(text: String(decoding: bytes[..<place], as: UTF8.self))
            }
        }
        #expect(throws: SealedKeyError.damaged) { try SealedKey(text: Self.text + "\n") }
        #expect(throws: SealedKeyError.damaged) {
            try SealedKey(text: Self.text.replacing("sealed 0b", with: "sealed 0c"))
        }
        #expect(throws: SealedKeyError.unsupportedVersion) {
            try SealedKey(text: Self.text.replacing("key 1\n", with: "key 2\n"))
        }
        #expect(throws: SealedKeyError.notSealed) { try SealedKey(text: "sealed") }
    }

    @Test func whoMendsTheCheckStillCannotChangeWhatIsVouchedFor() throws {
        let lines = Self.text.split(separator: "\n").dropLast()
        for (line, other) in [
            (1, "address 0x6370ef2f4db3611d657b90667de398a2cc2a370d"),
            (2, "node 79b5562e8fe654f94078b112e8a98ba7901f853ae695bed7e0e3910bad049665"),
            (3, "kdf argon2id13 2 8192"), (3, "kdf argon2id13 1 9216"),
            (4, "salt 000102030405060708090a0b0c0d0e10"),
            (5, "nonce 6465666768696a6b6c6d6e6f707172737475767778797a7c"),
            (6, "sealed " + String(lines[6].dropFirst(7).reversed())),
        ] {
            var changed = lines.map(String.init)
            changed[line] = other
            let body = changed.joined(separator: "\n") + "\n"
            let check = "check \(SHA256.hash(Array(body.utf8)).hex)\n"
            let key = try SealedKey(text: body + check)
            #expect(throws: SealedKeyError.wrongPassphrase) { try key.open(with: passphrase) }
        }
    }

    @Test func otherPassphrasesOpenNothing() throws {
        let key = try SealedKey(text: Self.text)
        for text in ["", "correct horse batter", "correct horse battery ", "Correct horse battery"]
        {
            #expect(throws: SealedKeyError.wrongPassphrase) {
                try key.open(with: Secret(Array(text.utf8)))
            }
        }
    }

    @Test func whatIsRefusedIsNotSealed() throws {
        let cost = try cost
        for words in [7, 1_025] {
            #expect(throws: SealedKeyError.badPassphrase) {
                try SealedKey(
                    secret, with: Secret([UInt8](repeating: 65, count: words)), cost: cost,
                    random: random)
            }
        }
        for bytes in [[UInt8](repeating: 0, count: 32), Array(1...31), Array(1...33)] {
            #expect(throws: SealedKeyError.noKey) {
                try SealedKey(Secret(bytes), with: passphrase, cost: cost, random: random)
            }
        }
        // More than a file may ask for, though its check is right: it would hold up its reader.
        let lines = Self.text.split(separator: "\n").dropLast()
        let body = lines.joined(separator: "\n") + "\n"
        for numbers in ["17 8192", "1 1073741825", "0 8192", "1 8191", "1", "1 8192 1"] {
            let other = body.replacing("13 1 8192", with: "13 \(numbers)")
            let check = "check \(SHA256.hash(Array(other.utf8)).hex)\n"
            #expect(throws: SealedKeyError.damaged, "\(numbers)") {
                try SealedKey(text: other + check)
            }
        }
    }

    #if os(Linux)
        /// Whoever has a pointer to them by mistake can read them, and not change them.
        @Test func secretsCannotBeWrittenOver() throws {
            let secret = Secret(Array(1...32))
            let place = unsafe secret.withBytes { UInt(bitPattern: $0) }
            let file = unsafe open("/proc/self/maps", O_RDONLY)
            defer { _ = close(file) }
            var text: [UInt8] = []
            var part = [UInt8](repeating: 0, count: 1 << 16)
            while case let count = unsafe read(file, &part, part.count), count > 0 {
                text += part.prefix(count)
            }
            let rights = String(decoding: text, as: UTF8.self).split(separator: "\n").compactMap {
                line -> Substring? in
                let parts = line.split(separator: " ")
                let ends = parts[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
                return ends.count == 2 && ends[0] <= place && place < ends[1] ? parts[1] : nil
            }
            // Beside a thousand other tests the list that changes while it is read may miss it.
            #expect(Set(rights).isSubset(of: ["r--p"]), "\(rights)")
            withExtendedLifetime(secret) {}
        }
    #endif

    @Test func secretsShowNothing() throws {
        let words = ["\(secret)", String(reflecting: secret), "\(try SealedKey(text: Self.text))"]
        var dumped = ""
        dump(secret, to: &dumped)
        for text in words + [dumped] {
            #expect(!text.contains("[1, 2") && !text.contains("01020304"))
        }
        #expect(secret.equals(Secret(Array(1...32))))
        #expect(!secret.equals(Secret(Array(1...31))))
        #expect(!secret.equals(Secret(Array(2...33))))
        #expect(!secret.equals(Secret(Array(1...31) + [0])))
        #expect(secret[4..<8].bytes == [5, 6, 7, 8])
        #expect(Secret([0xAB, 1]).hexLine.bytes == Array("ab01\n".utf8))
        #expect(Secret(hex: Secret(Array("0xAb01".utf8)))?.bytes == [0xAB, 1])
        #expect(Secret(hex: Secret(Array("ab0".utf8))) == nil)
        #expect(Secret(hex: Secret(Array("0xag".utf8))) == nil)
    }
}
