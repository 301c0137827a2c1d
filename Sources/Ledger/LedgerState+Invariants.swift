import Primitives

extension LedgerState {
    /// Recomputes everything that must hold and names each thing that does not; empty when sound.
    ///
    /// Debits equal credits in every ledger; every account's totals, limits and closed flag follow
    /// from the transfers; timestamps are unique and rise in order of creation; every id is found
    /// again and has one outcome; every open timeout is in the queue; the index of accounts'
    /// transfers is complete, and so is the balance history from its first row on.
    /// O(accounts + transfers).
    public func checkInvariants() -> [String] {
        var faults: [String] = []
        for line in trialBalance() where !line.isBalanced {
            faults.append("ledger \(line.ledger): debits and credits differ")
        }
        checkOrder(&faults)
        checkIDs(&faults)
        checkBalances(&faults)
        checkTimeouts(&faults)
        checkIndex(&faults)
        if undo.isOpen { faults.append("a chain was left open") }
        return faults
    }

    private func checkOrder(_ faults: inout [String]) {
        var account = 0
        var transfer = 0
        var last = Timestamp.zero
        while account < accounts.count || transfer < transfers.count {
            let next: Timestamp
            if transfer == transfers.count
                || account < accounts.count
                    && accounts[account].timestamp < transfers[transfer].timestamp
            {
                next = accounts[account].timestamp
                account += 1
            } else {
                next = transfers[transfer].timestamp
                transfer += 1
            }
            if next <= last { faults.append("timestamp \(next.nanoseconds) is out of order") }
            last = Swift.max(last, next)
        }
        if last > latest { faults.append("the latest timestamp is behind a record") }
        if latest > LedgerState.endOfTime { faults.append("the latest timestamp is too late") }
    }

    private func checkIDs(_ faults: inout [String]) {
        for (index, account) in accounts.enumerated() {
            if !account.id.isValid || accountIndex(account.id) != index {
                faults.append("account \(account.id) is not found under its id")
            }
        }
        for (index, transfer) in transfers.enumerated() {
            guard transfer.id.isValid, case .transfer(index) = lookUp(transfer.id) else {
                faults.append("transfer \(transfer.id) is not found under its id")
                continue
            }
        }
        for id in burntIDs where !id.isValid || !isBurnt(id) {
            faults.append("burnt id \(id) has another outcome too")
        }
        if accountTable.count != accounts.count
            || transferTable.count != transfers.count + burntIDs.count
            || statuses.count != transfers.count
        {
            faults.append("an index and its records differ in number")
        }
    }

    /// Plays the stored transfers again on empty accounts and compares.
    private func checkBalances(_ faults: inout [String]) {
        var replayed = Array(accounts)
        for index in replayed.indices {
            replayed[index].debitsPending = .zero
            replayed[index].debitsPosted = .zero
            replayed[index].creditsPending = .zero
            replayed[index].creditsPosted = .zero
        }
        var closings = Array(repeating: false, count: accounts.count)
        var resolved = Array(repeating: false, count: transfers.count)
        for (index, transfer) in transfers.enumerated() {
            guard let debit = accountIndex(transfer.debitAccount),
                let credit = accountIndex(transfer.creditAccount),
                debit != credit,
                accounts[debit].ledger == transfer.ledger,
                accounts[credit].ledger == transfer.ledger
            else {
                faults.append("transfer \(transfer.id) does not fit its accounts")
                continue
            }
            if !isConsistent(transfer, status: statuses[index], &resolved) {
                faults.append("transfer \(transfer.id) and its pending status differ")
            }
            var isSound = true
            func add(_ amount: inout Amount) {
                guard let sum = amount.checkedAdding(transfer.amount) else {
                    return isSound = false
                }
                amount = sum
            }
            if statuses[index] == .pending {
                add(&replayed[debit].debitsPending)
                add(&replayed[credit].creditsPending)
                if transfer.flags.contains(.closingDebit) { closings[debit] = true }
                if transfer.flags.contains(.closingCredit) { closings[credit] = true }
            } else if transfer.flags.isDisjoint(with: [.pending, .voidPending]) {
                add(&replayed[debit].debitsPosted)
                add(&replayed[credit].creditsPosted)
            }
            if !isSound { faults.append("transfer \(transfer.id) overflows its accounts") }
        }
        for (index, status) in statuses.enumerated()
        where resolved[index] != (status == .posted || status == .voided) {
            faults.append("transfer \(transfers[index].id) is not resolved by exactly one other")
        }
        for (index, account) in accounts.enumerated() {
            if account != replayed[index] {
                faults.append("account \(account.id) differs from the sum of its transfers")
            }
            if closings[index], !account.flags.contains(.closed) {
                faults.append("account \(account.id) is open in spite of a closing transfer")
            }
            checkLimits(account, &faults)
        }
    }

