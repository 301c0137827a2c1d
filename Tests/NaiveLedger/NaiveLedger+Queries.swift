public import Ledger
import Primitives

/// The queries written the obvious way: everything is sorted and looked at, one after the other.
extension NaiveLedger {
    public func accountTransfers(
        _ filter: AccountFilter
    ) throws(QueryRefusal) -> QueryAnswer<Transfer> {
        try check(filter)
        return page(candidates(filter), filter) { filter.accepts($0) ? $0 : nil }
    }

    public func accountBalances(
        _ filter: AccountFilter
    ) throws(QueryRefusal) -> QueryAnswer<AccountBalance> {
        try check(filter)
        guard accounts[filter.account]?.flags.contains(.history) == true else {
            return QueryAnswer()
        }
        return page(candidates(filter), filter) {
            filter.accepts($0) ? balances[$0.id]?[filter.account] : nil
        }
    }

    public func queryAccounts(_ filter: QueryFilter) throws(QueryRefusal) -> QueryAnswer<Account> {
        try check(filter)
        return page(sorted(Array(accounts.values), filter), filter) { account in
            let isWanted =
                [0, account.userData128].contains(filter.userData128)
                && [0, account.userData64].contains(filter.userData64)
                && [0, account.userData32].contains(filter.userData32)
                && [0, account.ledger].contains(filter.ledger)
                && [0, account.code].contains(filter.code)
            return isWanted ? account : nil
        }
    }

    public func queryTransfers(_ filter: QueryFilter) throws(QueryRefusal) -> QueryAnswer<Transfer>
    {
        try check(filter)
        return page(sorted(Array(transfers.values), filter), filter) { transfer in
            let isWanted =
                [0, transfer.userData128].contains(filter.userData128)
                && [0, transfer.userData64].contains(filter.userData64)
                && [0, transfer.userData32].contains(filter.userData32)
                && [0, transfer.ledger].contains(filter.ledger)
                && [0, transfer.code].contains(filter.code)
            return isWanted ? transfer : nil
        }
    }

    private func candidates(_ filter: AccountFilter) -> [Transfer] {
        var found: [Transfer] = []
        if filter.flags.contains(.debits) {
            found += transfers.values.filter { $0.debitAccount == filter.account }
        }
        if filter.flags.contains(.credits) {
            found += transfers.values.filter { $0.creditAccount == filter.account }
        }
        return sorted(found, filter)
    }

    private func sorted<Record: WireRecord>(
        _ records: [Record], _ filter: some TimeFilter
    ) -> [Record] {
        let inTime = records.filter {
            let top =
                filter.timestampMax.nanoseconds == 0 ? UInt64.max : filter.timestampMax.nanoseconds
            return filter.timestampMin.nanoseconds <= $0.timestamp.nanoseconds
                && $0.timestamp.nanoseconds <= top
        }
        let rising = inTime.sorted { $0.timestamp < $1.timestamp }
        return filter.isReversed ? rising.reversed() : rising
    }

    private func page<Record: WireRecord, Answer>(
        _ candidates: [Record], _ filter: some TimeFilter, _ answer: (Record) -> Answer?
    ) -> QueryAnswer<Answer> {
        var page = QueryAnswer<Answer>()
        for candidate in candidates {
            if page.records.count == min(filter.limit, 8_189) {
                page.next = candidate.timestamp
                break
            }
            if let found = answer(candidate) { page.records.append(found) }
        }
        return page
    }

    private func check(_ filter: AccountFilter) throws(QueryRefusal) {
        try refuse([
            (filter.flags.rawValue > 7, .reservedFlag),
            (filter.account.value == 0, .accountIDMustNotBeZero),
            (filter.account.value == UInt128.max, .accountIDMustNotBeIntMax),
            (
                !filter.flags.contains(.debits) && !filter.flags.contains(.credits),
                .sideMustBeChosen
            ),
        ])
        try checkTimes(filter)
    }

    private func check(_ filter: QueryFilter) throws(QueryRefusal) {
        try refuse([(filter.flags.rawValue > 1, .reservedFlag)])
        try checkTimes(filter)
    }

    private func checkTimes(_ filter: some TimeFilter) throws(QueryRefusal) {
        let from = filter.timestampMin.nanoseconds
        let to = filter.timestampMax.nanoseconds
        try refuse([
            (from >= UInt64(1) << 63 || to >= UInt64(1) << 63, .timestampOutOfRange),
            (to != 0 && to < from, .timestampsMustBeOrdered),
            (filter.limit == 0, .limitMustNotBeZero),
        ])
    }

    private func refuse(_ faults: [(Bool, QueryRefusal)]) throws(QueryRefusal) {
        if let fault = faults.first(where: { $0.0 }) { throw fault.1 }
    }
}

/// What both filters have.
private protocol TimeFilter {
    var timestampMin: Timestamp { get }
    var timestampMax: Timestamp { get }
    var limit: UInt32 { get }
    var isReversed: Bool { get }
}

extension AccountFilter: TimeFilter {
    fileprivate var isReversed: Bool { flags.contains(.reversed) }

    fileprivate func accepts(_ transfer: Transfer) -> Bool {
        [0, transfer.userData128].contains(userData128)
            && [0, transfer.userData64].contains(userData64)
            && [0, transfer.userData32].contains(userData32)
            && [0, transfer.code].contains(code)
    }
}

extension QueryFilter: TimeFilter {
    fileprivate var isReversed: Bool { flags.contains(.reversed) }
}
