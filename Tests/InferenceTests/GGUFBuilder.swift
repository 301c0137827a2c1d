import Inference
import Primitives

/// Writes model files, well formed or broken on purpose.
struct GGUFBuilder {
    struct Tensor {
        var name: String
        var type: UInt32
        var dimensions: [UInt64]
        var bytes: [UInt8]
        /// Replaces the offset the layout would give.
        var offset: UInt64?
    }

    var magic: [UInt8] = Array("GGUF".utf8)
    var version: UInt32 = 3
    /// Replaces the true count.
    var tensorCount: UInt64?
    /// Replaces the true count.
    var entryCount: UInt64?
    var alignment: UInt64 = 32
    var entries: [(key: String, type: UInt32, bytes: [UInt8])] = []
    var tensors: [Tensor] = []

    static func text(_ text: String) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(UInt64(text.utf8.count))
        writer.writeRaw(Array(text.utf8))
        return writer.bytes
    }

    mutating func add(_ key: String, count: UInt32) {
        var writer = ByteWriter()
        writer.write(count)
        entries.append((key, 4, writer.bytes))
    }

    mutating func add(_ key: String, float: Float) {
        var writer = ByteWriter()
        writer.write(float.bitPattern)
        entries.append((key, 6, writer.bytes))
    }

    mutating func add(_ key: String, text: String) {
        entries.append((key, 8, Self.text(text)))
    }

    mutating func add(_ key: String, texts: [String]) {
        var writer = ByteWriter()
        writer.write(UInt32(8))
        writer.write(UInt64(texts.count))
        for text in texts { writer.writeRaw(Self.text(text)) }
        entries.append((key, 9, writer.bytes))
    }

    mutating func add(_ key: String, integers: [Int32]) {
        var writer = ByteWriter()
        writer.write(UInt32(5))
        writer.write(UInt64(integers.count))
        for integer in integers { writer.write(UInt32(bitPattern: integer)) }
        entries.append((key, 9, writer.bytes))
    }

    /// Puts another text in the place of a token.
    mutating func replaceToken(_ number: Int, _ text: String) {
        guard let place = entries.firstIndex(where: { $0.key == "tokenizer.ggml.tokens" }) else {
            return
        }
        let bytes = entries[place].bytes
        var start = 12
        func size() -> Int { (0..<8).reduce(0) { $0 | Int(bytes[start + $1]) << (8 * $1) } }
        for _ in 0..<number { start += 8 + size() }
        entries[place].bytes = bytes[..<start] + Self.text(text) + bytes[(start + 8 + size())...]
    }

    mutating func set(_ key: String, type: UInt32, _ bytes: [UInt8]) {
        entries.removeAll { $0.key == key }
        entries.append((key, type, bytes))
    }

    /// The whole file.
    func build() -> [UInt8] {
        var writer = ByteWriter()
        writer.writeRaw(magic)
        writer.write(version)
        writer.write(tensorCount ?? UInt64(tensors.count))
        writer.write(entryCount ?? UInt64(entries.count))
        for entry in entries {
            writer.writeRaw(Self.text(entry.key))
            writer.write(entry.type)
            writer.writeRaw(entry.bytes)
        }
        var next: UInt64 = 0
        for tensor in tensors {
            writer.writeRaw(Self.text(tensor.name))
            writer.write(UInt32(tensor.dimensions.count))
            for size in tensor.dimensions { writer.write(size) }
            writer.write(tensor.type)
            writer.write(tensor.offset ?? next)
            next += padded(UInt64(tensor.bytes.count))
        }
        pad(&writer)
        for tensor in tensors {
            writer.writeRaw(tensor.bytes)
            if tensor.name != tensors.last?.name { pad(&writer) }
        }
        return writer.bytes
    }

    private func padded(_ count: UInt64) -> UInt64 {
        (count + alignment - 1) / alignment * alignment
    }

    private func pad(_ writer: inout ByteWriter) {
        while !UInt64(writer.bytes.count).isMultiple(of: alignment) { writer.write(UInt8(0)) }
    }
}
