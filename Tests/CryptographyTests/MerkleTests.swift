import Cryptography
import Primitives
import Testing

struct MerkleTests {
    /// The test tree of the Certificate Transparency project (RFC 6962): the first n leaves.
    private static let leaves = [
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]

    @Test(arguments: [
        (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        (4, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
        (5, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
        (6, "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
        (7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
        (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
    ])
    func certificateTransparency(count: Int, root: String) throws {
        let data = try Self.leaves.prefix(count).map { try hex($0) }
        #expect(MerkleTree(data: data).root.hex == root)
        var accumulator = MerkleAccumulator()
        for leaf in data { accumulator.append(leaf) }
        #expect(accumulator.root.hex == root)
        #expect(accumulator.count == UInt64(count))
    }

    @Test func theAccumulatorAgreesWithTheTreeAtEveryLength() {
        var accumulator = MerkleAccumulator()
        var leaves: [Digest] = []
        for index in 0..<200 {
            let leaf = MerkleTree.leaf(pattern(index))
            leaves.append(leaf)
            accumulator.append(leaf: leaf)
            #expect(accumulator.root == MerkleTree(leaves: leaves).root)
        }
    }

    @Test func everyProofVerifiesForItsPlaceOnly() throws {
        for count in [1, 2, 3, 4, 5, 7, 8, 9, 33] {
            let tree = MerkleTree(data: (0..<count).map { pattern($0 + 1) })
            #expect(tree.proof(at: count) == nil && tree.proof(at: -1) == nil)
            for index in 0..<count {
                let proof = try #require(tree.proof(at: index))
                let leaf = MerkleTree.leaf(pattern(index + 1))
                #expect(proof.verifies(leaf: leaf, root: tree.root))
                #expect(try MerkleProof(canonicalBytes: proof.canonicalBytes()) == proof)
                let other = MerkleTree.leaf(pattern(index + 2))
                #expect(!proof.verifies(leaf: other, root: tree.root))
                for wrong in 0..<count where wrong != index {
                    let moved = MerkleProof(
                        index: UInt64(wrong), count: proof.count, path: proof.path)
                    #expect(!moved.verifies(leaf: leaf, root: tree.root))
                }
                let longer = MerkleProof(
                    index: proof.index, count: proof.count, path: proof.path + [leaf])
                #expect(!longer.verifies(leaf: leaf, root: tree.root))
                if !proof.path.isEmpty {
                    let shorter = MerkleProof(
                        index: proof.index, count: proof.count, path: proof.path.dropLast())
                    #expect(!shorter.verifies(leaf: leaf, root: tree.root))
                }
            }
        }
    }

    @Test func aNodeCannotBeShownAsALeaf() {
        let (left, right) = (MerkleTree.leaf([1]), MerkleTree.leaf([2]))
        let tree = MerkleTree(leaves: [left, right])
        #expect(MerkleTree.leaf(left.bytes + right.bytes) != tree.root)
        let outside = MerkleProof(index: 1, count: 1, path: [])
        #expect(!outside.verifies(leaf: tree.root, root: tree.root))
    }
}

struct ClaimTreeTests {
    private func claim(_ account: UInt8, _ cumulative: UInt128) throws -> Claim {
        func address(_ fill: UInt8) throws -> EVMAddress {
            try #require(EVMAddress([UInt8](repeating: fill, count: 20)))
        }
        let holder = [UInt8](repeating: 0, count: 19) + [account]
        return Claim(
            chainID: 31_337, contract: try address(0x11), token: try address(0x22),
            account: try #require(EVMAddress(holder)), cumulative: cumulative)
    }

    /// Leaf and roots computed with eth-abi and eth-utils, in the contract's way.
    @Test func leafEqualsTheAbiEncodingHashedTwice() throws {
        #expect(
            Claim.domain.hex == "d9dcd8d2e8906fedf9ffb2df8e43d238b877291ecd56e40d4569c841372efccc")
        let whole = Claim(
            chainID: 31_337, contract: try claim(1, 1).contract, token: try claim(1, 1).token,
            account: try #require(EVMAddress(hex: "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23")),
            cumulative: 123_456_789_012_345_678_901_234_567_890)
        #expect(
            whole.leaf.hex == "81e49d0e80efe6941c9e95c7b4171d0248ca24c77b9f95cd2a4151c4958b79d2")
    }

    @Test(arguments: [
        (1, "ff4d638620d3eb67a5e2783da56b02cb4e7d504fc8966f0bfbe2035de13b9a08"),
        (2, "a8ee3da1d055b535eea1882b6afd40e3938f9e37088e2b5e0f91f04f5399b3a8"),
        (3, "a2f3bfb7d1bfa3c5c4635905bee69a5e63f30f5d04e361a2e709c9ee3ddb26c3"),
        (5, "c10a09de91efc3b43f22c66c7f09787fd4972c9edaef8dfb81b2ec56fae3686a"),
        (7, "b91509c8d584a36dd557b229891ccb0da52e3b2131c954fc3d2fd6da7d226e23"),
    ])
    func roots(count: UInt8, root: String) throws {
        let claims = try (1...count).map { try claim($0, UInt128($0) * 1_000) }
        let tree = ClaimTree(claims: claims)
        #expect(tree.root.hex == root)
        #expect(ClaimTree(claims: claims.reversed()).root == tree.root)
        for claim in claims {
            let path = try #require(tree.proof(of: claim.leaf))
            #expect(ClaimTree.verifies(leaf: claim.leaf, path: path, root: tree.root))
            let inflated = try self.claim(claim.account.bytes[19], claim.cumulative + 1)
            #expect(!ClaimTree.verifies(leaf: inflated.leaf, path: path, root: tree.root))
            #expect(tree.proof(of: inflated.leaf) == nil)
        }
    }

    @Test(arguments: [1, 2, 3, 5, 8, 33]) func everyProofAtOnce(count: UInt8) throws {
        let claims = try (1...count).map { try claim($0, 7) }
        let tree = ClaimTree(claims: claims)
        var seen: [Digest] = []
        tree.forEachProof { leaf, path in
            seen.append(leaf)
            #expect(tree.proof(of: leaf) == path)
        }
        #expect(seen == claims.map(\.leaf).sorted())
    }

    @Test func digestsAreHashedAsTheirBytes() throws {
        let (one, other) = (try claim(1, 1).leaf, try claim(2, 2).leaf)
        #expect(Keccak256.hash(one) == Keccak256.hash(one.bytes))
        #expect(Keccak256.hash(one, other) == Keccak256.hash(one.bytes + other.bytes))
        let words = [one, other, .zero, other, one, other]
        #expect(
            Claim.leaf(words[0], words[1], words[2], words[3], words[4], words[5])
                == Keccak256.hash(Keccak256.hash(words.flatMap(\.bytes)).bytes))
    }

    @Test func noClaimsHaveTheZeroRoot() {
        ClaimTree(leaves: []).forEachProof { _, _ in Issue.record("a proof of nothing") }
        #expect(ClaimTree(leaves: []).root == .zero)
        #expect(ClaimTree(leaves: []).proof(of: .zero) == nil)
    }
}
