public import Ledger
public import Primitives

/// Draws batches that crowd around the edges: few accounts, ids used again, amounts at both ends,
/// closed and overdue things, long chains.
public struct RandomHistory: Sendable {
    public var random: SplitMix64
    /// The moment of the latest batch, in nanoseconds.
    public private(set) var clock: UInt64
    private var requests: [Transfer] = []
    private var pendings: [Transfer] = []
    private var accounts: [Account] = []
    private var nextID: UInt128 = 100
    private let likesHugeAmounts: Bool

    /// A history that hangs on its seed and on what it learns.
    public init(seed: UInt64) {
        random = SplitMix64(seed: seed)
        clock = 1_000_000_000
        // Now and then near the end of time, where timeouts overflow.
        if random.once(in: 8) { clock = UInt64(Int64.max) - 400_000_000_000 }
        likesHugeAmounts = random.once(in: 3)
    }

    /// The moment of a batch of `count` events, sometimes one that is already taken.
    public mutating func moment(for count: Int) -> Timestamp {
        switch Int.random(in: 0..<10, using: &random) {
        case 0: clock += UInt64.random(in: 0...500_000_000, using: &random)
        case 1: clock += UInt64.random(in: 0...5, using: &random)
        case 2:
            // To the nanosecond around the end of a timeout.
            let ends = pendings.compactMap { $0.expiresAt?.nanoseconds }
            let soon = ends.filter { $0 > clock + 25 && $0 < clock + 3_000_000_000 }
            clock = (soon.randomElement(using: &random) ?? clock) + UInt64(count) - 2
            clock += random.pick([0, 1, 2])
        default: clock += UInt64(count)
        }
        return Timestamp(nanoseconds: clock)
    }

    /// The first accounts of a history, of every kind.
    public mutating func opening() -> [Account] {
        let kinds: [AccountFlags] = [
            [], [], [.debitsMustNotExceedCredits], [.creditsMustNotExceedDebits], [.history],
            [.debitsMustNotExceedCredits, .history],
        ]
        accounts = kinds.enumerated().map { index, flags in
            Account(id: AccountID(UInt128(index + 1)), ledger: 1, code: 1, flags: flags)
        }
        accounts.append(Account(id: AccountID(7), ledger: 2, code: 1))
        return accounts
    }

