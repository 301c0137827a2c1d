import Cryptography
import Primitives
import Testing

struct Ed25519Tests {
    /// RFC 8032 section 7.1, tests 1 to 3: seed, public key, message, signature.
    @Test(arguments: [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
            """
            e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
            5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b
            """
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
            """
            92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
            085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00
            """
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
            """
            6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
            18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a
            """
        ),
    ])
    func rfc8032(seed: String, key: String, message: String, signature: String) throws {
        let privateKey = try #require(Ed25519.PrivateKey(seed: try hex(seed)))
        let message = try hex(message)
        #expect(privateKey.publicKey.hex == key)
        #expect(privateKey.sign(message).bytes == (try hex(signature)))
        #expect(privateKey.publicKey.verifies(privateKey.sign(message), of: message))
        #expect(privateKey.seed == (try hex(seed)))
    }

    @Test func everyChangedBitIsNoticed() throws {
        let key = try ed25519(7)
        let message = pattern(40)
        let signature = key.sign(message)
        for bit in stride(from: 0, to: 64 * 8, by: 3) {
            var bytes = signature.bytes
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            let changed = try #require(Signature(bytes))
            #expect(!key.publicKey.verifies(changed, of: message))
        }
        for byte in 0..<message.count {
            var changed = message
            changed[byte] ^= 0x80
            #expect(!key.publicKey.verifies(signature, of: changed))
        }
        #expect(!(try ed25519(8)).publicKey.verifies(signature, of: message))
    }

    /// S plus the group order is the same number to a lax verifier: it must not be accepted.
    @Test func aSecondEncodingOfASignatureIsRefused() throws {
        let key = try ed25519(7)
        let signature = key.sign([1, 2, 3])
        let order = try hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
        var bytes = signature.bytes
        var carry = 0
        for index in 0..<32 {
            let sum = Int(bytes[32 + index]) + Int(order[index]) + carry
            bytes[32 + index] = UInt8(sum & 255)
            carry = sum >> 8
        }
        #expect(carry == 0)
        let malleated = try #require(Signature(bytes))
        #expect(!key.publicKey.verifies(malleated, of: [1, 2, 3]))
    }

    /// With a key of small order a lax verifier accepts R = the key, S = 0 for any message.
    @Test(arguments: [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ])
    func smallOrderAndNonCanonicalKeysAreRefused(key: String) throws {
        let point = try digest(key)
        let signature = try #require(
            Signature(point.bytes + [UInt8](repeating: 0, count: 32)))
        #expect(!PublicKey(point).verifies(signature, of: Array("anything".utf8)))
    }

    @Test func seedsHaveOneSizeAndAreNeverPrinted() throws {
        #expect(Ed25519.PrivateKey(seed: pattern(31)) == nil)
        #expect(Ed25519.PrivateKey(seed: pattern(33)) == nil)
        let key = try #require(Ed25519.PrivateKey(seed: pattern(32, step: 5)))
        var dumped = ""
        dump(key, to: &dumped)
        for text in ["\(key)", String(reflecting: key), dumped] {
            #expect(!text.contains(Hex.encode(key.seed.prefix(4))))
            #expect(!text.contains("5, 10, 15"))
        }
        #expect(dumped.contains(key.publicKey.hex))
    }
}

private struct Note: Hashable, Signable {
    static let domain = "exchequer-test-note-v1"
    var number: UInt32

    init(number: UInt32) { self.number = number }
    func encode(into writer: inout ByteWriter) { writer.write(number) }
    init(from reader: inout ByteReader) throws(CodecError) { number = try reader.readUInt32() }
}

private struct OtherNote: Hashable, Signable {
    static let domain = "exchequer-test-note-v2"
    var number: UInt32

    init(number: UInt32) { self.number = number }
    func encode(into writer: inout ByteWriter) { writer.write(number) }
    init(from reader: inout ByteReader) throws(CodecError) { number = try reader.readUInt32() }
}

struct VerifiedTests {
    @Test func aSignedRecordVerifiesAlsoAfterTravelling() throws {
        let key = try ed25519(1)
        let signed = Note(number: 5).signed(by: key)
        let travelled = try Signed<Note>(canonicalBytes: signed.canonicalBytes())
        let verified = try #require(travelled.verified())
        #expect(verified.body.number == 5 && verified.signer == key.publicKey)
        #expect(verified.signed == signed)
    }

    @Test func anythingElseDoesNot() throws {
        let signed = Note(number: 5).signed(by: try ed25519(1))
        let other = try ed25519(2).publicKey
        #expect(
            Signed(body: Note(number: 6), signer: signed.signer, signature: signed.signature)
                .verified() == nil)
        #expect(
            Signed(body: signed.body, signer: other, signature: signed.signature).verified() == nil)
        #expect(
            Signed(
                body: OtherNote(number: 5), signer: signed.signer, signature: signed.signature
            ).verified() == nil)
    }

    @Test func identityIsTheHashOfTheSigningBytes() {
        let note = Note(number: 5)
        #expect(note.digest == SHA256.hash(note.signingBytes()))
        #expect(note.digest != OtherNote(number: 5).digest)
    }
}
