public import Ledger
public import Primitives

/// The ledger written the obvious way: dictionaries, whole-state copies for chains, a search of
/// everything for timeouts. Each event gathers every fault it has, and the first in the published
/// order of precedence is the answer.
public struct NaiveLedger: Sendable {
    public private(set) var accounts: [AccountID: Account] = [:]
    public private(set) var transfers: [TransferID: Transfer] = [:]
    /// What each transfer left in those of its accounts that keep a history.
    public private(set) var balances: [TransferID: [AccountID: AccountBalance]] = [:]
    private var reservations: [TransferID: PendingStatus] = [:]
    private var burnt: Set<TransferID> = []
    private var now: UInt64 = 0

    /// An empty ledger.
    public init() {}

    /// The account with this id.
    public func account(_ id: AccountID) -> Account? { accounts[id] }
    /// The transfer with this id, as it was stored.
    public func transfer(_ id: TransferID) -> Transfer? { transfers[id] }
    /// Whether a transient failure used this id up.
    public func isBurnt(_ id: TransferID) -> Bool { burnt.contains(id) }

    /// What became of a transfer's reservation.
    public func pendingStatus(_ id: TransferID) -> PendingStatus? {
        transfers[id] == nil ? nil : reservations[id, default: .none]
    }

    /// Creates accounts, in order.
    public mutating func createAccounts(_ requests: [Account], at: Timestamp)
        -> [CreateAccountResult]
    {
        let moments = takeMoments(requests.count, at)
        var results: [CreateAccountResult] = []
        for chain in chains(requests.map { $0.flags.contains(.linked) }) {
            let before = chain.count > 1 ? self : nil
            var failed: Int?
            var part = chain.map { index in
                CreateAccountResult(status: .linkedEventFailed, timestamp: moments[index])
            }
            for index in chain where failed == nil {
                let result = add(
                    requests[index], moments[index],
                    isOpen: index == requests.count - 1 && requests[index].flags.contains(.linked))
                part[index - chain.lowerBound] = result
                if result.status != .created { failed = index }
            }
            if let failed {
                if let before { self = before }
                for index in chain.lowerBound..<failed {
                    part[index - chain.lowerBound].status = .linkedEventFailed
                }
                if chain.upperBound == requests.count,
                    requests[chain.upperBound - 1].flags.contains(.linked)
                {
                    part[part.count - 1].status = .linkedEventChainOpen
                }
            }
            results += part
        }
        return results
    }

    /// Carries transfers out, in order.
    public mutating func createTransfers(
        _ requests: [Transfer], at: Timestamp
    ) -> [CreateTransferResult] {
        let moments = takeMoments(requests.count, at)
        var results: [CreateTransferResult] = []
        for chain in chains(requests.map { $0.flags.contains(.linked) }) {
            let before = chain.count > 1 ? self : nil
            var failed: Int?
            var part = chain.map { index in
                CreateTransferResult(status: .linkedEventFailed, timestamp: moments[index])
            }
            for index in chain where failed == nil {
                let result = add(
                    requests[index], moments[index],
                    isOpen: index == requests.count - 1 && requests[index].flags.contains(.linked))
                part[index - chain.lowerBound] = result
                if result.status != .created { failed = index }
            }
            if let failed {
                if let before { self = before }
                for index in chain.lowerBound..<failed {
                    part[index - chain.lowerBound].status = .linkedEventFailed
                }
                if part[failed - chain.lowerBound].status.isTransient {
                    burnt.insert(requests[failed].id)
                }
                if chain.upperBound == requests.count,
                    requests[chain.upperBound - 1].flags.contains(.linked)
                {
                    part[part.count - 1].status = .linkedEventChainOpen
                }
            }
            results += part
        }
        return results
    }

    /// Releases what is due, and says what that was.
    public mutating func expire(at: Timestamp) -> [TransferID] {
        let due = transfers.values.filter { transfer in
            reservations[transfer.id] == .pending && transfer.timeout > 0
                && expiry(transfer) <= UInt128(at.nanoseconds)
        }
        let ordered = due.sorted { (expiry($0), $0.timestamp) < (expiry($1), $1.timestamp) }
        for transfer in ordered {
            reservations[transfer.id] = .expired
            unreserve(transfer)
        }
        return ordered.map(\.id)
    }

