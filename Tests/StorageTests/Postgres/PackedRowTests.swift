import Foundation
import PostgresHarness
import Primitives
import Storage
import Testing

/// Bodies are stored in PostgreSQL without most of their zeros, and come back as they were.
@Suite struct PackedRowTests {
    /// Commands of every length up to three groups, with all sorts of zeros in them.
    private func commands() -> [[UInt8]] {
        var random = SplitMix64(seed: 17)
        let lengths = Array(1...200) + [1_000, 4_096, 65_536, JournalLimits.commandBytes]
        return lengths.map { length in
            let share = UInt64.random(in: 0...10, using: &random)
            return (0..<length).map { place in
                // Whole words of zeros, or zeros here and there.
                let isZero =
                    share > 5
                    ? UInt64(place / 8) % 7 < share - 4
                    : UInt64.random(in: 0..<8, using: &random) < share
                return isZero ? 0 : UInt8.random(in: 1...255, using: &random)
            }
        }
    }

    @discardableResult
    private func write(_ commands: [[UInt8]], to home: PostgresHome) throws -> [JournalBatch] {
        let journal = try home.lead()
        _ = try journal.verify()
        for command in commands {
            let time = Timestamp(nanoseconds: journal.head.time.nanoseconds + 1)
            try journal.append(
                JournalBatch(
                    following: journal.head, term: journal.term,
                    entries: [JournalEntry(time: time, command: command)]))
        }
        try journal.close()
        return try read(home)
    }

    private func read(_ home: PostgresHome) throws -> [JournalBatch] {
        let journal = try #require(try home.openForReading())
        var batches: [JournalBatch] = []
        _ = try journal.recover { (batch, _) throws(JournalError) in batches.append(batch) }
        try journal.close()
        return batches
    }

    @Test func everyBodyComesBack() throws {
        let home = try PostgresHome()
        let commands = commands()
        let batches = try write(commands, to: home)
        #expect(batches.map { Array($0.body.dropFirst(12)) } == commands)
        let counts = try home.session.run(
            """
            SELECT count(*) FILTER (WHERE octet_length(body) < size), \
            count(*) FILTER (WHERE octet_length(body) = size), \
            count(*) FILTER (WHERE octet_length(body) > size) FROM \(home.schema).journal
            """)
        let numbers = counts[0].map { $0.flatMap { Int($0) } ?? -1 }
        #expect(numbers[0] > 50 && numbers[1] > 50 && numbers[2] == 0, "\(numbers)")
    }

    /// With the function that docs/internals/journal.md has for it.
    @Test func anyoneCanCheckAPackedRowWithSQL() throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("docs/internals/journal.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        let start = try #require(text.range(of: "CREATE FUNCTION unpacked"))
        let end = try #require(text[start.lowerBound...].range(of: "```"))
        let home = try PostgresHome()
        try write(commands().dropLast(2), to: home)
        let function = String(text[start.lowerBound..<end.lowerBound])
        try home.session.run(
            function.replacing("CREATE FUNCTION ", with: "CREATE FUNCTION pg_temp."))
        let wrong = try home.session.value(
            """
            SELECT count(*) FROM \(home.schema).journal AS row WHERE hash <> sha256(\
            '\\x14000000'::bytea || 'exchequer-journal-v1' || \(littleEndian("seq", 8)) || \
            \(littleEndian("term", 8)) || \(littleEndian("time", 8)) || \
            \(littleEndian("count", 4)) || previous_hash || pg_temp.unpacked(body, size))
            """)
        #expect(wrong == "0")
    }

    private func littleEndian(_ column: String, _ bytes: Int) -> String {
        let digits = (0..<bytes).map {
            "lpad(to_hex((\(column)::int8 >> \(8 * $0)) & 255), 2, '0')"
        }
        return "decode(\(digits.joined(separator: " || ")), 'hex')"
    }

    @Test func noByteOfAPackedRowCanChange() throws {
        let home = try PostgresHome()
        let commands = [[UInt8](repeating: 0, count: 40) + [7, 8, 9] + [0, 0, 1], [2]]
        try write(commands, to: home)
        let stored = try #require(
            Int(
                try home.session.value(
                    "SELECT octet_length(body) FROM \(home.schema).journal WHERE seq = 1") ?? ""))
        #expect(stored < 58)
        let update = "UPDATE \(home.schema).journal SET body ="
        for place in 0..<stored {
            try home.session.run(
                "\(update) set_byte(body, \(place), get_byte(body, \(place)) # 16) WHERE seq = 1")
            guard case .damaged(1, _)? = home.recoveryError() else {
                Issue.record("a change of byte \(place) was not found")
                continue
            }
            try home.session.run(
                "\(update) set_byte(body, \(place), get_byte(body, \(place)) # 16) WHERE seq = 1")
        }
        #expect(home.recoveryError() == nil)
        for change in ["body || '\\x00'", "substr(body, 1, \(stored - 1))", "'\\x'", "'\\xff'"] {
            try home.session.run("BEGIN; \(update) \(change) WHERE seq = 1; COMMIT")
            #expect(home.recoveryError() == .damaged(1, .malformedRow), "\(change)")
            try home.session.run("DELETE FROM \(home.schema).journal")
            try write(commands, to: home)
        }
    }

    /// A journal that was made before rows were packed goes on as it is.
    @Test func journalsOfTheFirstVersionGoOn() throws {
        let home = try PostgresHome()
        try home.lead().close()
        try home.session.run(
            """
            ALTER TABLE \(home.schema).journal DROP COLUMN size; \
            UPDATE \(home.schema).format SET version = 1
            """)
        let commands = commands().dropLast()
        let batches = try write(Array(commands.prefix(100)), to: home)
        try write(Array(commands.dropFirst(100)), to: home)
        let all = try read(home)
        #expect(all.map { Array($0.body.dropFirst(12)) } == Array(commands))
        #expect(Array(all.prefix(100)) == batches)
        let bytes = try home.session.value(
            "SELECT sum(octet_length(body)) FROM \(home.schema).journal")
        #expect(bytes == "\(all.reduce(0) { $0 + $1.body.count })")
        // The new version's table is none of the old one's.
        try home.session.run(
            "ALTER TABLE \(home.schema).journal ADD size integer NOT NULL DEFAULT 0")
        #expect(home.recoveryError() == .damagedFile("its tables are not a journal's"))
    }
}
