import CSodium
public import Primitives

/// Why a secure link was refused or broke. After any of these the link is closed for good.
public enum SecureChannelError: Error, Hashable, Sendable {
    /// The first bytes are not this protocol, or not this version of it.
    case notThisProtocol
    /// A handshake message has the wrong number of bytes.
    case wrongLength
    /// The other side's ephemeral key is a point of small order.
    case badEphemeralKey
    /// The other side's sealed identity does not open or its signature does not verify.
    case notAuthenticated
    /// The other side proved to be someone else than the caller asked for; carries who.
    case unexpectedPeer(PublicKey)
    /// A record was altered, replayed, left out or put in another order.
    case brokenRecord
    /// A record came, or was to be sealed, after the sender had said that it was done.
    case finished
}

/// The opening of a link between two Ed25519 identities (`docs/reference/wire.md`).
///
/// Three messages of fixed size, in the manner of SIGMA-I: both sides prove their identity by a
/// signature over everything said before, sealed under keys that need the fresh X25519 secret, so
/// that nobody else can take part in or re-attribute the link. | means "followed by".
///
/// ```
/// hello   I -> R   40 bytes   "EXQLINK1" | I's ephemeral X25519 key (32)
/// reply   R -> I  144 bytes   R's ephemeral key (32) | seal(kr, R's identity | signature (64))
/// finish  I -> R  112 bytes   seal(ki, I's identity (32) | signature (64))
///
/// secret = X25519(own ephemeral, other's ephemeral), all-zero refused
/// H(x) = BLAKE2b-256(x)           key(label, h) = BLAKE2b-256(label | h, keyed with secret)
/// h1 = H(hello | R's ephemeral)   kr = key("exq reply", h1)
/// R signs  "exchequer-link-v1 responder" | h1 | R's identity
/// h2 = H(h1 | R's identity | R's signature)   ki = key("exq finish", h2)
/// I signs  "exchequer-link-v1 initiator" | h2 | I's identity
/// h3 = H(h2 | I's identity | I's signature)
/// seal(k, m) = XChaCha20-Poly1305-IETF, nonce of zeros (each k seals once), no additional data
///
/// records I -> R: secretstream_xchacha20poly1305, key = key("exq i2r key", h3),
///                 header = the first 24 bytes of key("exq i2r header", h3); R -> I with "r2i"
/// ```
enum SecureHandshake {
    static let magic = Array("EXQLINK1".utf8)
    static let sealBytes = 32 + 64 + 16

    /// BLAKE2b-256 of the parts in a row.
    static func hash(_ parts: [UInt8]...) -> [UInt8] {
        BLAKE2b.hash(parts.flatMap { $0 }).bytes
    }

    /// A key only the two ends can compute.
    static func key(_ secret: [UInt8], _ label: String, _ transcript: [UInt8]) -> [UInt8] {
        BLAKE2b.hash(Array(label.utf8) + transcript, key: secret).bytes
    }

    static func statement(_ role: String, _ transcript: [UInt8], _ identity: PublicKey) -> [UInt8] {
        Array("exchequer-link-v1 \(role)".utf8) + transcript + identity.bytes
    }

    /// The public half of an ephemeral X25519 key.
    static func publicHalf(_ ephemeral: [UInt8]) -> [UInt8] {
        Sodium.start()
        precondition(ephemeral.count == 32, "an ephemeral key has 32 bytes")
        var point = [UInt8](repeating: 0, count: 32)
        let failed = unsafe crypto_scalarmult_curve25519_base(&point, ephemeral)
        precondition(failed == 0, "the base point times any scalar is a point")
        return point
    }

    /// The secret both ends share.
    static func agree(
        _ ephemeral: [UInt8], _ other: [UInt8]
    ) throws(SecureChannelError) -> [UInt8] {
        var secret = [UInt8](repeating: 0, count: 32)
        guard unsafe crypto_scalarmult_curve25519(&secret, ephemeral, other) == 0 else {
            throw .badEphemeralKey
        }
        return secret
    }

    /// Seals an identity and its signature under a key that is used once.
    static func seal(_ identity: PublicKey, _ signature: Signature, key: [UInt8]) -> [UInt8] {
        let message = identity.bytes + signature.bytes
        let nonce = [UInt8](repeating: 0, count: 24)
        var sealed = [UInt8](repeating: 0, count: sealBytes)
        unsafe crypto_aead_xchacha20poly1305_ietf_encrypt(
            &sealed, nil, message, UInt64(message.count), nil, 0, nil, nonce, key)
        return sealed
    }

    /// Opens what `seal` made.
    static func open(
        _ sealed: [UInt8], key: [UInt8]
    ) throws(SecureChannelError) -> (identity: PublicKey, signature: Signature) {
        let nonce = [UInt8](repeating: 0, count: 24)
        var message = [UInt8](repeating: 0, count: 96)
        let failed = unsafe crypto_aead_xchacha20poly1305_ietf_decrypt(
            &message, nil, nil, sealed, UInt64(sealed.count), nil, 0, nonce, key)
        guard failed == 0, let identity = Digest(message[0..<32]),
            let signature = Signature(Array(message[32..<96]))
        else { throw .notAuthenticated }
        return (PublicKey(identity), signature)
    }

