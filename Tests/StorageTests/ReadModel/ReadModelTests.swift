import Foundation
import GRDB
import Ledger
import PostgresHarness
import Primitives
import Storage
import Testing

/// A read model is the replayed ledger in tables, however it came to be.
@Suite struct ReadModelTests {
    enum Store: CaseIterable { case sqlite, postgres }

    private func model(_ store: Store) throws -> ModelUnderTest {
        store == .sqlite ? try .sqlite() : try .postgres()
    }

    @Test("Random histories, filled in steps and rebuilt", arguments: Store.allCases, [1, 2, 3])
    func equalsTheLedger(store: Store, seed: UInt64) throws {
        let model = try model(store)
        let journal = MemoryJournal()
        var books = LedgerBooks(seed: seed)
        var last: UInt64 = 0
        for batches in [1, 40, 3, 60] {
            try books.write(batches, to: journal)
            let end = try fillReadModel(from: journal, into: model.place)
            #expect(end.kind == .ledger && end.sequence == last + UInt64(batches))
            last = end.sequence
            try model.expectEqual(books.machine.ledger) { $0.flags.contains(.history) }
        }
        let statuses = Set(try model.rows("SELECT DISTINCT status FROM pending").map { $0[0] })
        #expect(statuses.isSuperset(of: ["posted", "voided", "expired"]))
        let history = try model.rows("SELECT * FROM balance_history ORDER BY change")
        // Again with nothing new: nothing is written.
        #expect(try fillReadModel(from: journal, into: model.place).rows == 0)
        let rebuilt = try fillReadModel(from: journal, into: model.place, rebuilding: true)
        #expect(rebuilt.rows > 0)
        try model.expectEqual(books.machine.ledger) { $0.flags.contains(.history) }
        #expect(try model.rows("SELECT * FROM balance_history ORDER BY change") == history)
        let cursor = try model.rows("SELECT applied_seq, applied_hash FROM read_model")
        #expect(cursor == [["\(last)", journal.head.hash.hex]])
    }

    @Test("A reservation that ends inside a command is released by the next")
    func releasesAfterTheCommand() throws {
        let model = try model(.sqlite)
        let journal = MemoryJournal()
        var machine = LedgerMachine()
        func write(_ command: LedgerCommand, at nanoseconds: UInt64) throws {
            let time = Timestamp(nanoseconds: nanoseconds)
            _ = machine.apply(command, at: time)
            try journal.append([JournalEntry(time: time, command: command.canonicalBytes())])
            try fillReadModel(from: journal, into: model.place)
            try model.expectEqual(machine.ledger) { $0.flags.contains(.history) }
        }
        func transfer(_ id: UInt128, _ flags: TransferFlags, timeout: UInt32) -> Transfer {
            Transfer(
                id: TransferID(id), debitAccount: AccountID(1), creditAccount: AccountID(2),
                amount: Amount(5), ledger: 1, code: 1, flags: flags, timeout: timeout)
        }
        try write(
            .createAccounts(
                [1, 2].map {
                    Account(id: AccountID($0), ledger: 1, code: 1, flags: [.history])
                }), at: 1_000)
        try write(.createTransfers([transfer(1, [.pending], timeout: 1)]), at: 2_000)
        // Its second event is at the end of the reservation.
        let batch = (2...4).map { transfer($0, [], timeout: 0) }
        try write(.createTransfers(batch), at: 1_000_002_001)
        #expect(try model.rows("SELECT status FROM pending") == [["pending"]])
        try write(.pulse, at: 1_000_003_000)
        #expect(try model.rows("SELECT status FROM pending") == [["expired"]])
        #expect(try model.rows("SELECT * FROM balance_history").count == 2 * 5)
    }

    @Test("It follows a journal that grows", arguments: Store.allCases)
    func follows(store: Store) throws {
        let model = try model(store)
        let journal = MemoryJournal()
        var books = LedgerBooks(seed: 9)
        var rounds = 0
        var failure: (any Error)?
        try fillReadModel(from: journal, into: model.place) { _ in
        } caughtUp: { progress in
            rounds += 1
            #expect(progress.sequence == journal.head.sequence)
            do { try books.write(rounds == 6 ? 0 : 5, to: journal) } catch { failure = error }
            return rounds < 6
        }
        #expect(failure == nil)
        try model.expectEqual(books.machine.ledger) { $0.flags.contains(.history) }
    }

    @Test("Another history is refused until the model is rebuilt", arguments: Store.allCases)
    func refusesAnotherHistory(store: Store) throws {
        let model = try model(store)
        let first = MemoryJournal()
        var books = LedgerBooks(seed: 1)
        try books.write(20, to: first)
        try fillReadModel(from: first, into: model.place)
        let second = MemoryJournal()
        var others = LedgerBooks(seed: 2)
        try others.write(10, to: second)
        for batches in [0, 15] {
            try others.write(batches, to: second)
            let error = #expect(throws: ReadModelError.self) {
                try fillReadModel(from: second, into: model.place)
            }
            guard case .otherHistory(_, 20) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
        try model.expectEqual(books.machine.ledger) { $0.flags.contains(.history) }
        try fillReadModel(from: second, into: model.place, rebuilding: true)
        try model.expectEqual(others.machine.ledger) { $0.flags.contains(.history) }
    }

    @Test("A database of something else is left as it is", arguments: [false, true])
    func leavesOthersAlone(rebuilding: Bool) throws {
        let journal = MemoryJournal()
        var books = LedgerBooks(seed: 1)
        try books.write(3, to: journal)
        let scratch = try Scratch()
        try SQLiteJournal(path: scratch.journal).close()
        let other = try DatabaseQueue(path: "\(scratch.folder)/other")
        try other.write { try $0.execute(sql: "CREATE TABLE account(x)") }
        for path in [scratch.journal, "\(scratch.folder)/other"] {
            let before = try Data(contentsOf: URL(fileURLWithPath: path))
            let error = #expect(throws: ReadModelError.self) {
                try fillReadModel(
                    from: journal, into: .sqlite(path: path), rebuilding: rebuilding)
            }
            #expect(error.map { "\($0)".contains("another program") } == true)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
        }
        let model = try ModelUnderTest.postgres()
        let session = try PostgresServer.shared().session()
        let schema = try #require(model.schema)
        try session.run("CREATE SCHEMA \(schema)")
        try session.run("CREATE TABLE \(schema).account(x int)")
        let error = #expect(throws: ReadModelError.self) {
            try fillReadModel(from: journal, into: model.place, rebuilding: rebuilding)
        }
        #expect(error.map { "\($0)".contains("something else") } == true)
        #expect(
            try session.value(
                "SELECT count(*) FROM pg_tables WHERE schemaname = '\(schema)'") == "1")
        #expect(throws: ReadModelError.self) {
            try fillReadModel(from: journal, into: .file(folder: scratch.folder))
        }
    }
}