    // MARK: Batches

    private mutating func takeMoments(_ count: Int, _ at: Timestamp) -> [Timestamp] {
        if count == 0 { return [] }
        now = max(now + UInt64(count), at.nanoseconds)
        return (1...count).map { Timestamp(nanoseconds: now - UInt64(count) + UInt64($0)) }
    }

    /// Cuts a batch into chains: runs of linked events with the event that ends them.
    private func chains(_ linked: [Bool]) -> [Range<Int>] {
        var chains: [Range<Int>] = []
        var start = 0
        for index in linked.indices where !linked[index] || index == linked.count - 1 {
            chains.append(start..<index + 1)
            start = index + 1
        }
        return chains
    }

    // MARK: Accounts

    private mutating func add(
        _ request: Account, _ moment: Timestamp, isOpen: Bool
    ) -> CreateAccountResult {
        var faults: Set<CreateAccountStatus> = []
        func fault(_ status: CreateAccountStatus, _ applies: Bool) {
            if applies { faults.insert(status) }
        }
        let bits = request.flags.rawValue
        fault(.linkedEventChainOpen, isOpen)
        fault(.timestampMustBeZero, request.timestamp.nanoseconds != 0)
        fault(.reservedField, request.reserved > 0)
        fault(.reservedFlag, bits & 0b1111_1111_1101_0000 != 0)
        fault(.idMustNotBeZero, request.id.value == 0)
        fault(.idMustNotBeIntMax, request.id.value == UInt128.max)
        if let old = accounts[request.id] {
            fault(.existsWithDifferentFlags, old.flags != request.flags)
            fault(.existsWithDifferentUserData128, old.userData128 != request.userData128)
            fault(.existsWithDifferentUserData64, old.userData64 != request.userData64)
            fault(.existsWithDifferentUserData32, old.userData32 != request.userData32)
            fault(.existsWithDifferentLedger, old.ledger != request.ledger)
            fault(.existsWithDifferentCode, old.code != request.code)
            fault(.exists, true)
        }
        fault(.flagsAreMutuallyExclusive, bits & 0b110 == 0b110)
        fault(.debitsPendingMustBeZero, request.debitsPending.units != 0)
        fault(.debitsPostedMustBeZero, request.debitsPosted.units != 0)
        fault(.creditsPendingMustBeZero, request.creditsPending.units != 0)
        fault(.creditsPostedMustBeZero, request.creditsPosted.units != 0)
        fault(.ledgerMustNotBeZero, request.ledger == 0)
        fault(.codeMustNotBeZero, request.code == 0)

        if let first = CreateAccountStatus.allCases.first(where: faults.contains) {
            let old = first == .exists ? accounts[request.id] : nil
            return CreateAccountResult(status: first, timestamp: old?.timestamp ?? moment)
        }
        accounts[request.id] = request
        accounts[request.id]?.timestamp = moment
        return CreateAccountResult(status: .created, timestamp: moment)
    }

    // MARK: Transfers

    private mutating func add(
        _ request: Transfer, _ moment: Timestamp, isOpen: Bool
    ) -> CreateTransferResult {
        var faults = TransferFaults()
        faults.add(.linkedEventChainOpen, isOpen)
        faults.add(.timestampMustBeZero, request.timestamp.nanoseconds != 0)
        faults.add(.reservedFlag, request.flags.rawValue > 255)
        faults.add(.idMustNotBeZero, request.id.value == 0)
        faults.add(.idMustNotBeIntMax, request.id.value == UInt128.max)
        faults.add(.idAlreadyFailed, burnt.contains(request.id))
        if let old = transfers[request.id] { compare(request, old, &faults) }
        let resolves = request.flags.contains(.postPending) || request.flags.contains(.voidPending)
        let draft =
            resolves
            ? draftResolution(request, moment, &faults) : draftMove(request, moment, &faults)

        if let first = faults.first {
            let old = first == .exists ? transfers[request.id] : nil
            return CreateTransferResult(status: first, timestamp: old?.timestamp ?? moment)
        }
        if var draft {
            draft.timestamp = moment
            carryOut(draft)
        }
        return CreateTransferResult(status: .created, timestamp: moment)
    }

