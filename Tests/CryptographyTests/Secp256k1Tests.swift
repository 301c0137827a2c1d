import Cryptography
import Primitives
import Testing

struct Secp256k1Tests {
    /// The example account of the web3 documentation; digest and signature by eth-account.
    @Test func signaturesEqualThoseOfEthAccount() throws {
        let key = try #require(
            Secp256k1.PrivateKey(
                try hex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318")))
        #expect(key.address.checksummed == "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23")
        let message = EIP191.digest(Array("Exchequer".utf8))
        #expect(message.hex == "c27d240ac82da2070cfe244356d8b55525efd936b11d4c7153a86d67f281b763")
        let signature = key.sign(message)
        let expected = """
            524e8454e4f92132f3fa2637794194e3c10e5f80242aa8c0c9e9a3709240cf0c\
            5b0d7fd3a97fb5541a1de97d83ea282ff5887ce75c450d2de754b7f695b7d57a1b
            """
        #expect(Hex.encode(signature.bytes) == expected)
        #expect(signature.recover(message) == key.address)
        #expect(RecoverableSignature(signature.bytes) == signature)
        #expect(signature.recover(.zero) != key.address)
    }

    @Test func signaturesAreAlwaysInTheLowHalfAndRecover() throws {
        let key = try #require(Secp256k1.PrivateKey(pattern(32, step: 9)))
        for round in 0..<200 {
            let message = SHA256.hash(pattern(round))
            let signature = key.sign(message)
            #expect(signature.s.bytes[0] <= 0x7f)
            #expect(signature.recover(message) == key.address)
        }
    }

    /// The same signature mirrored into the high half recovers for a lax library: refused here.
    @Test func highZeroAndOverflowingPartsAreRefused() throws {
        let key = try #require(Secp256k1.PrivateKey(pattern(32, step: 9)))
        let message = SHA256.hash([1])
        let good = key.sign(message)
        let order = try hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
        var mirrored = [UInt8](repeating: 0, count: 32)
        var borrow = 0
        for index in (0..<32).reversed() {
            let difference = Int(order[index]) - Int(good.s.bytes[index]) - borrow
            borrow = difference < 0 ? 1 : 0
            mirrored[index] = UInt8(difference & 255)
        }
        let high = try #require(Digest(mirrored))
        let tooLarge = try #require(Digest(order))
        for bad in [
            RecoverableSignature(r: good.r, s: high, recoveryID: good.recoveryID ^ 1),
            RecoverableSignature(r: .zero, s: good.s, recoveryID: 0),
            RecoverableSignature(r: good.r, s: .zero, recoveryID: 0),
            RecoverableSignature(r: tooLarge, s: good.s, recoveryID: 0),
            RecoverableSignature(r: good.r, s: tooLarge, recoveryID: 0),
            RecoverableSignature(r: good.r, s: good.s, recoveryID: 4),
            RecoverableSignature(r: good.r, s: good.s, recoveryID: 2),
        ] {
            #expect(bad.recover(message) == nil)
        }
        #expect(RecoverableSignature(good.bytes.dropLast() + [29]) == nil)
        #expect(RecoverableSignature(Array(good.bytes.dropLast())) == nil)
    }

    @Test func keysOutsideTheGroupAreRefusedAndNeverPrinted() throws {
        let order = try hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
        #expect(Secp256k1.PrivateKey([UInt8](repeating: 0, count: 32)) == nil)
        #expect(Secp256k1.PrivateKey(order) == nil)
        #expect(Secp256k1.PrivateKey(pattern(31)) == nil)
        let key = try #require(Secp256k1.PrivateKey(pattern(32, step: 9)))
        var dumped = ""
        dump(key, to: &dumped)
        for text in ["\(key)", String(reflecting: key), dumped] {
            #expect(!text.contains(Hex.encode(key.bytes.prefix(4))))
            #expect(text.contains(key.address.checksummed))
        }
    }

    /// The examples of EIP-55.
    @Test(arguments: [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        "0x52908400098527886E0F7030069857D2E4169EE7", "0xde709f2102306220921060314715629080e2fb77",
    ])
    func checksums(text: String) throws {
        let address = try #require(EVMAddress(checking: text))
        #expect(address.checksummed == text)
        #expect(EVMAddress(checking: text.lowercased()) == address)
        #expect(EVMAddress(checking: String(text.dropFirst(2))) == nil)
    }

    @Test func aWrongChecksumIsRefused() {
        #expect(EVMAddress(checking: "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed") == nil)
        #expect(EVMAddress(checking: "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe") == nil)
    }
}

struct EIP712Tests {
    /// The "Ether Mail" example of EIP-712, with the key it is signed with.
    @Test func etherMail() throws {
        let contract = try #require(EVMAddress(hex: String(repeating: "cc", count: 20)))
        let domain = EIP712.domainSeparator(
            name: "Ether Mail", version: "1", chainID: 1, contract: contract)
        #expect(domain.hex == "f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f")
        func person(_ name: String, _ wallet: String) throws -> Digest {
            EIP712.structHash(
                type: "Person(string name,address wallet)",
                words: [
                    Keccak256.hash(Array(name.utf8)),
                    EIP712.word(try #require(EVMAddress(hex: wallet))),
                ])
        }
        let mail = EIP712.structHash(
            type: "Mail(Person from,Person to,string contents)Person(string name,address wallet)",
            words: [
                try person("Cow", "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"),
                try person("Bob", "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"),
                Keccak256.hash(Array("Hello, Bob!".utf8)),
            ])
        let message = EIP712.digest(domain: domain, structHash: mail)
        #expect(message.hex == "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2")
        let cow = try #require(
            Secp256k1.PrivateKey(Keccak256.hash(Array("cow".utf8)).bytes))
        #expect(cow.address.checksummed == "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826")
        let signature = cow.sign(message)
        #expect(
            signature.s.hex == "07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b91562")
        #expect(signature.recoveryID == 1)
    }

    /// EIP-3009 authorisation; hash and signature by eth-account.
    @Test func transferWithAuthorization() throws {
        let key = try #require(
            Secp256k1.PrivateKey(
                try hex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318")))
        let domain = EIP712.domainSeparator(
            name: "USD Coin", version: "2", chainID: 84_532,
            contract: try #require(
                EVMAddress(checking: "0x036CbD53842c5426634e7929541eC2318f3dCF7e")))
        let to = try #require(EVMAddress(checking: "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"))
        let message = EIP712.digest(
            domain: domain,
            structHash: EIP712.structHash(
                type: """
                    TransferWithAuthorization(address from,address to,uint256 value,\
                    uint256 validAfter,uint256 validBefore,bytes32 nonce)
                    """,
                words: [
                    EIP712.word(key.address), EIP712.word(to), EIP712.word(1_500), EIP712.word(0),
                    EIP712.word(1_795_479_182), try #require(Digest(pattern(32))),
                ]))
        #expect(message.hex == "f1795e03c1fe1a6075c0d24c989f881c37581d047dbe27943dc630f4e87945ce")
        let expected = """
            9e7de529d19b74adce36342562a67f2983ed5acb380827c61c4a878d4f774e7c\
            48025100485f2d99dbd3690d72fccb877721a79cd0b1d348bd69ba1c200bf2b71b
            """
        #expect(Hex.encode(key.sign(message).bytes) == expected)
    }
}