    private func checkLimits(_ account: Account, _ faults: inout [String]) {
        guard let debits = account.debitsPending.checkedAdding(account.debitsPosted),
            let credits = account.creditsPending.checkedAdding(account.creditsPosted)
        else {
            faults.append("account \(account.id) overflows")
            return
        }
        let flags = account.flags
        if account.ledger == 0 || account.code == 0 {
            faults.append("account \(account.id) has no ledger or code")
        }
        if flags.contains(.debitsMustNotExceedCredits), debits > account.creditsPosted {
            faults.append("account \(account.id): debits exceed credits")
        }
        if flags.contains(.creditsMustNotExceedDebits), credits > account.debitsPosted {
            faults.append("account \(account.id): credits exceed debits")
        }
    }

    /// Whether a transfer may have this status, and a post or void may point where it points.
    private func isConsistent(
        _ transfer: Transfer, status: PendingStatus, _ resolved: inout [Bool]
    ) -> Bool {
        let isPending = transfer.flags.contains(.pending)
        if isPending != (status != .none) { return false }
        if status == .expired, transfer.timeout == 0 { return false }
        if transfer.timeout != 0, !isPending { return false }
        if transfer.ledger == 0 || transfer.code == 0 { return false }
        if transfer.flags.isDisjoint(with: .resolving) {
            let isClosing = !transfer.flags.isDisjoint(with: [.closingDebit, .closingCredit])
            return transfer.pendingID == .none && (isPending || !isClosing)
        }
        if transfer.flags.isSuperset(of: .resolving) { return false }
        if !transfer.flags.isDisjoint(with: .unresolving) { return false }
        guard case .transfer(let index) = lookUp(transfer.pendingID) else { return false }
        if resolved[index] { return false }
        resolved[index] = true
        let pending = transfers[index]
        let isPost = transfer.flags.contains(.postPending)
        return statuses[index] == (isPost ? .posted : .voided)
            && transfer.amount <= pending.amount
            && transfer.timestamp > pending.timestamp
            && transfer.debitAccount == pending.debitAccount
            && transfer.creditAccount == pending.creditAccount
    }

    /// Indexes the stored transfers again and compares; each row of history must have the totals
    /// posted up to its transfer.
    private func checkIndex(_ faults: inout [String]) {
        var rebuilt = TransferIndex()
        var posted = Array(accounts)
        for place in posted.indices {
            rebuilt.addAccount()
            posted[place].debitsPosted = .zero
            posted[place].creditsPosted = .zero
        }
        var row = 0
        let start = history.rows.first.map { Int($0.key >> 1) } ?? transfers.count
        func check(_ account: Account, _ place: Int, _ side: TransferIndex.Side) {
            guard account.flags.contains(.history), place >= start else { return }
            defer { row += 1 }
            guard row < history.rows.count else { return }
            let found = history.rows[row]
            if found.key != UInt64(place) << 1 | UInt64(side.rawValue)
                || found.debitsPosted != account.debitsPosted
                || found.creditsPosted != account.creditsPosted
            {
                faults.append("the balance history differs at transfer \(transfers[place].id)")
            }
        }
        for (place, transfer) in transfers.enumerated() {
            guard let debit = accountIndex(transfer.debitAccount),
                let credit = accountIndex(transfer.creditAccount)
            else { continue }
            rebuilt.addTransfer(
                debit: debit, credit: credit, to: rebuilt.ends(debit: debit, credit: credit))
            if transfer.flags.isDisjoint(with: [.pending, .voidPending]) {
                // An overflow was found with the balances already.
                let debits = posted[debit].debitsPosted.checkedAdding(transfer.amount)
                let credits = posted[credit].creditsPosted.checkedAdding(transfer.amount)
                posted[debit].debitsPosted = debits ?? .zero
                posted[credit].creditsPosted = credits ?? .zero
            }
            check(posted[debit], place, .debit)
            check(posted[credit], place, .credit)
        }
        if row != history.rows.count { faults.append("the balance history is not complete") }
        if rebuilt != index { faults.append("the index of accounts' transfers differs") }
    }

    private func checkTimeouts(_ faults: inout [String]) {
        var open = 0
        for (index, transfer) in transfers.enumerated()
        where statuses[index] == .pending && transfer.timeout != 0 {
            open += 1
        }
        let queued = expiries.count { statuses[Int($0.transfer)] == .pending }
        if open != queued { faults.append("the queue of timeouts is not complete") }
        if let first = expiries.first, statuses[Int(first.transfer)] != .pending {
            faults.append("the queue of timeouts starts with a resolved transfer")
        }
    }
}
