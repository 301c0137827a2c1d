public import Cryptography
public import Primitives

/// A signed Solana transaction: write it down **before** it is sent, so that its outcome can be
/// found out whatever happens.
public struct SolanaTransaction: Hashable, Sendable {
    /// Its name on chain: the payer's signature. Ed25519 signatures of one key over one message are
    /// always the same here, so a message that is signed again has the same name.
    public let id: Signature
    /// What is sent.
    public let bytes: [UInt8]

    /// Signs a message with the keys of all its signers, in any order.
    public init(
        _ message: SolanaMessage, signedBy keys: [Ed25519.PrivateKey]
    ) throws(SolanaError) {
        var writer = ByteWriter()
        writer.write(compact: message.signers.count)
        var first: Signature?
        for signer in message.signers {
            guard let key = keys.first(where: { SolanaAddress($0.publicKey) == signer }) else {
                throw .missingSigner(signer)
            }
            let signature = key.sign(message.bytes)
            first = first ?? signature
            writer.writeRaw(signature.bytes)
        }
        guard let first else { preconditionFailure("the payer signs every message") }
        id = first
        writer.writeRaw(message.bytes)
        bytes = writer.bytes
    }

    /// A message that its payer alone signs, with that signature, which is not checked here.
    public init(_ message: SolanaMessage, _ signature: Signature) throws(SolanaError) {
        for other in message.signers.dropFirst() { throw .missingSigner(other) }
        var writer = ByteWriter()
        writer.write(compact: 1)
        writer.writeRaw(signature.bytes)
        writer.writeRaw(message.bytes)
        id = signature
        bytes = writer.bytes
    }
}
