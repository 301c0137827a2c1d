import CSecp256k1
import CSodium
public import Primitives

/// ECDSA over secp256k1 with public-key recovery, as Ethereum accounts use it.
public enum Secp256k1 {
    /// The library's tables: made once, read only.
    @safe nonisolated(unsafe) static let context: OpaquePointer = {
        guard let context = unsafe secp256k1_context_create(UInt32(SECP256K1_CONTEXT_NONE)) else {
            preconditionFailure("libsecp256k1 could not be started")
        }
        return unsafe context
    }()

    /// Half the group order, rounded down: the largest S that is accepted (EIP-2).
    static let halfOrder = Digest(
        words: (
            0x7fff_ffff_ffff_ffff, 0xffff_ffff_ffff_ffff, 0x5d57_6e73_57a4_501d,
            0xdfe9_2f46_681b_20a0
        ))

    /// The key of an EVM account. Its secret lives in locked memory, is never printed and is
    /// zeroed when the last copy goes. Cheap to copy.
    public struct PrivateKey: Sendable {
        /// The account's address.
        public let address: EVMAddress
        private let secret: Secret

        /// The key of exactly 32 bytes, a big-endian number from 1 to the group order less one;
        /// `nil` for anything else.
        public init?(_ secret: Secret) {
            guard secret.count == 32 else { return nil }
            var point = secp256k1_pubkey()
            let isKey = unsafe secret.withBytes { bytes in
                unsafe secp256k1_ec_seckey_verify(context, bytes) == 1
                    && secp256k1_ec_pubkey_create(context, &point, bytes) == 1
            }
            guard isKey else { return nil }
            address = Secp256k1.address(of: &point)
            self.secret = secret
        }

        /// As of a `Secret` of these bytes, which are the caller's to forget.
        public init?(_ bytes: [UInt8]) { self.init(Secret(bytes)) }

        /// A copy of the 32 bytes. Handle them as the secret they are.
        public var bytes: [UInt8] { secret.bytes }

        /// Signs a 32-byte hash. Deterministic (RFC 6979); S is always in the low half.
        public func sign(_ digest: Digest) -> RecoverableSignature {
            var raw = secp256k1_ecdsa_recoverable_signature()
            let signed = unsafe digest.withBytes { hash in
                unsafe secret.withBytes { key in
                    unsafe secp256k1_ecdsa_sign_recoverable(context, &raw, hash, key, nil, nil)
                }
            }
            precondition(signed == 1, "signing with a checked key cannot fail")
            var compact = [UInt8](repeating: 0, count: 64)
            var recovery: Int32 = 0
            unsafe secp256k1_ecdsa_recoverable_signature_serialize_compact(
                context, &compact, &recovery, &raw)
            guard let r = Digest(compact[0..<32]), let s = Digest(compact[32..<64]) else {
                preconditionFailure("64 bytes are two digests")
            }
            return RecoverableSignature(r: r, s: s, recoveryID: UInt8(recovery))
        }
    }

    /// The last 20 bytes of the Keccak-256 hash of the uncompressed point.
    static func address(of point: inout secp256k1_pubkey) -> EVMAddress {
        var bytes = [UInt8](repeating: 0, count: 65)
        var count = bytes.count
        unsafe secp256k1_ec_pubkey_serialize(
            context, &bytes, &count, &point, UInt32(SECP256K1_EC_UNCOMPRESSED))
        let hash = Keccak256.hash(Array(bytes.dropFirst())).bytes
        guard let address = EVMAddress(hash.suffix(20)) else {
            preconditionFailure("20 bytes are an address")
        }
        return address
    }
}

extension Secp256k1.PrivateKey: CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    /// Names the key by its address.
    public var description: String { "secp256k1 private key of \(address.checksummed)" }
    /// As `description`: a debugger must not print secrets either.
    public var debugDescription: String { description }
    /// Shows the address only.
    public var customMirror: Mirror { Mirror(self, children: ["address": address.checksummed]) }
}

/// An ECDSA signature from which the signer's address can be computed.
public struct RecoverableSignature: Hashable, Sendable {
    /// The x coordinate of the nonce point, reduced.
    public let r: Digest
    /// The proof scalar. Only the low half of the group counts as valid.
    public let s: Digest
    /// Which of the possible points was the nonce: 0 or 1, in theory 2 or 3.
    public let recoveryID: UInt8

    /// A signature of these parts, unchecked until `recover`.
    public init(r: Digest, s: Digest, recoveryID: UInt8) {
        self.r = r
        self.s = s
        self.recoveryID = recoveryID
    }

    /// Reads `r | s | v` of exactly 65 bytes with v in 0, 1, 27, 28; `nil` for anything else.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == 65, let r = Digest(bytes[0..<32]), let s = Digest(bytes[32..<64])
        else { return nil }
        switch bytes[64] {
        case 0, 1: self.init(r: r, s: s, recoveryID: bytes[64])
        case 27, 28: self.init(r: r, s: s, recoveryID: bytes[64] - 27)
        default: return nil
        }
    }

    /// The form message signatures travel in: `r | s | v` with v = 27 + recovery id, 65 bytes.
    public var bytes: [UInt8] { r.bytes + s.bytes + [27 + recoveryID] }

    /// Whether s is in the high half of the group: then everybody can make a second signature of
    /// the same thing from it (EIP-2), and none of the two counts here.
    public var isHigh: Bool { s > Secp256k1.halfOrder }

    /// The address of whoever signed `digest`, or `nil` if this is no valid signature: a zero or
    /// too large r or s, an s in the high half, a foreign recovery id or no such point.
    public func recover(_ digest: Digest) -> EVMAddress? {
        guard recoveryID < 4, !isHigh else { return nil }
        var raw = secp256k1_ecdsa_recoverable_signature()
        let parsed = unsafe secp256k1_ecdsa_recoverable_signature_parse_compact(
            Secp256k1.context, &raw, r.bytes + s.bytes, Int32(recoveryID))
        guard parsed == 1 else { return nil }
        var point = secp256k1_pubkey()
        let recovered = unsafe digest.withBytes { hash in
            unsafe secp256k1_ecdsa_recover(Secp256k1.context, &point, &raw, hash)
        }
        return recovered == 1 ? Secp256k1.address(of: &point) : nil
    }
}
