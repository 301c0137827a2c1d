public import Primitives

extension LedgerState {
    /// Carries out a post or a void.
    mutating func resolve(
        _ request: Transfer, at moment: Timestamp
    ) throws(CreateTransferStatus) {
        try LedgerState.checkResolvingFields(request)
        guard case .transfer(let target) = lookUp(request.pendingID) else {
            throw .pendingTransferNotFound
        }
        let pending = transfers[target]
        let amount = try checkResolution(request, of: pending, status: statuses[target])
        if let expiry = pending.expiresAt, expiry <= moment { throw .pendingTransferExpired }
        guard let debit = accountIndex(pending.debitAccount),
            let credit = accountIndex(pending.creditAccount)
        else { preconditionFailure("accounts are never deleted") }
        let isPost = request.flags.contains(.postPending)
        if isPost {
            if accounts[debit].flags.contains(.closed) { throw .debitAccountAlreadyClosed }
            if accounts[credit].flags.contains(.closed) { throw .creditAccountAlreadyClosed }
        }

        var stored = request
        stored.debitAccount = pending.debitAccount
        stored.creditAccount = pending.creditAccount
        stored.amount = amount
        stored.ledger = pending.ledger
        stored.code = pending.code
        if stored.userData128 == 0 { stored.userData128 = pending.userData128 }
        if stored.userData64 == 0 { stored.userData64 = pending.userData64 }
        if stored.userData32 == 0 { stored.userData32 = pending.userData32 }
        stored.timestamp = moment
        if undo.isOpen { undo.resolved.append(target) }
        willChange(account: debit)
        willChange(account: credit)
        statuses[target] = isPost ? .posted : .voided
        release(pending, debit: debit, credit: credit)
        if isPost {
            accounts[debit].debitsPosted += amount
            accounts[credit].creditsPosted += amount
        }
        append(
            stored, status: .none, debit: debit, credit: credit,
            to: index.ends(debit: debit, credit: credit))
        if !undo.isOpen, pending.timeout != 0 { dropResolvedExpiries() }
    }

    /// Releases every pending transfer whose time is over at `at` (to the nanosecond included) and
    /// reopens the accounts it had closed. Answers their ids by moment of expiry, then by age. Uses
    /// no timestamps.
    public mutating func expire(at: Timestamp) -> [TransferID] {
        var expired: [TransferID] = []
        while let first = expiries.first, first.expiresAt <= at.nanoseconds {
            let index = Int(first.transfer)
            let pending = transfers[index]
            guard let debit = accountIndex(pending.debitAccount),
                let credit = accountIndex(pending.creditAccount)
            else { preconditionFailure("accounts are never deleted") }
            statuses[index] = .expired
            release(pending, debit: debit, credit: credit)
            expired.append(pending.id)
            dropResolvedExpiries()
        }
        return expired
    }

    /// Gives a reservation back. A closing transfer that is released reopens what it closed; it is
    /// never posted, because a closed account refuses a post.
    private mutating func release(_ pending: Transfer, debit: Int, credit: Int) {
        accounts[debit].debitsPending -= pending.amount
        accounts[credit].creditsPending -= pending.amount
        if pending.flags.contains(.closingDebit) { accounts[debit].flags.remove(.closed) }
        if pending.flags.contains(.closingCredit) { accounts[credit].flags.remove(.closed) }
    }

    /// What is wrong with a post or void whatever is in the ledger.
    private static func checkResolvingFields(_ request: Transfer) throws(CreateTransferStatus) {
        if request.flags.isSuperset(of: .resolving) { throw .flagsAreMutuallyExclusive }
        if !request.flags.isDisjoint(with: .unresolving) { throw .flagsAreMutuallyExclusive }
        if request.pendingID.value == 0 { throw .pendingIDMustNotBeZero }
        if request.pendingID.value == .max { throw .pendingIDMustNotBeIntMax }
        if request.pendingID == request.id { throw .pendingIDMustBeDifferent }
        if request.timeout != 0 { throw .timeoutReservedForPendingTransfer }
    }

    /// Refuses a post or void that does not fit its pending transfer; answers the amount it takes
    /// or voids.
    private func checkResolution(
        _ request: Transfer, of pending: Transfer, status: PendingStatus
    ) throws(CreateTransferStatus) -> Amount {
        if status == .none { throw .pendingTransferNotPending }
        if request.debitAccount != .none, request.debitAccount != pending.debitAccount {
            throw .pendingTransferHasDifferentDebitAccountID
        }
        if request.creditAccount != .none, request.creditAccount != pending.creditAccount {
            throw .pendingTransferHasDifferentCreditAccountID
        }
        if request.ledger != 0, request.ledger != pending.ledger {
            throw .pendingTransferHasDifferentLedger
        }
        if request.code != 0, request.code != pending.code {
            throw .pendingTransferHasDifferentCode
        }
        let amount = LedgerState.resolvedAmount(request, of: pending)
        if amount > pending.amount { throw .exceedsPendingTransferAmount }
        if request.flags.contains(.voidPending), amount < pending.amount {
            throw .pendingTransferHasDifferentAmount
        }
        switch status {
        case .none, .pending: break
        case .posted: throw .pendingTransferAlreadyPosted
        case .voided: throw .pendingTransferAlreadyVoided
        case .expired: throw .pendingTransferExpired
        }
        return amount
    }

    /// The amount a post or void asks for: the largest number in a post and zero in a void stand
    /// for all of it.
    static func resolvedAmount(_ request: Transfer, of pending: Transfer) -> Amount {
        let all: UInt128 = request.flags.contains(.voidPending) ? 0 : .max
        return request.amount.units == all ? pending.amount : request.amount
    }
}
