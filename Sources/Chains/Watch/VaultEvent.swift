public import Primitives

/// Where on a Solana cluster something stands: the slot of its final block, the transaction's name,
/// and the place among the transaction's instructions, with those they led to.
public struct VaultPlace: Hashable, Sendable {
    /// The slot.
    public let slot: UInt64
    /// The transaction's name: its payer's signature.
    public let transaction: Signature
    /// The place among its instructions; what no instruction explains comes after all of them.
    public let instruction: UInt32

    /// A place of these parts.
    public init(slot: UInt64, transaction: Signature, instruction: UInt32) {
        self.slot = slot
        self.transaction = transaction
        self.instruction = instruction
    }
}

/// Something that happened to a token account. Amounts are in the token's units.
public enum VaultEvent: Hashable, Sendable {
    /// Tokens came in. `owner` owned them; `memo` and `references` (keys that a payer adds to its
    /// transfer, as Solana Pay has it) say whom they are for.
    case deposited(
        amount: UInt64, owner: SolanaAddress, memo: String?, references: [SolanaAddress])
    /// The payout program paid a payee, which was paid `cumulative` in all then.
    case claimed(payee: SolanaAddress, amount: UInt64, cumulative: UInt64)
    /// Tokens left by the owner's own transfer, to a token account.
    case withdrawn(amount: UInt64, to: SolanaAddress)
    /// A root was put in waiting.
    case committed(PayoutRoot)
    /// The balance changed otherwise: tokens were made or burned there, or the token program knows
    /// an instruction that this watcher does not.
    case changed(before: UInt64, after: UInt64)
}

/// An event with its place: what is booked, once for each place.
public struct VaultRecord: Hashable, Sendable {
    /// Where it stands.
    public let place: VaultPlace
    /// What happened.
    public let event: VaultEvent

    /// An event at a place.
    public init(place: VaultPlace, event: VaultEvent) {
        self.place = place
        self.event = event
    }
}

/// How far a token account's history was read. Store it together with what the events did.
public struct VaultCursor: Hashable, Sendable {
    /// Everything up to this slot was read.
    public let slot: UInt64
    /// The newest transaction that was read, with its slot; `nil` before the first. Whoever tells
    /// what came later has to know it.
    public let newest: Anchor?
    /// What the account held after it.
    public let balance: UInt64

    /// A transaction that was read.
    public struct Anchor: Hashable, Sendable {
        /// Its name.
        public let transaction: Signature
        /// Its slot.
        public let slot: UInt64

        /// The transaction of a name, in a slot.
        public init(transaction: Signature, slot: UInt64) {
            self.transaction = transaction
            self.slot = slot
        }
    }

    /// A cursor of these parts. One without a transaction begins at an account that holds nothing
    /// yet, in the slot after `slot`.
    public init(slot: UInt64, newest: Anchor? = nil, balance: UInt64 = 0) {
        self.slot = slot
        self.newest = newest
        self.balance = balance
    }
}

extension VaultCursor: CanonicalCodable {
    /// The slot, the balance, then the transaction if there is one.
    public func encode(into writer: inout ByteWriter) {
        writer.write(slot)
        writer.write(balance)
        writer.write(newest != nil)
        if let newest {
            writer.write(newest.transaction)
            writer.write(newest.slot)
        }
    }

    /// Reads a cursor.
    public init(from reader: inout ByteReader) throws(CodecError) {
        let slot = try reader.readUInt64()
        let balance = try reader.readUInt64()
        guard try reader.readBool() else {
            self.init(slot: slot, balance: balance)
            return
        }
        self.init(
            slot: slot,
            newest: Anchor(transaction: try reader.read(), slot: try reader.readUInt64()),
            balance: balance)
    }
}

/// What one look at an account's history brought.
public struct VaultPage: Hashable, Sendable {
    /// The events in the order of the chain; none twice, none left out.
    public let records: [VaultRecord]
    /// Where to go on.
    public let cursor: VaultCursor
    /// Whether there is more to read now.
    public let hasMore: Bool
}
