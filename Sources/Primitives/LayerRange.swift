/// A run of a model's layers, `first` to `end` exclusive. The stage that holds layer 0 also embeds
/// tokens; the stage that holds the last layer also computes logits and samples.
public struct LayerRange: Hashable, Comparable, Sendable {
    /// The first layer in the range.
    public let first: UInt16
    /// One past the last layer in the range.
    public let end: UInt16

    /// The layers from `first` up to `end`, exclusive; `nil` if that is none.
    public init?(_ first: UInt16, _ end: UInt16) {
        guard first < end else { return nil }
        self.first = first
        self.end = end
    }

    /// How many layers.
    public var count: Int { Int(end - first) }

    public static func < (left: LayerRange, right: LayerRange) -> Bool {
        (left.first, left.end) < (right.first, right.end)
    }
}

extension LayerRange: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(first)
        writer.write(end)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        let first = try reader.readUInt16()
        guard let range = LayerRange(first, try reader.readUInt16()) else {
            throw .invalidValue("layers")
        }
        self = range
    }
}

extension LayerRange: CustomStringConvertible {
    public var description: String { "\(first)..<\(end)" }
}
