public import Primitives

extension LedgerState {
    /// Carries out transfers: event `i` of `n` happens at `at - n + i + 1` nanoseconds (later if
    /// those timestamps are taken). Answers one result per event, in order. Call `expire(at:)` with
    /// the moment of the first event before.
    public mutating func createTransfers(
        _ requests: [Transfer], at: Timestamp
    ) -> [CreateTransferResult] {
        let first = takeTimestamps(requests.count, at: at)
        var results: [CreateTransferResult] = []
        results.reserveCapacity(requests.count)
        var chainStart: Int?
        var isBroken = false
        for index in requests.indices {
            if index % LedgerState.prefetchSize == 0 { prefetch(requests, from: index) }
            let moment = Timestamp(nanoseconds: first + UInt64(index))
            let isLinked = requests[index].flags.contains(.linked)
            let isLast = index == requests.count - 1
            if isLinked, chainStart == nil {
                chainStart = index
                openChain()
            }
            var result = CreateTransferResult(status: .linkedEventFailed, timestamp: moment)
            if isLinked && isLast {
                result.status = .linkedEventChainOpen
            } else if !isBroken {
                result = apply(requests[index], at: moment)
            }
            if result.status != .created {
                if let start = chainStart, !isBroken {
                    isBroken = true
                    revertChain()
                    for member in start..<index { results[member].status = .linkedEventFailed }
                }
                // After the chain was reverted, so that a burnt id outlives it.
                if result.status.isTransient { burn(requests[index].id) }
            }
            results.append(result)
            if chainStart != nil, !isLinked || isLast {
                if !isBroken { keepChain() }
                chainStart = nil
                isBroken = false
            }
        }
        return results
    }

    /// How many requests' places are read from memory at once.
    private static let prefetchSize = 16
    /// With fewer accounts than this, they are in the processor's caches anyway.
    private static let manyAccounts = 1 << 14

    /// Reads what the next requests will look for. Without it every request waits for memory alone:
    /// a third of the time.
    @inline(__always)
    private func prefetch(_ requests: [Transfer], from start: Int) {
        let end = min(start + LedgerState.prefetchSize, requests.count)
        for index in start..<end { transferTable.prefetch(requests[index].id.value) }
        if accounts.count < LedgerState.manyAccounts { return }
        for index in start..<end {
            accountTable.prefetch(requests[index].debitAccount.value)
            accountTable.prefetch(requests[index].creditAccount.value)
        }
    }

    /// Carries out one transfer at `at` (later if that timestamp is taken), without allocating.
    public mutating func createTransfer(
        _ request: Transfer, at: Timestamp
    ) -> CreateTransferStatus {
        let moment = Timestamp(nanoseconds: takeTimestamps(1, at: at))
        if request.flags.contains(.linked) { return .linkedEventChainOpen }
        let status = apply(request, at: moment).status
        if status.isTransient { burn(request.id) }
        return status
    }

    /// Uses an id up for ever.
    mutating func burn(_ id: TransferID) {
        let reference = LedgerState.burntMark | UInt32(burntIDs.count)
        transferTable.insert(id.value, reference: reference)
        burntIDs.append(id)
    }

    private mutating func apply(
        _ request: Transfer, at moment: Timestamp
    ) -> CreateTransferResult {
        var result = CreateTransferResult(status: .created, timestamp: moment)
        do throws(CreateTransferStatus) {
            if request.timestamp != .zero { throw .timestampMustBeZero }
            if !request.flags.isSubset(of: .known) { throw .reservedFlag }
            if request.id.value == 0 { throw .idMustNotBeZero }
            if request.id.value == .max { throw .idMustNotBeIntMax }
            switch lookUp(request.id) {
            case .nothing: break
            case .burnt: throw .idAlreadyFailed
            case .transfer(let index):
                let stored = transfers[index]
                try checkSame(request, as: stored)
                return CreateTransferResult(status: .exists, timestamp: stored.timestamp)
            }
            if request.flags.isDisjoint(with: .resolving) {
                try move(request, at: moment)
            } else {
                try resolve(request, at: moment)
            }
        } catch {
            result.status = error
        }
        return result
    }

