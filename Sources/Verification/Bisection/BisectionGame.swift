import Cryptography
public import Primitives

/// Who plays. The referee is the game itself.
public enum BisectionParty: UInt8, CaseIterable, Hashable, Sendable {
    /// The stage that signed the receipt.
    case accused = 0
    /// Who says that its output does not follow from its input.
    case challenger = 1

    /// The other one.
    public var other: BisectionParty { self == .accused ? .challenger : .accused }
}

/// What a game waits for. The accused's turns ask for hashes, the challenger's for a choice among
/// the hashes that the accused has just published, or for a proof.
public enum BisectionTurn: Hashable, Sendable {
    /// The roots of these states, which cut the disputed steps into at most 32 pieces.
    case states([Int])
    /// A piece: between which neighbours the first wrong state is.
    case chooseState([Digest])
    /// The trees of the disputed step, each from its root five levels down: its rows and, of a
    /// layer, its cache.
    case trees(rows: TreeDescent, hasCache: Bool)
    /// A node of one of the trees.
    case chooseTree(rows: [Digest], cache: [Digest])
    /// The next levels below a node.
    case nodes(TreeDescent)
    /// A node among them.
    case chooseNode(TreeDescent, [Digest])
    /// The commitments to what each operation of the unit but the last gave.
    case operations(OperationUnit)
    /// An operation; one past the last hash is the last operation.
    case chooseOperation(OperationUnit, [Digest])
    /// The next levels of the tree over the blocks of what an operation gave.
    case blocks(StageOperation, TreeDescent)
    /// A node among them.
    case chooseBlock(StageOperation, TreeDescent, [Digest])
    /// What the operation reads for a block whose hash was claimed, or for its leaf.
    case proof(StageOperation, block: Int, claimed: Digest)
    /// Nothing: the game is over.
    case over(BisectionOutcome)

    /// Who is to move; `nil` if the game is over.
    public var party: BisectionParty? {
        switch self {
        case .states, .trees, .nodes, .operations, .blocks: .accused
        case .chooseState, .chooseTree, .chooseNode, .chooseOperation, .chooseBlock, .proof:
            .challenger
        case .over: nil
        }
    }
}

/// Where the fault is that a game ended with.
public struct BisectionFault: Hashable, Sendable {
    /// The stage's place in the pipeline.
    public let stage: UInt16
    /// The step of the stage.
    public let step: StageStep
    /// The position.
    public let position: Int
    /// The operation.
    public let operation: StageOperation
    /// The block of its result; 0 if it makes a leaf.
    public let block: Int
    /// The hash that the accused claimed.
    public let claimed: Digest
    /// The hash that the referee computed.
    public let computed: Digest
}

/// How a game ended. Exactly one party loses.
public struct BisectionOutcome: Hashable, Sendable {
    /// Who lost.
    public let loser: BisectionParty
    /// Why.
    public let reason: BisectionRejection
    /// Which operation was found wrong; `nil` if the game ended by other means.
    public let fault: BisectionFault?
}

/// A dispute about one stage's work, cut down to one operation at one position, which the referee
/// executes (docs/reference/bisection.md).
///
/// The accused publishes hashes of what it computed, the challenger chooses among them, and at the
/// end opens what one operation reads. The referee compares what the operation gives with what the
/// accused said. Since every hash is the accused's own, an accused that computed right can never
/// lose to a proof, and a challenger who computed right always finds an operation that does not
/// follow. Pure: clocks and signatures are outside (`SignedBisection` checks signatures).
public struct BisectionGame: Sendable {
    /// What it is about.
    public let subject: BisectionSubject
    /// What it waits for.
    public private(set) var turn: BisectionTurn
    /// The number of the turn.
    public private(set) var turns: UInt32 = 0
    /// How many times the accused has answered.
    public private(set) var rounds = 0
    /// The last state that both agree on, and the first they do not; they close in.
    public private(set) var disputed: Range<Int>
    /// The position, once it is found.
    public private(set) var position = 0
    /// Whether the key-value cache is disputed, once that is known.
    public private(set) var inCache = false
    private var before: Digest
    private var after: Digest
    private var cacheRoot = Digest.zero
    private var leaf = Digest.zero
    private var commitments: [Digest] = []

