import Chains
import Cryptography
import Foundation
import Primitives
import Testing

/// What others have published for the formats of the chains: `Vectors/published.json` names each
/// source. RLP, ABI, Keccak, Ed25519 and EIP-712 have theirs in the tests of their own.
@Suite struct PublishedVectorTests {
    private struct Vectors: Decodable {
        struct EIP155: Decodable {
            let nonce, gasPrice, gasLimit, value, chainID: UInt64
            let to, signingData, signingHash, key, r, s, raw: String
            let v: UInt64
        }
        struct EIP1559: Decodable {
            let fields: [String]
            let r, s, raw, hash, sender: String
            let parity: UInt8
        }
        struct Distributor: Decodable {
            struct Row: Decodable {
                let index, amount: UInt64
                let account: String
                let proof: [String]
            }
            let otherLeaf, above: String
            let claims: [Row]
        }
        struct Texts: Decodable { let rows: [[String]] }

        let eip155: EIP155
        let eip1559: EIP1559
        let merkleDistributor: Distributor
        let base58: Texts
    }

    private let vectors: Vectors

    init() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Vectors/published.json")
        vectors = try JSONDecoder().decode(Vectors.self, from: Data(contentsOf: file))
    }

    private func digest(_ text: String) throws -> Digest { try #require(Digest(hex: text)) }
    private func bytes(_ text: String) throws -> [UInt8] { try #require(Hex.decode(text)) }

    /// A payment of before EIP-1559, put together from RLP.
    @Test func eip155() throws {
        let vector = vectors.eip155
        let to = try #require(EVMAddress(hex: vector.to))
        let fields: [RLP] =
            [vector.nonce, vector.gasPrice, vector.gasLimit].map { .number(UInt128($0)) }
            + [.bytes(to.bytes), .number(UInt128(vector.value)), .bytes([])]
        let end: [RLP] = [.number(UInt128(vector.chainID)), .number(0), .number(0)]
        let data = RLP.list(fields + end).encoded
        #expect(Hex.encode(data) == vector.signingData)
        #expect(Keccak256.hash(data).hex == vector.signingHash)
        let key = try #require(Secp256k1.PrivateKey(try bytes(vector.key)))
        let signature = key.sign(Keccak256.hash(data))
        #expect(signature.r.hex == vector.r && signature.s.hex == vector.s)
        #expect(UInt64(signature.recoveryID) + 35 + 2 * vector.chainID == vector.v)
        let signed: [RLP] = [
            .number(UInt128(vector.v)), .bytes(signature.r.bytes), .bytes(signature.s.bytes),
        ]
        #expect(Hex.encode(RLP.list(fields + signed).encoded) == vector.raw)
    }

    /// A fee of 31 bytes, which is more than this project ever offers: the form and the sender.
    @Test func eip1559() throws {
        let vector = vectors.eip1559
        let fields: [RLP] = try vector.fields.map { .bytes(try bytes($0)) } + [.list([])]
        let signed: [RLP] = [
            .number(UInt128(vector.parity)), .bytes(try bytes(vector.r)),
            .bytes(try bytes(vector.s)),
        ]
        let raw = [2] + RLP.list(fields + signed).encoded
        #expect(Hex.encode(raw) == vector.raw)
        #expect(Keccak256.hash(raw).hex == vector.hash)
        let signature = RecoverableSignature(
            r: try digest(vector.r), s: try digest(vector.s), recoveryID: vector.parity)
        let message = Keccak256.hash([2] + RLP.list(fields).encoded)
        #expect(signature.recover(message)?.hex == vector.sender)
    }

    /// The tree that the settlement contract's is built like: other leaves, the same nodes.
    @Test func merkleDistributor() throws {
        let vector = vectors.merkleDistributor
        let root = ClaimTree.node(try digest(vector.otherLeaf), try digest(vector.above))
        let leaves = try vector.claims.map { row in
            Keccak256.hash(
                EIP712.word(UInt128(row.index)).bytes
                    + (try #require(EVMAddress(hex: row.account))).bytes
                    + EIP712.word(UInt128(row.amount)).bytes)
        }
        for (row, leaf) in zip(vector.claims, leaves) {
            let path = try row.proof.map { try digest($0) }
            #expect(ClaimTree.verifies(leaf: leaf, path: path, root: root))
            #expect(!ClaimTree.verifies(leaf: leaf, path: path.reversed(), root: root))
        }
        #expect(ClaimTree.node(leaves[0], leaves[1]).hex == vector.above)
    }

    @Test func base58() throws {
        for row in vectors.base58.rows {
            #expect(Base58.encode(try bytes(row[0])) == row[1])
            #expect(Base58.decode(row[1]) == (try bytes(row[0])))
        }
        #expect(vectors.base58.rows.count == 18)
    }
}
