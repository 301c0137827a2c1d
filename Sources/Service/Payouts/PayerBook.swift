public import Chains
public import Primitives

/// What the house's token account on Solana did since it is watched, to be held against what the
/// books say was paid from it: each transfer is a payment, each payment a transfer.
///
/// A value: pages of the account's history come in, with the cursor that they lead to. Transfers of
/// payments that are over are forgotten but for their sum.
public struct PayerBook: Hashable, Sendable {
    /// Tokens that came or went.
    public struct Transfer: Hashable, Sendable {
        /// The transaction.
        public let transaction: Signature
        /// Its slot.
        public let slot: UInt64
        /// The token account they went to, or the owner they came from; `nil` if no transfer that
        /// the watcher knows explains the change.
        public let account: SolanaAddress?
        /// How many, in the token's units.
        public let units: UInt64

        /// A transfer of these parts.
        public init(
            _ transaction: Signature, slot: UInt64, account: SolanaAddress?, units: UInt64
        ) {
            self.transaction = transaction
            self.slot = slot
            self.account = account
            self.units = units
        }
    }

    /// Where the watch began: what was before is not looked at.
    public let start: VaultCursor
    /// How far it is.
    public private(set) var cursor: VaultCursor
    /// All that came in, and all that went, since the start.
    public private(set) var cameIn: UInt128 = 0
    /// See `cameIn`.
    public private(set) var wentOut: UInt128 = 0
    /// What went and is no payment of a dispersal before the mark.
    public private(set) var outgoing: [Transfer] = []
    /// What came from others than the house's own accounts, the first thousand.
    public private(set) var strayIn: [Transfer] = []
    /// How many dispersals of the books, from the first on, are over and found on chain.
    public private(set) var mark = 0
    /// What they paid since the start, and before it.
    public private(set) var retired: UInt128 = 0
    /// See `retired`.
    public private(set) var early: UInt128 = 0

    private static let strayLimit = 1_000

    /// A book that begins at a cursor.
    public init(from start: VaultCursor) {
        self.start = start
        cursor = start
    }

    /// Takes what was read from the book's cursor on, and how far that is now.
    ///
    /// - Parameter owners: whose deposits are the house's own.
    public mutating func take(
        _ records: [VaultRecord], upTo cursor: VaultCursor, from owners: Set<SolanaAddress>
    ) {
        for record in records {
            func transfer(_ account: SolanaAddress?, _ units: UInt64) -> Transfer {
                Transfer(
                    record.place.transaction, slot: record.place.slot, account: account,
                    units: units)
            }
            switch record.event {
            case .deposited(let amount, let owner, _, _):
                cameIn += UInt128(amount)
                if !owners.contains(owner) { addStray(transfer(owner, amount)) }
            case .withdrawn(let amount, let target):
                wentOut += UInt128(amount)
                outgoing.append(transfer(target, amount))
            case .claimed(let payee, let amount, _):
                wentOut += UInt128(amount)
                outgoing.append(transfer(payee, amount))
            case .changed(let before, let after) where after > before:
                cameIn += UInt128(after - before)
                addStray(transfer(nil, after - before))
            case .changed(let before, let after):
                wentOut += UInt128(before - after)
                outgoing.append(transfer(nil, before - after))
            case .committed: continue
            }
        }
        self.cursor = cursor
    }

    private mutating func addStray(_ transfer: Transfer) {
        if strayIn.count < Self.strayLimit { strayIn.append(transfer) }
    }

    /// What the account has to hold at the cursor, by what came and went.
    public var balance: UInt128 {
        let came = UInt128(start.balance) + cameIn
        return came - min(came, wentOut)
    }

    /// Forgets the transfers of dispersals that a comparison found to be over and right.
    public mutating func retire(_ found: PayerComparison) {
        guard found.settled.dispersals > 0 else { return }
        mark += found.settled.dispersals
        retired += found.settled.sum
        early += found.settled.early
        for transfer in found.settled.transfers {
            if let place = outgoing.firstIndex(of: transfer) { outgoing.remove(at: place) }
        }
    }
}

extension PayerBook.Transfer: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(transaction)
        writer.write(slot)
        writer.write(account)
        writer.write(units)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            try reader.read(), slot: try reader.readUInt64(), account: try reader.readOptional(),
            units: try reader.readUInt64())
    }
}

extension PayerBook: CanonicalCodable {
    /// The book with its cursors; version 1.
    public func encode(into writer: inout ByteWriter) {
        writer.write(UInt8(1))
        writer.write(start)
        writer.write(cursor)
        writer.write(cameIn)
        writer.write(wentOut)
        writer.write(outgoing)
        writer.write(strayIn)
        writer.write(UInt64(mark))
        writer.write(retired)
        writer.write(early)
    }

    /// Reads a book.
    public init(from reader: inout ByteReader) throws(CodecError) {
        guard try reader.readUInt8() == 1 else { throw .invalidValue("version") }
        self.init(from: try reader.read())
        cursor = try reader.read()
        cameIn = try reader.readUInt128()
        wentOut = try reader.readUInt128()
        outgoing = try reader.readArray(limit: .max)
        strayIn = try reader.readArray(limit: Self.strayLimit)
        mark = Int(clamping: try reader.readUInt64())
        retired = try reader.readUInt128()
        early = try reader.readUInt128()
    }
}
