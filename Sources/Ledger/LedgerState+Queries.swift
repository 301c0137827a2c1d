import Primitives

/// Questions about many records. The semantics are those of TigerBeetle's `get_account_transfers`,
/// `get_account_balances`, `query_accounts` and `query_transfers`, but for two things: a filter
/// that makes no sense is refused by number, and an answer says where to go on.
extension LedgerState {
    /// The most records in one answer.
    public static let answerLimit = 8_189
    /// The most records that one query looks at, matching or not.
    public static let scanLimit = 65_536

    /// The transfers that debit or credit an account; none if there is no such account.
    /// O(log n) and what is looked at.
    public func accountTransfers(
        _ filter: AccountFilter
    ) throws(QueryRefusal) -> QueryAnswer<Transfer> {
        try filter.check()
        guard let account = accountIndex(filter.account) else { return QueryAnswer() }
        return walk(account, filter) { transfers[$0] }
    }

    /// An account's balances after each of the transfers that the filter finds, with their
    /// timestamps; none if there is no such account or it has no `history` flag. The release of a
    /// timeout shows in later balances but has none of its own.
    /// O(log n) for each record looked at.
    public func accountBalances(
        _ filter: AccountFilter
    ) throws(QueryRefusal) -> QueryAnswer<AccountBalance> {
        try filter.check()
        guard let account = accountIndex(filter.account),
            accounts[account].flags.contains(.history)
        else { return QueryAnswer() }
        return walk(account, filter) { place in
            let transfer = transfers[place]
            let side: TransferIndex.Side =
                transfer.debitAccount == filter.account ? .debit : .credit
            return history.row(transfer: place, side: side).map { row in
                AccountBalance(
                    debitsPending: row.debitsPending, debitsPosted: row.debitsPosted,
                    creditsPending: row.creditsPending, creditsPosted: row.creditsPosted,
                    timestamp: transfer.timestamp)
            }
        }
    }

    /// The accounts that match, as they are now. O(log n) and what is looked at.
    public func queryAccounts(
        _ filter: QueryFilter
    ) throws(QueryRefusal) -> QueryAnswer<Account> {
        try filter.check()
        return scan(accounts, filter) { $0.ledger }
    }

    /// The transfers that match. O(log n) and what is looked at.
    public func queryTransfers(
        _ filter: QueryFilter
    ) throws(QueryRefusal) -> QueryAnswer<Transfer> {
        try filter.check()
        return scan(transfers, filter) { $0.ledger }
    }

    /// Looks at an account's transfers in the order asked for.
    private func walk<Record>(
        _ account: Int, _ filter: AccountFilter, _ record: (Int) -> Record?
    ) -> QueryAnswer<Record> {
        let bounds = transfers.places(from: filter.timestampMin, to: filter.timestampMax)
        let isReversed = filter.flags.contains(.reversed)
        func cursor(_ side: TransferIndex.Side) -> TransferCursor {
            TransferCursor(index, side, of: account, in: bounds, isReversed: isReversed)
        }
        var debits = filter.flags.contains(.debits) ? cursor(.debit) : nil
        var credits = filter.flags.contains(.credits) ? cursor(.credit) : nil
        var answer = QueryAnswer<Record>()
        let limit = min(Int(filter.limit), LedgerState.answerLimit)
        var looked = 0
        while true {
            // No transfer is on both sides, so the two are never the same.
            let isDebit: Bool
            let place: Int
            switch (debits?.current, credits?.current) {
            case (nil, nil): return answer
            case (let debit?, nil): (isDebit, place) = (true, debit)
            case (nil, let credit?): (isDebit, place) = (false, credit)
            case (let debit?, let credit?):
                isDebit = (debit < credit) != isReversed
                place = isDebit ? debit : credit
            }
            let transfer = transfers[place]
            if looked == LedgerState.scanLimit || answer.records.count == limit {
                answer.next = transfer.timestamp
                return answer
            }
            looked += 1
            if filter.accepts(transfer), let found = record(place) { answer.records.append(found) }
            if isDebit { debits?.advance() } else { credits?.advance() }
        }
    }

    /// Looks at records in the order asked for.
    private func scan<Record: WireRecord & Noted>(
        _ records: ChunkedArray<Record>, _ filter: QueryFilter, ledger: (Record) -> UInt32
    ) -> QueryAnswer<Record> {
        let bounds = records.places(from: filter.timestampMin, to: filter.timestampMax)
        let limit = min(Int(filter.limit), LedgerState.answerLimit)
        var answer = QueryAnswer<Record>()
        for step in 0..<bounds.count {
            let isReversed = filter.flags.contains(.reversed)
            let record = records[
                isReversed ? bounds.upperBound - 1 - step : bounds.lowerBound + step]
            if step == LedgerState.scanLimit || answer.records.count == limit {
                answer.next = record.timestamp
                return answer
            }
            guard filter.accepts(record), filter.ledger == 0 || ledger(record) == filter.ledger
            else { continue }
            answer.records.append(record)
        }
        return answer
    }
}

extension ChunkedArray where Element: WireRecord {
    /// The places of the records created in a range of time, both ends included; a zero stands for
    /// no limit. O(log n), because timestamps rise.
    func places(from earliest: Timestamp, to latest: Timestamp) -> Range<Int> {
        let start = partitioningIndex { $0.timestamp >= earliest }
        let end = latest == .zero ? count : partitioningIndex { $0.timestamp > latest }
        return start..<Swift.max(start, end)
    }
}
