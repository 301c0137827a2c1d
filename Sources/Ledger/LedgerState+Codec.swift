public import Primitives

/// The whole state in one encoding, so that a hash of it is the state's hash: the latest timestamp;
/// the accounts; the transfers, each followed by its pending status; the burnt ids. All in order of
/// creation. Indexes are left out, since they follow from the rest; the history of balances is left
/// out too, and a decoded ledger has none until `restoreHistory(from:)`.
extension LedgerState: CanonicalCodable {
    /// Appends the one encoding of this value.
    public func encode(into writer: inout ByteWriter) {
        writer.write(latest)
        writer.write(UInt32(accounts.count))
        for account in accounts {
            writer.write(account)
            writer.passOn()
        }
        writer.write(UInt32(transfers.count))
        for (index, transfer) in transfers.enumerated() {
            writer.write(transfer)
            writer.write(statuses[index].rawValue)
            writer.passOn()
        }
        writer.write(UInt32(burntIDs.count))
        for id in burntIDs {
            writer.write(id)
            writer.passOn()
        }
    }

    /// Reads a state and refuses one that no history of requests could have left so.
    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init()
        try restore(from: &reader)
        if !checkInvariants().isEmpty { throw .invalidValue("ledger") }
    }

    /// Reads a state into an empty ledger, which keeps its `tableSeed`. Only its form is checked
    /// and not that its sums hold, so read nothing whose hash is not known to be right. After an
    /// error the ledger is of no use. O(state).
    public mutating func restore(from reader: inout ByteReader) throws(CodecError) {
        precondition(accounts.isEmpty && burntIDs.isEmpty, "a ledger is restored once")
        latest = try reader.read()
        for _ in 0..<(try reader.readCount(limit: IDTable.limit)) {
            let account: Account = try reader.read()
            guard account.reserved == 0, account.flags.isSubset(of: .known), account.id.isValid,
                accountIndex(account.id) == nil
            else { throw .invalidValue("account") }
            append(account)
        }
        let count = try reader.readCount(limit: IDTable.limit)
        if count <= reader.remaining / Transfer.wireSize { transferTable.reserve(count) }
        for _ in 0..<count {
            let transfer: Transfer = try reader.read()
            guard let status = PendingStatus(rawValue: try reader.readUInt8()),
                transfer.flags.isSubset(of: .known), transfer.id.isValid,
                case .nothing = lookUp(transfer.id),
                let debit = accountIndex(transfer.debitAccount),
                let credit = accountIndex(transfer.creditAccount), debit != credit
            else { throw .invalidValue("transfer") }
            append(
                transfer, status: status, debit: debit, credit: credit,
                to: index.ends(debit: debit, credit: credit))
            scheduleExpiry(transfers.count - 1)
        }
        for _ in 0..<(try reader.readCount(limit: IDTable.limit - transfers.count)) {
            let id: TransferID = try reader.read()
            guard id.isValid, case .nothing = lookUp(id) else { throw .invalidValue("burnt id") }
            burn(id)
        }
        // Rows were noted with balances of the end.
        history = BalanceHistory()
    }
}

extension LedgerState: Equatable {
    /// Whether two ledgers hold the same and will answer requests the same for ever. The history of
    /// balances is not compared.
    public static func == (left: LedgerState, right: LedgerState) -> Bool {
        left.latest == right.latest && left.accounts == right.accounts
            && left.transfers == right.transfers && left.statuses == right.statuses
            && left.burntIDs == right.burntIDs
    }
}
