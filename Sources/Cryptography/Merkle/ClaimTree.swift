public import Primitives

/// What one account may have claimed in all, as the settlement contract hashes it.
public struct Claim: Hashable, Sendable {
    /// The chain the contract is on.
    public let chainID: UInt64
    /// The settlement contract.
    public let contract: EVMAddress
    /// The token it pays in.
    public let token: EVMAddress
    /// Who is paid.
    public let account: EVMAddress
    /// Everything the account was ever owed, in the token's chain units.
    public let cumulative: UInt128

    /// The claim of one account.
    public init(
        chainID: UInt64, contract: EVMAddress, token: EVMAddress, account: EVMAddress,
        cumulative: UInt128
    ) {
        self.chainID = chainID
        self.contract = contract
        self.token = token
        self.account = account
        self.cumulative = cumulative
    }

    /// The first word of every leaf: Keccak-256 of `exchequer.claim.v1`.
    public static let domain = Keccak256.hash(Array("exchequer.claim.v1".utf8))

    /// The leaf: Keccak-256 of Keccak-256 of the six words (domain, chain id, contract, token,
    /// account, cumulative). Hashed twice so that an inner node can never be shown as a leaf.
    public var leaf: Digest {
        Self.leaf(
            Self.domain, EIP712.word(UInt128(chainID)), EIP712.word(contract),
            EIP712.word(token), EIP712.word(account), EIP712.word(cumulative))
    }

    /// The leaf of any six words; other chains have other words. Three permutations.
    public static func leaf(
        _ domain: Digest, _ chain: Digest, _ contract: Digest, _ token: Digest, _ account: Digest,
        _ cumulative: Digest
    ) -> Digest {
        Keccak256.hash(
            Keccak256.hash(
                words: (
                    domain.words, chain.words, contract.words, token.words, account.words,
                    cumulative.words
                )))
    }
}

/// The Keccak-256 tree of a settlement batch, the same as the contract checks: leaves in ascending
/// order, a node is H(smaller | larger) of its two children, a node without a sibling moves up.
public struct ClaimTree: Sendable {
    private let levels: [[Digest]]

    /// The tree over these leaves; their order does not matter.
    public init(leaves: [Digest]) {
        var level = leaves.sorted()
        var levels = [level]
        while level.count > 1 {
            var above: [Digest] = []
            above.reserveCapacity((level.count + 1) / 2)
            for index in stride(from: 0, to: level.count - 1, by: 2) {
                above.append(Self.node(level[index], level[index + 1]))
            }
            if !level.count.isMultiple(of: 2), let last = level.last { above.append(last) }
            levels.append(above)
            level = above
        }
        self.levels = levels
    }

    /// The tree over the leaves of these claims.
    public init(claims: [Claim]) {
        self.init(leaves: claims.map(\.leaf))
    }

    /// The root; zero for no leaves.
    public var root: Digest { levels[levels.count - 1].first ?? .zero }

    /// The siblings from `leaf` up, lowest first; `nil` if it is not in the tree.
    public func proof(of leaf: Digest) -> [Digest]? {
        guard var position = find(leaf) else { return nil }
        var path: [Digest] = []
        for level in levels.dropLast() {
            let sibling = position ^ 1
            if sibling < level.count { path.append(level[sibling]) }
            position >>= 1
        }
        return path
    }

    /// Calls `body` with every leaf, ascending, and its proof. Takes no search and no memory, so
    /// that all proofs of a tree cost little more than writing them down.
    public func forEachProof(_ body: (_ leaf: Digest, _ path: [Digest]) -> Void) {
        var path: [Digest] = []
        path.reserveCapacity(levels.count)
        for (index, leaf) in levels[0].enumerated() {
            path.removeAll(keepingCapacity: true)
            var position = index
            for level in 0..<levels.count - 1 {
                let sibling = position ^ 1
                if sibling < levels[level].count { path.append(levels[level][sibling]) }
                position >>= 1
            }
            body(leaf, path)
        }
    }

    /// Whether `path` leads from `leaf` to `root`, exactly as the contract computes it.
    public static func verifies(leaf: Digest, path: [Digest], root: Digest) -> Bool {
        path.reduce(leaf) { node($0, $1) } == root
    }

    /// The parent of two nodes, whichever side each stands on.
    public static func node(_ one: Digest, _ other: Digest) -> Digest {
        let (small, large) = one < other ? (one, other) : (other, one)
        return Keccak256.hash(small, large)
    }

    /// The place of `leaf` among the sorted leaves.
    private func find(_ leaf: Digest) -> Int? {
        let leaves = levels[0]
        var (low, high) = (0, leaves.count)
        while low < high {
            let middle = (low + high) / 2
            if leaves[middle] < leaf { low = middle + 1 } else { high = middle }
        }
        return low < leaves.count && leaves[low] == leaf ? low : nil
    }
}
