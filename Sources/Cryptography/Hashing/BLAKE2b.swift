import CSodium
public import Primitives

/// BLAKE2b (RFC 7693) with 32 bytes of output: the key schedule of secure links.
public enum BLAKE2b {
    /// The hash of `bytes`, or their keyed hash when `key` holds 1 to 64 bytes. An empty key means
    /// none; a longer one traps.
    public static func hash(_ bytes: [UInt8], key: [UInt8] = []) -> Digest {
        Sodium.start()
        precondition(key.count <= 64, "a BLAKE2b key has at most 64 bytes")
        return unsafe Digest.filled { output in
            let failed = unsafe crypto_generichash_blake2b(
                output, 32, bytes, UInt64(bytes.count), key.isEmpty ? nil : key, key.count)
            precondition(failed == 0, "BLAKE2b of 32 bytes cannot fail")
        }
    }
}
