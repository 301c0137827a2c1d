import CSodium
public import Primitives

/// Ed25519 signatures (RFC 8032): the identities of nodes and of the house.
public enum Ed25519 {
    /// A signing key. Its secret lives in locked memory, is never printed and is zeroed when the
    /// last copy goes. Cheap to copy.
    public struct PrivateKey: Sendable {
        /// The key others check signatures with.
        public let publicKey: PublicKey
        /// The seed, then the public key: what libsodium signs with.
        private let secret: Secret

        /// The key that grows from a seed of exactly 32 secret random bytes; `nil` for any other
        /// count. This floor has no randomness: the caller draws the seed.
        public init?(seed: Secret) {
            guard seed.count == 32 else { return nil }
            var publicValue = Digest.zero
            secret = unsafe Secret(count: 64) { pair in
                guard
                    let target = unsafe pair.baseAddress?.assumingMemoryBound(to: UInt8.self)
                else { return }
                publicValue = unsafe Digest.filled { output in
                    let failed = unsafe seed.withBytes {
                        unsafe crypto_sign_ed25519_seed_keypair(output, target, $0)
                    }
                    precondition(failed == 0, "a seed of 32 bytes always makes a key")
                }
            }
            publicKey = PublicKey(publicValue)
        }

        /// As of a `Secret` of these bytes, which are the caller's to forget.
        public init?(seed: [UInt8]) { self.init(seed: Secret(seed)) }

        /// A copy of the 32 bytes. Handle them as the secret they are.
        public var seed: [UInt8] { secret[0..<32].bytes }

        /// Signs `message`; the same message always gives the same signature.
        public func sign(_ message: [UInt8]) -> Signature {
            var bytes = [UInt8](repeating: 0, count: 64)
            let failed = unsafe secret.withBytes { key in
                unsafe crypto_sign_ed25519_detached(
                    &bytes, nil, message, UInt64(message.count), key)
            }
            guard failed == 0, let signature = Signature(bytes) else {
                preconditionFailure("signing with a whole key cannot fail")
            }
            return signature
        }
    }
}

extension Ed25519 {
    /// Whether 32 bytes are the encoding of a point of the curve, of whatever order: what
    /// `CompressedEdwardsY::decompress` of curve25519-dalek accepts. About half of all hashes are.
    public static func isPoint(_ bytes: Digest) -> Bool {
        Sodium.start()
        // Adding the neutral point looks whether the other one is on the curve, and no further:
        // `crypto_core_ed25519_is_valid_point` also wants it in the main subgroup.
        let neutral: [UInt8] = [1] + [UInt8](repeating: 0, count: 31)
        var sum = [UInt8](repeating: 0, count: 32)
        return unsafe crypto_core_ed25519_add(&sum, bytes.bytes, neutral) == 0
    }
}

extension Ed25519.PrivateKey: CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    /// Names the key by its public half.
    public var description: String { "Ed25519 private key of \(publicKey.value)" }
    /// As `description`: a debugger must not print secrets either.
    public var debugDescription: String { description }
    /// Shows the public half only.
    public var customMirror: Mirror { Mirror(self, children: ["publicKey": publicKey.hex]) }
}

extension PublicKey {
    /// Whether `signature` is this key's signature of `message`.
    ///
    /// Strict, as libsodium is: a key or nonce point of small order, a key that is not encoded
    /// canonically and an S that is not below the group order are refused.
    public func verifies(_ signature: Signature, of message: [UInt8]) -> Bool {
        Sodium.start()
        let failed = unsafe value.withBytes { key in
            unsafe crypto_sign_ed25519_verify_detached(
                signature.bytes, message, UInt64(message.count), key)
        }
        return failed == 0
    }
}

extension Signature {
    /// Whether the scalar S, the last 32 bytes, is not below the group order: then it is the twin
    /// of another signature of the same thing, and no checker takes it (RFC 8032, 5.1.7).
    public var isHigh: Bool {
        guard let scalar = Digest(bytes[32...].reversed()) else { return true }
        // 2^252 + 27742317777372353535851937790883648493, big endian.
        return scalar
            >= Digest(
                words: (0x1000_0000_0000_0000, 0, 0x14de_f9de_a2f7_9cd6, 0x5812_631a_5cf5_d3ed))
    }
}