    /// Carries out a transfer that is neither a post nor a void.
    private mutating func move(
        _ request: Transfer, at moment: Timestamp
    ) throws(CreateTransferStatus) {
        try LedgerState.checkFields(request)
        guard let debit = accountIndex(request.debitAccount) else { throw .debitAccountNotFound }
        guard let credit = accountIndex(request.creditAccount) else {
            throw .creditAccountNotFound
        }
        let ends = index.ends(debit: debit, credit: credit)
        try LedgerState.checkAccounts(request, debit: accounts[debit], credit: accounts[credit])

        var stored = request
        stored.timestamp = moment
        try LedgerState.checkAmount(&stored, debit: accounts[debit], credit: accounts[credit])
        let isPending = request.flags.contains(.pending)
        willChange(account: debit)
        willChange(account: credit)
        if isPending {
            accounts[debit].debitsPending += stored.amount
            accounts[credit].creditsPending += stored.amount
            if request.flags.contains(.closingDebit) { accounts[debit].flags.insert(.closed) }
            if request.flags.contains(.closingCredit) { accounts[credit].flags.insert(.closed) }
        } else {
            accounts[debit].debitsPosted += stored.amount
            accounts[credit].creditsPosted += stored.amount
        }
        append(stored, status: isPending ? .pending : .none, debit: debit, credit: credit, to: ends)
        if isPending, !undo.isOpen { scheduleExpiry(transfers.count - 1) }
    }

    /// Stores a transfer whose effects are in its accounts already; it can no longer fail.
    mutating func append(
        _ transfer: Transfer, status: PendingStatus, debit: Int, credit: Int,
        to ends: TransferIndex.Ends
    ) {
        history.note(accounts[debit], transfer: transfers.count, side: .debit)
        history.note(accounts[credit], transfer: transfers.count, side: .credit)
        index.addTransfer(debit: debit, credit: credit, to: ends)
        transferTable.insert(transfer.id.value, reference: UInt32(transfers.count))
        transfers.append(transfer)
        statuses.append(status)
    }

    /// What is wrong with a request whatever is in the ledger.
    private static func checkFields(_ request: Transfer) throws(CreateTransferStatus) {
        if request.debitAccount.value == 0 { throw .debitAccountIDMustNotBeZero }
        if request.debitAccount.value == .max { throw .debitAccountIDMustNotBeIntMax }
        if request.creditAccount.value == 0 { throw .creditAccountIDMustNotBeZero }
        if request.creditAccount.value == .max { throw .creditAccountIDMustNotBeIntMax }
        if request.debitAccount == request.creditAccount { throw .accountsMustBeDifferent }
        if request.pendingID != .none { throw .pendingIDMustBeZero }
        if !request.flags.contains(.pending) {
            if request.timeout != 0 { throw .timeoutReservedForPendingTransfer }
            if !request.flags.isDisjoint(with: [.closingDebit, .closingCredit]) {
                throw .closingTransferMustBePending
            }
        }
        if request.ledger == 0 { throw .ledgerMustNotBeZero }
        if request.code == 0 { throw .codeMustNotBeZero }
    }

    /// Refuses accounts that do not go together or are closed.
    @inline(__always)
    private static func checkAccounts(
        _ request: Transfer, debit: Account, credit: Account
    ) throws(CreateTransferStatus) {
        if debit.ledger != credit.ledger { throw .accountsMustHaveTheSameLedger }
        if debit.ledger != request.ledger { throw .transferMustHaveTheSameLedgerAsAccounts }
        if debit.flags.contains(.closed) { throw .debitAccountAlreadyClosed }
        if credit.flags.contains(.closed) { throw .creditAccountAlreadyClosed }
    }

    /// Lowers a balancing transfer's amount to what there is, and refuses what would not fit: each
    /// total, each side's sum, the moment of expiry, each account's limit.
    @inline(__always)
    private static func checkAmount(
        _ transfer: inout Transfer, debit: Account, credit: Account
    ) throws(CreateTransferStatus) {
        if transfer.flags.contains(.balancingDebit) {
            transfer.amount = min(transfer.amount, debit.creditAvailable)
        }
        if transfer.flags.contains(.balancingCredit) {
            transfer.amount = min(transfer.amount, credit.debitAvailable)
        }
        let amount = transfer.amount
        if transfer.flags.contains(.pending) {
            if debit.debitsPending.checkedAdding(amount) == nil { throw .overflowsDebitsPending }
            if credit.creditsPending.checkedAdding(amount) == nil { throw .overflowsCreditsPending }
        }
        if debit.debitsPosted.checkedAdding(amount) == nil { throw .overflowsDebitsPosted }
        if credit.creditsPosted.checkedAdding(amount) == nil { throw .overflowsCreditsPosted }
        // The sum of both totals of a side never overflows, because this check keeps it so.
        guard let debits = (debit.debitsPending + debit.debitsPosted).checkedAdding(amount) else {
            throw .overflowsDebits
        }
        guard let credits = (credit.creditsPending + credit.creditsPosted).checkedAdding(amount)
        else { throw .overflowsCredits }
        let expiry = transfer.timestamp + .seconds(UInt64(transfer.timeout))
        if expiry > LedgerState.endOfTime { throw .overflowsTimeout }
        if debit.flags.contains(.debitsMustNotExceedCredits), debits > debit.creditsPosted {
            throw .exceedsCredits
        }
        if credit.flags.contains(.creditsMustNotExceedDebits), credits > credit.debitsPosted {
            throw .exceedsDebits
        }
    }
}
