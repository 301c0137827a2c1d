import Cryptography
import Primitives
import Testing

struct LiabilityTests {
    private static let salt = [UInt8](repeating: 7, count: 32)
    private static let one = Amount(1)

    private static func address(_ number: UInt64) -> EVMAddress {
        let low = (0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * $0)) }
        return EVMAddress([UInt8](repeating: 9, count: 12) + low) ?? .zero
    }

    /// Liabilities of `count` holders, among them nothing and very much.
    private static func liabilities(_ count: UInt64, seed: UInt64 = 1) -> [Liability] {
        var random = seed
        func next() -> UInt128 {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt128(random >> 20)
        }
        return (0..<count).map { number in
            let usd = number % 5 == 3 ? 0 : next() * next()
            return Liability(
                holder: address(number),
                sums: AssetSums(usd: Amount(usd), tly: Amount(number % 3 == 1 ? next() : 0)))
        }
    }

    private static func tree(
        _ liabilities: [Liability], salt: [UInt8] = salt
    ) throws(LiabilityTree.Failure) -> LiabilityTree {
        try LiabilityTree(
            liabilities, batch: BatchID(3), sequence: 41, head: Digest(pattern(32)) ?? .zero,
            salt: salt)
    }

    private static func total(_ liabilities: [Liability]) -> AssetSums? {
        liabilities.reduce(AssetSums.zero) { $0?.checkedAdding($1.sums) }
    }

    private static func refusal(
        _ proof: LiabilityProof, root: Digest, holder: EVMAddress? = nil
    ) -> LiabilityRejection? {
        do throws(LiabilityRejection) {
            try proof.verify(root: root, holder: holder ?? proof.holder)
            return nil
        } catch {
            return error
        }
    }

    /// Built by Tests/Harness/test_check_liability.py from the documentation alone.
    @Test func theRootIsTheOneOfAnIndependentProgram() throws {
        func address(_ fill: UInt8) throws -> EVMAddress {
            try #require(EVMAddress([UInt8](repeating: fill, count: 20)))
        }
        let tree = try Self.tree([
            Liability(
                holder: try address(2),
                sums: AssetSums(
                    usd: .zero, tly: Amount(1_000_000_000_000_000 * 1_000_000_000_000_000))),
            Liability(holder: try address(0), sums: AssetSums(usd: Amount(5_000_000), tly: .zero)),
            Liability(
                holder: try address(1),
                sums: AssetSums(usd: Amount(12_345_678_901_234_567_890), tly: Self.one)),
        ])
        #expect(
            tree.commitment.root.hex
                == "85c5e948d44015afe1c7ded0ebbf8c411790de9677a79b4d81ab2909e925f37a")
    }

    @Test(arguments: [(0, 4), (1, 4), (2, 4), (7, 4), (8, 4), (9, 5), (100, 8)])
    func everyHoldersProofHoldsAndNoOthers(count: UInt64, depth: UInt8) throws {
        for seed in UInt64(1)...5 {
            let owed = Self.liabilities(count, seed: seed)
            let tree = try Self.tree(owed)
            #expect(try Self.tree(owed.reversed()).commitment == tree.commitment)
            #expect(tree.holders == owed.count && tree.commitment.depth == depth)
            #expect(tree.commitment.totals == Self.total(owed))
            #expect(tree.proof(of: Self.address(count)) == nil)
            for liability in owed {
                let proof = try #require(tree.proof(of: liability.holder))
                #expect(proof.sums == liability.sums)
                #expect(Self.refusal(proof, root: tree.commitment.root) == nil)
                #expect(try LiabilityProof(canonicalBytes: proof.canonicalBytes()) == proof)
                #expect(
                    Self.refusal(proof, root: tree.commitment.root, holder: Self.address(count))
                        == .otherHolder)
            }
        }
    }

    @Test func tenThousandHolders() throws {
        let owed = Self.liabilities(10_000)
        let tree = try Self.tree(owed)
        #expect(tree.commitment.depth == 15)
        #expect(tree.commitment.totals == Self.total(owed))
        for place in stride(from: 0, to: owed.count, by: 37) {
            let proof = try #require(tree.proof(of: owed[place].holder))
            #expect(Self.refusal(proof, root: tree.commitment.root) == nil)
            // Commitment, address, sums, nonce, and two ways up of 15 nodes.
            #expect(proof.canonicalBytes().count == 113 + 20 + 32 + 32 + 4 + 2 * (44 + 15 * 64))
        }
    }

    @Test func anotherSaltGivesAnotherTreeOfTheSameTotals() throws {
        let owed = Self.liabilities(20)
        let tree = try Self.tree(owed)
        let other = try Self.tree(owed, salt: [UInt8](repeating: 8, count: 32))
        #expect(tree.commitment.totals == other.commitment.totals)
        #expect(tree.commitment.root != other.commitment.root)
        let proof = try #require(tree.proof(of: owed[0].holder))
        #expect(Self.refusal(proof, root: other.commitment.root) == .otherRoot)
        let foreign = try #require(other.proof(of: owed[0].holder))
        #expect(foreign.nonce != proof.nonce)
    }

    @Test func aProofSaysNothingOfANeighbour() throws {
        let owed = Self.liabilities(2).map { liability in
            Liability(holder: liability.holder, sums: AssetSums(usd: Amount(77_777), tly: .zero))
        }
        let tree = try Self.tree(owed)
        for (mine, theirs) in [(owed[0], owed[1]), (owed[1], owed[0])] {
            let proof = try #require(tree.proof(of: mine.holder))
            let bytes = proof.canonicalBytes()
            let name = theirs.holder.bytes
            #expect(!bytes.indices.contains { bytes[$0...].starts(with: name) })
            #expect(bytes.indices.contains { bytes[$0...].starts(with: mine.holder.bytes) })
            // The leaf beside one's own shows a part of somebody's balance, or of nobody's.
            for part in proof.parts {
                #expect(part.path[0].sums != theirs.sums)
                #expect(part.sums != mine.sums)
            }
        }
    }

    @Test func sumsThatDoNotFitAndDoubleHoldersMakeNoTree() throws {
        let most = AssetSums(usd: .zero, tly: Amount(.max))
        let one = AssetSums(usd: .zero, tly: Self.one)
        let full = Liability(holder: Self.address(1), sums: most)
        #expect(try Self.tree([full]).commitment.totals == most)
        #expect(throws: LiabilityTree.Failure.overflow) {
            try Self.tree([full, Liability(holder: Self.address(2), sums: one)])
        }
        #expect(throws: LiabilityTree.Failure.duplicateHolder(Self.address(1))) {
            try Self.tree([full, Liability(holder: Self.address(1), sums: .zero)])
        }
    }
}

