import Cryptography
public import Primitives

#if _endian(big)
    #error("activations are hashed as they lie in memory, which must be little endian")
#endif

/// The bytes, or at once the hashes, of the leaves of a `Transcript`.
public enum TranscriptLeaf {
    /// A token that came in.
    public static func token(_ token: Int32, position: UInt32) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(position)
        writer.write(UInt32(bitPattern: token))
        return writer.bytes
    }

    /// A position of the prompt after which nothing is chosen.
    public static func unsampled(position: UInt32) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(position)
        writer.write(false)
        return writer.bytes
    }

    /// A token that was chosen. 2, not 1: leaves with 1 had the hash of all logits, and must lead
    /// to no root of today's.
    public static func sampled(
        _ token: Int32, logits: Digest, sampling: Digest, position: UInt32
    ) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(position)
        writer.write(UInt8(2))
        writer.write(UInt32(bitPattern: token))
        writer.write(logits)
        writer.write(sampling)
        return writer.bytes
    }

    /// The leaf hash of a row of floats, without copying the row.
    public static func activation(_ row: ArraySlice<Float>, position: UInt32) -> Digest {
        unsafe row.withUnsafeBytes { unsafe activation($0, position) }
    }

    /// The leaf hash of a row as it travels.
    static func activation(bytes row: ArraySlice<UInt8>, position: UInt32) -> Digest {
        unsafe row.withUnsafeBytes { unsafe activation($0, position) }
    }

    private static func activation(_ row: UnsafeRawBufferPointer, _ position: UInt32) -> Digest {
        var prefix = ByteWriter()
        prefix.write(UInt8(0))
        prefix.write(position)
        var hasher = SHA256()
        hasher.update(prefix.bytes)
        unsafe hasher.update(row)
        return hasher.finish()
    }
}
