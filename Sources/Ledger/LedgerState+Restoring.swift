public import Primitives

/// The way back from the encoding.
extension LedgerState {
    /// What an account's transfers add up to.
    private struct Sums {
        var debitsPending = Amount.zero
        var debitsPosted = Amount.zero
        var creditsPending = Amount.zero
        var creditsPosted = Amount.zero
    }

    /// How many transfers are looked for at once.
    private static let restoredTogether = 64

    /// Reads a state into an empty ledger, which keeps its `tableSeed`. Checks the form, the order
    /// of time, that every id is there once, and that every account's balances are the sums of its
    /// transfers; `checkInvariants` checks the rest. After an error the ledger is of no use.
    /// O(state).
    public mutating func restore(from reader: inout ByteReader) throws(CodecError) {
        precondition(accounts.isEmpty && burntIDs.isEmpty, "a ledger is restored once")
        latest = try reader.read()
        guard latest <= LedgerState.endOfTime else { throw .invalidValue("latest timestamp") }
        try restoreAccounts(from: &reader)
        try restoreTransfers(from: &reader)
        for _ in 0..<(try reader.readCount(limit: IDTable.limit - transfers.count)) {
            let id: TransferID = try reader.read()
            guard id.isValid, case .nothing = lookUp(id) else { throw .invalidValue("burnt id") }
            burn(id)
        }
        // Rows were noted with balances of the end.
        history = BalanceHistory()
    }

    private mutating func restoreAccounts(from reader: inout ByteReader) throws(CodecError) {
        var last = Timestamp.zero
        for _ in 0..<(try reader.readCount(limit: IDTable.limit)) {
            let account: Account = try reader.read()
            guard account.reserved == 0, account.flags.isSubset(of: .known), account.id.isValid,
                account.timestamp > last, account.timestamp <= latest,
                account.debitsPending.checkedAdding(account.debitsPosted) != nil,
                account.creditsPending.checkedAdding(account.creditsPosted) != nil,
                accountIndex(account.id) == nil
            else { throw .invalidValue("account") }
            last = account.timestamp
            append(account)
        }
    }

    private mutating func restoreTransfers(from reader: inout ByteReader) throws(CodecError) {
        var left = try reader.readCount(limit: IDTable.limit)
        if left <= reader.remaining / Transfer.wireSize { transferTable.reserve(left) }
        var sums = Array(repeating: Sums(), count: accounts.count)
        var block: [(transfer: Transfer, status: PendingStatus)] = []
        block.reserveCapacity(LedgerState.restoredTogether)
        while left > 0 {
            block.removeAll(keepingCapacity: true)
            for _ in 0..<min(left, LedgerState.restoredTogether) {
                let transfer: Transfer = try reader.read()
                guard let status = PendingStatus(rawValue: try reader.readUInt8()) else {
                    throw .invalidValue("pending status")
                }
                // The waits for memory overlap.
                transferTable.prefetch(transfer.id.value)
                block.append((transfer, status))
            }
            for (transfer, status) in block { try restore(transfer, status, &sums) }
            left -= block.count
        }
        for (account, sums) in zip(accounts, sums) {
            guard account.debitsPending == sums.debitsPending,
                account.debitsPosted == sums.debitsPosted,
                account.creditsPending == sums.creditsPending,
                account.creditsPosted == sums.creditsPosted
            else { throw .invalidValue("balance") }
        }
    }

    @inline(__always)
    private mutating func restore(
        _ transfer: Transfer, _ status: PendingStatus, _ sums: inout [Sums]
    ) throws(CodecError) {
        guard transfer.flags.isSubset(of: .known), transfer.id.isValid,
            transfer.timestamp > (transfers.last?.timestamp ?? .zero),
            transfer.timestamp <= latest,
            transfer.flags.contains(.pending) == (status != .none),
            case .nothing = lookUp(transfer.id),
            let debit = accountIndex(transfer.debitAccount),
            let credit = accountIndex(transfer.creditAccount), debit != credit
        else { throw .invalidValue("transfer") }
        if status == .pending {
            try add(transfer.amount, to: &sums[debit].debitsPending)
            try add(transfer.amount, to: &sums[credit].creditsPending)
        } else if transfer.flags.isDisjoint(with: [.pending, .voidPending]) {
            try add(transfer.amount, to: &sums[debit].debitsPosted)
            try add(transfer.amount, to: &sums[credit].creditsPosted)
        }
        append(
            transfer, status: status, debit: debit, credit: credit,
            to: index.ends(debit: debit, credit: credit))
        scheduleExpiry(transfers.count - 1)
    }

    @inline(__always)
    private func add(_ amount: Amount, to sum: inout Amount) throws(CodecError) {
        guard let more = sum.checkedAdding(amount) else { throw .invalidValue("balance") }
        sum = more
    }
}
