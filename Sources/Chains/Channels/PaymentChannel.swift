public import Cryptography
public import Primitives

/// A channel of Solana's `payment-channels` program: what it is opened with.
///
/// Source of all formats: docs/003-program-instructions.md and program/payment_channels of
/// solana-foundation/payment-channels at 3ffa4d67 (docs/reference/channels.md).
public struct PaymentChannel: Hashable, Sendable {
    /// A share of what is paid, for somebody besides the payee.
    public struct Split: Hashable, Sendable {
        /// Who gets it: the owner, not the token account.
        public let recipient: SolanaAddress
        /// Parts of 10,000.
        public let shareBps: UInt16

        /// A share.
        public init(_ recipient: SolanaAddress, shareBps: UInt16) {
            self.recipient = recipient
            self.shareBps = shareBps
        }
    }

    /// Who takes part, in what, and until when.
    public struct Terms: Hashable, Sendable {
        /// Who pays, and gets back what is not settled.
        public var payer: SolanaAddress
        /// Who is paid what no split takes.
        public var payee: SolanaAddress
        /// What is paid.
        public var mint: SolanaAddress
        /// Whose key signs vouchers.
        public var authorizedSigner: SolanaAddress
        /// Tells channels of the same parties apart.
        public var salt: UInt64
        /// The slot it is opened in, or one of the 1,500 before: no two channels have one address.
        public var openSlot: UInt64
        /// Seconds from the payer's word that it closes until anybody can seal it.
        public var gracePeriod: UInt32
        /// Who is paid besides the payee.
        public var splits: [Split] = []
        /// Who pays for the accounts, and gets that back.
        public var rentPayer: SolanaAddress

        /// These terms, unchecked.
        public init(
            payer: SolanaAddress, payee: SolanaAddress, mint: SolanaAddress,
            authorizedSigner: SolanaAddress? = nil, salt: UInt64, openSlot: UInt64,
            gracePeriod: UInt32, splits: [Split] = [], rentPayer: SolanaAddress? = nil
        ) {
            self.payer = payer
            self.payee = payee
            self.mint = mint
            self.authorizedSigner = authorizedSigner ?? payer
            self.salt = salt
            self.openSlot = openSlot
            self.gracePeriod = gracePeriod
            self.splits = splits
            self.rentPayer = rentPayer ?? payer
        }
    }

    /// What it is opened with.
    public let terms: Terms
    /// The program.
    public let program: SolanaAddress
    /// SPL Token or Token-2022, whichever the mint belongs to.
    public let token: SolanaAddress
    /// Where the channel is, and its id: it follows from the parties, the mint, the signer, the
    /// salt and the slot.
    public let address: SolanaAddress

    /// Where the program is on the main net.
    public static let standardProgram = known("CHNLxYvVA28MJP9PrFuDXccuoGXAx7jBacfLEkahyGsX")
    /// Who owns the account to which the program on the main net sends what rounding leaves.
    public static let standardTreasury = known("Cs2zdfUNonRdRGsiZUQQLdTxzxVvJZmgiX2mpLYKuEqP")
    /// How many slots old the slot of opening may be.
    public static let openWindow: UInt64 = 1_500
    /// The most splits.
    public static let maximumSplits = 32

    private static func known(_ text: String) -> SolanaAddress {
        guard let address = SolanaAddress(text) else { preconditionFailure("not an address") }
        return address
    }

    /// A channel of these terms; throws `invalidTerms` for those that the program would not open.
    /// Derives one address: about two hashes.
    public init(
        _ terms: Terms, program: SolanaAddress = PaymentChannel.standardProgram,
        token: SolanaAddress = .token
    ) throws(ChannelRefusal) {
        let recipients = Set(terms.splits.map(\.recipient))
        let shares = terms.splits.reduce(0) { $0 + UInt32($1.shareBps) }
        guard terms.payer != terms.payee, terms.gracePeriod > 0, shares <= 10_000,
            terms.splits.count <= Self.maximumSplits, recipients.count == terms.splits.count,
            terms.splits.allSatisfy({ $0.shareBps > 0 }),
            token == .token || token == .token2022,
            Ed25519.isPoint(terms.authorizedSigner.value),
            let found = SolanaAddress.derived(
                from: [
                    Array("channel".utf8), terms.payer.bytes, terms.payee.bytes, terms.mint.bytes,
                    terms.authorizedSigner.bytes, Self.bytes(terms.salt),
                    Self.bytes(terms.openSlot),
                ], by: program),
            !recipients.contains(found.address)
        else { throw .invalidTerms }
        self.terms = terms
        self.program = program
        self.token = token
        address = found.address
    }