    private func compare(_ request: Transfer, _ old: Transfer, _ faults: inout TransferFaults) {
        func differs<Value: Equatable>(_ asked: Value, _ stored: Value, orInherited: Value?) -> Bool
        {
            // What is inherited was written out when the transfer was stored.
            if let orInherited { return orInherited != stored }
            return asked != stored
        }
        let pending = transfers[old.pendingID]
        faults.add(.existsWithDifferentFlags, request.flags != old.flags)
        faults.add(.existsWithDifferentPendingID, request.pendingID != old.pendingID)
        faults.add(.existsWithDifferentTimeout, request.timeout != old.timeout)
        faults.add(
            .existsWithDifferentDebitAccountID,
            differs(
                request.debitAccount, old.debitAccount,
                orInherited: request.debitAccount.value == 0 ? pending?.debitAccount : nil))
        faults.add(
            .existsWithDifferentCreditAccountID,
            differs(
                request.creditAccount, old.creditAccount,
                orInherited: request.creditAccount.value == 0 ? pending?.creditAccount : nil))
        if old.flags.contains(.postPending) {
            let all = request.amount.units == UInt128.max
            faults.add(
                .existsWithDifferentAmount,
                old.amount != (all ? pending?.amount : request.amount))
        } else if old.flags.contains(.voidPending) {
            let all = request.amount.units == 0
            faults.add(
                .existsWithDifferentAmount,
                old.amount != (all ? pending?.amount : request.amount))
        } else if old.flags.contains(.balancingDebit) || old.flags.contains(.balancingCredit) {
            faults.add(.existsWithDifferentAmount, request.amount < old.amount)
        } else {
            faults.add(.existsWithDifferentAmount, request.amount != old.amount)
        }
        faults.add(
            .existsWithDifferentUserData128,
            differs(
                request.userData128, old.userData128,
                orInherited: request.userData128 == 0 ? pending?.userData128 : nil))
        faults.add(
            .existsWithDifferentUserData64,
            differs(
                request.userData64, old.userData64,
                orInherited: request.userData64 == 0 ? pending?.userData64 : nil))
        faults.add(
            .existsWithDifferentUserData32,
            differs(
                request.userData32, old.userData32,
                orInherited: request.userData32 == 0 ? pending?.userData32 : nil))
        faults.add(
            .existsWithDifferentLedger,
            differs(
                request.ledger, old.ledger, orInherited: request.ledger == 0 ? pending?.ledger : nil
            ))
        faults.add(
            .existsWithDifferentCode,
            differs(request.code, old.code, orInherited: request.code == 0 ? pending?.code : nil))
        faults.add(.exists, true)
    }

