import CKernels
import Primitives
public import Verification

/// The operations of the contract one by one, for one position: what a referee executes with what
/// a proof opens, and what a trace is made of. Needs a model's sizes and no weights.
///
/// Plain C (`operations.c`), written apart from the kernels that serve; the same bytes.
public struct SingleOperations: OperationExecutor, Sendable {
    /// The sizes and constants of the model.
    public let architecture: ModelArchitecture

    /// Operations of a model with these sizes.
    public init(_ architecture: ModelArchitecture) {
        self.architecture = architecture
    }

    /// Why an operation was not executed: neither party can be blamed for it.
    public enum Failure: Error, Hashable, Sendable {
        /// Weights that are not finite, or a norm's that are not F32.
        case unusableWeights(StageOperation)
        /// Penalties count the tokens before, which a proof of this operation does not open: such
        /// a choice is decided by running the stage again, not by a referee.
        case countsTokens
        /// The kernels failed; carries their code.
        case engine(Int32)
    }

    /// Bytes of one row of weights; `nil` if there is no such format or rows are not whole blocks.
    public func rowBytes(type: UInt32, columns: Int) -> Int? {
        guard let type = TensorType(rawValue: type), columns.isMultiple(of: type.blockCount)
        else { return nil }
        return columns / type.blockCount * type.blockBytes
    }

    /// Executes one operation. Throws `Failure`, `EngineError` or `CodecError`.
    public func execute(_ task: OperationTask) throws -> [UInt8] {
        switch task.operation {
        case .embed, .attentionNorm, .feedNorm, .finalNorm, .query, .key, .value, .output, .gate,
            .up, .down, .logits:
            guard let weights = task.weights else { throw Failure.unusableWeights(task.operation) }
            return try weighted(task, weights).littleEndianBytes
        case .cache: return cached(key: floats(task, 0), value: floats(task, 1))
        case .sample: return try sample(task)
        case .rotateQuery, .rotateKey:
            let first = task.group * architecture.headSize + task.numbers.lowerBound
            let start = first % OperationShape.blockLength
            return rotate(
                floats(task, 0)[start..<start + task.numbers.count], from: task.numbers.lowerBound,
                at: task.position
            ).littleEndianBytes
        case .scores:
            return scores(floats(task, 0), head: task.group, cached: task.inputs[1])
                .littleEndianBytes
        case .softmax:
            let all = softmax(floats(task, 0))
            return all[task.numbers].littleEndianBytes
        case .mix:
            return mix(
                floats(task, 0), head: task.group, cached: task.inputs[1], numbers: task.numbers
            ).littleEndianBytes
        case .activation: return activate(floats(task, 0), floats(task, 1)).littleEndianBytes
        case .attentionResidual:
            let row = Array(floats(task, 0)[task.numbers])
            return add(row, floats(task, 1)).littleEndianBytes
        case .feedResidual: return add(floats(task, 0), floats(task, 1)).littleEndianBytes
        }
    }

    private func floats(_ task: OperationTask, _ input: Int) -> [Float] {
        [Float](littleEndian: task.inputs[input][...])
    }

    private func weighted(
        _ task: OperationTask, _ weights: (type: UInt32, rows: [UInt8])
    ) throws -> [Float] {
        guard let type = TensorType(rawValue: weights.type) else {
            throw Failure.unusableWeights(task.operation)
        }
        switch task.operation {
        case .embed: return embed(weights.rows, type)
        case .attentionNorm, .feedNorm, .finalNorm:
            guard type == .f32 else { throw Failure.unusableWeights(task.operation) }
            return norm(
                floats(task, 0), [Float](littleEndian: weights.rows[...]), task.numbers)
        default:
            let rows = task.numbers.count
            return try unsafe weights.rows.withUnsafeBytes {
                unsafe try multiply($0, type, rows: rows, by: floats(task, 0))
            }
        }
    }

    private func sample(_ task: OperationTask) throws -> [UInt8] {
        let parameters = try SamplingParameters(canonicalBytes: task.sampling)
        if parameters.needsOutput { throw Failure.countsTokens }
        let token = try Sampler(parameters).sample(
            logits: floats(task, 1), position: task.position + 1)
        var writer = ByteWriter()
        writer.write(UInt32(bitPattern: token))
        return writer.bytes
    }
}

extension SingleOperations {
    /// Numbers `range` of the norm of a row; `weights` are theirs.
    func norm(_ x: [Float], _ weights: [Float], _ range: Range<Int>) -> [Float] {
        unsafe filled(range.count) {
            unsafe xk_operation_norm(
                x, Int32(x.count), architecture.epsilon, weights, Int32(range.lowerBound),
                Int32(range.count), $0)
        }
    }