/// What a house that owes more than it says would have to show.
struct LiabilityLieTests {
    private let salt = [UInt8](repeating: 1, count: 32)

    private func holder(_ fill: UInt8) throws -> EVMAddress {
        try #require(EVMAddress([UInt8](repeating: fill, count: 20)))
    }

    private func sums(_ usd: UInt128, _ tly: UInt128 = 0) -> AssetSums {
        AssetSums(usd: Amount(usd), tly: Amount(tly))
    }

    /// A proof that holds, and its root.
    private func honest() throws -> (proof: LiabilityProof, root: Digest) {
        let owed = try (1...9).map { fill in
            Liability(holder: try holder(fill), sums: sums(UInt128(fill) * 1_000_000, 5))
        }
        let tree = try LiabilityTree(
            owed, batch: BatchID(1), sequence: 2, head: .zero, salt: salt)
        return (try #require(tree.proof(of: try holder(4))), tree.commitment.root)
    }

    private func refusal(_ proof: LiabilityProof, _ root: Digest) -> LiabilityRejection? {
        do throws(LiabilityRejection) {
            try proof.verify(root: root, holder: proof.holder)
            return nil
        } catch {
            return error
        }
    }

    /// A copy with other fields.
    private func changed(
        _ proof: LiabilityProof, commitment: LiabilityCommitment? = nil,
        holder: EVMAddress? = nil, sums: AssetSums? = nil, nonce: Digest? = nil,
        parts: [LiabilityProof.Part]? = nil
    ) -> LiabilityProof {
        LiabilityProof(
            commitment: commitment ?? proof.commitment, holder: holder ?? proof.holder,
            sums: sums ?? proof.sums, nonce: nonce ?? proof.nonce, parts: parts ?? proof.parts)
    }

    private func changed(
        _ proof: LiabilityProof, part: Int, place: UInt64? = nil, sums: AssetSums? = nil,
        path: [LiabilityNode]? = nil
    ) -> LiabilityProof {
        var parts = proof.parts
        let old = parts[part]
        parts[part] = LiabilityProof.Part(
            place: place ?? old.place, sums: sums ?? old.sums, path: path ?? old.path)
        return changed(proof, parts: parts)
    }

    @Test func eachChangedFieldHasItsReason() throws {
        let (proof, root) = try honest()
        #expect(refusal(proof, root) == nil)
        let old = proof.commitment
        let commitments = [
            (BatchID(2), old.sequence, old.head, old.depth, old.totals, old.top),
            (old.batch, 3, old.head, old.depth, old.totals, old.top),
            (old.batch, old.sequence, root, old.depth, old.totals, old.top),
            (old.batch, old.sequence, old.head, old.depth + 1, old.totals, old.top),
            (old.batch, old.sequence, old.head, old.depth, sums(1), old.top),
            (old.batch, old.sequence, old.head, old.depth, old.totals, root),
        ].map {
            LiabilityCommitment(
                batch: $0.0, sequence: $0.1, head: $0.2, depth: $0.3, totals: $0.4, top: $0.5)
        }
        for commitment in commitments {
            #expect(refusal(changed(proof, commitment: commitment), root) == .otherRoot)
        }
        #expect(refusal(proof, .zero) == .otherRoot)
        #expect(refusal(changed(proof, parts: [proof.parts[0]]), root) == .wrongPartCount)
        #expect(refusal(changed(proof, parts: proof.parts + proof.parts), root) == .wrongPartCount)
        let part = proof.parts[1]
        for path in [Array(part.path.dropLast()), part.path + [part.path[0]], []] {
            #expect(refusal(changed(proof, part: 1, path: path), root) == .wrongDepth)
        }
        let outside = part.place | 1 << UInt64(old.depth)
        #expect(refusal(changed(proof, part: 1, place: outside), root) == .wrongPlace)
        #expect(refusal(changed(proof, part: 1, place: part.place ^ 2), root) == .notIncluded)
        #expect(refusal(changed(proof, sums: sums(1)), root) == .wrongSums)
        #expect(refusal(changed(proof, nonce: root), root) == .notIncluded)
        #expect(refusal(changed(proof, holder: try holder(5)), root) == .notIncluded)
        #expect(refusal(changed(proof, parts: proof.parts.reversed()), root) == .notIncluded)
        // The same part twice would count one leaf as two.
        let double = try #require(part.sums.checkedAdding(part.sums))
        let twice = changed(proof, sums: double, parts: [part, part])
        #expect(refusal(twice, root) == .notIncluded)
    }

    @Test func moreOrLessThanIsCommittedIsRefused() throws {
        let (proof, root) = try honest()
        let part = proof.parts[0]
        let more = sums(part.sums[.usd].units + 1, part.sums[.tly].units)
        let whole = try #require(more.checkedAdding(proof.parts[1].sums))
        let raised = changed(changed(proof, part: 0, sums: more), sums: whole)
        #expect(refusal(raised, root) == .wrongTotals)
        // Taken from the neighbour, so that the totals stay.
        var path = part.path
        guard let place = path.firstIndex(where: { $0.sums[.usd].units > 0 }) else {
            Issue.record("nobody else is owed anything")
            return
        }
        path[place] = LiabilityNode(
            hash: path[place].hash,
            sums: sums(path[place].sums[.usd].units - 1, path[place].sums[.tly].units))
        let moved = changed(changed(proof, part: 0, sums: more, path: path), sums: whole)
        #expect(refusal(moved, root) == .notIncluded)
        path[place] = LiabilityNode(hash: root, sums: part.path[place].sums)
        #expect(refusal(changed(proof, part: 0, path: path), root) == .notIncluded)
    }

    /// A sum is never negative; one that would act so by wrapping around is refused.
    @Test func sumsThatWrapAroundAreRefused() throws {
        let (proof, root) = try honest()
        let huge = sums(.max, 5)
        var path = proof.parts[0].path
        path[1] = LiabilityNode(hash: path[1].hash, sums: huge)
        #expect(refusal(changed(proof, part: 0, path: path), root) == .overflow)
        let parts = proof.parts.map {
            LiabilityProof.Part(place: $0.place, sums: huge, path: $0.path)
        }
        #expect(refusal(changed(proof, parts: parts), root) == .overflow)
    }

    /// The flaw of Maxwell's tree: a node that covers only the total lets the house show each of
    /// two neighbours the other with nothing. Here the node covers both sums: one of them finds
    /// out, whatever it is shown.
    @Test func aRogueTreeOfRightHashesIsRefusedByWhoIsLeftOut() throws {
        let tree = RogueTree(holders: [try holder(1), try holder(2)], amounts: [60, 40])
        // The inner node was made as if the second were owed nothing.
        let believes = tree.proof(0, siblingOwed: 0)
        #expect(refusal(believes, tree.root) == nil)
        for shown in [UInt128(0), 20, 60] {
            let refused = refusal(tree.proof(1, siblingOwed: shown), tree.root)
            #expect(refused == .wrongTotals || refused == .notIncluded)
        }
    }
}

/// A tree of right hashes whose lowest inner node says that the second leaf owes nothing, so that
/// the totals are what the first is owed. Each holder's first part holds everything.
private struct RogueTree {
    let holders: [EVMAddress]
    let amounts: [UInt128]
    let commitment: LiabilityCommitment
    private let firsts: [LiabilityNode]
    private let seconds: [LiabilityNode]
    private let upper: [LiabilityNode]

