import Cryptography
import Primitives

#if _endian(big)
    #error("activations are hashed as they lie in memory, which must be little endian")
#endif

/// The bytes, or at once the hashes, of the leaves of a `Transcript`.
enum TranscriptLeaf {
    static func token(_ token: Int32, position: UInt32) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(position)
        writer.write(UInt32(bitPattern: token))
        return writer.bytes
    }

    static func unsampled(position: UInt32) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(position)
        writer.write(false)
        return writer.bytes
    }

    static func sampled(
        _ token: Int32, logits: Digest, sampling: Digest, position: UInt32
    ) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(position)
        writer.write(true)
        writer.write(UInt32(bitPattern: token))
        writer.write(logits)
        writer.write(sampling)
        return writer.bytes
    }

    /// The leaf hash of a row of floats, without copying the row.
    static func activation(_ row: ArraySlice<Float>, position: UInt32) -> Digest {
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