    static func channel(
        secret: [UInt8], transcript: [UInt8], peer: PublicKey, initiator: Bool
    ) -> SecureChannel {
        let toResponder = SecretStream(
            key: key(secret, "exq i2r key", transcript),
            header: key(secret, "exq i2r header", transcript))
        let toInitiator = SecretStream(
            key: key(secret, "exq r2i key", transcript),
            header: key(secret, "exq r2i header", transcript))
        return initiator
            ? SecureChannel(peer: peer, sending: toResponder, receiving: toInitiator)
            : SecureChannel(peer: peer, sending: toInitiator, receiving: toResponder)
    }
}

/// The side that opens a link. Use once: hello, then `finish`.
public struct SecureInitiator: Sendable {
    /// The bytes of the reply this side waits for.
    public static let replyBytes = 32 + SecureHandshake.sealBytes
    /// What to send first: 40 bytes.
    public let hello: [UInt8]
    private let identity: Ed25519.PrivateKey
    private let ephemeral: [UInt8]
    private let expected: PublicKey?

    /// Starts a link as `identity`. `ephemeral` is 32 fresh secret random bytes, never used again
    /// (any other count traps). With `expecting`, only that peer will do.
    public init(identity: Ed25519.PrivateKey, ephemeral: [UInt8], expecting: PublicKey?) {
        self.identity = identity
        self.ephemeral = ephemeral
        expected = expecting
        hello = SecureHandshake.magic + SecureHandshake.publicHalf(ephemeral)
    }

    /// Checks the responder's reply; returns the last message to send and the open channel.
    public func finish(
        reply: [UInt8]
    ) throws(SecureChannelError) -> SecureFinish {
        guard reply.count == Self.replyBytes else { throw .wrongLength }
        let other = Array(reply[0..<32])
        let secret = try SecureHandshake.agree(ephemeral, other)
        let first = SecureHandshake.hash(hello, other)
        let replyKey = SecureHandshake.key(secret, "exq reply", first)
        let (peer, proof) = try SecureHandshake.open(Array(reply[32...]), key: replyKey)
        guard peer.verifies(proof, of: SecureHandshake.statement("responder", first, peer)) else {
            throw .notAuthenticated
        }
        if let expected, expected != peer { throw .unexpectedPeer(peer) }
        let second = SecureHandshake.hash(first, peer.bytes, proof.bytes)
        let own = identity.publicKey
        let signature = identity.sign(SecureHandshake.statement("initiator", second, own))
        let sealed = SecureHandshake.seal(
            own, signature, key: SecureHandshake.key(secret, "exq finish", second))
        let third = SecureHandshake.hash(second, own.bytes, signature.bytes)
        return SecureFinish(
            message: sealed,
            channel: SecureHandshake.channel(
                secret: secret, transcript: third, peer: peer, initiator: true))
    }
}

/// What the initiator holds at the end: the last message, and the channel it opens.
public struct SecureFinish: ~Copyable, Sendable {
    /// The last handshake message: 112 bytes, to be sent before any record.
    public let message: [UInt8]
    private let channel: SecureChannel

    init(message: [UInt8], channel: consuming SecureChannel) {
        self.message = message
        self.channel = channel
    }

    /// The open channel.
    public consuming func takeChannel() -> SecureChannel { channel }
}

/// The side that accepts a link. Use once: made of a hello, then `finish`.
public struct SecureResponder: Sendable {
    /// The bytes every hello starts with.
    public static let magic = SecureHandshake.magic
    /// The bytes of the hello this side waits for.
    public static let helloBytes = 40
    /// The bytes of the initiator's last message.
    public static let finishBytes = SecureHandshake.sealBytes
    /// What to send back: 144 bytes.
    public let reply: [UInt8]
    private let secret: [UInt8]
    private let transcript: [UInt8]

    /// Answers `hello` as `identity`. `ephemeral` is 32 fresh secret random bytes, never used
    /// again (any other count traps).
    public init(
        identity: Ed25519.PrivateKey, ephemeral: [UInt8], hello: [UInt8]
    ) throws(SecureChannelError) {
        guard hello.starts(with: SecureHandshake.magic) else { throw .notThisProtocol }
        guard hello.count == Self.helloBytes else { throw .wrongLength }
        let own = SecureHandshake.publicHalf(ephemeral)
        secret = try SecureHandshake.agree(ephemeral, Array(hello[8...]))
        let first = SecureHandshake.hash(hello, own)
        let name = identity.publicKey
        let signature = identity.sign(SecureHandshake.statement("responder", first, name))
        let replyKey = SecureHandshake.key(secret, "exq reply", first)
        reply = own + SecureHandshake.seal(name, signature, key: replyKey)
        transcript = SecureHandshake.hash(first, name.bytes, signature.bytes)
    }

    /// Checks the initiator's last message; returns the open channel, which says who it is.
    public func finish(_ message: [UInt8]) throws(SecureChannelError) -> SecureChannel {
        guard message.count == Self.finishBytes else { throw .wrongLength }
        let key = SecureHandshake.key(secret, "exq finish", transcript)
        let (peer, proof) = try SecureHandshake.open(message, key: key)
        let statement = SecureHandshake.statement("initiator", transcript, peer)
        guard peer.verifies(proof, of: statement) else { throw .notAuthenticated }
        let third = SecureHandshake.hash(transcript, peer.bytes, proof.bytes)
        return SecureHandshake.channel(
            secret: secret, transcript: third, peer: peer, initiator: false)
    }
}