    /// Accounts to create: new ones, old ones, and spoiled ones.
    public mutating func accountBatch() -> [Account] {
        var batch: [Account] = []
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            var account = Account(
                id: AccountID(random.pick([1, 2, 7, 8, 9, 10, 11, 12])),
                ledger: random.pick([1, 1, 2]),
                code: 1)
            if random.once(in: 2), let old = accounts.randomElement(using: &random) {
                account = old
            }
            if random.once(in: 4) { account.flags.insert(.linked) }
            if random.once(in: 2) { spoil(&account) }
            batch.append(account)
        }
        accounts += batch
        return batch
    }

    private mutating func spoil(_ account: inout Account) {
        switch Int.random(in: 0..<18, using: &random) {
        case 0: account.timestamp = Timestamp(nanoseconds: 1)
        case 1: account.flags.insert(AccountFlags(rawValue: 1 << 9))
        case 2: account.id = AccountID(0)
        case 3: account.id = AccountID(.max)
        case 4: account.flags.formSymmetricDifference(.history)
        case 5: account.userData128 = 1
        case 6: account.userData64 = 1
        case 7: account.userData32 = 1
        case 8: account.ledger = 3
        case 9: account.code = 2
        case 10:
            account.flags.formUnion([.debitsMustNotExceedCredits, .creditsMustNotExceedDebits])
        case 11: account.debitsPending = Amount(1)
        case 12: account.debitsPosted = Amount(1)
        case 13: account.creditsPending = Amount(1)
        case 14: account.creditsPosted = Amount(1)
        case 15: account.ledger = 0
        case 16: account.reserved = random.pick([1, .max])
        default: account.code = 0
        }
    }

    /// Transfers to create, of every kind.
    public mutating func transferBatch() -> [Transfer] {
        let batch = random.once(in: 250) ? longChain() : mixedBatch()
        requests += batch
        if requests.count > 60 { requests.removeFirst(requests.count - 60) }
        return batch
    }

    private mutating func mixedBatch() -> [Transfer] {
        let linkedOften = random.once(in: 6)
        var batch: [Transfer] = []
        let count = random.pick([1, 1, 1, 2, 3, 5, 8, 20])
        for index in 0..<count {
            var transfer = freshTransfer()
            let old = batch.last ?? requests.last
            switch Int.random(in: 0..<20, using: &random) {
            case 0...5: transfer = resolution()
            case 6, 7: transfer = requests.randomElement(using: &random) ?? transfer
            case 8:
                transfer = requests.randomElement(using: &random) ?? transfer
                spoil(&transfer)
            case 9:
                // The batch's own latest once more.
                transfer = old ?? transfer
                if random.once(in: 2) { spoil(&transfer) }
            case 10: spoil(&transfer)
            default: break
            }
            if linkedOften, !random.once(in: 4), index < count - 1 || random.once(in: 3) {
                transfer.flags.insert(.linked)
            }
            batch.append(transfer)
        }
        return batch
    }

    /// Two hundred linked transfers between accounts without limits; half of these chains break.
    private mutating func longChain() -> [Transfer] {
        let broken = random.once(in: 2) ? Int.random(in: 0..<200, using: &random) : nil
        return (0..<200).map { index in
            var transfer = index == broken ? resolution() : freshTransfer()
            if index != broken {
                transfer.debitAccount = AccountID(random.pick([1, 5]))
                transfer.creditAccount = AccountID(2)
                transfer.amount = Amount(UInt128(index % 3))
                transfer.flags.formIntersection(.pending)
            }
            if index < 199 { transfer.flags.insert(.linked) }
            return transfer
        }
    }

    /// Remembers what can be posted or voided: mostly what was really created.
    public mutating func learn(_ batch: [Transfer], _ results: [CreateTransferResult]) {
        for (transfer, result) in zip(batch, results) where transfer.flags.contains(.pending) {
            guard result.status == .created || random.once(in: 20) else { continue }
            pendings.append(transfer)
            pendings[pendings.count - 1].timestamp = result.timestamp
        }
        if pendings.count > 12 { pendings.removeFirst(pendings.count - 12) }
    }

    private mutating func freshTransfer() -> Transfer {
        nextID += 1
        let rare = random.once(in: 12)
        let ids: [UInt128] = rare ? [0, 6, 7, 8, 13, .max] : [1, 2, 3, 4, 5, 6]
        var transfer = Transfer(
            id: TransferID(nextID), debitAccount: AccountID(random.pick(ids)),
            creditAccount: AccountID(random.pick([1, 2, 3, 4, 5, 6])), amount: amount(), ledger: 1,
            code: 1)
        if transfer.creditAccount == transfer.debitAccount, !random.once(in: 5) {
            transfer.creditAccount = AccountID(transfer.debitAccount.value % 6 + 1)
        }
        if random.once(in: 30) {
            swap(&transfer.debitAccount, &transfer.creditAccount)
        }
        if random.once(in: 2) {
            transfer.userData64 = random.pick([0, 5, 6])
            transfer.userData32 = random.pick([0, 5, 6])
            transfer.userData128 = random.pick([0, 5, 6])
        }
        if random.once(in: 3) {
            transfer.flags.insert(.pending)
            transfer.timeout = random.pick([0, 0, 0, 1, 1, 2, 400, .max])
            if random.once(in: 50) { transfer.flags.insert(.closingDebit) }
            if random.once(in: 50) { transfer.flags.insert(.closingCredit) }
        }
        if random.once(in: 8) { transfer.flags.insert(.balancingDebit) }
        if random.once(in: 8) { transfer.flags.insert(.balancingCredit) }
        return transfer
    }

    private mutating func amount() -> Amount {
        if likesHugeAmounts, random.once(in: 4) {
            let half = UInt128(1) << 127
            return Amount(random.pick([.max, .max - 1, half, half - 1, .max - 20]))
        }
        if random.once(in: 200) { return Amount(.max) }
        return Amount(UInt128(Int.random(in: 0...20, using: &random)))
    }

    /// A post or void, mostly of a recent pending transfer.
    private mutating func resolution() -> Transfer {
        nextID += 1
        let target = pendings.randomElement(using: &random) ?? requests.last
        guard let target else { return freshTransfer() }
        let id = TransferID(nextID)
        var transfer =
            random.once(in: 2) ? Transfer.void(target.id, id: id) : Transfer.post(target.id, id: id)
        switch Int.random(in: 0..<8, using: &random) {
        case 0: transfer.amount = target.amount
        case 1: transfer.amount = amount()
        case 2: transfer.amount = target.amount.checkedAdding(Amount(1)) ?? .zero
        case 3: transfer.amount = target.amount.checkedSubtracting(Amount(1)) ?? .zero
        default: break
        }
        if random.once(in: 6) { transfer.debitAccount = target.debitAccount }
        if random.once(in: 6) { transfer.creditAccount = target.creditAccount }
        if random.once(in: 6) { transfer.userData64 = random.pick([5, 6]) }
        if random.once(in: 6) { transfer.userData32 = random.pick([5, 6]) }
        if random.once(in: 6) { transfer.userData128 = random.pick([5, 6]) }
        if random.once(in: 6) { transfer.code = target.code }
        if random.once(in: 6) { transfer.ledger = target.ledger }
        if random.once(in: 10) { spoil(&transfer) }
        return transfer
    }

    /// Changes one thing.
    private mutating func spoil(_ transfer: inout Transfer) {
        switch Int.random(in: 0..<21, using: &random) {
        case 0: transfer.timestamp = Timestamp(nanoseconds: 1)
        case 1: transfer.flags.insert(TransferFlags(rawValue: 1 << 12))
        case 2: transfer.id = TransferID(random.pick([0, .max]))
        case 3: transfer.flags.formSymmetricDifference(.pending)
        case 4: transfer.flags.insert(random.pick([.postPending, .voidPending]))
        case 5: transfer.debitAccount = AccountID(random.pick([0, 1, 2, 9, 99, .max]))
        case 6: transfer.creditAccount = AccountID(random.pick([0, 1, 2, 9, 99, .max]))
        case 7: transfer.creditAccount = transfer.debitAccount
        case 8: transfer.pendingID = TransferID(random.pick([0, 1, .max]))
        case 9: transfer.pendingID = transfer.id
        case 10: transfer.timeout = random.pick([0, 1, .max])
        case 11: transfer.flags.insert(random.pick([.closingDebit, .closingCredit]))
        case 12: transfer.ledger = random.pick([0, 2])
        case 13: transfer.code = random.pick([0, 2])
        case 14: transfer.amount = amount()
        case 15: transfer.userData128 = random.pick([0, 7])
        case 16: transfer.userData64 = random.pick([0, 7])
        case 17: transfer.userData32 = random.pick([0, 7])
        case 18:
            transfer.debitAccount = AccountID(7)
            transfer.ledger = random.pick([1, 2])
        case 19: transfer.ledger = 3
        default: transfer.pendingID = pendings.randomElement(using: &random)?.id ?? .none
        }
    }
}