    private func draftMove(
        _ request: Transfer, _ moment: Timestamp, _ faults: inout TransferFaults
    ) -> Transfer? {
        let isPending = request.flags.contains(.pending)
        let closes =
            request.flags.contains(.closingDebit) || request.flags.contains(.closingCredit)
        faults.add(.debitAccountIDMustNotBeZero, request.debitAccount.value == 0)
        faults.add(.debitAccountIDMustNotBeIntMax, request.debitAccount.value == UInt128.max)
        faults.add(.creditAccountIDMustNotBeZero, request.creditAccount.value == 0)
        faults.add(.creditAccountIDMustNotBeIntMax, request.creditAccount.value == UInt128.max)
        faults.add(.accountsMustBeDifferent, request.debitAccount == request.creditAccount)
        faults.add(.pendingIDMustBeZero, request.pendingID.value != 0)
        faults.add(.timeoutReservedForPendingTransfer, !isPending && request.timeout != 0)
        faults.add(.closingTransferMustBePending, !isPending && closes)
        faults.add(.ledgerMustNotBeZero, request.ledger == 0)
        faults.add(.codeMustNotBeZero, request.code == 0)
        let debit = accounts[request.debitAccount]
        let credit = accounts[request.creditAccount]
        faults.add(.debitAccountNotFound, debit == nil)
        faults.add(.creditAccountNotFound, credit == nil)
        guard let debit, let credit else { return nil }
        faults.add(.accountsMustHaveTheSameLedger, debit.ledger != credit.ledger)
        faults.add(.transferMustHaveTheSameLedgerAsAccounts, request.ledger != debit.ledger)
        faults.add(.debitAccountAlreadyClosed, debit.flags.contains(.closed))
        faults.add(.creditAccountAlreadyClosed, credit.flags.contains(.closed))

        var amount = request.amount.units
        let spent = debit.debitsPosted.units + debit.debitsPending.units
        let earned = credit.creditsPosted.units + credit.creditsPending.units
        if request.flags.contains(.balancingDebit) {
            let room = debit.creditsPosted.units
            amount = min(amount, room < spent ? 0 : room - spent)
        }
        if request.flags.contains(.balancingCredit) {
            let room = credit.debitsPosted.units
            amount = min(amount, room < earned ? 0 : room - earned)
        }
        let top = UInt128.max
        if isPending {
            faults.add(.overflowsDebitsPending, amount > top - debit.debitsPending.units)
            faults.add(.overflowsCreditsPending, amount > top - credit.creditsPending.units)
        }
        faults.add(.overflowsDebitsPosted, amount > top - debit.debitsPosted.units)
        faults.add(.overflowsCreditsPosted, amount > top - credit.creditsPosted.units)
        faults.add(.overflowsDebits, amount > top - spent)
        faults.add(.overflowsCredits, amount > top - earned)
        let end = UInt128(moment.nanoseconds) + UInt128(request.timeout) * 1_000_000_000
        faults.add(.overflowsTimeout, end >= UInt128(1) << 63)
        if debit.flags.contains(.debitsMustNotExceedCredits) {
            let room = debit.creditsPosted.units - min(spent, debit.creditsPosted.units)
            faults.add(.exceedsCredits, amount > room)
        }
        if credit.flags.contains(.creditsMustNotExceedDebits) {
            let room = credit.debitsPosted.units - min(earned, credit.debitsPosted.units)
            faults.add(.exceedsDebits, amount > room)
        }
        var draft = request
        draft.amount = Amount(amount)
        return draft
    }

    private func draftResolution(
        _ request: Transfer, _ moment: Timestamp, _ faults: inout TransferFaults
    ) -> Transfer? {
        let isVoid = request.flags.contains(.voidPending)
        let others = request.flags.subtracting([.linked, .postPending, .voidPending])
        faults.add(
            .flagsAreMutuallyExclusive,
            !others.isEmpty || isVoid && request.flags.contains(.postPending))
        faults.add(.pendingIDMustNotBeZero, request.pendingID.value == 0)
        faults.add(.pendingIDMustNotBeIntMax, request.pendingID.value == UInt128.max)
        faults.add(.pendingIDMustBeDifferent, request.pendingID == request.id)
        faults.add(.timeoutReservedForPendingTransfer, request.timeout != 0)
        guard let pending = transfers[request.pendingID] else {
            faults.add(.pendingTransferNotFound, true)
            return nil
        }
        let status = reservations[pending.id, default: .none]
        faults.add(.pendingTransferNotPending, status == .none)
        faults.add(
            .pendingTransferHasDifferentDebitAccountID,
            request.debitAccount.value != 0 && request.debitAccount != pending.debitAccount)
        faults.add(
            .pendingTransferHasDifferentCreditAccountID,
            request.creditAccount.value != 0 && request.creditAccount != pending.creditAccount)
        faults.add(
            .pendingTransferHasDifferentLedger,
            request.ledger != 0 && request.ledger != pending.ledger)
        faults.add(
            .pendingTransferHasDifferentCode, request.code != 0 && request.code != pending.code)
        let means = isVoid ? UInt128(0) : UInt128.max
        let amount = request.amount.units == means ? pending.amount : request.amount
        faults.add(.exceedsPendingTransferAmount, amount > pending.amount)
        faults.add(.pendingTransferHasDifferentAmount, isVoid && amount < pending.amount)
        faults.add(.pendingTransferAlreadyPosted, status == .posted)
        faults.add(.pendingTransferAlreadyVoided, status == .voided)
        let isOver = pending.timeout != 0 && expiry(pending) <= UInt128(moment.nanoseconds)
        faults.add(.pendingTransferExpired, status == .expired || isOver)
        let debitIsClosed = accounts[pending.debitAccount]?.flags.contains(.closed) == true
        let creditIsClosed = accounts[pending.creditAccount]?.flags.contains(.closed) == true
        faults.add(.debitAccountAlreadyClosed, !isVoid && debitIsClosed)
        faults.add(.creditAccountAlreadyClosed, !isVoid && creditIsClosed)

        var draft = request
        draft.debitAccount = pending.debitAccount
        draft.creditAccount = pending.creditAccount
        draft.amount = amount
        draft.ledger = pending.ledger
        draft.code = pending.code
        draft.userData128 = [request.userData128, pending.userData128].first { $0 != 0 } ?? 0
        draft.userData64 = [request.userData64, pending.userData64].first { $0 != 0 } ?? 0
        draft.userData32 = [request.userData32, pending.userData32].first { $0 != 0 } ?? 0
        return draft
    }

