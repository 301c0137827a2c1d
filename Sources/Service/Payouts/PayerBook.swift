public import Chains
public import Primitives

/// What the house's token account on Solana did since it is watched, to be held against what the
/// books say was paid from it and came to it: each transfer out is a payment, each payment a
/// transfer, and each deposit of the books a transfer in.
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
        /// The place among the transaction's instructions; `nil` where a version of before wrote
        /// it down, which did not keep it.
        public let instruction: UInt32?

        /// A transfer of these parts.
        public init(
            _ transaction: Signature, slot: UInt64, account: SolanaAddress?, units: UInt64,
            instruction: UInt32? = nil
        ) {
            self.transaction = transaction
            self.slot = slot
            self.account = account
            self.units = units
            self.instruction = instruction
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
    /// What came from others than the house's own accounts and is no deposit of the books. Of
    /// strangers' transfers the greatest thousand: whoever sends many small ones fills nothing up.
    public private(set) var strayIn: [Transfer] = []
    /// What came in since the start and is a deposit of the books.
    public private(set) var deposited: UInt128 = 0
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

    /// A book of an account that did not pay so far: what the books say was paid before was another
    /// account's, and is not looked for here.
    ///
    /// - Parameters:
    ///   - dispersals: how many of the books, from the first on, are over.
    ///   - sum: what they paid on Solana.
    public init(from start: VaultCursor, after dispersals: Int, paying sum: UInt128) {
        self.init(from: start)
        mark = dispersals
        early = sum
    }

    /// Takes what was read from the book's cursor on, and how far that is now.
    ///
    /// - Parameters:
    ///   - owners: whose deposits are the house's own.
    ///   - isDeposit: whether so many units of an owner are to be credited to somebody: such a
    ///     transfer is kept until it is, whatever comes after it.
    public mutating func take(
        _ records: [VaultRecord], upTo cursor: VaultCursor, from owners: Set<SolanaAddress>,
        isDeposit: (Transfer) -> Bool = { _ in false }
    ) {
        for record in records {
            func transfer(_ account: SolanaAddress?, _ units: UInt64) -> Transfer {
                Transfer(
                    record.place.transaction, slot: record.place.slot, account: account,
                    units: units, instruction: record.place.instruction)
            }
            switch record.event {
            case .deposited(let amount, let owner, _, _):
                cameIn += UInt128(amount)
                if !owners.contains(owner) { addStray(transfer(owner, amount), isDeposit) }
            case .withdrawn(let amount, let target):
                wentOut += UInt128(amount)
                outgoing.append(transfer(target, amount))
            case .claimed(let payee, let amount, _):
                wentOut += UInt128(amount)
                outgoing.append(transfer(payee, amount))
            case .changed(let before, let after) where after > before:
                cameIn += UInt128(after - before)
                addStray(transfer(nil, after - before), isDeposit)
            case .changed(let before, let after):
                wentOut += UInt128(before - after)
                outgoing.append(transfer(nil, before - after))
            case .committed: continue
            }
        }
        self.cursor = cursor
    }

    private mutating func addStray(_ transfer: Transfer, _ isDeposit: (Transfer) -> Bool) {
        strayIn.append(transfer)
        guard strayIn.count > Self.strayLimit else { return }
        let strangers = strayIn.indices.filter { !isDeposit(strayIn[$0]) }
        guard strangers.count > Self.strayLimit,
            let least = strangers.min(by: { strayIn[$0].units < strayIn[$1].units })
        else { return }
        strayIn.remove(at: least)
    }

    /// Takes down that transfers in are deposits of the books.
    public mutating func credit(_ transfers: Set<Transfer>) {
        for transfer in strayIn where transfers.contains(transfer) {
            deposited += UInt128(transfer.units)
        }
        strayIn.removeAll { transfers.contains($0) }
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
        writer.write(instruction ?? .max)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        try self.init(from: &reader, version: PayerBook.version)
    }

    fileprivate init(from reader: inout ByteReader, version: UInt8) throws(CodecError) {
        let (transaction, slot): (Signature, UInt64) = (try reader.read(), try reader.readUInt64())
        let account: SolanaAddress? = try reader.readOptional()
        let units = try reader.readUInt64()
        let place = version == 1 ? .max : try reader.readUInt32()
        self.init(
            transaction, slot: slot, account: account, units: units,
            instruction: place == .max ? nil : place)
    }
}

extension PayerBook: CanonicalCodable {
    /// Version 1 had no places of instructions, and no deposits.
    fileprivate static let version: UInt8 = 2

    /// The book with its cursors, behind its version.
    public func encode(into writer: inout ByteWriter) {
        writer.write(Self.version)
        writer.write(start)
        writer.write(cursor)
        writer.write(cameIn)
        writer.write(wentOut)
        writer.write(outgoing)
        writer.write(strayIn)
        writer.write(UInt64(mark))
        writer.write(retired)
        writer.write(early)
        writer.write(deposited)
    }

    /// Reads a book.
    public init(from reader: inout ByteReader) throws(CodecError) {
        let version = try reader.readUInt8()
        guard (1...Self.version).contains(version) else { throw .invalidValue("version") }
        self.init(from: try reader.read())
        cursor = try reader.read()
        cameIn = try reader.readUInt128()
        wentOut = try reader.readUInt128()
        outgoing = try Self.transfers(from: &reader, version)
        strayIn = try Self.transfers(from: &reader, version)
        mark = Int(clamping: try reader.readUInt64())
        retired = try reader.readUInt128()
        early = try reader.readUInt128()
        if version > 1 { deposited = try reader.readUInt128() }
    }

    private static func transfers(
        from reader: inout ByteReader, _ version: UInt8
    ) throws(CodecError) -> [Transfer] {
        var found: [Transfer] = []
        for _ in 0..<(try reader.readCount(limit: .max)) {
            found.append(try Transfer(from: &reader, version: version))
        }
        return found
    }
}
