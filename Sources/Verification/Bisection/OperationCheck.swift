import Cryptography
import Primitives

/// One operation to be executed by itself: what it reads is opened and checked.
public struct OperationTask: Sendable {
    /// What to compute.
    public let operation: StageOperation
    /// The position.
    public let position: Int
    /// The head, for operations that have one; otherwise 0.
    public let group: Int
    /// Which numbers of the group to compute; empty if the operation makes a leaf.
    public let numbers: Range<Int>
    /// The bytes of each input, in the order of the operation's inputs. Blocks of a vector are
    /// whole, so that a rotation gets its head's numbers among others if heads and blocks do not
    /// fit.
    public let inputs: [[UInt8]]
    /// The weights' rows and their number format; `nil` for operations without weights.
    public let weights: (type: UInt32, rows: [UInt8])?
    /// The canonical sampling parameters.
    public let sampling: [UInt8]
    /// Whether the position's next token is known, so that none is sampled.
    public let isUnsampled: Bool
}

/// Executes single operations under the arithmetic contract: the engine, as the referee sees it.
public protocol OperationExecutor {
    /// Bytes of one row of `columns` weights; `nil` if there is no such number format.
    func rowBytes(type: UInt32, columns: Int) -> Int?
    /// What the operation gives: the numbers asked for as F32 little endian, a row of F32, keys
    /// and values in half precision, or the token as i32. Inputs have the sizes they must have.
    /// Throws only if the engine fails.
    func execute(_ task: OperationTask) throws -> [UInt8]
}

/// Checks what a proof opens against what was claimed and signed, and executes the operation.
struct OperationCheck {
    let subject: BisectionSubject
    let step: StageStep
    let unit: OperationUnit
    let position: Int
    let stateRoot: Digest
    let cacheRoot: Digest
    /// What the accused says each operation of the unit but the last gave.
    let commitments: [Digest]

    private var model: DisputeModel { subject.model }

    /// The hash of what the operation gives: of a block, or the leaf.
    func execute(
        _ operation: StageOperation, block: Int, proof: OperationProof,
        with executor: some OperationExecutor
    ) throws(BisectionRejection) -> Digest {
        let inputs = try inputs(of: operation, block: block, proof: proof)
        let readsWeights = DisputeModel.tensorIndex(of: operation) != nil
        guard proof.openings.count == inputs.count - (readsWeights ? 1 : 0),
            (proof.weights != nil) == readsWeights
        else {
            throw BisectionRejection(
                .wrongOpening, "\(proof.openings.count) openings for \(operation)")
        }
        for (input, opening) in zip(inputs, proof.openings) { try check(opening, of: input) }
        var weights: (type: UInt32, rows: [UInt8])?
        if let opening = proof.weights, case .weights(let rows)? = inputs.last {
            weights = (
                opening.type, try open(opening, rows: rows, of: operation, with: executor)
            )
        }
        let shape = model.shape(of: operation, at: position)
        let place = shape?.place(of: block) ?? (group: 0, numbers: 0..<0)
        let task = OperationTask(
            operation: operation, position: position, group: place.group, numbers: place.numbers,
            inputs: proof.openings.map(\.bytes), weights: weights, sampling: subject.sampling,
            isUnsampled: unit == .unsampled)
        let result: [UInt8]
        do {
            result = unit == .unsampled ? [] : try executor.execute(task)
        } catch {
            throw BisectionRejection(.notExecuted, "\(operation) could not be executed: \(error)")
        }
        return shape == nil ? leaf(of: operation, result, task) : MerkleTree.leaf(result)
    }