    /// A game from its start.
    public init(_ subject: BisectionSubject) {
        self.subject = subject
        before = subject.receipt.body.inputRoot
        after = subject.receipt.body.outputRoot
        disputed = 0..<subject.steps.count
        turn = .over(
            BisectionOutcome(
                loser: .challenger, reason: BisectionRejection(.wrongTurn, ""), fault: nil))
        narrow()
    }

    /// The outcome, if the game is over.
    public var outcome: BisectionOutcome? {
        if case .over(let outcome) = turn { outcome } else { nil }
    }

    /// The disputed step, once it is found.
    public var step: StageStep { subject.steps[disputed.lowerBound] }

    /// The operations that made the disputed leaf, once it is found.
    public var unit: OperationUnit {
        subject.unit(of: step, inCache: inCache, at: position)
    }

    /// The party to move has not answered in time, and loses.
    public mutating func timeOut() {
        guard let party = turn.party else { return }
        end(party, BisectionRejection(.timedOut, "no answer in turn \(turns)"))
    }

    /// Takes what a party says. What is wrong with it loses that party the game. Throws without a
    /// change if it is not the party's turn, or if the referee cannot execute the operation.
    public mutating func play(
        _ message: BisectionMessage, from party: BisectionParty,
        executing executor: some OperationExecutor
    ) throws(BisectionRejection) {
        guard party == turn.party else {
            throw BisectionRejection(.wrongTurn, "it is not the turn of the \(party)")
        }
        do throws(BisectionRejection) {
            switch message {
            case .claim(let hashes, let cache): try take(hashes, cache: cache)
            case .choice(let index, let inCache): try choose(Int(index), inCache: inCache)
            case .proof(let proof): try judge(proof, executor)
            }
        } catch {
            if error.code == .notExecuted { throw error }
            end(party, error)
        }
        turns += 1
        if party == .accused { rounds += 1 }
    }

    private mutating func end(
        _ loser: BisectionParty, _ reason: BisectionRejection, _ fault: BisectionFault? = nil
    ) {
        turn = .over(BisectionOutcome(loser: loser, reason: reason, fault: fault))
    }

    // MARK: Claims

    private mutating func take(
        _ hashes: [Digest], cache: [Digest]
    ) throws(BisectionRejection) {
        if case .trees(let rows, let hasCache) = turn {
            try rows.check(hashes)
            guard cache.count == (hasCache ? hashes.count : 0) else {
                throw BisectionRejection(.wrongCount, "\(cache.count) hashes of the cache")
            }
            cacheRoot = MerkleTree(leaves: cache).root
            turn = .chooseTree(rows: hashes, cache: cache)
            return
        }
        guard cache.isEmpty else {
            throw BisectionRejection(.wrongCount, "hashes of a cache that was not asked for")
        }
        switch turn {
        case .states(let states):
            try Self.check(hashes, count: states.count)
            turn = .chooseState(hashes)
        case .nodes(let node):
            try node.check(hashes)
            turn = .chooseNode(node, hashes)
        case .operations(let unit):
            try Self.check(hashes, count: unit.operations.count - 1)
            commitments = hashes
            turn = .chooseOperation(unit, hashes)
        case .blocks(let operation, let node):
            try node.check(hashes)
            turn = .chooseBlock(operation, node, hashes)
        default:
            throw BisectionRejection(.wrongKind, "hashes where a choice or proof is asked for")
        }
    }

    private static func check(_ hashes: [Digest], count: Int) throws(BisectionRejection) {
        guard hashes.count == count else {
            throw BisectionRejection(.wrongCount, "\(hashes.count) hashes, not \(count)")
        }
    }

    // MARK: Choices

