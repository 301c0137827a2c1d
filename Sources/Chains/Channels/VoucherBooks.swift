import Cryptography
public import Primitives

/// Under which books a payer signed a channel's last voucher: what it owed in all, at a head of its
/// journal by which that sum was promised. Signed by the voucher's signer, so that whoever shows
/// two heads for one place of the journal is convicted by its own signatures.
public struct VoucherBooks: Hashable, Sendable {
    /// The channel.
    public let channel: Digest
    /// The voucher's sum.
    public let cumulative: UInt128
    /// How many commands the journal had.
    public let sequence: UInt64
    /// The journal's head then, and the root of everything that was owed.
    public let books: PushedBooks
    /// The signer's signature, 65 bytes.
    public let signature: [UInt8]

    /// Books of these parts, unchecked until `BatchChannel.check`.
    public init(
        channel: Digest, cumulative: UInt128, sequence: UInt64, books: PushedBooks,
        signature: [UInt8]
    ) {
        self.channel = channel
        self.cumulative = cumulative
        self.sequence = sequence
        self.books = books
        self.signature = signature
    }
}

extension BatchChannel {
    /// What the signature of books is of: EIP-712 in a domain of its own, at the channel's
    /// contract, which takes nothing of it (docs/reference/channels.md).
    public func booksDigest(
        _ cumulative: UInt128, sequence: UInt64, _ books: PushedBooks
    ) -> Digest {
        EIP712.digest(
            domain: EIP712.domainSeparator(
                name: "Exchequer Voucher Books", version: "1", chainID: chainID,
                contract: contract),
            structHash: EIP712.structHash(
                type: "VoucherBooks(bytes32 channelId,uint128 maxClaimableAmount,"
                    + "uint64 sequence,bytes32 journalHead,bytes32 liabilitiesRoot)",
                words: [
                    id, EIP712.word(cumulative), EIP712.word(UInt128(sequence)),
                    books.journalHead, books.liabilities,
                ]))
    }

    /// Throws unless books are of this channel and signed as its vouchers are.
    public func check(_ books: VoucherBooks) throws(ChannelRefusal) {
        guard books.channel == id else { throw .wrongChannel }
        try check(
            books.signature,
            of: booksDigest(books.cumulative, sequence: books.sequence, books.books))
    }
}