    var root: Digest { commitment.root }

    init(holders: [EVMAddress], amounts: [UInt128]) {
        self.holders = holders
        self.amounts = amounts
        firsts = zip(holders, amounts).map { Self.leaf($0, part: 0, owed: $1) }
        seconds = holders.map { Self.leaf($0, part: 1, owed: 0) }
        let hidden = LiabilityNode(hash: firsts[1].hash, sums: .zero)
        upper = [Self.node(firsts[0], hidden), Self.node(seconds[0], seconds[1])]
        let top = Self.node(upper[0], upper[1])
        commitment = LiabilityCommitment(
            batch: BatchID(1), sequence: 1, head: .zero, depth: 2, totals: top.sums, top: top.hash)
    }

    /// The proof for a holder, in which the other's first leaf is owed what the house likes to say.
    func proof(_ place: Int, siblingOwed: UInt128) -> LiabilityProof {
        let sibling = LiabilityNode(
            hash: firsts[1 - place].hash, sums: AssetSums(usd: Amount(siblingOwed), tly: .zero))
        let owed = AssetSums(usd: Amount(amounts[place]), tly: .zero)
        return LiabilityProof(
            commitment: commitment, holder: holders[place], sums: owed, nonce: .zero,
            parts: [
                .init(place: UInt64(place), sums: owed, path: [sibling, upper[1]]),
                .init(place: UInt64(2 + place), sums: .zero, path: [seconds[1 - place], upper[0]]),
            ])
    }

    private static func leaf(_ holder: EVMAddress, part: UInt8, owed: UInt128) -> LiabilityNode {
        var blind = ByteWriter()
        blind.write("exchequer.liability.blind.v1")
        blind.write(part)
        let sums = AssetSums(usd: Amount(owed), tly: .zero)
        var writer = ByteWriter()
        writer.write("exchequer.liability.leaf.v1")
        writer.write(holder)
        writer.write(part)
        writer.write(sums)
        writer.write(BLAKE2b.hash(blind.bytes, key: Digest.zero.bytes))
        return LiabilityNode(hash: SHA256.hash(writer.bytes), sums: sums)
    }

    private static func node(_ left: LiabilityNode, _ right: LiabilityNode) -> LiabilityNode {
        var writer = ByteWriter()
        writer.write("exchequer.liability.node.v1")
        writer.write(left)
        writer.write(right)
        let sums = left.sums.checkedAdding(right.sums) ?? .zero
        return LiabilityNode(hash: SHA256.hash(writer.bytes), sums: sums)
    }
}
