import Cryptography
public import Primitives

/// How the weights of a tensor are hashed (docs/reference/models.md): 64 KiB chunks in a tree of
/// their own, whose root is hashed with the tensor's name, number format and dimensions.
public enum TensorCommitment {
    /// Bytes of one chunk; the last of a tensor may be shorter.
    public static let chunkBytes = 65_536

    /// How many chunks so many bytes are.
    public static func chunks(_ byteCount: Int) -> Int {
        (byteCount + chunkBytes - 1) / chunkBytes
    }

    /// The bytes of chunk `chunk` of a tensor of so many bytes.
    public static func bytes(of chunk: Int, byteCount: Int) -> Range<Int> {
        let start = min(chunk * chunkBytes, byteCount)
        return start..<min(start + chunkBytes, byteCount)
    }

    /// The leaf of one chunk: H(0x00 | H(tensor name) | u64 chunk | bytes).
    public static func leaf(
        nameHash: Digest, chunk: Int, bytes: UnsafeRawBufferPointer
    ) -> Digest {
        var hasher = SHA256()
        hasher.update([0])
        hasher.update(nameHash)
        hasher.update(UInt64(chunk))
        unsafe hasher.update(bytes)
        return hasher.finish()
    }

    /// The leaves of whole chunks that follow each other in `bytes`, the first of them `first`.
    public static func leaves(name: String, first: Int, bytes: [UInt8]) -> [Digest] {
        let nameHash = SHA256.hash(Array(name.utf8))
        return unsafe bytes.withUnsafeBytes { raw in
            (0..<chunks(raw.count)).map { place in
                let part = unsafe raw[Self.bytes(of: place, byteCount: raw.count)]
                return unsafe leaf(
                    nameHash: nameHash, chunk: first + place,
                    bytes: UnsafeRawBufferPointer(rebasing: part))
            }
        }
    }

    /// The root of a tensor: H(0x02 | H(name) | u32 type | u32 dimensions | u64 each | chunk
    /// root).
    public static func root(
        name: String, type: UInt32, dimensions: [Int], chunks: Digest
    ) -> Digest {
        var hasher = SHA256()
        hasher.update([2])
        hasher.update(SHA256.hash(Array(name.utf8)))
        hasher.update(type)
        hasher.update(UInt32(dimensions.count))
        for size in dimensions { hasher.update(UInt64(size)) }
        hasher.update(chunks)
        return hasher.finish()
    }
}
