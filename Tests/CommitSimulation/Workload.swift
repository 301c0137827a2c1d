import Ledger
import Primitives
import SimulatedDisk

/// What one client asks for: transfers of every kind between a few accounts that all clients share,
/// with ids of its own, some of them used twice.
struct Workload {
    static let accounts: ClosedRange<UInt128> = 1...6

    private var numbers: SplitMix64
    private var nextID: UInt128
    private var pendings: [TransferID] = []
    private var used: [Transfer] = []

    init(client: Int, seed: UInt64) {
        numbers = SplitMix64(seed: seed ^ UInt64(client + 1) &* 0x9E37_79B9)
        nextID = UInt128(client + 1) << 64
    }

    /// The first command of all: every kind of account.
    static let opening = LedgerCommand.createAccounts(
        accounts.map { number in
            let flags: AccountFlags =
                switch number {
                case 3, 4: .debitsMustNotExceedCredits
                case 5: .creditsMustNotExceedDebits
                default: []
                }
            return Account(id: AccountID(number), ledger: 1, code: 1, flags: flags)
        })

    mutating func command() -> LedgerCommand {
        if numbers.happens(0.05) { return Workload.opening }
        let count = numbers.happens(0.1) ? 30 : Int.random(in: 1...4, using: &numbers)
        let linked = numbers.happens(0.25)
        var transfers: [Transfer] = []
        for place in 0..<count {
            var next = transfer()
            if linked, place < count - 1 || numbers.happens(0.1) { next.flags.insert(.linked) }
            transfers.append(next)
        }
        return .createTransfers(transfers)
    }

    private mutating func transfer() -> Transfer {
        nextID += 1
        let id = TransferID(nextID)
        if let pending = pendings.randomElement(using: &numbers), numbers.happens(0.4) {
            if numbers.happens(0.5) { return .void(pending, id: id) }
            let part = Amount(UInt128.random(in: 0...12, using: &numbers))
            return .post(pending, id: id, amount: numbers.happens(0.5) ? part : nil)
        }
        if var old = used.randomElement(using: &numbers), numbers.happens(0.1) {
            if numbers.happens(0.5) { old.amount = Amount(old.amount.units / 2) }
            return old
        }
        let debit = UInt128.random(in: Workload.accounts, using: &numbers)
        var credit = UInt128.random(in: Workload.accounts, using: &numbers)
        if numbers.happens(0.04) { credit = 9 }
        var new = Transfer(
            id: id, debitAccount: AccountID(debit), creditAccount: AccountID(credit),
            amount: Amount(UInt128.random(in: 0...20, using: &numbers)), ledger: 1, code: 1)
        if numbers.happens(0.35) {
            new.flags.insert(.pending)
            new.timeout = [0, 1, 1, 2, 60].randomElement(using: &numbers) ?? 0
            pendings.append(id)
        } else if numbers.happens(0.1) {
            new.flags.insert(.balancingDebit)
        }
        used.append(new)
        return new
    }
}