    private mutating func choose(
        _ index: Int, inCache: Bool
    ) throws(BisectionRejection) {
        if case .chooseTree(let rows, let cache) = turn {
            self.inCache = inCache
            let root = TreeDescent(root: inCache ? cacheRoot : after, count: subject.positions)
            try descend(root.child(index, of: inCache ? cache : rows))
            return
        }
        guard !inCache else {
            throw BisectionRejection(.wrongKind, "no cache is to be chosen in")
        }
        switch turn {
        case .chooseState(let roots):
            try chooseState(index, of: roots)
        case .chooseNode(let node, let hashes):
            try descend(node.child(index, of: hashes))
        case .chooseOperation(let unit, let roots):
            try chooseOperation(index, of: unit, roots)
        case .chooseBlock(let operation, let node, let hashes):
            descend(try node.child(index, of: hashes), of: operation)
        default:
            throw BisectionRejection(.wrongKind, "a choice where hashes or a proof are asked for")
        }
    }

    /// Cuts the disputed steps into pieces, or opens the one that is left.
    private mutating func narrow() {
        if disputed.count == 1 {
            let hasCache = BisectionSubject.hasCache(step)
            turn = .trees(
                rows: TreeDescent(root: after, count: subject.positions), hasCache: hasCache)
        } else {
            turn = .states(cuts)
        }
    }

    /// The states that cut the disputed steps into at most 32 pieces.
    public var cuts: [Int] {
        let pieces = min(disputed.count, 1 << TreeDescent.levels)
        return (1..<pieces).map { disputed.lowerBound + $0 * disputed.count / pieces }
    }

    private mutating func chooseState(
        _ index: Int, of roots: [Digest]
    ) throws(BisectionRejection) {
        guard (0...roots.count).contains(index) else {
            throw BisectionRejection(.choiceOutOfRange, "piece \(index) of \(roots.count + 1)")
        }
        let cuts = [disputed.lowerBound] + self.cuts + [disputed.upperBound]
        if index > 0 { before = roots[index - 1] }
        if index < roots.count { after = roots[index] }
        disputed = cuts[index]..<cuts[index + 1]
        narrow()
    }

    private mutating func descend(_ node: TreeDescent) {
        guard node.isLeaf else {
            turn = .nodes(node)
            return
        }
        position = node.index
        leaf = node.hash
        let operations = unit.operations
        turn =
            operations.count == 1
            ? .proof(operations[0], block: 0, claimed: leaf) : .operations(unit)
    }

    private mutating func chooseOperation(
        _ index: Int, of unit: OperationUnit, _ roots: [Digest]
    ) throws(BisectionRejection) {
        guard (0...roots.count).contains(index) else {
            throw BisectionRejection(
                .choiceOutOfRange, "operation \(index) of \(roots.count + 1)")
        }
        let operation = unit.operations[index]
        guard let shape = subject.model.shape(of: operation, at: position) else {
            turn = .proof(operation, block: 0, claimed: leaf)
            return
        }
        descend(TreeDescent(root: roots[index], count: shape.blocks), of: operation)
    }

    private mutating func descend(_ node: TreeDescent, of operation: StageOperation) {
        turn =
            node.isLeaf
            ? .proof(operation, block: node.index, claimed: node.hash) : .blocks(operation, node)
    }

    // MARK: The proof

    private mutating func judge(
        _ proof: OperationProof, _ executor: some OperationExecutor
    ) throws(BisectionRejection) {
        guard case .proof(let operation, let block, let claimed) = turn else {
            throw BisectionRejection(.wrongKind, "a proof where a choice or hashes are asked for")
        }
        let check = OperationCheck(
            subject: subject, step: step, unit: unit, position: position,
            stateRoot: before, cacheRoot: cacheRoot, commitments: commitments)
        let computed = try check.execute(operation, block: block, proof: proof, with: executor)
        guard computed != claimed else {
            throw BisectionRejection(
                .operationHolds, "\(operation) at position \(position) is what the accused says")
        }
        end(
            .accused,
            BisectionRejection(
                .operationDiffers,
                "\(operation) at position \(position) gives \(computed), not \(claimed)"),
            BisectionFault(
                stage: subject.receipt.body.stage, step: step, position: position,
                operation: operation, block: block, claimed: claimed, computed: computed))
    }
}
