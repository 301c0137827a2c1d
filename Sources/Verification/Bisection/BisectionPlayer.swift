import Cryptography
public import Primitives

/// What a party has computed of a stage: where its answers in a game come from.
public protocol StageComputation {
    /// The leaves of a state, one a position; state 0 is the input.
    func leaves(ofState state: Int) throws -> [Digest]
    /// The leaves of a layer's cache, one a position; none for other steps.
    func cacheLeaves(ofStep step: Int) throws -> [Digest]
    /// What each operation of a unit but the last gave, as F32 little endian.
    func results(of unit: OperationUnit, step: Int, at position: Int) throws -> [[UInt8]]
    /// The token (i32) or row (F32) of a state at a position; not of the last stage's last state.
    func row(ofState state: Int, at position: Int) throws -> [UInt8]
    /// What a layer's cache holds of some positions.
    func cached(ofStep step: Int, at positions: Range<Int>) throws -> [UInt8]
    /// The chunks that hold some rows of the weights of an operation, opened.
    func weights(
        of operation: StageOperation, step: Int, rows: Range<Int>
    ) throws -> WeightOpening
}

/// Plays either party from what it has computed: publishes what it is asked for, goes where the
/// other's hashes first differ from its own, and opens what the operation there reads.
public struct BisectionPlayer<Computation: StageComputation> {
    private let computation: Computation

    /// A player with this computation.
    public init(_ computation: Computation) {
        self.computation = computation
    }

    /// What to say now; `nil` if the game is over.
    public func answer(_ game: BisectionGame) throws -> BisectionMessage? {
        let (step, position) = (game.disputed.lowerBound, game.position)
        switch game.turn {
        case .states(let states):
            return .claim(try states.map { try tree(ofState: $0).root }, cache: [])
        case .chooseState(let roots):
            let own = try game.cuts.map { try tree(ofState: $0).root }
            return Self.choice(Self.difference(roots, own) ?? roots.count)
        case .trees(let rows, let hasCache):
            return .claim(
                try nodes(rows, game, inCache: false),
                cache: hasCache ? try nodes(rows, game, inCache: true) : [])
        case .chooseTree(let rows, let cache):
            return try chooseTree(rows: rows, cache: cache, game)
        case .nodes(let node):
            return .claim(try nodes(node, game, inCache: game.inCache), cache: [])
        case .chooseNode(let node, let hashes):
            let own = try nodes(node, game, inCache: game.inCache)
            return Self.choice(Self.difference(hashes, own) ?? 0)
        case .operations(let unit):
            return .claim(try commitments(unit, game), cache: [])
        case .chooseOperation(let unit, let roots):
            let own = try commitments(unit, game)
            return Self.choice(Self.difference(roots, own) ?? roots.count)
        case .blocks(let operation, let node):
            return .claim(try blocks(operation, node, game), cache: [])
        case .chooseBlock(let operation, let node, let hashes):
            let own = try blocks(operation, node, game)
            return Self.choice(Self.difference(hashes, own) ?? 0)
        case .proof(let operation, let block, _):
            return .proof(
                try proof(of: operation, block: block, game, step: step, position: position))
        case .over:
            return nil
        }
    }

    private static func difference(_ left: [Digest], _ right: [Digest]) -> Int? {
        zip(left, right).enumerated().first { $1.0 != $1.1 }?.offset
    }

    private static func choice(_ index: Int, inCache: Bool = false) -> BisectionMessage {
        .choice(UInt32(index), inCache: inCache)
    }

    private func tree(ofState state: Int) throws -> MerkleTree {
        MerkleTree(leaves: try computation.leaves(ofState: state))
    }

    private func nodes(
        _ node: TreeDescent, _ game: BisectionGame, inCache: Bool
    ) throws -> [Digest] {
        let tree =
            inCache
            ? MerkleTree(leaves: try computation.cacheLeaves(ofStep: game.disputed.lowerBound))
            : try tree(ofState: game.disputed.upperBound)
        return tree.nodes(level: node.openedLevel, node.openedNodes)
    }

    /// The cache comes first: rows are computed from it.
    private func chooseTree(
        rows: [Digest], cache: [Digest], _ game: BisectionGame
    ) throws -> BisectionMessage {
        let root = TreeDescent(root: .zero, count: game.subject.positions)
        if !cache.isEmpty,
            let index = Self.difference(cache, try nodes(root, game, inCache: true))
        {
            return Self.choice(index, inCache: true)
        }
        return Self.choice(Self.difference(rows, try nodes(root, game, inCache: false)) ?? 0)
    }

    private func vectorTree(
        _ operation: StageOperation, _ bytes: [UInt8], _ game: BisectionGame
    ) -> MerkleTree {
        guard let shape = game.subject.model.shape(of: operation, at: game.position),
            let leaves = shape.leaves(of: 0..<shape.blocks, bytes: bytes)
        else { return MerkleTree(leaves: []) }
        return MerkleTree(leaves: leaves)
    }

    private func commitments(_ unit: OperationUnit, _ game: BisectionGame) throws -> [Digest] {
        let results = try computation.results(
            of: unit, step: game.disputed.lowerBound, at: game.position)
        return zip(unit.operations, results).map { vectorTree($0, $1, game).root }
    }

    private func result(
        of operation: StageOperation, _ game: BisectionGame
    ) throws -> [UInt8] {
        let unit = game.unit
        let results = try computation.results(
            of: unit, step: game.disputed.lowerBound, at: game.position)
        guard let place = unit.operations.firstIndex(of: operation),
            results.indices.contains(place)
        else { return [] }
        return results[place]
    }

    private func blocks(
        _ operation: StageOperation, _ node: TreeDescent, _ game: BisectionGame
    ) throws -> [Digest] {
        vectorTree(operation, try result(of: operation, game), game)
            .nodes(level: node.openedLevel, node.openedNodes)
    }

    private func proof(
        of operation: StageOperation, block: Int, _ game: BisectionGame, step: Int, position: Int
    ) throws -> OperationProof {
        var proof = OperationProof(openings: [], weights: nil)
        if game.unit == .unsampled { return proof }
        var token = 0
        if operation == .embed {
            token = Int(
                try computation.row(ofState: step, at: position).reversed()
                    .reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
        }
        let model = game.subject.model
        for input in model.inputs(of: operation, block: block, at: position, token: token) {
            switch input {
            case .token, .row:
                proof.openings.append(
                    Opening(
                        bytes: try computation.row(ofState: step, at: position),
                        path: try tree(ofState: step).path(of: position..<position + 1) ?? []))
            case .vector(let other, let blocks):
                let bytes = try result(of: other, game)
                let shape = model.shape(of: other, at: position)
                proof.openings.append(
                    Opening(
                        bytes: Array(bytes[shape?.bytes(of: blocks) ?? 0..<0]),
                        path: vectorTree(other, bytes, game).path(of: blocks) ?? []))
            case .cached(let positions):
                let leaves = try computation.cacheLeaves(ofStep: step)
                proof.openings.append(
                    Opening(
                        bytes: try computation.cached(ofStep: step, at: positions),
                        path: MerkleTree(leaves: leaves).path(of: positions) ?? []))
            case .weights(let rows):
                proof.weights = try computation.weights(of: operation, step: step, rows: rows)
            }
        }
        return proof
    }
}
