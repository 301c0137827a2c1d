/// A model file in the GGUF format, version 2 or 3: metadata and the places of the tensors, checked
/// so that every later read is inside the file. The tensors stay in the mapped file.
///
/// Format: github.com/ggml-org/ggml, docs/gguf.md. Stricter than the format: arrays are flat,
/// names and keys are unique, tensors do not overlap, and counts have limits.
public final class GGUFFile: Sendable {
    /// The metadata in file order.
    public let metadata: [(key: String, value: GGUFValue)]
    /// The tensors in file order.
    public let tensors: [TensorInfo]
    /// What the starts of tensors are multiples of, in bytes.
    public let alignment: Int
    let bytes: ModelBytes
    private let keys: [String: Int]
    private let names: [String: Int]

    /// Maps and checks the file at `path`.
    public convenience init(path: String) throws(ModelError) {
        try self.init(try ModelBytes(path: path))
    }

    /// Checks a copy of `bytes`.
    public convenience init(bytes: [UInt8]) throws(ModelError) {
        try self.init(ModelBytes(bytes: bytes))
    }

    private init(_ bytes: ModelBytes) throws(ModelError) {
        var cursor = GGUFCursor(bytes)
        let magic = try cursor.integer(UInt32.self, of: "magic")
        guard magic == 0x4655_4747 else { throw ModelError(.badMagic, "not a GGUF file") }
        let version = try cursor.integer(UInt32.self, of: "version")
        guard version == 2 || version == 3 else {
            throw ModelError(.unsupportedVersion, "version \(version), this engine reads 2 and 3")
        }
        let tensorCount = try cursor.count(limit: GGUFCursor.Limit.tensors, of: "tensor count")
        let entryCount = try cursor.count(limit: GGUFCursor.Limit.entries, of: "metadata count")
        let (metadata, keys) = try Self.readMetadata(&cursor, count: entryCount)
        alignment = try Self.readAlignment(keys["general.alignment"].map { metadata[$0].value })
        (self.metadata, self.keys) = (metadata, keys)
        (tensors, names) = try Self.readTensors(&cursor, count: tensorCount, alignment: alignment)
        self.bytes = bytes
    }

    /// The metadata value of `key`.
    public func value(_ key: String) -> GGUFValue? {
        keys[key].map { metadata[$0].value }
    }

    /// The tensor called `name`.
    public func tensor(_ name: String) -> TensorInfo? {
        names[name].map { tensors[$0] }
    }

    /// The raw bytes of a tensor of this file; valid while this object lives.
    func rawBytes(_ tensor: TensorInfo) -> UnsafeRawBufferPointer {
        unsafe bytes.slice(tensor.offset, tensor.byteCount)
    }

    /// A copy of `count` bytes of a tensor from `offset` on: what a verifier opens.
    public func copyBytes(_ tensor: TensorInfo, offset: Int, count: Int) -> [UInt8] {
        let start = min(max(offset, 0), tensor.byteCount)
        let length = min(max(count, 0), tensor.byteCount - start)
        return unsafe Array(bytes.slice(tensor.offset + start, length))
    }

    private static func readMetadata(
        _ cursor: inout GGUFCursor, count: Int
    ) throws(ModelError) -> ([(key: String, value: GGUFValue)], [String: Int]) {
        var entries: [(key: String, value: GGUFValue)] = []
        var places: [String: Int] = [:]
        for index in 0..<count {
            let key = try cursor.text(limit: GGUFCursor.Limit.keyBytes, of: "metadata key")
            guard places.updateValue(index, forKey: key) == nil else {
                throw ModelError(.duplicateKey, key)
            }
            entries.append((key, try cursor.value(of: key)))
        }
        return (entries, places)
    }

    private static func readAlignment(_ value: GGUFValue?) throws(ModelError) -> Int {
        guard let value else { return 32 }
        guard let alignment = value.count else {
            throw ModelError(.wrongValueType, "general.alignment")
        }
        guard (8...65_536).contains(alignment), alignment.nonzeroBitCount == 1 else {
            throw ModelError(.badAlignment, "\(alignment)")
        }
        return alignment
    }

    private static func readTensors(
        _ cursor: inout GGUFCursor, count: Int, alignment: Int
    ) throws(ModelError) -> ([TensorInfo], [String: Int]) {
        var relative: [TensorInfo] = []
        var places: [String: Int] = [:]
        for index in 0..<count {
            let info = try cursor.tensorInfo()
            guard places.updateValue(index, forKey: info.name) == nil else {
                throw ModelError(.duplicateTensor, info.name)
            }
            relative.append(info)
        }
        let start = (cursor.offset + alignment - 1) / alignment * alignment
        var tensors: [TensorInfo] = []
        for info in relative {
            guard info.offset.isMultiple(of: alignment) else {
                throw ModelError(.misalignedTensor, info.name)
            }
            guard start + info.offset + info.byteCount <= cursor.bytes.count else {
                throw ModelError(.tensorOutOfBounds, info.name)
            }
            tensors.append(
                TensorInfo(
                    name: info.name, type: info.type, dimensions: info.dimensions,
                    offset: start + info.offset, byteCount: info.byteCount))
        }
        try checkOverlap(tensors)
        return (tensors, places)
    }

    private static func checkOverlap(_ tensors: [TensorInfo]) throws(ModelError) {
        let ordered = tensors.sorted { $0.offset < $1.offset }
        for (before, after) in zip(ordered, ordered.dropFirst())
        where before.offset + before.byteCount > after.offset {
            throw ModelError(.overlappingTensors, "\(before.name) and \(after.name)")
        }
    }
}
