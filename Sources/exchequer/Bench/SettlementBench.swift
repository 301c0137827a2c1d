import Clearing
import Cryptography
import Primitives

/// How long the root of a million claims takes with all its proofs, and how long one proof; beside
/// the same thing done in the plain way.
struct SettlementBench {
    let runs: Int
    private static let payees = 1_000_000
    private static let served = 10_000

    /// Rows on one thread, in milliseconds.
    func rows() -> [BenchRow] {
        let claims = Self.claims()
        var tree = ClaimTree(claims: claims)
        let whole = median {
            tree = ClaimTree(claims: claims)
            tree.forEachProof { Self.use($0, $1) }
        }
        let leaves = claims.lazy.map(\.leaf)
        let some = stride(from: 0, to: claims.count, by: claims.count / Self.served)
            .map { leaves[$0] }
        let one =
            median { for leaf in some { Self.use(leaf, tree.proof(of: leaf) ?? []) } }
            / Double(some.count)
        var naive = NaiveTree(claims: [])
        let plainWhole = median(of: 1) {
            naive = NaiveTree(claims: claims)
            for place in claims.indices { Self.use(naive.leaves[place], naive.proof(at: place)) }
        }
        precondition(naive.root == tree.root, "both ways lead to the same root")
        let few = some.prefix(100)
        let plainOne =
            median(of: 1) { for leaf in few { Self.use(leaf, naive.proof(of: leaf)) } }
            / Double(few.count)
        return [
            BenchRow(name: "root with all proofs", value: whole, unit: "ms")
                .against("array of bytes by array", plainWhole),
            BenchRow(name: "one proof", value: one, unit: "ms")
                .against("looking through the leaves", plainOne),
            served(claims, tree),
        ]
    }

    /// A proof as it is served: the line of the batch, its leaf, and the siblings as text.
    private func served(_ claims: [Claim], _ tree: ClaimTree) -> BenchRow {
        let lines = claims.enumerated().map { place, claim in
            BatchLine(
                party: PartyID(UInt64(place) + 1), address: claim.account, asset: .usd,
                cumulative: claim.cumulative)
        }
        func serve(_ line: BatchLine?) {
            guard let line else { preconditionFailure("every party has a line") }
            let claim = Claim(
                chainID: 8_453, contract: .zero, token: .zero, account: line.address,
                cumulative: line.cumulative)
            let proof = tree.proof(of: claim.leaf) ?? []
            precondition(!proof.isEmpty, "every line is in the tree")
            withExtendedLifetime(proof.map(\.hex)) {}
        }
        let parties = stride(from: 1, to: claims.count, by: claims.count / Self.served)
            .map { PartyID(UInt64($0)) }
        let one =
            median { for party in parties { serve(lines.line(of: party, in: .usd)) } }
            / Double(parties.count)
        let few = stride(from: 0, to: parties.count, by: parties.count / 100).map { parties[$0] }
        let plain =
            median(of: 1) { for party in few { serve(lines.first { $0.party == party }) } }
            / Double(few.count)
        return BenchRow(name: "a proof served", value: one, unit: "ms")
            .against("looking through the lines", plain)
    }

    /// Keeps the compiler from leaving a result out.
    @inline(never)
    private static func use(_ leaf: Digest, _ path: [Digest]) {
        withExtendedLifetime((leaf, path)) {}
    }

    private static func claims() -> [Claim] {
        var dice = SplitMix64(seed: 5)
        return (0..<payees).map { _ in
            let words = (dice.next(), dice.next())
            let bytes = Digest(words: (0, 0, words.0, words.1)).bytes.suffix(20)
            guard let account = EVMAddress(bytes) else {
                preconditionFailure("20 bytes are an address")
            }
            return Claim(
                chainID: 8_453, contract: .zero, token: .zero, account: account,
                cumulative: UInt128(words.1 >> 20))
        }
    }

    private func median(of count: Int? = nil, _ body: () -> Void) -> Double {
        let clock = ContinuousClock()
        let times = (0..<(count ?? runs)).map { _ in clock.measure(body) / .milliseconds(1) }
        return times.sorted()[times.count / 2]
    }

    /// The tree as one would write it down first: every hash of an array of bytes, every level an
    /// array, a leaf found by looking through all.
    private struct NaiveTree {
        let leaves: [Digest]
        private var levels: [[Digest]]

        var root: Digest { levels[levels.count - 1].first ?? .zero }

        init(claims: [Claim]) {
            leaves = claims.map { claim in
                let words = [
                    Claim.domain, EIP712.word(UInt128(claim.chainID)),
                    EIP712.word(claim.contract), EIP712.word(claim.token),
                    EIP712.word(claim.account), EIP712.word(claim.cumulative),
                ]
                return Keccak256.hash(Keccak256.hash(words.flatMap(\.bytes)).bytes)
            }.sorted()
            levels = [leaves]
            while let level = levels.last, level.count > 1 {
                var above: [Digest] = []
                for place in stride(from: 0, to: level.count, by: 2) {
                    let pair = level[place..<min(place + 2, level.count)].sorted()
                    above.append(
                        pair.count == 1 ? pair[0] : Keccak256.hash(pair[0].bytes + pair[1].bytes))
                }
                levels.append(above)
            }
        }

        func proof(at place: Int) -> [Digest] {
            levels.dropLast().enumerated().compactMap { height, level in
                let sibling = place >> height ^ 1
                return sibling < level.count ? level[sibling] : nil
            }
        }

        func proof(of leaf: Digest) -> [Digest] {
            leaves.firstIndex(of: leaf).map(proof) ?? []
        }
    }
}