    private mutating func carryOut(_ transfer: Transfer) {
        changeBalances(transfer)
        for id in [transfer.debitAccount, transfer.creditAccount] {
            guard let account = accounts[id], account.flags.contains(.history) else { continue }
            balances[transfer.id, default: [:]][id] = AccountBalance(
                debitsPending: account.debitsPending, debitsPosted: account.debitsPosted,
                creditsPending: account.creditsPending, creditsPosted: account.creditsPosted,
                timestamp: transfer.timestamp)
        }
    }

    private mutating func changeBalances(_ transfer: Transfer) {
        transfers[transfer.id] = transfer
        if transfer.flags.contains(.pending) {
            reservations[transfer.id] = .pending
            accounts[transfer.debitAccount]?.debitsPending += transfer.amount
            accounts[transfer.creditAccount]?.creditsPending += transfer.amount
            if transfer.flags.contains(.closingDebit) {
                accounts[transfer.debitAccount]?.flags.insert(.closed)
            }
            if transfer.flags.contains(.closingCredit) {
                accounts[transfer.creditAccount]?.flags.insert(.closed)
            }
            return
        }
        if let pending = transfers[transfer.pendingID] {
            let isPost = transfer.flags.contains(.postPending)
            reservations[pending.id] = isPost ? .posted : .voided
            unreserve(pending)
            if !isPost { return }
        }
        accounts[transfer.debitAccount]?.debitsPosted += transfer.amount
        accounts[transfer.creditAccount]?.creditsPosted += transfer.amount
    }

    private mutating func unreserve(_ pending: Transfer) {
        accounts[pending.debitAccount]?.debitsPending -= pending.amount
        accounts[pending.creditAccount]?.creditsPending -= pending.amount
        if pending.flags.contains(.closingDebit) {
            accounts[pending.debitAccount]?.flags.remove(.closed)
        }
        if pending.flags.contains(.closingCredit) {
            accounts[pending.creditAccount]?.flags.remove(.closed)
        }
    }

    private func expiry(_ transfer: Transfer) -> UInt128 {
        UInt128(transfer.timestamp.nanoseconds) + UInt128(transfer.timeout) * 1_000_000_000
    }
}

/// Every fault of one requested transfer.
private struct TransferFaults {
    private var found: Set<CreateTransferStatus> = []

    mutating func add(_ status: CreateTransferStatus, _ applies: Bool) {
        if applies { found.insert(status) }
    }

    /// The one that takes precedence.
    var first: CreateTransferStatus? {
        // `created` leads the list but is never a fault.
        CreateTransferStatus.allCases.first(where: found.contains)
    }
}
