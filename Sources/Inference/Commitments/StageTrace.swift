import Cryptography
public import Primitives
public import Verification

/// A stage's whole work on one job, computed again with everything a bisection game can ask for:
/// the rows after every layer, from the kernels that serve, and on demand every operation of one
/// layer at one position, one by one. Nothing of it has to be kept while serving, since it
/// follows from the stage's input.
///
/// Keeps the rows of all states, `positions * hidden` floats each. Not for concurrent use.
public final class StageTrace: StageComputation {
    /// What was computed.
    public let task: StageTask
    /// What was planted into it.
    public let fault: PlantedFault?
    private let model: ModelFile
    private let steps: [StageStep]
    private let operations: SingleOperations
    private let opener: WeightOpener
    private let tail: Stage?
    /// For each state its rows; none for tokens, which are the first stage's input and the last
    /// stage's output.
    private var rows: [[Float]] = []
    private var leaves: [[Digest]] = []
    private var caches: [Int: [UInt8]] = [:]
    private var units: [Place: [[UInt8]]] = [:]

    private struct Place: Hashable {
        let unit: OperationUnit
        let step: Int
        let position: Int
    }

    /// Runs the task, with a fault if one is to be planted. Throws `ModelError` (also for a model
    /// of version 1.2 of the contract), `EngineError` or `CodecError`.
    public init(
        model: ModelFile, task: StageTask, fault: PlantedFault? = nil,
        threads: Int = Stage.defaultThreads
    ) throws {
        try NumericsProfile.requireSingleOperations(model.profile)
        self.model = model
        self.task = task
        self.fault = fault
        operations = SingleOperations(model.architecture)
        opener = WeightOpener(model)
        let last = Int(task.layers.end) == model.architecture.layers
        steps =
            (task.layers.first == 0 ? [.embedding] : [])
            + (task.layers.first..<task.layers.end).map(StageStep.layer) + (last ? [.tail] : [])
        if last, let range = LayerRange(task.layers.end - 1, task.layers.end) {
            tail = try Stage(model: model, layers: range, threads: threads)
        } else {
            tail = nil
        }
        try start()
        for step in steps.indices { try advance(step, threads) }
    }

    /// The root of a state: state 0 is the input, the last the output of the stage's receipt.
    public func root(ofState state: Int) -> Digest { MerkleTree(leaves: leaves[state]).root }

    /// The key-value root of a layer's step: the tree over `CacheLeaf` of all positions.
    public func cacheRoot(ofStep step: Int) throws -> Digest {
        MerkleTree(leaves: try cacheLeaves(ofStep: step)).root
    }

    /// How many states there are.
    public var states: Int { leaves.count }

    /// The rows of a state; none for tokens.
    public func rows(ofState state: Int) -> [Float] { rows[state] }

    /// The leaf of each position of a state.
    public func leaves(ofState state: Int) -> [Digest] { leaves[state] }

    /// The leaf of each position's keys and values in a layer's step; none for other steps.
    public func cacheLeaves(ofStep step: Int) throws -> [Digest] {
        guard case .layer(let layer) = steps[step] else { return [] }
        let bytes = try cache(ofStep: step)
        let size = model.architecture.cacheBytes
        return (0..<task.positions).map {
            CacheLeaf.hash(
                layer: layer, position: $0, bytes: bytes[$0 * size..<($0 + 1) * size])
        }
    }

    /// The keys and values of some positions in a layer's step, half precision, little endian.
    public func cached(ofStep step: Int, at positions: Range<Int>) throws -> [UInt8] {
        let size = model.architecture.cacheBytes
        return Array(
            try cache(ofStep: step)[positions.lowerBound * size..<positions.upperBound * size])
    }

    /// The bytes of one position of a state: a row of F32, or a token.
    public func row(ofState state: Int, at position: Int) throws -> [UInt8] {
        if state == 0, case .tokens(let tokens) = task.input {
            var writer = ByteWriter()
            writer.write(UInt32(bitPattern: tokens[position]))
            return writer.bytes
        }
        return row(state, position).littleEndianBytes
    }

    /// Rows of the tensor that an operation of a step reads, with their proof.
    public func weights(
        of operation: StageOperation, step: Int, rows: Range<Int>
    ) throws -> WeightOpening {
        opener.open(
            opener.group(of: steps[step]), DisputeModel.tensorIndex(of: operation) ?? 0,
            rows: rows)
    }

    /// What each operation of a unit gives at one position, as bytes; computed once.
    public func results(
        of unit: OperationUnit, step: Int, at position: Int
    ) throws -> [[UInt8]] {
        let place = Place(unit: unit, step: step, position: position)
        if let known = units[place] { return known }
        let results: [[Float]]
        switch unit {
        case .embedding, .unsampled: results = []
        case .cache: results = try layerTrace(step, position).cache(of: row(step, position)).results
        case .layer:
            results = try layerTrace(step, position).row(
                of: row(step, position), cached: cached(ofStep: step, at: 0..<position + 1)
            ).results
        case .tail: results = try tailResults(row(step, position), at: position)
        }
        units[place] = results.map(\.littleEndianBytes)
        return units[place] ?? []
    }
}

// MARK: Computing

extension StageTrace {
    private func row(_ state: Int, _ position: Int) -> [Float] {
        let hidden = model.architecture.hidden
        return Array(rows[state][position * hidden..<(position + 1) * hidden])
    }