    /// Rows of a matrix by a vector, as the layers do it.
    func multiply(
        _ bytes: UnsafeRawBufferPointer, _ type: TensorType, rows: Int, by x: [Float]
    ) throws(Failure) -> [Float] {
        var matrix = unsafe xk_tensor(
            data: bytes.baseAddress, type: Int32(type.rawValue), rows: Int32(rows),
            columns: Int32(x.count))
        var status: Int32 = 0
        let result = unsafe filled(rows) {
            status = unsafe xk_multiply(&matrix, x, 1, KernelPath.scalar.rawValue, $0)
        }
        // A result that is not finite is one all the same: the trace goes on with it.
        guard status == XK_OK || status == XK_NOT_FINITE else { throw .engine(status) }
        return result
    }

    /// An embedding's row as floats.
    func embed(_ bytes: [UInt8], _ type: TensorType) -> [Float] {
        unsafe filled(architecture.hidden) { out in
            unsafe bytes.withUnsafeBytes { raw in
                var matrix = unsafe xk_tensor(
                    data: raw.baseAddress, type: Int32(type.rawValue), rows: 1,
                    columns: Int32(architecture.hidden))
                unsafe xk_tensor_row(&matrix, 0, out)
            }
        }
    }

    /// Some numbers of a head rotated, the first of which is number `first` of the head.
    func rotate(_ values: ArraySlice<Float>, from first: Int, at position: Int) -> [Float] {
        unsafe filled(values.count) { out in
            unsafe values.withUnsafeBufferPointer {
                unsafe xk_operation_rotate(
                    $0.baseAddress, Int32(first), Int32($0.count), Int32(architecture.ropeSize),
                    architecture.ropeBase, Int32(position), out)
            }
        }
    }

    /// What the cache holds of a position: keys, then values, in half precision.
    func cached(key: [Float], value: [Float]) -> [UInt8] {
        var writer = ByteWriter()
        for number in key + value { writer.write(xk_float_to_half(number)) }
        return writer.bytes
    }

    /// A head's scores over the positions whose cache these bytes are.
    func scores(_ query: [Float], head: Int, cached: [UInt8]) -> [Float] {
        let stride = architecture.cacheBytes
        return unsafe filled(cached.count / stride) { out in
            unsafe cached.withUnsafeBytes { raw in
                unsafe xk_operation_scores(
                    query, Int32(query.count), bytes(raw, head, half: 0), stride,
                    Int32(raw.count / stride), out)
            }
        }
    }

    /// The exponentials of scores, then the inverse of their sum.
    func softmax(_ scores: [Float]) -> [Float] {
        unsafe filled(scores.count + 1) {
            unsafe xk_operation_softmax(scores, Int32(scores.count), $0)
        }
    }

    /// Numbers of a head's attention; `weights` are what `softmax` gave.
    func mix(
        _ weights: [Float], head: Int, cached: [UInt8], numbers: Range<Int>
    ) -> [Float] {
        unsafe filled(numbers.count) { out in
            unsafe cached.withUnsafeBytes { raw in
                unsafe xk_operation_mix(
                    weights, Int32(weights.count - 1),
                    bytes(raw, head, half: 1).map { unsafe $0 + 2 * numbers.lowerBound },
                    architecture.cacheBytes, Int32(numbers.count), out)
            }
        }
    }

    /// The gate's activation times `up`.
    func activate(_ gate: [Float], _ up: [Float]) -> [Float] {
        unsafe filled(gate.count) { unsafe xk_operation_activate(gate, up, Int32(gate.count), $0) }
    }

    /// Sums.
    func add(_ x: [Float], _ y: [Float]) -> [Float] {
        unsafe filled(x.count) { unsafe xk_operation_add(x, y, Int32(x.count), $0) }
    }

    /// Where a query head's keys (`half` 0) or values (1) of the first position are.
    private func bytes(
        _ raw: UnsafeRawBufferPointer, _ head: Int, half: Int
    ) -> UnsafePointer<UInt8>? {
        let group = head / (architecture.heads / architecture.keyValueHeads)
        let numbers = (half * architecture.keyValueHeads + group) * architecture.headSize
        return unsafe raw.baseAddress.map {
            unsafe $0.assumingMemoryBound(to: UInt8.self) + 2 * numbers
        }
    }

    private func filled(
        _ count: Int, _ body: (UnsafeMutablePointer<Float>?) -> Void
    ) -> [Float] {
        var numbers = [Float](repeating: 0, count: count)
        unsafe numbers.withUnsafeMutableBufferPointer { unsafe body($0.baseAddress) }
        return numbers
    }
}
