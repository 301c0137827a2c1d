import CKernels
import CSodium
public import Primitives

/// SHA-256 (FIPS 180-4): the hash of every record, transcript and weight chunk of this project.
///
/// One value hashes one message: `update` as often as needed, `finish` once. Where the processor
/// has instructions for it they are used, which is five times as fast as libsodium; elsewhere
/// libsodium does it.
public struct SHA256: ~Copyable, Sendable {
    private var state = crypto_hash_sha256_state()
    private static let isFast = xk_sha256_is_fast() != 0

    /// Starts an empty message.
    public init() {
        Sodium.start()
        unsafe crypto_hash_sha256_init(&state)
    }

    /// Appends `bytes` to the message.
    public mutating func update(_ bytes: [UInt8]) {
        unsafe bytes.withUnsafeBytes { unsafe update($0) }
    }

    /// Appends the bytes of `buffer` to the message.
    public mutating func update(_ buffer: UnsafeRawBufferPointer) {
        guard let base = buffer.baseAddress, buffer.count > 0 else { return }
        let bytes = unsafe base.assumingMemoryBound(to: UInt8.self)
        if Self.isFast {
            unsafe xk_sha256_update(&state, bytes, buffer.count)
        } else {
            unsafe crypto_hash_sha256_update(&state, bytes, UInt64(buffer.count))
        }
    }

    /// Appends eight bytes, little-endian.
    public mutating func update(_ value: UInt64) {
        unsafe withUnsafeBytes(of: value.littleEndian) { unsafe update($0) }
    }

    /// Appends four bytes, little-endian.
    public mutating func update(_ value: UInt32) {
        unsafe withUnsafeBytes(of: value.littleEndian) { unsafe update($0) }
    }

    /// Appends the 32 bytes of a digest.
    public mutating func update(_ digest: Digest) {
        unsafe digest.withBytes { unsafe update(UnsafeRawBufferPointer(start: $0, count: 32)) }
    }

    /// Ends the message and returns its hash.
    public consuming func finish() -> Digest {
        unsafe Digest.filled {
            if Self.isFast {
                unsafe xk_sha256_finish(&state, $0)
            } else {
                unsafe crypto_hash_sha256_final(&state, $0)
            }
        }
    }

    /// The hash of `bytes`.
    public static func hash(_ bytes: [UInt8]) -> Digest {
        unsafe bytes.withUnsafeBytes { unsafe hash($0) }
    }

    /// The hash of the bytes of `buffer`.
    public static func hash(_ buffer: UnsafeRawBufferPointer) -> Digest {
        var hasher = SHA256()
        unsafe hasher.update(buffer)
        return hasher.finish()
    }
}

extension Digest {
    /// A digest whose 32 bytes `body` writes.
    static func filled(_ body: (UnsafeMutablePointer<UInt8>) -> Void) -> Digest {
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { buffer in
            guard let base = buffer.baseAddress else {
                preconditionFailure("a buffer of 32 bytes has an address")
            }
            unsafe base.initialize(repeating: 0, count: 32)
            unsafe body(base)
            let raw = UnsafeRawPointer(base)
            func word(_ index: Int) -> UInt64 {
                UInt64(
                    bigEndian: unsafe raw.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))
            }
            return Digest(words: (word(0), word(1), word(2), word(3)))
        }
    }

    /// Lends the 32 bytes for the length of one call.
    func withBytes<Result>(_ body: (UnsafePointer<UInt8>) -> Result) -> Result {
        let words = (
            words.0.bigEndian, words.1.bigEndian, words.2.bigEndian, words.3.bigEndian
        )
        return unsafe withUnsafeBytes(of: words) { raw in
            guard let base = raw.baseAddress else {
                preconditionFailure("four words have an address")
            }
            return unsafe body(base.assumingMemoryBound(to: UInt8.self))
        }
    }
}
