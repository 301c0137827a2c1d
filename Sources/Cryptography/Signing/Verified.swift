public import Primitives

/// A record whose signature **was checked**. It cannot be made any other way than by
/// `Signed.verified()`, so a function that takes one needs no check of its own.
public struct Verified<Body: Signable>: Sendable {
    /// The record.
    public let body: Body
    /// Who signed it.
    public let signer: PublicKey
    /// The signature that was checked.
    public let signature: Signature

    @usableFromInline
    init(checked signed: Signed<Body>) {
        body = signed.body
        signer = signed.signer
        signature = signed.signature
    }

    /// The same record in the form that travels.
    @inlinable
    public var signed: Signed<Body> {
        Signed(body: body, signer: signer, signature: signature)
    }
}

extension Verified: Equatable where Body: Equatable {}

extension Signable {
    /// The record's identity: SHA-256 of its signing bytes, so domain and version count.
    @inlinable
    public var digest: Digest { SHA256.hash(signingBytes()) }

    /// The record signed with `key`.
    @inlinable
    public func signed(by key: Ed25519.PrivateKey) -> Signed<Self> {
        Signed(body: self, signer: key.publicKey, signature: key.sign(signingBytes()))
    }
}

extension Signed {
    /// The record with the proof that its claimed signer signed it, or `nil` if they did not.
    @inlinable
    public func verified() -> Verified<Body>? {
        guard signer.verifies(signature, of: body.signingBytes()) else { return nil }
        return Verified(checked: self)
    }
}
