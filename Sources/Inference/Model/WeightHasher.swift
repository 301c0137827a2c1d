import Cryptography
public import Primitives

/// The Merkle roots of weights, so that a dispute can open 64 KiB of one tensor.
///
/// A chunk's leaf is H(0x00 | H(tensor name) | chunk number | bytes), a node H(0x01 | left |
/// right) as in `MerkleTree`; a tensor's root is H(0x02 | H(name) | type | dimensions | chunk
/// root); a group's root is the tree over its tensors' roots.
public struct WeightHasher: Sendable {
    /// Bytes of one chunk; the last of a tensor may be shorter.
    public static let chunkBytes = 65_536

    private let file: GGUFFile

    /// Hashes tensors of `file`.
    public init(_ file: GGUFFile) {
        self.file = file
    }

    /// The root over the named tensors in this order; a name the file lacks counts as nothing.
    public func root(of names: [String]) -> Digest {
        MerkleTree(leaves: names.compactMap(file.tensor).map(root(of:))).root
    }

    /// The root of one tensor of the file.
    public func root(of tensor: TensorInfo) -> Digest {
        let name = SHA256.hash(Array(tensor.name.utf8)).bytes
        var writer = ByteWriter()
        writer.write(UInt8(2))
        writer.writeRaw(name)
        writer.write(tensor.type.rawValue)
        writer.write(UInt32(tensor.dimensions.count))
        for size in tensor.dimensions { writer.write(UInt64(size)) }
        writer.write(MerkleTree(leaves: leaves(of: tensor, name: name)).root)
        return SHA256.hash(writer.bytes)
    }

    /// The leaf of one chunk, as anyone with its bytes computes it.
    public static func leaf(tensor name: String, chunk: Int, bytes: [UInt8]) -> Digest {
        var hasher = SHA256()
        hasher.update(prefix(SHA256.hash(Array(name.utf8)).bytes, chunk))
        hasher.update(bytes)
        return hasher.finish()
    }

    private func leaves(of tensor: TensorInfo, name: [UInt8]) -> [Digest] {
        let raw = unsafe file.rawBytes(tensor)
        return stride(from: 0, to: tensor.byteCount, by: Self.chunkBytes).map { start in
            var hasher = SHA256()
            hasher.update(Self.prefix(name, start / Self.chunkBytes))
            let end = min(start + Self.chunkBytes, tensor.byteCount)
            unsafe hasher.update(UnsafeRawBufferPointer(rebasing: raw[start..<end]))
            return hasher.finish()
        }
    }

    private static func prefix(_ name: [UInt8], _ chunk: Int) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(UInt8(0))
        writer.writeRaw(name)
        writer.write(UInt64(chunk))
        return writer.bytes
    }
}
