public import Cryptography
public import Primitives

/// A channel of `x402BatchSettlement`: its `ChannelConfig`, on one chain and at one contract.
///
/// Source of all formats: contracts/evm/src/x402BatchSettlement.sol of x402-foundation/x402 at
/// 3d73f63f (docs/reference/channels.md).
public struct BatchChannel: Hashable, Sendable {
    /// The parts a channel's id is the hash of.
    public struct Config: Hashable, Sendable {
        /// Who pays, and gets back what is not claimed.
        public var payer: EVMAddress
        /// Whose signature a voucher has; zero for the payer's own.
        public var payerAuthorizer: EVMAddress
        /// Who is paid.
        public var receiver: EVMAddress
        /// Who may claim and refund besides the receiver, and sign claims for others to send.
        public var receiverAuthorizer: EVMAddress
        /// What is paid: an ERC-20 token.
        public var token: EVMAddress
        /// Seconds from the payer's first word that it takes the deposit back until it can.
        public var withdrawDelay: UInt64
        /// Tells channels of the same parties apart.
        public var salt: Digest

        /// These parts, unchecked.
        public init(
            payer: EVMAddress, payerAuthorizer: EVMAddress = .zero, receiver: EVMAddress,
            receiverAuthorizer: EVMAddress, token: EVMAddress, withdrawDelay: UInt64,
            salt: Digest
        ) {
            self.payer = payer
            self.payerAuthorizer = payerAuthorizer
            self.receiver = receiver
            self.receiverAuthorizer = receiverAuthorizer
            self.token = token
            self.withdrawDelay = withdrawDelay
            self.salt = salt
        }
    }

    /// Its parts.
    public let config: Config
    /// The chain.
    public let chainID: UInt64
    /// The contract that holds the deposit.
    public let contract: EVMAddress
    /// Its id: the EIP-712 digest of its parts, so that the same parts have another id on another
    /// chain or at another contract.
    public let id: Digest
    /// The separator of everything that is signed for the contract on this chain.
    public let domain: Digest

    /// Where the contract is on every chain (CREATE2).
    public static let standardContract = known("4020074e9dF2ce1deE5A9C1b5c3f541D02a10003")
    /// Where the collector of EIP-3009 deposits is on every chain.
    public static let standardCollector = known("4020806089470a89826cB9fB1f4059150b550004")
    /// The delays the contract takes: 15 minutes to 30 days.
    public static let delays: ClosedRange<UInt64> = 900...2_592_000

    private static func known(_ text: String) -> EVMAddress {
        guard let address = EVMAddress(hex: text) else { preconditionFailure("not 20 bytes") }
        return address
    }

    /// A channel of these parts; throws `invalidTerms` for those whose deposit the contract would
    /// not take.
    public init(
        _ config: Config, chainID: UInt64, contract: EVMAddress = BatchChannel.standardContract
    ) throws(ChannelRefusal) {
        guard config.payer != .zero, config.receiver != .zero, config.receiverAuthorizer != .zero,
            config.token != .zero, Self.delays.contains(config.withdrawDelay)
        else { throw .invalidTerms }
        self.config = config
        self.chainID = chainID
        self.contract = contract
        domain = EIP712.domainSeparator(
            name: "x402 Batch Settlement", version: "1", chainID: chainID, contract: contract)
        let parts = EIP712.structHash(
            type: "ChannelConfig(address payer,address payerAuthorizer,address receiver,"
                + "address receiverAuthorizer,address token,uint40 withdrawDelay,bytes32 salt)",
            words: [
                config.payer.word, config.payerAuthorizer.word, config.receiver.word,
                config.receiverAuthorizer.word, config.token.word,
                EIP712.word(UInt128(config.withdrawDelay)), config.salt,
            ])
        id = EIP712.digest(domain: domain, structHash: parts)
    }

    /// Whose key signs vouchers.
    public var signer: EVMAddress {
        config.payerAuthorizer == .zero ? config.payer : config.payerAuthorizer
    }

    /// What a voucher's signature is of.
    public func voucherDigest(_ cumulative: UInt128) -> Digest {
        EIP712.digest(
            domain: domain,
            structHash: EIP712.structHash(
                type: "Voucher(bytes32 channelId,uint128 maxClaimableAmount)",
                words: [id, EIP712.word(cumulative)]))
    }

    /// What the receiver's authorizer signs to give unclaimed money back; `nonce` is the contract's
    /// `refundNonce` of the channel.
    public func refundDigest(nonce: UInt128, amount: UInt128) -> Digest {
        EIP712.digest(
            domain: domain,
            structHash: EIP712.structHash(
                type: "Refund(bytes32 channelId,uint256 nonce,uint128 amount)",
                words: [id, EIP712.word(nonce), EIP712.word(amount)]))
    }

    /// A voucher for all that was ever paid, signed. Throws `wrongSigner` for a key that is not the
    /// channel's.
    public func voucher(
        _ cumulative: UInt128, by key: Secp256k1.PrivateKey
    ) throws(ChannelRefusal) -> Voucher {
        guard key.address == signer else { throw .wrongSigner }
        return Voucher(
            channel: id, cumulative: cumulative,
            signature: key.sign(voucherDigest(cumulative)).bytes)
    }

    /// Throws unless a voucher is of this channel and signed by its signer, with 27 or 28 at the
    /// end and an s in the low half: the one form the contract takes (OpenZeppelin's `ECDSA`).
    /// Contracts that sign (ERC-1271) are not asked.
    public func check(_ voucher: Voucher) throws(ChannelRefusal) {
        guard voucher.signature.count == 65, voucher.expiresAt == 0 else { throw .malformed }
        guard voucher.channel == id else { throw .wrongChannel }
        try check(voucher.signature, of: voucherDigest(voucher.cumulative))
    }

    /// Throws unless these bytes are the signer's signature of a digest, in the one form.
    func check(_ bytes: [UInt8], of digest: Digest) throws(ChannelRefusal) {
        guard bytes.count == 65 else { throw .malformed }
        guard bytes[64] >= 27, let signature = RecoverableSignature(bytes) else {
            throw .notCanonical
        }
        guard !signature.isHigh else { throw .highS }
        guard let found = signature.recover(digest) else { throw .badSignature }
        guard found == signer else { throw .wrongSigner }
    }
}

extension BatchChannel: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        let addresses = [
            config.payer, config.payerAuthorizer, config.receiver, config.receiverAuthorizer,
            config.token, contract,
        ]
        for address in addresses { writer.write(address) }
        writer.write(config.withdrawDelay)
        writer.write(config.salt)
        writer.write(chainID)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        var addresses: [EVMAddress] = []
        for _ in 0..<6 { addresses.append(try reader.read()) }
        let config = Config(
            payer: addresses[0], payerAuthorizer: addresses[1], receiver: addresses[2],
            receiverAuthorizer: addresses[3], token: addresses[4],
            withdrawDelay: try reader.readUInt64(), salt: try reader.readDigest())
        let chainID = try reader.readUInt64()
        do throws(ChannelRefusal) {
            try self.init(config, chainID: chainID, contract: addresses[5])
        } catch { throw .invalidValue("channel") }
    }
}
