public import Primitives

/// Balance history travels beside the state's encoding: it is not in the state hash, and cannot be
/// derived from the records, because they do not say between which transfers a timeout was
/// released.
extension LedgerState {
    /// Appends the history: a count, then for each row its pending debits and credits. Everything
    /// else of a row follows from the transfers.
    public func encodeHistory(into writer: inout ByteWriter) {
        writer.write(UInt64(history.rows.count))
        for row in history.rows {
            writer.write(row.debitsPending)
            writer.write(row.creditsPending)
            writer.passOn()
        }
    }

    /// Takes over the history of the same ledger, which a decoded state lacks. Refuses one with
    /// another number of rows, or with balances that cannot be; the ledger is as before then.
    public mutating func restoreHistory(from reader: inout ByteReader) throws(CodecError) {
        let count = try reader.readUInt64()
        if count == 0, !accounts.contains(where: { $0.flags.contains(.history) }) {
            history = BalanceHistory()
            return
        }
        var restored = BalanceHistory()
        var posted = Array(accounts)
        for index in posted.indices {
            posted[index].debitsPosted = .zero
            posted[index].creditsPosted = .zero
        }
        func restore(
            _ account: inout Account, _ transfer: Int, _ side: TransferIndex.Side
        ) throws(CodecError) {
            guard account.flags.contains(.history) else { return }
            account.debitsPending = try reader.read()
            account.creditsPending = try reader.read()
            guard account.debitsPending.checkedAdding(account.debitsPosted) != nil,
                account.creditsPending.checkedAdding(account.creditsPosted) != nil
            else { throw .invalidValue("balance history") }
            restored.note(account, transfer: transfer, side: side)
        }
        for (index, transfer) in transfers.enumerated() {
            guard let debit = accountIndex(transfer.debitAccount),
                let credit = accountIndex(transfer.creditAccount)
            else { preconditionFailure("accounts are never deleted") }
            if transfer.flags.isDisjoint(with: [.pending, .voidPending]) {
                posted[debit].debitsPosted += transfer.amount
                posted[credit].creditsPosted += transfer.amount
            }
            try restore(&posted[debit], index, .debit)
            try restore(&posted[credit], index, .credit)
        }
        guard restored.rows.count == count else { throw .invalidValue("balance history") }
        history = restored
    }
}
