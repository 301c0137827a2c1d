public import Primitives

/// How the next token is chosen. With the same parameters and logits every machine chooses the
/// same token, at any temperature.
public struct SamplingParameters: Hashable, Sendable {
    /// 0 takes the most likely token; higher is more random. At most 100.
    public var temperature: Float
    /// Only the `topK` most likely tokens can be chosen; 0 for all.
    public var topK: UInt32
    /// Only the fewest most likely tokens that together have at least this probability can be
    /// chosen; above 0, and 1 for all.
    public var topP: Float
    /// What makes one random run differ from another.
    public var seed: UInt64

    /// Parameters; the most likely token if nothing is said.
    public init(temperature: Float = 0, topK: UInt32 = 0, topP: Float = 1, seed: UInt64 = 0) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.seed = seed
    }

    /// Always the most likely token.
    public static let greedy = SamplingParameters()

    /// The name of the first field that is out of its range; `nil` if all are usable.
    public var invalidField: String? {
        if !(temperature >= 0 && temperature <= 100) { return "temperature" }
        if !(topP > 0 && topP <= 1) { return "topP" }
        return nil
    }
}

extension SamplingParameters: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(temperature.bitPattern)
        writer.write(topK)
        writer.write(topP.bitPattern)
        writer.write(seed)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            temperature: Float(bitPattern: try reader.readUInt32()),
            topK: try reader.readUInt32(),
            topP: Float(bitPattern: try reader.readUInt32()), seed: try reader.readUInt64())
        if let invalidField { throw .invalidValue(invalidField) }
    }
}
