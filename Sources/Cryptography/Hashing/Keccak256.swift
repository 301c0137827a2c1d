import CKernels
public import Primitives

/// Keccak-256 as Ethereum uses it: the Keccak team's submission with rate 1088 and padding byte
/// 0x01, **not** SHA3-256, whose padding differs. libsodium has no Keccak, so this is our own.
public enum Keccak256 {
    private typealias Words = (UInt64, UInt64, UInt64, UInt64)

    /// The hash of `bytes`.
    public static func hash(_ bytes: [UInt8]) -> Digest {
        unsafe bytes.withUnsafeBytes { unsafe hash($0) }
    }

    /// The hash of the bytes of `buffer`.
    public static func hash(_ buffer: UnsafeRawBufferPointer) -> Digest {
        let bytes = unsafe buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
        return unsafe filled { unsafe xk_keccak256(bytes, buffer.count, $0) }
    }

    /// The hash of the bytes of one digest.
    public static func hash(_ digest: Digest) -> Digest { hash(words: digest.words) }

    /// The hash of the bytes of two digests, one behind the other. Nothing is copied to an array.
    public static func hash(_ left: Digest, _ right: Digest) -> Digest {
        hash(words: (left.words, right.words))
    }

    /// The hash of a tuple of words, whose bytes count from the most significant one.
    static func hash<Tuple: BitwiseCopyable>(words: Tuple) -> Digest {
        unsafe withUnsafeBytes(of: words) { words in
            let bound = unsafe words.assumingMemoryBound(to: UInt64.self)
            return unsafe filled { unsafe xk_keccak256_words(bound.baseAddress, bound.count, $0) }
        }
    }

    private static func filled(_ body: (UnsafeMutablePointer<UInt64>?) -> Void) -> Digest {
        var words: Words = (0, 0, 0, 0)
        unsafe withUnsafeMutableBytes(of: &words) {
            unsafe body($0.assumingMemoryBound(to: UInt64.self).baseAddress)
        }
        return Digest(words: words)
    }
}