    private func inputs(
        of operation: StageOperation, block: Int, proof: OperationProof
    ) throws(BisectionRejection) -> [OperationInput] {
        if unit == .unsampled { return [] }
        var token = 0
        if operation == .embed {
            guard let bytes = proof.openings.first?.bytes, bytes.count == 4 else {
                throw BisectionRejection(.wrongOpening, "a token has four bytes")
            }
            token = Int(bytes.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
            guard token < model.vocabulary else {
                throw BisectionRejection(.wrongOpening, "token \(token) is not in the vocabulary")
            }
        }
        return model.inputs(of: operation, block: block, at: position, token: token)
    }

    private func check(
        _ opening: Opening, of input: OperationInput
    ) throws(BisectionRejection) {
        func require(
            _ leaves: [Digest]?, at start: Int, of count: Int, under root: Digest
        ) throws(BisectionRejection) {
            guard let leaves else {
                throw BisectionRejection(
                    .wrongOpening, "\(opening.bytes.count) bytes for \(input)")
            }
            let found = MerkleRange.root(
                leaves: leaves, at: start, of: count, path: opening.path)
            guard found == root else {
                throw BisectionRejection(.brokenPath, "\(input) is not what was committed to")
            }
        }
        let positions = subject.positions
        switch input {
        case .token, .row:
            try require(stateLeaf(opening.bytes), at: position, of: positions, under: stateRoot)
        case .vector(let operation, let blocks):
            guard let shape = model.shape(of: operation, at: position),
                let place = unit.operations.firstIndex(of: operation),
                commitments.indices.contains(place)
            else {
                throw BisectionRejection(.wrongOpening, "no \(operation) was committed to")
            }
            try require(
                shape.leaves(of: blocks, bytes: opening.bytes), at: blocks.lowerBound,
                of: shape.blocks, under: commitments[place])
        case .cached(let range):
            try require(
                cacheLeaves(opening.bytes, at: range), at: range.lowerBound, of: positions,
                under: cacheRoot)
        case .weights: break
        }
    }

    /// The leaf of the state before: a token for the first state of the first stage.
    private func stateLeaf(_ bytes: [UInt8]) -> [Digest]? {
        if step == .embedding { return [MerkleTree.leaf(tokenLeaf(bytes))] }
        guard bytes.count == 4 * model.hidden else { return nil }
        return [TranscriptLeaf.activation(bytes: bytes[...], position: UInt32(position))]
    }

    private func tokenLeaf(_ bytes: [UInt8]) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(UInt32(position))
        writer.writeRaw(bytes)
        return writer.bytes
    }

    private func cacheLeaves(_ bytes: [UInt8], at range: Range<Int>) -> [Digest]? {
        let size = model.cacheBytes
        guard case .layer(let layer) = step, bytes.count == size * range.count else { return nil }
        return range.enumerated().map { place, position in
            CacheLeaf.hash(
                layer: layer, position: position, bytes: bytes[place * size..<(place + 1) * size])
        }
    }

    private func open(
        _ opening: WeightOpening, rows: Range<Int>, of operation: StageOperation,
        with executor: some OperationExecutor
    ) throws(BisectionRejection) -> [UInt8] {
        let group = model.group(of: step)
        guard let index = DisputeModel.tensorIndex(of: operation),
            group.tensors.indices.contains(index)
        else { throw BisectionRejection(.wrongOpening, "\(operation) has no weights") }
        return try group.open(opening, index, rows: rows) {
            executor.rowBytes(type: $0, columns: $1)
        }
    }

    private func leaf(
        of operation: StageOperation, _ result: [UInt8], _ task: OperationTask
    ) -> Digest {
        let position = UInt32(position)
        switch operation {
        case .cache:
            guard case .layer(let layer) = step else { return .zero }
            return CacheLeaf.hash(layer: layer, position: Int(position), bytes: result[...])
        case .sample:
            if unit == .unsampled {
                return MerkleTree.leaf(TranscriptLeaf.unsampled(position: position))
            }
            let token = result.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            return MerkleTree.leaf(
                TranscriptLeaf.sampled(
                    Int32(bitPattern: token),
                    logits: LogitsFold.hash(row: task.inputs[0], logits: task.inputs[1]),
                    sampling: SHA256.hash(subject.sampling), position: position))
        default:
            return TranscriptLeaf.activation(bytes: result[...], position: position)
        }
    }
}
