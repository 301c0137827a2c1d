public import Primitives

/// A double-entry ledger as one value: accounts, transfers between them, and the rules. The rules
/// are TigerBeetle's (docs/reference/ledger.md), so its documentation applies.
///
/// Total and deterministic: the same calls in the same order give the same answers and the same
/// canonical bytes. A refused event changes nothing but the latest timestamp, and, for a transient
/// reason, uses its id up. Time comes only from the caller.
///
/// Records lie in chunks in order of creation; an id finds its record through an open-addressing
/// table. Both grow a part at a time, so no event waits for all to be copied. A lookup, a creation
/// or a resolution is O(1) on average, an expiry O(log n). A copy shares what it holds, a chunk at
/// a time until one side changes that chunk.
public struct LedgerState: Sendable {
    /// Every account in order of creation.
    public internal(set) var accounts = ChunkedArray<Account>()
    /// Every transfer in order of creation.
    public internal(set) var transfers = ChunkedArray<Transfer>()
    /// Ids used up by transient failures, in order of failure.
    public internal(set) var burntIDs = ChunkedArray<TransferID>()
    /// The latest timestamp given to an event.
    public internal(set) var latest: Timestamp = .zero

    /// What became of each transfer's reservation, beside `transfers`.
    var statuses = ChunkedArray<PendingStatus>()
    var accountTable: IDTable
    /// Finds transfers, and burnt ids marked with `burntMark`.
    var transferTable: IDTable
    var expiries = ExpiryQueue()
    var index = TransferIndex()
    var history = BalanceHistory()
    var undo = UndoLog()

    /// The last moment a ledger can use: 2^63 - 1 nanoseconds, in the year 2262.
    public static let endOfTime = Timestamp(nanoseconds: UInt64(Int64.max))

    /// Marks a reference as a place in `burntIDs`.
    static let burntMark: UInt32 = 1 << 31

    /// An empty ledger. Where strangers choose ids, give a secret `tableSeed`, so that they cannot
    /// choose ids that collide; it changes no answer and no encoding.
    public init(tableSeed: UInt64 = 0x2D35_8DCC_AA6C_78A5) {
        accountTable = IDTable(seed: tableSeed)
        transferTable = IDTable(seed: tableSeed)
    }

    /// Makes room for ids at once, which spares the work of growing. Counts are totals.
    public mutating func reserveCapacity(accounts accountCount: Int, transfers transferCount: Int) {
        accountTable.reserve(accountCount)
        transferTable.reserve(transferCount)
    }

    /// The account with this id, as it is now.
    public func account(_ id: AccountID) -> Account? {
        accountIndex(id).map { accounts[$0] }
    }

    /// The transfer with this id, as it was stored.
    public func transfer(_ id: TransferID) -> Transfer? {
        guard case .transfer(let index) = lookUp(id) else { return nil }
        return transfers[index]
    }

    /// What became of a transfer's reservation; `nil` if there is no such transfer. An overdue one
    /// is `pending` until `expire(at:)` comes by.
    public func pendingStatus(_ id: TransferID) -> PendingStatus? {
        guard case .transfer(let index) = lookUp(id) else { return nil }
        return statuses[index]
    }

    /// Whether a transient failure used this id up.
    public func isBurnt(_ id: TransferID) -> Bool {
        if case .burnt = lookUp(id) { true } else { false }
    }

    /// How many transfers there are.
    public var transferCount: Int { transfers.count }

    /// When the next open pending transfer expires; `nil` if none has a timeout.
    public var nextExpiry: Timestamp? {
        expiries.first.map { Timestamp(nanoseconds: $0.expiresAt) }
    }

    /// What is known under a transfer id.
    enum Known {
        case nothing
        case transfer(Int)
        case burnt
    }

    @inline(__always)
    func accountIndex(_ id: AccountID) -> Int? {
        accountTable.find(id.value) { accounts[Int($0)].id == id }.map(Int.init)
    }

    @inline(__always)
    func lookUp(_ id: TransferID) -> Known {
        let reference = transferTable.find(id.value) { reference in
            if reference & LedgerState.burntMark == 0 { return transfers[Int(reference)].id == id }
            return burntIDs[Int(reference & ~LedgerState.burntMark)] == id
        }
        guard let reference else { return .nothing }
        return reference & LedgerState.burntMark == 0 ? .transfer(Int(reference)) : .burnt
    }

    /// Takes `count` consecutive timestamps, the last of them `at` or, if those are gone, the next
    /// free ones; answers the first.
    @inline(__always)
    mutating func takeTimestamps(_ count: Int, at: Timestamp) -> UInt64 {
        let earliest = latest.nanoseconds + UInt64(count)
        let last = Swift.max(at.nanoseconds, earliest)
        precondition(last <= LedgerState.endOfTime.nanoseconds, "the ledger's time is over")
        if count > 0 { latest = Timestamp(nanoseconds: last) }
        return last - UInt64(count) + 1
    }

    /// Opens a chain of linked events.
    mutating func openChain() {
        undo.open(
            accountCount: accounts.count, transferCount: transfers.count,
            rowCount: history.rows.count)
    }

    /// Makes a chain's effects final.
    mutating func keepChain() {
        for index in undo.transferCount..<transfers.count { scheduleExpiry(index) }
        undo.close()
        dropResolvedExpiries()
    }

    /// Takes a chain's effects back, newest first.
    mutating func revertChain() {
        for change in undo.accounts.reversed() { accounts[change.index] = change.before }
        for index in undo.resolved { statuses[index] = .pending }
        while transfers.count > undo.transferCount {
            let transfer = transfers.removeLast()
            statuses.removeLast()
            transferTable.remove(transfer.id.value, reference: UInt32(transfers.count))
            guard let debit = accountIndex(transfer.debitAccount),
                let credit = accountIndex(transfer.creditAccount)
            else { preconditionFailure("accounts are never deleted") }
            index.removeTransfer(debit: debit, credit: credit)
        }
        history.shrink(to: undo.rowCount)
        while accounts.count > undo.accountCount {
            let account = accounts.removeLast()
            index.removeAccount()
            accountTable.remove(account.id.value, reference: UInt32(accounts.count))
        }
        undo.close()
    }

    /// Remembers an account before it is changed, if a chain is open.
    @inline(__always)
    mutating func willChange(account index: Int) {
        if undo.isOpen { undo.accounts.append(.init(index: index, before: accounts[index])) }
    }

    /// Puts a transfer that has a timeout in the queue.
    mutating func scheduleExpiry(_ index: Int) {
        guard statuses[index] == .pending, let moment = transfers[index].expiresAt else { return }
        expiries.insert(.init(expiresAt: moment.nanoseconds, transfer: UInt32(index)))
    }

    /// Drops posted, voided and expired transfers from the head of the queue.
    mutating func dropResolvedExpiries() {
        while let first = expiries.first, statuses[Int(first.transfer)] != .pending {
            expiries.removeFirst()
        }
    }
}
