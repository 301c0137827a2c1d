/// How the numbers of a tensor are stored; the raw values are those of the GGUF format.
public enum TensorType: UInt32, CaseIterable, Hashable, Sendable {
    /// 32-bit floats.
    case f32 = 0
    /// 16-bit floats.
    case f16 = 1
    /// Blocks of 32 four-bit numbers with a scale.
    case q4_0 = 2
    /// Blocks of 32 four-bit numbers with a scale and a minimum.
    case q4_1 = 3
    /// Blocks of 32 five-bit numbers with a scale.
    case q5_0 = 6
    /// Blocks of 32 eight-bit numbers with a scale.
    case q8_0 = 8
    /// Superblocks of 256 four-bit numbers: a scale and a minimum of six bits for each 32, and
    /// what they are multiplied by.
    case q4_K = 12
    /// Superblocks of 256 six-bit numbers: a scale of eight bits for each 16, and what they are
    /// multiplied by.
    case q6_K = 14
    /// The upper halves of 32-bit floats.
    case bf16 = 30

    /// The name people use.
    public var name: String {
        switch self {
        case .f32: "F32"
        case .f16: "F16"
        case .q4_0: "Q4_0"
        case .q4_1: "Q4_1"
        case .q5_0: "Q5_0"
        case .q8_0: "Q8_0"
        case .q4_K: "Q4_K"
        case .q6_K: "Q6_K"
        case .bf16: "BF16"
        }
    }

    /// Numbers in one block.
    public var blockCount: Int {
        switch self {
        case .f32, .f16, .bf16: 1
        case .q4_0, .q4_1, .q5_0, .q8_0: 32
        case .q4_K, .q6_K: 256
        }
    }

    /// Bytes of one block.
    public var blockBytes: Int {
        switch self {
        case .f32: 4
        case .f16, .bf16: 2
        case .q4_0: 18
        case .q4_1: 20
        case .q5_0: 22
        case .q8_0: 34
        case .q4_K: 144
        case .q6_K: 210
        }
    }
}

/// Where one tensor lies in a model file.
public struct TensorInfo: Hashable, Sendable {
    /// Its name: `blk.0.attn_q.weight`.
    public let name: String
    /// How its numbers are stored.
    public let type: TensorType
    /// Its dimensions, the fastest first: inputs, then outputs.
    public let dimensions: [Int]
    /// Its first byte, from the start of the file.
    public let offset: Int
    /// Its size in bytes.
    public let byteCount: Int

    /// The length of a row: the inputs of a matrix.
    public var columns: Int { dimensions[0] }
    /// How many rows: the outputs of a matrix.
    public var rows: Int { dimensions.dropFirst().reduce(1, *) }
}

extension GGUFCursor {
    /// Reads one tensor's entry; its offset still counts from the start of the data.
    mutating func tensorInfo() throws(ModelError) -> TensorInfo {
        let name = try text(limit: Limit.nameBytes, of: "tensor name")
        let dimensionCount = try integer(UInt32.self, of: name)
        guard dimensionCount >= 1, dimensionCount <= UInt32(Limit.dimensions) else {
            throw ModelError(.badDimensions, "\(name): \(dimensionCount) dimensions")
        }
        var dimensions: [Int] = []
        var elements = 1
        for _ in 0..<dimensionCount {
            let size = try integer(UInt64.self, of: name)
            guard size >= 1, size <= UInt64(Int32.max) else {
                throw ModelError(.badDimensions, "\(name): size \(size)")
            }
            let (product, overflow) = elements.multipliedReportingOverflow(by: Int(size))
            guard !overflow, product <= 1 << 48 else {
                throw ModelError(.badDimensions, "\(name): too many numbers")
            }
            elements = product
            dimensions.append(Int(size))
        }
        let typeNumber = try integer(UInt32.self, of: name)
        guard let type = TensorType(rawValue: typeNumber) else {
            throw ModelError(.unsupportedTensorType, "\(name): type \(typeNumber)")
        }
        guard dimensions[0].isMultiple(of: type.blockCount) else {
            throw ModelError(.partialBlock, "\(name): rows of \(dimensions[0])")
        }
        let offset = try integer(UInt64.self, of: name)
        guard offset <= UInt64(bytes.count) else { throw ModelError(.tensorOutOfBounds, name) }
        return TensorInfo(
            name: name, type: type, dimensions: dimensions, offset: Int(offset),
            byteCount: elements / type.blockCount * type.blockBytes)
    }
}
