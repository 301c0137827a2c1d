import Foundation
import PostgresHarness
import Primitives
import Storage
import Testing

/// The server ends, stops answering, runs full or fails at the commit: nobody is told of success.
@Suite struct PostgresFailureTests {
    /// Appends until it fails; records what was acknowledged.
    private func appendUntilFailure(
        _ journal: PostgresJournal, _ acknowledged: Record<ChainPoint>
    ) -> JournalError? {
        do throws(JournalError) {
            while true {
                try journal.append(entries(2, after: journal.head))
                acknowledged.add(journal.head.point)
            }
        } catch {
            return error
        }
    }

    private func isLost(_ error: JournalError?) -> Bool {
        if case .connectionLost = error { true } else { false }
    }

    @Test func aCommitThatWasCutOffIsDecidedByTheNextOpening() throws {
        let home = try PostgresHome()
        let acknowledged = Record<ChainPoint>()
        var numbers = Numbers(state: 0xDEAD)
        let rounds = 25
        for _ in 0..<rounds {
            let journal = try home.lead(takeOver: true)
            _ = try journal.verify()
            let writer = OnThread { appendUntilFailure(journal, acknowledged) }
            acknowledged.waitForMore(2)
            Thread.sleep(forTimeInterval: .random(in: 0...0.02, using: &numbers))
            // The renewals' connection is ended too: they make another one.
            try home.session.run(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE query LIKE '%\(home.schema)%' AND pid <> pg_backend_pid()
                """)
            let error = try writer.value()
            #expect(isLost(error), "\(String(describing: error))")
            #expect(throws: JournalError.failedBefore) {
                try journal.append(entries(1, after: journal.head))
            }
            #expect(throws: JournalError.failedBefore) {
                try journal.record(StateCheckpoint(sequence: 1, stateHash: .zero))
            }
            try journal.close()
        }
        // At most one batch of each round is there although nobody was told.
        let unsaid = try home.checkHistory(acknowledged: acknowledged.all)
        #expect(Set(unsaid.map(\.term)).count == unsaid.count)
        #expect(unsaid.count <= rounds)
        #expect(acknowledged.all.count > rounds)
    }

    @Test func aServerThatIsCutOffKeepsWhatItAcknowledged() throws {
        let server = try PostgresServer()
        var home = try PostgresHome(server)
        let acknowledged = Record<ChainPoint>()
        let lease = try PostgresLease(conninfo: home.conninfo, schema: home.schema)
        for round in 0..<4 {
            let journal = try home.lead(takeOver: true)
            _ = try journal.verify()
            let reader = try journal.reader()
            let writer = OnThread { appendUntilFailure(journal, acknowledged) }
            acknowledged.waitForMore(6)
            try server.stop()
            let error = try writer.value()
            #expect(isLost(error), "\(String(describing: error))")
            #expect(throws: JournalError.self) { try reader.batches(after: 0) }
            guard case .unreachable = home.error({ _ = try lease.read() }),
                case .unreachable = home.error({ try home.lead().close() })
            else {
                Issue.record("a server that is away was not noticed")
                return
            }
            try server.start()
            home = try home.again()
            #expect(try lease.read().term == UInt64(round) + 1)
            #expect(throws: JournalError.failedBefore) {
                try journal.append(entries(1, after: journal.head))
            }
            try journal.close()
            _ = try home.checkHistory(acknowledged: acknowledged.all)
        }
        #expect(acknowledged.all.count > 20)
    }

    /// Every statement succeeds and the commit does not: what counts is the commit.
    @Test func aFailingCommitIsNoSuccess() throws {
        let home = try PostgresHome()
        let journal = try home.lead()
        _ = try journal.verify()
        try journal.fill(1)
        try home.session.run(
            """
            CREATE FUNCTION public.f\(home.schema)() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN RAISE EXCEPTION ''not today''; END';
            CREATE CONSTRAINT TRIGGER t AFTER INSERT ON \(home.schema).journal
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
            EXECUTE FUNCTION public.f\(home.schema)()
            """)
        #expect(throws: JournalError.database(0, "not today (P0001)")) {
            try journal.append(entries(1, after: journal.head))
        }
        #expect(throws: JournalError.failedBefore) {
            try journal.append(entries(1, after: journal.head))
        }
        #expect(journal.head.sequence == 1)
        #expect(try home.session.value("SELECT max(seq) FROM \(home.schema).journal") == "1")
        try journal.close()
    }

    @Test func aServerThatStopsAnsweringCountsAsLost() throws {
        let home = try PostgresHome()
        let journal = try home.lead(timeout: .seconds(5))
        _ = try journal.verify()
        try journal.fill(1)
        // The process that serves the appends: its last statement was one.
        let found = try home.session.value(
            """
            SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() \
            AND query LIKE '%INSERT INTO \(home.schema).journal%'
            """)
        let backend = try #require(found.flatMap { Int32($0) })
        kill(backend, SIGSTOP)
        let error = home.error { try journal.append(entries(1, after: journal.head)) }
        kill(backend, SIGCONT)
        #expect(error == .connectionLost("it did not answer for 5 s"))
        #expect(throws: JournalError.failedBefore) {
            try journal.append(entries(1, after: journal.head))
        }
        try journal.close()
        // The statement was sent: it may be there, and then it is whole.
        #expect(home.recoveryError() == nil)
    }

    /// A synchronous standby that is not there: the commit waits, nobody sees it, and giving up
    /// the wait is a warning, not an error.
    @Test func aCommitThatNoStandbyConfirmedIsNotShown() throws {
        let server = try PostgresServer()
        let home = try PostgresHome(server)
        let journal = try home.lead()
        _ = try journal.verify()
        let reader = try journal.reader()
        let acknowledged = Record<ChainPoint>()
        try home.session.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        try home.session.run("SELECT pg_reload_conf()")
        // The first appends may come before the server has read its settings again.
        let writer = OnThread { appendUntilFailure(journal, acknowledged) }
        var waiting: Int32?
        while waiting == nil {
            waiting = try home.session.value(
                "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            ).flatMap { Int32($0) }
        }
        let count = acknowledged.all.count
        #expect(try reader.batches(after: UInt64(count)) == [])
        try home.session.run("SELECT pg_cancel_backend(\(waiting ?? 0))")
        guard case .database(0, let words) = try writer.value() else {
            Issue.record("a commit that was not replicated was acknowledged")
            return
        }
        #expect(words.contains("synchronous replication"))
        #expect(acknowledged.all.count == count)
        #expect(throws: JournalError.failedBefore) {
            try journal.append(entries(1, after: journal.head))
        }
        try home.session.run("ALTER SYSTEM RESET synchronous_standby_names")
        try home.session.run("SELECT pg_reload_conf()")
        try journal.close()
        // It is there, and the next leader takes it as history.
        let next = try home.lead(takeOver: true)
        #expect(try next.verify().sequence == UInt64(count) + 1)
        try next.close()
    }

    @Test(.enabled(if: geteuid() == 0, "mounting a small file system needs root"))
    func aFullDiskIsFinalAndLosesNothing() throws {
        let server = try PostgresServer(["--small", "24"])
        let home = try PostgresHome(server)
        let journal = try home.lead()
        _ = try journal.verify()
        let large = [UInt8](repeating: 7, count: 512 << 10)
        var kept: UInt64 = 0
        let failure = home.error {
            while kept < 100 {
                let entry = JournalEntry(
                    time: journal.head.time + .seconds(1), command: large)
                try journal.append([entry])
                kept += 1
            }
        }
        guard case .diskFull = failure else {
            Issue.record("expected a full disk, not \(String(describing: failure))")
            return
        }
        #expect(kept > 3)
        #expect(throws: JournalError.failedBefore) {
            try journal.append(entries(1, after: journal.head))
        }
        try journal.close()
        let again = try home.lead(takeOver: true)
        #expect(try again.verify().sequence == kept)
        try again.close()
    }

    @Test func aWriterThatIgnoresTheFenceIsFound() throws {
        let home = try PostgresHome()
        let journal = try home.lead()
        _ = try journal.verify()
        try journal.fill(1)
        try home.session.run(
            "INSERT INTO \(home.schema).journal VALUES (2, 1, 99, 1, '', '', '', 0)")
        #expect(throws: JournalError.conflict(2)) {
            try journal.append(entries(1, after: journal.head))
        }
        #expect(throws: JournalError.failedBefore) {
            try journal.append(entries(1, after: journal.head))
        }
        try journal.close()
    }
}
