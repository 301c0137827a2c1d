/// A record that is signed: it has a domain, so that a signature on one kind of record can never
/// be shown as a signature on another.
public protocol Signable: CanonicalCodable, Sendable {
    /// Text that starts the signed bytes, with a version: `exchequer-receipt-v1`.
    static var domain: String { get }
}

extension Signable {
    /// The bytes that are signed and hashed: the counted domain, then the canonical encoding.
    public func signingBytes() -> [UInt8] {
        var writer = ByteWriter()
        writer.write(Self.domain)
        encode(into: &writer)
        return writer.bytes
    }
}

/// A record with a claimed signer and a signature that **nobody has checked yet**.
///
/// `Cryptography` turns it into a `Verified` of the same record. The record's identity is the hash
/// of its signing bytes, never of the signature.
public struct Signed<Body: Signable>: Sendable {
    /// The record.
    public let body: Body
    /// Who is said to have signed it.
    public let signer: PublicKey
    /// The unchecked signature.
    public let signature: Signature

    /// Puts a record and an unchecked signature together.
    public init(body: Body, signer: PublicKey, signature: Signature) {
        self.body = body
        self.signer = signer
        self.signature = signature
    }
}

extension Signed: Equatable where Body: Equatable {}

extension Signed: Hashable where Body: Hashable {}

extension Signed: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(body)
        writer.write(signer)
        writer.write(signature)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            body: try reader.read(), signer: try reader.read(), signature: try reader.read())
    }
}
