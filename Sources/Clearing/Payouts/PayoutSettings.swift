public import Primitives

/// What a party says about how it is paid.
public struct PayoutSettings: Hashable, Sendable {
    /// The owner of its token account on Solana; with one its dollars go there, if the house pays
    /// on Solana.
    public var solana: Digest?
    /// The dollars it wants to have for spending: what it earns fills them up before the rest is
    /// paid out.
    public var keep: Amount
    /// Who is to be paid through a payment channel, if the party wants one; on the EVM chain.
    public var channel: EVMAddress?

    /// Settings; by default a party is paid on the EVM chain, in full.
    public init(solana: Digest? = nil, keep: Amount = .zero, channel: EVMAddress? = nil) {
        self.solana = solana
        self.keep = keep
        self.channel = channel
    }
}

extension PayoutSettings: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        // The second bit says that a channel follows: without one the bytes are those of before.
        writer.write((solana == nil ? 0 : 1) | (channel == nil ? 0 : UInt8(2)))
        if let solana { writer.write(solana) }
        writer.write(keep)
        if let channel { writer.write(channel) }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        let marks = try reader.readUInt8()
        guard marks < 4 else { throw .invalidValue("payout settings") }
        solana = marks & 1 != 0 ? try reader.readDigest() : nil
        keep = try reader.read()
        channel = marks & 2 != 0 ? try reader.read() : nil
    }
}

/// What settlement knows of a party beside its money.
struct PayeeRecord: Hashable, Sendable {
    var settings = PayoutSettings()
    /// How often a transfer to it was refused by the chain. It is paid by roots after the first,
    /// until it says its settings anew.
    var refusals: UInt32 = 0
    /// What it owes the house, in dollars: what left the chain beyond what the books had of it, and
    /// what the house has advanced for it.
    var debt = Amount.zero
}

extension PayeeRecord: CanonicalCodable {
    func encode(into writer: inout ByteWriter) {
        writer.write(settings)
        writer.write(refusals)
        writer.write(debt)
    }

    init(from reader: inout ByteReader) throws(CodecError) {
        settings = try reader.read()
        refusals = try reader.readUInt32()
        debt = try reader.read()
    }
}

extension Party {
    /// How it wants to be paid.
    public var payout: PayoutSettings { payee.settings }
    /// What it owes the house, to be taken from what it earns.
    public var debt: Amount { payee.debt }
    /// Whether money can be sent to its address: so far the chain has never refused to.
    public var isPushable: Bool { payee.refusals == 0 }
}

extension ClearingHouse {
    mutating func setPayout(
        _ id: PartyID, _ settings: PayoutSettings, into events: inout [Event]
    ) throws(Rejection) {
        guard parties.at(id) != nil else { throw .partyNotFound }
        if settings.keep.units >= 1 << 120 { throw .invalidAmount }
        parties[id].payee.settings = settings
        parties[id].payee.refusals = 0
        events.append(.payoutSet(id))
    }
}
