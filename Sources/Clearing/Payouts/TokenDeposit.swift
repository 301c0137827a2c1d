public import Primitives

extension Kinds {
    /// Dollars that came in on Solana.
    public enum Deposit {}
}

/// Names a deposit on Solana.
public typealias DepositID = Identifier<Kinds.Deposit>

/// Dollars that somebody sent on Solana to the account that the house pays from there.
public struct TokenTransfer: Hashable, Sendable {
    /// Whose they were: the owner of the token account that they came from, the 32 bytes of its
    /// address.
    public var owner: Digest
    /// How many, in the token's units, which are the dollar's chain units.
    public var units: UInt64
    /// The slot of the final block.
    public var slot: UInt64
    /// The transaction.
    public var transaction: Signature
    /// The place among the transaction's instructions. With the transaction it names the transfer.
    public var instruction: UInt32

    /// A transfer of these parts.
    public init(
        owner: Digest, units: UInt64, slot: UInt64, transaction: Signature, instruction: UInt32
    ) {
        self.owner = owner
        self.units = units
        self.slot = slot
        self.transaction = transaction
        self.instruction = instruction
    }
}

/// A transfer that a party is credited with.
///
/// The dollars are the payer's, on Solana; the contract has none of them. So the party buys with
/// them what the payer has coming from the contract, as far as there is any; the rest waits.
public struct TokenDeposit: Hashable, Sendable {
    /// The deposit's number, from 1, without gaps.
    public let id: DepositID
    /// What came.
    public let transfer: TokenTransfer
    /// Who had registered the owner.
    public let party: PartyID
    /// When it was booked.
    public let bookedAt: Timestamp
    /// How much of it is credited, in chain units.
    public internal(set) var credited: UInt64 = 0

    init(id: DepositID, _ transfer: TokenTransfer, party: PartyID, bookedAt: Timestamp) {
        self.id = id
        self.transfer = transfer
        self.party = party
        self.bookedAt = bookedAt
    }

    /// How much of it waits for the payer to have something to sell, in chain units.
    public var waiting: UInt64 { transfer.units - credited }
}

/// An account on Solana whose transfers to the house are a party's deposits.
public struct Depositor: Hashable, Sendable {
    /// The owner of the token accounts they come from.
    public let owner: Digest
    /// Whose deposits they are.
    public let party: PartyID
}

// MARK: Bytes

extension TokenTransfer: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(owner)
        writer.write(units)
        writer.write(slot)
        writer.write(transaction)
        writer.write(instruction)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            owner: try reader.readDigest(), units: try reader.readUInt64(),
            slot: try reader.readUInt64(), transaction: try reader.read(),
            instruction: try reader.readUInt32())
    }
}

extension TokenDeposit: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(id)
        writer.write(transfer)
        writer.write(party)
        writer.write(bookedAt)
        writer.write(credited)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            id: try reader.read(), try reader.read(), party: try reader.read(),
            bookedAt: try reader.read())
        credited = try reader.readUInt64()
        guard credited <= transfer.units else { throw .invalidValue("credited") }
    }
}

extension Depositor: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(owner)
        writer.write(party)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(owner: try reader.readDigest(), party: try reader.read())
    }
}
