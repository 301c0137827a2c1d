import Chains
import Cryptography
import Primitives
import Testing

/// What eth-account makes of the same transactions with the example key of the web3
/// documentation.
struct TransactionTests {
    struct Vector: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let transaction: EVMTransaction
        let raw: String
        let hash: String
    }

    private static let receiver = EVMAddress(hex: "0xF0109fC8DF283027b6285cc889F5aA624EaC1F55")

    private func key() throws -> Secp256k1.PrivateKey {
        let secret = try hex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318")
        return try #require(Secp256k1.PrivateKey(secret))
    }

    private static func plain(nonce: UInt64) -> EVMTransaction {
        EVMTransaction(
            chainID: 1, nonce: nonce, maxPriorityFeePerGas: 1, maxFeePerGas: 2, gasLimit: 21_000,
            to: receiver)
    }

    static let vectors = [
        Vector(
            testDescription: "zeros are empty", transaction: plain(nonce: 0),
            raw: """
                02f8620180010282520894f0109fc8df283027b6285cc889f5aa624eac1f558080c080a0cbe359b2\
                ac9536ae8c85d2ec74be0cf675637086f77f7b28461af622857758afa04b85b2492df4fe112c87b8\
                220d2bc19f864ce5afc6fe8f9f7456ea79ec2e929c
                """, hash: "580428d8cbcc4d3b289b9b1052b3cb79cce1d774ce488d593177db610e642140"),
        Vector(
            testDescription: "value and data",
            transaction: EVMTransaction(
                chainID: 31_337, nonce: 300, maxPriorityFeePerGas: 2_000_000_000,
                maxFeePerGas: 100_000_000_000, gasLimit: 123_456, to: receiver,
                value: 1_000_000_000_000_000_000, data: (0..<70).map { $0 }),
            raw: """
                02f8bf827a6982012c847735940085174876e8008301e24094f0109fc8df283027b6285cc889f5aa\
                624eac1f55880de0b6b3a7640000b846000102030405060708090a0b0c0d0e0f1011121314151617\
                18191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f\
                404142434445c080a0cbd009d9ae9d4daadd8e5855134089a35f12c56806c01e7a2a56ce6eaf3f05\
                1ca06ada053c65956e5e9ee4c482b47c466835bcb17f8ec0e32b1293aeb5f3c9d60a
                """, hash: "63147670f61a08aad984d7a8f29942f55066eb41c1a33b57a8d61ecab1f3a66c"),
        Vector(
            testDescription: "a deployment with huge numbers",
            transaction: EVMTransaction(
                chainID: 8_453, nonce: 1 << 40, maxPriorityFeePerGas: 0, maxFeePerGas: 1 << 100,
                gasLimit: 2_000_000, to: nil, value: 1 << 127, data: [0x60, 0x00]),
            raw: """
                02f87682210586010000000000808d10000000000000000000000000831e84808090800000000000\
                00000000000000000000826000c080a03285a8e6e66882d770814718f4683908527e8d4673204079\
                88fcf35650b02835a06d67f7f4cec55db2e721ca77c5402ddc581ae75f257c6a0e989ce66fce7aa5\
                61
                """, hash: "9a393904956be30776ce784375ac1a36880851ab7a846ef7bd61df4417efe43e"),
        Vector(
            testDescription: "an r of 31 bytes", transaction: plain(nonce: 89),
            raw: """
                02f8610159010282520894f0109fc8df283027b6285cc889f5aa624eac1f558080c0019fe78348b3\
                67c40d968f6db28ee4713f7395bbab38b5adc825f176b45e89ac28a06ffd69a6afe85e8cfd28246d\
                74deefa4009d32bb75d3c3621b8acb0fad843e67
                """, hash: "fb8db5c8befacf125f6e1ccc4fa75b0dfb643037df0a9c1418726cc88fd39b18"),
        Vector(
            testDescription: "an s of 31 bytes", transaction: plain(nonce: 223),
            raw: """
                02f8620181df010282520894f0109fc8df283027b6285cc889f5aa624eac1f558080c080a0d0945b\
                469d48d7c5a3c8dc3dd3b2070b878639a750f88df16fc1c0be480905cc9fe97386b77b98d8df8930\
                e6a6369ba56fa0c93f292451a2ad9fe6b52e13eed7
                """, hash: "5989c8238f4bc6d9ef0e146f49aa7a25eb3ff8a9d56e5f3c4b21a93df2269cc1"),
    ]

    @Test(arguments: vectors) func signing(vector: Vector) throws {
        let key = try key()
        let signed = vector.transaction.signed(by: key)
        #expect(Hex.encode(signed.raw) == vector.raw)
        #expect(signed.hash.hex == vector.hash)
        #expect(signed.sender == key.address)
        #expect(signed.chainID == vector.transaction.chainID)
        #expect(signed.nonce == vector.transaction.nonce)
        #expect(signed.to == vector.transaction.to && signed.data == vector.transaction.data)
        let signature = key.sign(vector.transaction.signingHash)
        #expect(Array(signed.raw.suffix(3)) == Array(signature.s.bytes.suffix(3)))
    }

    @Test func everyFieldIsSigned() throws {
        let one = Self.plain(nonce: 7)
        var others = [EVMTransaction](repeating: one, count: 8)
        others[0].chainID = 2
        others[1].nonce = 8
        others[2].maxPriorityFeePerGas = 2
        others[3].maxFeePerGas = 3
        others[4].gasLimit = 21_001
        others[5].to = nil
        others[6].value = 1
        others[7].data = [0]
        #expect(Set((others + [one]).map(\.signingHash)).count == 9)
    }

    /// Addresses by pyrlp and eth-utils.
    @Test(arguments: [
        (0, "0xc0aae1edd7a76c8cf99e5ba3ca69599ed29540ea"),
        (1, "0x22e0114beae1697bbf5248831f3110c38ad4a98b"),
        (127, "0x639a970cf2e3528a43a1f4d2b74f6128897ef5e5"),
        (128, "0x9a78d5789a1653332d36962b163772329778a1f6"),
        (1 << 40, "0x93cb5ad0b3aeab2255b70843eff683e62f0b4814"),
    ])
    func deployedAddresses(nonce: UInt64, address: String) throws {
        var transaction = Self.plain(nonce: nonce)
        #expect(transaction.signed(by: try key()).deployedAddress == nil)
        transaction.to = nil
        #expect(transaction.signed(by: try key()).deployedAddress?.hex == address)
    }

    @Test func aSignedTransactionSurvivesBeingWrittenDown() throws {
        for vector in Self.vectors {
            let signed = vector.transaction.signed(by: try key())
            let bytes = signed.canonicalBytes()
            #expect(try SignedTransaction(canonicalBytes: bytes) == signed)
            for count in 0..<bytes.count {
                #expect(throws: CodecError.self) {
                    try SignedTransaction(canonicalBytes: Array(bytes.prefix(count)))
                }
            }
        }
    }
}
