import Ledger
import Primitives

/// Turns what happens in a ledger into rows: watches it command by command, and gives the rows that
/// changed since the last time it was asked.
struct LedgerProjection {
    /// How a pending transfer ended.
    private struct Resolution {
        var by: TransferID?
        var at: Timestamp?
        var posted = Amount.zero
    }

    /// Whether every account has a balance history, or only those with the flag `history`.
    private let keepsAllHistory: Bool
    /// Accounts with a history, as they are after each change.
    private var kept: [AccountID: Account] = [:]
    /// Changes in all histories so far.
    private var changes: Int64 = 0
    private var timeouts = Timeouts()
    private var seenAccounts = 0
    private var seenTransfers = 0

    // What changed since rows were last taken.
    private var touched: Set<AccountID> = []
    private var resolutions: [TransferID: Resolution] = [:]
    private var firstTransfer = 0
    /// For each batch with transfers: its number, and how many transfers there were after it.
    private var batches: [(sequence: UInt64, end: Int)] = []
    private var history = ReadModelRows(LedgerTables.history)

    init(keepsAllHistory: Bool) {
        self.keepsAllHistory = keepsAllHistory
    }

    /// About how many rows wait.
    var waiting: Int {
        touched.count + resolutions.count + seenTransfers - firstTransfer + history.count
    }

    /// Takes note of what a command at `now` in batch `sequence` did.
    mutating func note(_ ledger: borrowing LedgerState, at now: Timestamp, in sequence: UInt64) {
        // One that ended during the command is released by the next, and waits until then.
        while let place = timeouts.first(upTo: now) {
            let pending = ledger.transfers[place]
            if ledger.pendingStatus(pending.id) == .pending { break }
            timeouts.removeFirst()
            expire(pending, ledger)
        }
        while seenAccounts < ledger.accounts.count {
            var account = ledger.accounts[seenAccounts]
            touched.insert(account.id)
            if keepsAllHistory || account.flags.contains(.history) {
                // It may have taken part in transfers of this command already.
                account.debitsPending = .zero
                account.debitsPosted = .zero
                account.creditsPending = .zero
                account.creditsPosted = .zero
                kept[account.id] = account
            }
            seenAccounts += 1
        }
        guard seenTransfers < ledger.transferCount else { return }
        while seenTransfers < ledger.transferCount {
            note(ledger.transfers[seenTransfers], place: seenTransfers, ledger)
            seenTransfers += 1
        }
        if batches.last?.sequence == sequence { batches.removeLast() }
        batches.append((sequence, seenTransfers))
    }

    private mutating func note(_ transfer: Transfer, place: Int, _ ledger: borrowing LedgerState) {
        touched.insert(transfer.debitAccount)
        touched.insert(transfer.creditAccount)
        var reserved = Amount.zero
        var released = Amount.zero
        var posted = transfer.amount
        if transfer.flags.contains(.pending) {
            resolutions[transfer.id] = Resolution()
            if let moment = transfer.expiresAt { timeouts.insert(moment, place: place) }
            reserved = transfer.amount
            posted = .zero
        } else if let pending = ledger.transfer(transfer.pendingID) {
            if transfer.flags.contains(.voidPending) { posted = .zero }
            released = pending.amount
            resolutions[pending.id] = Resolution(
                by: transfer.id, at: transfer.timestamp, posted: posted)
        }
        for (id, isDebit) in [(transfer.debitAccount, true), (transfer.creditAccount, false)] {
            change(id, at: transfer.timestamp, by: transfer.id) { account in
                if isDebit {
                    account.debitsPending = account.debitsPending + reserved - released
                    account.debitsPosted += posted
                } else {
                    account.creditsPending = account.creditsPending + reserved - released
                    account.creditsPosted += posted
                }
            }
        }
    }

    private mutating func expire(_ pending: Transfer, _ ledger: borrowing LedgerState) {
        guard ledger.pendingStatus(pending.id) == .expired, let moment = pending.expiresAt else {
            return
        }
        touched.insert(pending.debitAccount)
        touched.insert(pending.creditAccount)
        resolutions[pending.id] = Resolution(at: moment)
        change(pending.debitAccount, at: moment, by: pending.id) {
            $0.debitsPending -= pending.amount
        }
        change(pending.creditAccount, at: moment, by: pending.id) {
            $0.creditsPending -= pending.amount
        }
    }

    /// Changes an account that has a history, and adds the row.
    private mutating func change(
        _ id: AccountID, at time: Timestamp, by transfer: TransferID,
        _ body: (inout Account) -> Void
    ) {
        guard var account = kept[id] else { return }
        body(&account)
        kept[id] = account
        changes += 1
        history.add(LedgerTables.row(change: changes, account, at: time, by: transfer))
    }

    /// The rows that changed since the last call, as `ledger` is now; then nothing waits.
    mutating func takeRows(_ ledger: borrowing LedgerState) -> [ReadModelRows] {
        var accounts = ReadModelRows(LedgerTables.account)
        for account in touched.compactMap({ ledger.account($0) })
            .sorted(by: { $0.timestamp < $1.timestamp })
        {
            accounts.add(LedgerTables.row(account))
        }
        var transfers = ReadModelRows(LedgerTables.transfer)
        var place = firstTransfer
        for (sequence, end) in batches {
            while place < end {
                transfers.add(LedgerTables.row(ledger.transfers[place], batch: sequence))
                place += 1
            }
        }
        var pendings = ReadModelRows(LedgerTables.pending)
        for transfer in resolutions.keys.compactMap({ ledger.transfer($0) })
            .sorted(by: { $0.timestamp < $1.timestamp })
        {
            let end = resolutions[transfer.id] ?? Resolution()
            let status = ledger.pendingStatus(transfer.id) ?? .none
            pendings.add([
                .integer(transfer.timestamp.nanoseconds), .number(transfer.id.value),
                .text("\(status)"),
                transfer.expiresAt.map { .integer($0.nanoseconds) } ?? .null,
                end.by.map { .number($0.value) } ?? .null,
                end.at.map { .integer($0.nanoseconds) } ?? .null, .number(end.posted.units),
            ])
        }
        defer { forget() }
        return [accounts, transfers, pendings, history]
    }

    /// Forgets what waits: it is in the model already.
    mutating func forget() {
        touched.removeAll(keepingCapacity: true)
        resolutions.removeAll(keepingCapacity: true)
        batches.removeAll(keepingCapacity: true)
        history.cells.removeAll(keepingCapacity: true)
        firstTransfer = seenTransfers
    }
}

/// The pending transfers that can expire, the first to expire first, then the oldest: a binary
/// heap.
private struct Timeouts {
    private var heap: [(moment: UInt64, place: Int)] = []

    mutating func insert(_ moment: Timestamp, place: Int) {
        heap.append((moment.nanoseconds, place))
        var child = heap.count - 1
        while child > 0, heap[child] < heap[(child - 1) / 2] {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// The first that ends by `now`; whether it was posted or voided before is not known.
    func first(upTo now: Timestamp) -> Int? {
        heap.first.flatMap { $0.moment <= now.nanoseconds ? $0.place : nil }
    }

    mutating func removeFirst() {
        let last = heap.removeLast()
        guard !heap.isEmpty else { return }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && heap[child] < heap[least] {
                least = child
            }
            if least == parent { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
