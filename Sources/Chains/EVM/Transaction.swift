public import Cryptography
public import Primitives

/// A transaction of type 2 (EIP-1559), not yet signed. Prices are in wei per unit of gas.
public struct EVMTransaction: Hashable, Sendable {
    /// The chain it counts on.
    public var chainID: UInt64
    /// The sender's transaction number, from 0.
    public var nonce: UInt64
    /// The most that goes to the block's producer.
    public var maxPriorityFeePerGas: UInt128
    /// The most that is paid in all.
    public var maxFeePerGas: UInt128
    /// The most gas it may use.
    public var gasLimit: UInt64
    /// Who is called; `nil` deploys a contract.
    public var to: EVMAddress?
    /// Wei sent along.
    public var value: UInt128
    /// The call's data.
    public var data: [UInt8]

    /// A transaction of these fields.
    public init(
        chainID: UInt64, nonce: UInt64, maxPriorityFeePerGas: UInt128, maxFeePerGas: UInt128,
        gasLimit: UInt64, to: EVMAddress?, value: UInt128 = 0, data: [UInt8] = []
    ) {
        self.chainID = chainID
        self.nonce = nonce
        self.maxPriorityFeePerGas = maxPriorityFeePerGas
        self.maxFeePerGas = maxFeePerGas
        self.gasLimit = gasLimit
        self.to = to
        self.value = value
        self.data = data
    }

    private var fields: [RLP] {
        [
            .number(UInt128(chainID)), .number(UInt128(nonce)), .number(maxPriorityFeePerGas),
            .number(maxFeePerGas), .number(UInt128(gasLimit)), .bytes(to?.bytes ?? []),
            .number(value), .bytes(data), .list([]),
        ]
    }

    /// Its bytes without a signature.
    var unsignedBytes: [UInt8] { [0x02] + RLP.list(fields).encoded }

    /// What is signed.
    public var signingHash: Digest { Keccak256.hash(unsignedBytes) }

    /// The transaction signed with `key`. Its hash is known before anybody sees it.
    public func signed(by key: Secp256k1.PrivateKey) -> SignedTransaction {
        signed(key.sign(signingHash), by: key.address)
    }

    /// The transaction with a signature of `sender`'s over `signingHash`, which is not checked
    /// here.
    public func signed(
        _ signature: RecoverableSignature, by sender: EVMAddress
    ) -> SignedTransaction {
        let parts: [RLP] = [
            .number(UInt128(signature.recoveryID)), .trimmed(signature.r), .trimmed(signature.s),
        ]
        let raw = [0x02] + RLP.list(fields + parts).encoded
        return SignedTransaction(
            raw: raw, sender: sender, chainID: chainID, nonce: nonce, to: to, data: data)
    }
}

extension EVMTransaction {
    /// Whether `raw` is this transaction with something behind its fields, where the signature
    /// belongs: what a signer gave back is compared with what it was given.
    func isSigned(in raw: [UInt8]) -> Bool {
        guard raw.first == 0x02 else { return false }
        let wanted = RLP.list(fields).encoded
        let found = raw.dropFirst()
        return Self.payload(found).starts(with: Self.payload(wanted[...]))
    }

    /// What follows the header of an RLP list.
    private static func payload(_ list: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard let head = list.first, head >= 0xc0 else { return [] }
        return list.dropFirst(head < 0xf8 ? 1 : 2 + Int(head - 0xf8))
    }
}

extension RLP {
    /// A 256-bit number.
    fileprivate static func trimmed(_ number: Digest) -> RLP {
        .bytes(Array(number.bytes.drop { $0 == 0 }))
    }
}

/// A signed transaction: write it down **before** it is sent, so that its outcome can be found out
/// whatever happens.
public struct SignedTransaction: Hashable, Sendable {
    /// What is sent.
    public let raw: [UInt8]
    /// Who signed.
    public let sender: EVMAddress
    /// The chain it counts on.
    public let chainID: UInt64
    /// The sender's transaction number.
    public let nonce: UInt64
    /// Who is called; `nil` deploys a contract.
    public let to: EVMAddress?
    /// The call's data.
    public let data: [UInt8]

    /// Its name on chain: Keccak-256 of the raw bytes.
    public var hash: Digest { Keccak256.hash(raw) }

    /// The contract it deploys; `nil` for a call.
    public var deployedAddress: EVMAddress? {
        guard to == nil else { return nil }
        let name = RLP.list([.bytes(sender.bytes), .number(UInt128(nonce))])
        return EVMAddress(Keccak256.hash(name.encoded).bytes.suffix(20))
    }
}

extension SignedTransaction: CanonicalCodable {
    /// The raw bytes, then the fields that are looked at without decoding them.
    public func encode(into writer: inout ByteWriter) {
        writer.write(raw)
        writer.write(sender)
        writer.write(chainID)
        writer.write(nonce)
        writer.write(to)
        writer.write(data)
    }

    /// Reads a transaction of at most 1 MiB.
    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            raw: try reader.readBytes(limit: 1 << 20), sender: try reader.read(),
            chainID: try reader.readUInt64(), nonce: try reader.readUInt64(),
            to: try reader.readOptional(), data: try reader.readBytes(limit: 1 << 20))
    }
}
