public import Primitives

extension LedgerState {
    /// Creates accounts: event `i` of `n` happens at `at - n + i + 1` nanoseconds (later if those
    /// timestamps are taken). Answers one result per event, in order.
    public mutating func createAccounts(
        _ requests: [Account], at: Timestamp
    ) -> [CreateAccountResult] {
        let first = takeTimestamps(requests.count, at: at)
        var results: [CreateAccountResult] = []
        results.reserveCapacity(requests.count)
        var chainStart: Int?
        var isBroken = false
        for index in requests.indices {
            let moment = Timestamp(nanoseconds: first + UInt64(index))
            let isLinked = requests[index].flags.contains(.linked)
            let isLast = index == requests.count - 1
            if isLinked, chainStart == nil {
                chainStart = index
                openChain()
            }
            var result = CreateAccountResult(status: .linkedEventFailed, timestamp: moment)
            if isLinked && isLast {
                result.status = .linkedEventChainOpen
            } else if !isBroken {
                result = apply(requests[index], at: moment)
            }
            if result.status != .created, let start = chainStart, !isBroken {
                isBroken = true
                revertChain()
                for member in start..<index { results[member].status = .linkedEventFailed }
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

    /// Creates one account at `at` (later if that timestamp is taken).
    public mutating func createAccount(_ request: Account, at: Timestamp) -> CreateAccountStatus {
        let moment = Timestamp(nanoseconds: takeTimestamps(1, at: at))
        if request.flags.contains(.linked) { return .linkedEventChainOpen }
        return apply(request, at: moment).status
    }

    private mutating func apply(
        _ request: Account, at moment: Timestamp
    ) -> CreateAccountResult {
        func refused(_ status: CreateAccountStatus) -> CreateAccountResult {
            CreateAccountResult(status: status, timestamp: moment)
        }
        if request.timestamp != .zero { return refused(.timestampMustBeZero) }
        if request.reserved != 0 { return refused(.reservedField) }
        if !request.flags.isSubset(of: .known) { return refused(.reservedFlag) }
        if request.id.value == 0 { return refused(.idMustNotBeZero) }
        if request.id.value == .max { return refused(.idMustNotBeIntMax) }
        if let index = accountIndex(request.id) {
            let stored = accounts[index]
            if let difference = compare(request, with: stored) { return refused(difference) }
            return CreateAccountResult(status: .exists, timestamp: stored.timestamp)
        }
        let limits: AccountFlags = [.debitsMustNotExceedCredits, .creditsMustNotExceedDebits]
        if request.flags.isSuperset(of: limits) { return refused(.flagsAreMutuallyExclusive) }
        if !request.debitsPending.isZero { return refused(.debitsPendingMustBeZero) }
        if !request.debitsPosted.isZero { return refused(.debitsPostedMustBeZero) }
        if !request.creditsPending.isZero { return refused(.creditsPendingMustBeZero) }
        if !request.creditsPosted.isZero { return refused(.creditsPostedMustBeZero) }
        if request.ledger == 0 { return refused(.ledgerMustNotBeZero) }
        if request.code == 0 { return refused(.codeMustNotBeZero) }

        var account = request
        account.timestamp = moment
        append(account)
        return CreateAccountResult(status: .created, timestamp: moment)
    }

    /// Stores an account; it can no longer fail.
    mutating func append(_ account: Account) {
        accountTable.insert(account.id.value, reference: UInt32(accounts.count))
        accounts.append(account)
        index.addAccount()
    }

    private func compare(_ request: Account, with stored: Account) -> CreateAccountStatus? {
        if request.flags != stored.flags { return .existsWithDifferentFlags }
        if request.userData128 != stored.userData128 { return .existsWithDifferentUserData128 }
        if request.userData64 != stored.userData64 { return .existsWithDifferentUserData64 }
        if request.userData32 != stored.userData32 { return .existsWithDifferentUserData32 }
        if request.ledger != stored.ledger { return .existsWithDifferentLedger }
        if request.code != stored.code { return .existsWithDifferentCode }
        return nil
    }
}
