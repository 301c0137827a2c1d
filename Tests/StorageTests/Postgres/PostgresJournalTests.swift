import Foundation
import PostgresHarness
import Primitives
import Storage
import Testing

/// The journal in PostgreSQL: its tables, what it opens and what it refuses.
@Suite struct PostgresJournalTests {
    @Test func theTablesAreTheDocumentedOnes() throws {
        let home = try PostgresHome()
        try home.written(2)
        let columns = try home.session.run(
            """
            SELECT table_name, column_name, data_type FROM information_schema.columns \
            WHERE table_schema = '\(home.schema)' ORDER BY table_name, ordinal_position
            """)
        #expect(
            columns.map { $0.map { $0 ?? "" }.joined(separator: " ") } == [
                "checkpoint seq bigint", "checkpoint state_hash bytea", "format version bigint",
                "journal seq bigint", "journal term bigint", "journal time bigint",
                "journal count integer", "journal previous_hash bytea", "journal hash bytea",
                "journal body bytea", "journal size integer", "leader term bigint",
                "leader holder text",
                "lease term bigint", "lease renewed_at timestamp with time zone",
            ])
        let storage = try home.session.value(
            """
            SELECT attstorage FROM pg_attribute \
            WHERE attrelid = '\(home.schema).journal'::regclass AND attname = 'body'
            """)
        #expect(storage == "e")
        // A row is what the documentation says: anyone can check it with SQL.
        let hash = try home.session.value(
            """
            SELECT encode(sha256('\\x14000000'::bytea || 'exchequer-journal-v1' || \
            decode('0100000000000000' || '0100000000000000' || '0100000000000000' \
            || '01000000', 'hex') || previous_hash || body), 'hex') = encode(hash, 'hex') \
            FROM \(home.schema).journal WHERE seq = 1
            """)
        #expect(hash == "t")
    }

    @Test func severalJournalsShareADatabase() throws {
        let one = try PostgresHome()
        let two = try PostgresHome()
        let first = try one.lead()
        let second = try two.lead()
        for journal in [first, second] { _ = try journal.verify() }
        try first.fill(3)
        try second.fill(1)
        #expect(first.head.sequence == 3)
        #expect(second.head.sequence == 1)
        try first.close()
        try second.close()
        #expect(one.recoveryError() == nil)
    }

    @Test func openingsAtOnceMakeOneJournal() throws {
        for _ in 0..<5 {
            let home = try PostgresHome()
            let openings = (0..<4).map { _ in
                OnThread { home.error { try home.lead(takeOver: true).close() } }
            }
            #expect(try openings.map { try $0.value() } == [nil, nil, nil, nil])
            let last = try home.lead()
            #expect(last.term == 5)
            #expect(try last.verify() == .empty)
            try last.close()
        }
    }

    @Test func strangeTablesAreRefusedAndLeftAlone() throws {
        let changes = [
            "CREATE TABLE $.extra(x int)", "DROP TABLE $.checkpoint",
            "CREATE VIEW $.v AS SELECT 1", "CREATE INDEX ON $.journal(term)",
            "ALTER TABLE $.journal RENAME COLUMN count TO number",
            "ALTER TABLE $.journal ALTER term DROP NOT NULL",
            "ALTER TABLE $.journal DROP CONSTRAINT journal_pkey",
            "ALTER TABLE $.journal SET UNLOGGED",
            "ALTER TABLE $.journal ALTER count TYPE bigint",
            "CREATE RULE r AS ON INSERT TO $.journal DO INSTEAD NOTHING",
            """
            CREATE FUNCTION pg_temp.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'
            ; CREATE TRIGGER t BEFORE INSERT ON $.journal FOR EACH ROW EXECUTE FUNCTION pg_temp.f()
            """,
        ]
        for sql in changes {
            let home = try PostgresHome()
            try home.written(1)
            try home.session.run(sql.replacing("$", with: home.schema))
            let expected = JournalError.damagedFile("its tables are not a journal's")
            #expect(home.error { try home.lead().close() } == expected, "\(sql)")
            #expect(home.recoveryError() == expected, "\(sql)")
        }
    }

    @Test func otherProgramsSchemasAreLeftAlone() throws {
        let home = try PostgresHome()
        try home.session.run(
            "CREATE SCHEMA \(home.schema); CREATE TABLE \(home.schema).recipes(name text)")
        guard case .notAJournal = home.error({ try home.lead().close() }) else {
            Issue.record("a foreign schema was not refused")
            return
        }
        let tables = try home.session.run(
            "SELECT tablename FROM pg_tables WHERE schemaname = '\(home.schema)'")
        #expect(tables == [["recipes"]])
    }

    @Test func otherVersionsAreRefused() throws {
        let home = try PostgresHome()
        try home.written(1)
        try home.session.run("UPDATE \(home.schema).format SET version = 3")
        #expect(home.error { try home.lead().close() } == .unsupportedVersion(3))
        #expect(home.recoveryError() == .unsupportedVersion(3))
    }

    @Test func rowsOfAWrongSizeAreFound() throws {
        for change in [
            "hash = '\\x00'", "previous_hash = '\\x00'", "count = -1", "term = -1",
            "size = -1", "size = 0", "size = size + 1", "size = \(JournalLimits.bodyBytes + 1)",
            "body = convert_to(repeat('x', \(JournalLimits.bodyBytes + 1)), 'UTF8')",
        ] {
            let home = try PostgresHome()
            try home.written(3)
            try home.session.run("UPDATE \(home.schema).journal SET \(change) WHERE seq = 2")
            #expect(home.recoveryError() == .damaged(2, .malformedRow), "\(change)")
        }
        let home = try PostgresHome()
        try home.written(1)
        try home.session.run("DELETE FROM \(home.schema).leader")
        #expect(
            home.error { try home.lead().close() }
                == .damagedFile("it has not exactly one leader and one lease"))
    }

    @Test func aSchemaThatIsEmptyOrMissing() throws {
        let home = try PostgresHome()
        guard case .cannotOpen(_, "there is no journal in this schema") = home.recoveryError()
        else {
            Issue.record("reading made a journal, or found one")
            return
        }
        // An operator may make it, for a user who may not.
        try home.session.run("CREATE SCHEMA \(home.schema)")
        try home.written(1)
        #expect(home.recoveryError() == nil)
    }

    @Test func namesThatAreNoSchemasAreRefused() throws {
        let server = try PostgresServer.shared()
        let names = ["", "a b", "A", "1a", "a\"; DROP", "pg_x", "information_schema", "ä"]
        for name in names + [String(repeating: "a", count: 64)] {
            #expect(throws: JournalError.self, "\(name)") {
                try PostgresJournal(conninfo: server.conninfo, schema: name)
            }
        }
    }

    /// Settings of a database or user that would break durability or the fence do not count.
    @Test func theSessionsSettingsAreForced() throws {
        let home = try PostgresHome()
        let role = "r\(home.schema)"
        try home.session.run(
            """
            CREATE ROLE \(role) LOGIN; CREATE SCHEMA \(home.schema) AUTHORIZATION \(role);
            ALTER ROLE \(role) SET synchronous_commit = off;
            ALTER ROLE \(role) SET default_transaction_isolation = serializable;
            ALTER ROLE \(role) SET default_transaction_read_only = on;
            ALTER ROLE \(role) SET search_path = '';
            """)
        let conninfo = home.conninfo.replacing("user=postgres", with: "user=\(role)")
        let first = try PostgresJournal(conninfo: conninfo, schema: home.schema)
        _ = try first.verify()
        try first.fill(2)
        try home.waitForRenewal()
        var options = PostgresJournal.Options()
        options.takeOver = true
        let second = try PostgresJournal(
            conninfo: conninfo, schema: home.schema, options: options)
        #expect(throws: JournalError.fenced(term: second.term)) { try first.fill(1) }
        #expect(try second.verify().sequence == 2)
        try second.close()
    }

    @Test func aServerThatMayLoseCommitsIsRefused() throws {
        let server = try PostgresServer(["fsync=off", "data_sync_retry=on"])
        let home = try PostgresHome(server)
        func reason() -> String? {
            guard case .cannotOpen(_, let words) = home.error({ try home.lead().close() }) else {
                return nil
            }
            return words
        }
        #expect(reason() == "the server runs with fsync=off and would lose commits")
        var options = PostgresJournal.Options()
        options.acceptsUnsafeServer = true
        let journal = try PostgresJournal(
            conninfo: home.conninfo, schema: home.schema, options: options)
        _ = try journal.verify()
        try journal.close()
        try home.session.run("ALTER SYSTEM SET fsync = on")
        try home.session.run("SELECT pg_reload_conf()")
        while try home.session.value("SHOW fsync") != "on" { Thread.sleep(forTimeInterval: 0.01) }
        #expect(
            reason() == "the server runs with data_sync_retry=on and may believe a failed sync")
    }

    @Test func whatCannotBeReachedIsSaidWithoutPasswords() throws {
        let home = try PostgresHome()
        let role = "g\(home.schema)"
        try home.session.run("CREATE ROLE \(role) LOGIN PASSWORD 'right-sekret' IN ROLE guarded")
        let guarded = home.conninfo.replacing("user=postgres", with: "user=\(role)")
        let cases = [
            ("\(guarded) password=wrong-sekret", true),
            ("host=/nowhere-at-all password=wrong-sekret", true),
            ("host=127.0.0.1 port=1 password=wrong-sekret", true),
            ("\(home.conninfo) dbname=no_such_database password=wrong-sekret", true),
            ("host=x password wrong-sekret", false),
            ("host=x password='wrong-sekret", false),
            ("postgresql://user:wrong-sekret@host:port/x", true),
            ("\(home.conninfo) dbname=postgresql://u:wrong-sekret@h/x", false),
        ]
        for (conninfo, isTried) in cases {
            let error = home.error {
                try PostgresJournal(conninfo: conninfo, schema: home.schema).close()
            }
            switch error {
            case .unreachable where isTried, .cannotOpen where !isTried: break
            default:
                Issue.record("\(conninfo) gave \(String(describing: error))")
                continue
            }
            let texts = [error?.description ?? "", String(reflecting: error)]
            #expect(texts.allSatisfy { !$0.contains("sekret") }, "\(texts)")
        }
        // No right to make the tables.
        let denied = home.error {
            try PostgresJournal(
                conninfo: "\(guarded) password=right-sekret", schema: home.schema
            ).close()
        }
        guard case .cannotOpen(_, let words) = denied else {
            Issue.record("\(String(describing: denied))")
            return
        }
        #expect(words.contains("permission denied"))
    }
}
