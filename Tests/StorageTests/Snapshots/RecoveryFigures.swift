import Foundation
import Ledger
import Primitives
import Storage
import Testing

/// How long a start with a million transfers takes. Not a test of anything: run it with
/// EXCHEQUER_FIGURES=1 to see the figures.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["EXCHEQUER_FIGURES"] != nil), .serialized)
struct RecoveryFigures {
    private static let transfers = 1_000_000
    private static let accounts = 10_000

    private func command(_ first: Int, _ count: Int) -> LedgerCommand {
        .createTransfers(
            (first..<first + count).map { number in
                let from = number &* 7_919 % Self.accounts
                return Transfer(
                    id: TransferID(UInt128(number + 1) &* 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED),
                    debitAccount: AccountID(UInt128(from + 1)),
                    creditAccount: AccountID(UInt128((from + 1) % Self.accounts + 1)),
                    amount: Amount(1), ledger: 1, code: 1)
            })
    }

    private func fill(_ journal: any Journal, transfersEach: Int, commandsEach: Int) throws {
        _ = try journal.verify()
        var time: UInt64 = 1_000_000_000
        func entry(_ command: LedgerCommand) -> JournalEntry {
            time += LedgerMachine.ticks(of: command)
            return JournalEntry(
                time: Timestamp(nanoseconds: time), command: command.canonicalBytes())
        }
        for start in stride(from: 0, to: Self.accounts, by: 5_000) {
            let accounts = (start..<start + 5_000).map {
                Account(id: AccountID(UInt128($0 + 1)), ledger: 1, code: 1)
            }
            try journal.append([entry(.createAccounts(accounts))])
        }
        var done = 0
        while done < Self.transfers {
            var entries: [JournalEntry] = []
            while entries.count < commandsEach, done < Self.transfers {
                let count = min(transfersEach, Self.transfers - done)
                entries.append(entry(command(done, count)))
                done += count
            }
            try journal.append(entries)
        }
    }

    @Test(arguments: ["file", "sqlite"], [(8_189, 1), (1, 64), (1, 1)])
    func aMillionTransfers(_ kind: String, _ sizes: (transfers: Int, commands: Int)) throws {
        let scratch = try Scratch()
        let place = try JournalPlace("\(kind):\(scratch.folder)/books")
        let clock = ContinuousClock()
        var line = "\(kind), \(sizes.transfers) transfers a command, \(sizes.commands) a batch:"
        func measure<Value>(_ name: String, _ body: () throws -> Value) rethrows -> Value {
            let start = clock.now
            let value = try body()
            let seconds = start.duration(to: clock.now) / .seconds(1)
            line += " \(name) \((seconds * 1_000).rounded() / 1_000) s;"
            return value
        }
        let journal = try place.openForWriting()
        try measure("written") {
            try fill(journal, transfersEach: sizes.transfers, commandsEach: sizes.commands)
        }
        try journal.close()
        func open() throws -> any Journal { try place.openForWriting() }
        func recover(_ name: String, _ snapshots: SnapshotStore?, _ readsAhead: Bool) throws {
            try measure(name) {
                let journal = try open()
                let recovery = try Recovery<LedgerMachine>(
                    of: journal, snapshots: snapshots, readsAhead: readsAhead)
                #expect(recovery.machine.ledger.transferCount == Self.transfers)
                #expect((recovery.start != nil) == (snapshots != nil))
                try journal.close()
            }
        }
        try measure("chain alone") {
            let journal = try open()
            _ = try journal.verify()
            try journal.close()
        }
        try recover("replay, one thread", nil, false)
        try recover("replay", nil, true)
        let store = try SnapshotStore(folder: scratch.folder + "/snapshots")
        try measure("snapshot taken") {
            let journal = try place.openForReading()
            #expect(try store.take(ofWhole: journal) != nil)
            try journal.close()
        }
        try recover("from the snapshot", store, true)
        print(line)
    }
}
