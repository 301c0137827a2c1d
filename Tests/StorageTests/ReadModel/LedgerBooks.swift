import Ledger
import Primitives
import Storage

/// Random commands of a ledger that make every kind of row, and a journal of them.
struct LedgerBooks {
    var machine = LedgerMachine()
    private var numbers: Numbers
    private var nextID: UInt128 = 1 << 100
    private var pendings: [TransferID] = []

    init(seed: UInt64) { numbers = Numbers(state: seed) }

    /// Appends `batches` batches, of one to four commands each.
    mutating func write(_ batches: Int, to journal: any Journal) throws {
        for _ in 0..<batches {
            var entries: [JournalEntry] = []
            for _ in 0..<Int.random(in: 1...4, using: &numbers) {
                let command = draw()
                let wait = UInt64.random(in: 0...2_000_000_000, using: &numbers)
                let time = Timestamp(
                    nanoseconds: machine.now.nanoseconds + LedgerMachine.ticks(of: command) + wait)
                _ = machine.apply(command, at: time)
                entries.append(JournalEntry(time: time, command: command.canonicalBytes()))
            }
            try journal.append(entries)
        }
    }

    private mutating func draw() -> LedgerCommand {
        if machine.ledger.accounts.isEmpty {
            let ids: [UInt128] = [1, 2, 3, 4, 5, 6, 7, .max - 1]
            return .createAccounts(
                ids.map { id -> Account in
                    let flags: AccountFlags = id % 2 == 0 ? [.history] : []
                    return Account(
                        id: AccountID(id), ledger: id < 7 ? 1 : 2, code: 7, flags: flags,
                        userData64: .max)
                })
        }
        if Int.random(in: 0..<12, using: &numbers) == 0 { return .pulse }
        return .createTransfers((0..<Int.random(in: 1...6, using: &numbers)).map { _ in one() })
    }

    private mutating func one() -> Transfer {
        nextID += 1
        let id = TransferID(nextID)
        let kind = Int.random(in: 0..<10, using: &numbers)
        if kind < 3, let pending = pendings.randomElement(using: &numbers) {
            let amount = kind == 0 ? Amount(UInt128.random(in: 0...5, using: &numbers)) : nil
            return kind == 2 ? .void(pending, id: id) : .post(pending, id: id, amount: amount)
        }
        let isPending = kind < 7
        if isPending { pendings.append(id) }
        let huge = Int.random(in: 0..<20, using: &numbers) == 0
        return Transfer(
            id: id, debitAccount: AccountID(UInt128.random(in: 1...6, using: &numbers)),
            creditAccount: AccountID(UInt128.random(in: 1...6, using: &numbers)),
            amount: Amount(huge ? 1 << 121 : UInt128.random(in: 0...1_000, using: &numbers)),
            ledger: 1, code: 3, flags: isPending ? [.pending] : [],
            timeout: isPending ? UInt32.random(in: 0...3, using: &numbers) : 0, userData128: 5)
    }
}