    private func layerTrace(_ step: Int, _ position: Int) -> LayerTrace {
        guard case .layer(let layer) = steps[step] else {
            preconditionFailure("only a layer has operations of a layer")
        }
        return LayerTrace(
            operations: operations, file: model.file, layer: layer, position: position,
            fault: fault)
    }

    private func start() throws {
        switch task.input {
        case .tokens(let tokens):
            rows.append([])
            leaves.append(
                tokens.enumerated().map {
                    MerkleTree.leaf(TranscriptLeaf.token($1, position: UInt32($0)))
                })
        case .activations(let bytes):
            append([Float](littleEndian: bytes[...]))
        }
    }

    private func append(_ values: [Float]) {
        let hidden = model.architecture.hidden
        rows.append(values)
        leaves.append(
            (0..<values.count / hidden).map {
                TranscriptLeaf.activation(
                    values[$0 * hidden..<($0 + 1) * hidden], position: UInt32($0))
            })
    }

    private func advance(_ step: Int, _ threads: Int) throws {
        switch steps[step] {
        case .embedding: append(try embedded())
        case .layer(let layer): append(try run(layer, step, threads))
        case .tail: try sampleAll(step)
        }
    }

    private func embedded() throws -> [Float] {
        guard case .tokens(let tokens) = task.input else { return [] }
        let tensor = try model.file.required("token_embd.weight")
        let rowBytes = tensor.byteCount / tensor.rows
        return try tokens.enumerated().flatMap { position, token -> [Float] in
            guard token >= 0, Int(token) < tensor.rows else {
                throw EngineError.tokenOutOfRange(token)
            }
            let bytes = model.file.copyBytes(
                tensor, offset: Int(token) * rowBytes, count: rowBytes)
            let row = operations.embed(bytes, tensor.type)
            return fault?.isAt(.embedding, position, .embed) == true ? row.spoiled : row
        }
    }

    /// The rows after a layer: from the kernels, and where a fault was planted one by one.
    private func run(_ layer: UInt16, _ step: Int, _ threads: Int) throws -> [Float] {
        guard let range = LayerRange(layer, layer + 1) else { return [] }
        let stage = try Stage(model: model, layers: range, threads: threads)
        let session = try stage.makeSession(capacity: task.positions)
        var values: [Float]
        if stage.isFirst, case .tokens(let tokens) = task.input {
            values = try session.run(tokens: tokens)
        } else {
            values = try session.run(activations: rows[step], count: task.positions)
        }
        for position in spoiled(layer) {
            let row = try layerTrace(step, position).row(
                of: row(step, position), cached: cached(ofStep: step, at: 0..<position + 1)
            ).row
            values.replaceSubrange(position * row.count..<(position + 1) * row.count, with: row)
        }
        return values
    }

    /// The positions of a layer that differ from what the kernels compute.
    private func spoiled(_ layer: UInt16) -> Range<Int> {
        let isHere = fault?.step == .layer(layer) || (fault?.step == .embedding && layer == 0)
        guard let fault, isHere, fault.position < task.positions else { return 0..<0 }
        return fault.position..<(fault.spoilsCache ? task.positions : fault.position + 1)
    }

    /// What a layer's cache holds of all positions.
    private func cache(ofStep step: Int) throws -> [UInt8] {
        if let known = caches[step] { return known }
        var bytes: [UInt8] = []
        for position in 0..<task.positions {
            bytes += try layerTrace(step, position).cache(of: row(step, position)).cached
        }
        caches[step] = bytes
        return bytes
    }

    // MARK: The tail

    private func sampleAll(_ step: Int) throws {
        let parameters = try SamplingParameters(canonicalBytes: task.sampling)
        let sampler = try Sampler(parameters, constraints: model.constraints)
        var history = TokenHistory(
            for: parameters, constraint: sampler.constraint, prompt: task.prompt)
        let sampling = SHA256.hash(task.sampling)
        rows.append([])
        leaves.append(
            try (0..<task.positions).map { position in
                if position + 1 < task.promptTokens {
                    return MerkleTree.leaf(
                        TranscriptLeaf.unsampled(position: UInt32(position)))
                }
                let logits = try logits(step, position)
                var token = sampler.sample(
                    logits: logits, position: position + 1, after: history)
                if fault?.isAt(.tail, position, .sample) == true {
                    token = (token + 1) % Int32(model.architecture.vocabulary)
                }
                history.append(token)
                return MerkleTree.leaf(
                    TranscriptLeaf.sampled(
                        token,
                        logits: Transcript.hash(
                            row: row(step, position)[...], logits: logits[...]),
                        sampling: sampling, position: UInt32(position)))
            })
    }

    private func logits(_ step: Int, _ position: Int) throws -> [Float] {
        let row = row(step, position)
        if fault?.step == .tail, fault?.position == position {
            return try tailResults(row, at: position)[1]
        }
        return try tail?.logits(of: row) ?? []
    }

    /// The final norm and the logits.
    private func tailResults(_ row: [Float], at position: Int) throws -> [[Float]] {
        let names = ModelLayout.tailTensors(model.file)
        var normed = operations.norm(row, by: try model.file.required(names[0]), of: model.file)
        if fault?.isAt(.tail, position, .finalNorm) == true { normed = normed.spoiled }
        var logits = try operations.multiply(
            try model.file.required(names[1]), of: model.file, by: normed)
        if fault?.isAt(.tail, position, .logits) == true { logits = logits.spoiled }
        return [normed, logits]
    }
}
