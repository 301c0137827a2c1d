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