    private static func bytes(_ number: UInt64) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(number)
        return writer.bytes
    }

    /// The account that holds the deposit.
    public var escrow: SolanaAddress { tokenAccount(of: address) }

    /// The account of an owner for the channel's mint.
    public func tokenAccount(of owner: SolanaAddress) -> SolanaAddress {
        .tokenAccount(of: owner, mint: terms.mint, program: token)
    }

    /// The splits as `open` is given them and `distribute` is told them again.
    var splitBytes: [UInt8] {
        var writer = ByteWriter()
        writer.write(UInt32(terms.splits.count))
        for split in terms.splits {
            writer.write(split.recipient.value)
            writer.write(split.shareBps)
        }
        return writer.bytes
    }

    /// What the channel keeps of the splits.
    public var distributionHash: Digest { SHA256.hash(splitBytes) }

    /// The 50 bytes that a voucher's signature is of, and that the program reads: `V`, version 1,
    /// the channel, the sum and the end. `nil` for a sum beyond 64 bits.
    public func payload(_ cumulative: UInt128, expiresAt: Int64 = 0) -> [UInt8]? {
        guard let sum = UInt64(exactly: cumulative) else { return nil }
        var writer = ByteWriter()
        writer.write(UInt8(0x56))
        writer.write(UInt8(1))
        writer.write(address.value)
        writer.write(sum)
        writer.write(UInt64(bitPattern: expiresAt))
        return writer.bytes
    }

    /// A voucher for all that was ever paid, signed. Throws `wrongSigner` for a key that is not the
    /// channel's and `overDeposit` for a sum beyond 64 bits.
    public func voucher(
        _ cumulative: UInt128, expiresAt: Int64 = 0, by key: Ed25519.PrivateKey
    ) throws(ChannelRefusal) -> Voucher {
        guard SolanaAddress(key.publicKey) == terms.authorizedSigner else { throw .wrongSigner }
        guard let payload = payload(cumulative, expiresAt: expiresAt) else { throw .overDeposit }
        return Voucher(
            channel: address.value, cumulative: cumulative, expiresAt: expiresAt,
            signature: key.sign(payload).bytes)
    }

    /// A voucher of a payload as it travels and its signature. Throws `malformed` for another
    /// length, `wrongDomain` for another payload than a voucher of version 1, and `wrongChannel`.
    public func voucher(
        payload: [UInt8], signature: Signature
    ) throws(ChannelRefusal) -> Voucher {
        guard payload.count == 50 else { throw .malformed }
        guard payload[0] == 0x56, payload[1] == 1 else { throw .wrongDomain }
        var reader = ByteReader(Array(payload[2...]))
        let channel: Digest
        let sum: UInt64
        let end: UInt64
        do throws(CodecError) {
            channel = try reader.readDigest()
            sum = try reader.readUInt64()
            end = try reader.readUInt64()
        } catch { throw .malformed }
        guard channel == address.value else { throw .wrongChannel }
        return Voucher(
            channel: channel, cumulative: UInt128(sum), expiresAt: Int64(bitPattern: end),
            signature: signature.bytes)
    }

    /// Throws unless a voucher is of this channel and signed by its signer, strictly: a key that is
    /// not encoded canonically or of small order, and an S that is not below the group order, are
    /// refused, as Solana's own check does.
    public func check(_ voucher: Voucher) throws(ChannelRefusal) {
        guard let signature = Signature(voucher.signature),
            let payload = payload(voucher.cumulative, expiresAt: voucher.expiresAt)
        else { throw .malformed }
        guard voucher.channel == address.value else { throw .wrongChannel }
        guard !signature.isHigh else { throw .highS }
        guard PublicKey(terms.authorizedSigner.value).verifies(signature, of: payload) else {
            throw .badSignature
        }
    }
}

extension PaymentChannel: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        let addresses = [
            terms.payer, terms.payee, terms.mint, terms.authorizedSigner, terms.rentPayer, program,
            token,
        ]
        for address in addresses { writer.write(address) }
        writer.write(terms.salt)
        writer.write(terms.openSlot)
        writer.write(terms.gracePeriod)
        writer.write(terms.splits)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        var addresses: [SolanaAddress] = []
        for _ in 0..<7 { addresses.append(try reader.read()) }
        let terms = Terms(
            payer: addresses[0], payee: addresses[1], mint: addresses[2],
            authorizedSigner: addresses[3], salt: try reader.readUInt64(),
            openSlot: try reader.readUInt64(), gracePeriod: try reader.readUInt32(),
            splits: try reader.readArray(limit: Self.maximumSplits), rentPayer: addresses[4])
        do throws(ChannelRefusal) {
            try self.init(terms, program: addresses[5], token: addresses[6])
        } catch { throw .invalidValue("channel") }
    }
}

extension PaymentChannel.Split: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(recipient)
        writer.write(shareBps)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(try reader.read(), shareBps: try reader.readUInt16())
    }
}
