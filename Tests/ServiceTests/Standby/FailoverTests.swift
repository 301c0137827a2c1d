import Dispatch
import Foundation
import Ledger
import PostgresHarness
import Primitives
import ProcessHarness
import Service
import Storage
import Testing

/// A leader in a process of its own that is killed, stopped or left alone, and its standby.
@Suite(.serialized) struct FailoverTests {
    /// `EXCHEQUER_STANDBY_ROUNDS` asks for more.
    private static let rounds =
        ProcessInfo.processInfo.environment["EXCHEQUER_STANDBY_ROUNDS"].flatMap(Int.init) ?? 2

    /// Long enough for a leader on a machine that runs every other test at the same time.
    private static let patience = Duration.seconds(3)

    /// Everything acknowledged is there once, and the promoted service knows all of it.
    private func check(
        _ promotion: Promotion<LedgerMachine>, holds acknowledged: [UInt64]
    ) async throws {
        let (created, known) = try await Pair.serve(promotion, creating: 7)
        let once = Set(created)
        #expect(once.count == created.count, "journaled twice")
        #expect(once.isSuperset(of: acknowledged), "a command is lost")
        #expect(once.contains(7))
        #expect(known == created.count)
    }

    @Test(arguments: [JournalKind.sqlite, .file])
    func noAcknowledgedCommandIsLostWithTheLeader(_ kind: JournalKind) async throws {
        var numbers = SystemRandomNumberGenerator()
        for round in 1...FailoverTests.rounds {
            let scratch = try Scratch()
            let standby = try await Pair.standby(
                kind, scratch.folder + "/copy", patience: FailoverTests.patience)
            let leader = try Leader(
                kind.rawValue, scratch.journal, "\(standby.port)", run: round)
            try await leader.acknowledges(Int.random(in: 1...400, using: &numbers))
            leader.signal(SIGKILL)
            let start = ContinuousClock.now
            let promotion = try #require(try await standby.promotion())
            print("\(kind): took over \(ContinuousClock.now - start) after the kill")
            _ = try await leader.end()
            #expect(promotion.journal.term >= 2)
            try await check(promotion, holds: leader.acknowledged)
            standby.stop()
        }
    }

    /// With the patience that a standby has unless told otherwise: from the leader's death to the
    /// first acknowledged command of the new leader. What is promised is that time and no other
    /// figure, so it is the one that a test looks at; of three takeovers one is enough, since other
    /// tests run at the same time.
    @Test func aTakeoverTakesLessThanFiveSeconds() async throws {
        var took = Duration.seconds(60)
        for round in 1...3 where took >= .seconds(5) {
            let scratch = try Scratch()
            let standby = try await Pair.standby(
                .file, scratch.folder + "/copy", patience: try Pair.usualPatience)
            let leader = try Leader("file", scratch.journal, "\(standby.port)", run: round)
            try await leader.acknowledges(20)
            let start = ContinuousClock.now
            leader.signal(SIGKILL)
            let promotion = try #require(try await standby.promotion())
            _ = try await Pair.serve(promotion, creating: 7)
            took = ContinuousClock.now - start
            _ = try await leader.end()
            standby.stop()
        }
        print("file: served \(took) after the kill")
        #expect(took < .seconds(5))
    }

    /// The partition: a leader that sleeps while the standby takes over acknowledges nothing more
    /// when it wakes, and stops.
    @Test func aLeaderThatWakesUpIsFenced() async throws {
        let scratch = try Scratch()
        let standby = try await Pair.standby(
            .file, scratch.folder + "/copy", patience: FailoverTests.patience)
        let leader = try Leader("file", scratch.journal, "\(standby.port)")
        try await leader.acknowledges(50)
        leader.signal(SIGSTOP)
        let promotion = try #require(try await standby.promotion())
        leader.signal(SIGCONT)
        let status = try await leader.end()
        #expect(status == 74 || status == 75)
        let last = leader.lines.last { $0.hasPrefix("stops") } ?? ""
        #expect(last.contains("term \(promotion.journal.term)"), "\(last)")
        try await check(promotion, holds: leader.acknowledged)
        // Also when it is started again.
        let again = try Leader("file", scratch.journal, "\(standby.port)", run: 2)
        #expect(try await again.end() != 0)
        #expect(again.acknowledged.isEmpty)
        #expect(again.lines.contains { $0.hasPrefix("stops") })
        standby.stop()
    }

    @Test func aStandbyThatComesBackCatchesUp() async throws {
        let scratch = try Scratch()
        let copy = scratch.folder + "/copy"
        var standby = try await Pair.standby(.sqlite, copy, patience: FailoverTests.patience)
        let leader = try Leader("file", scratch.journal, "\(standby.port)")
        for round in 1...3 {
            try await leader.acknowledges(leader.acknowledged.count + 40 * round)
            let port = standby.port
            standby.stop()
            try await Task.sleep(for: .milliseconds(300))
            standby = try await Pair.standby(
                .sqlite, copy, port: port, patience: FailoverTests.patience)
        }
        try await leader.acknowledges(leader.acknowledged.count + 40)
        leader.signal(SIGKILL)
        let promotion = try #require(try await standby.promotion())
        _ = try await leader.end()
        try await check(promotion, holds: leader.acknowledged)
        standby.stop()
    }

    /// In `async` a standby never takes over by itself; told to, it serves a beginning of what the
    /// leader had.
    @Test func anAsyncStandbyWaitsForAnOperator() async throws {
        let scratch = try Scratch()
        let standby = try await Pair.standby(
            .file, scratch.folder + "/copy", patience: .milliseconds(500))
        let leader = try Leader("sqlite", scratch.journal, "\(standby.port)", "async")
        try await leader.acknowledges(200)
        try await eventually { standby.head.sequence > 0 }
        leader.signal(SIGKILL)
        _ = try await leader.end()
        try await Task.sleep(for: .seconds(2))
        #expect(!standby.isPromoted)
        standby.promote()
        let promotion = try #require(try await standby.promotion())
        let (created, known) = try await Pair.serve(promotion, creating: 7)
        #expect(known == created.count)
        let original = try Pair.created(SQLiteJournal(readingOnly: scratch.journal))
        #expect(original.starts(with: created.dropLast()))
        #expect(Set(original).isSuperset(of: leader.acknowledged))
        standby.stop()
    }

    @Test func aPostgresStandbyTakesOver() async throws {
        let conninfo = try PostgresServer.shared().conninfo
        let schema = PostgresServer.freshSchema()
        let standby = PostgresStandby<LedgerMachine>(conninfo: conninfo, schema: schema)
        let leader = try Leader("postgres", conninfo, schema)
        async let promoted = onThread { try standby.run() }
        try await leader.acknowledges(50)
        leader.signal(SIGKILL)
        let start = ContinuousClock.now
        let promotion = try #require(try await promoted)
        print("postgres: took over \(ContinuousClock.now - start) after the kill")
        _ = try await leader.end()
        #expect(promotion.journal.term == 2)
        try await check(promotion, holds: leader.acknowledged)
    }

    /// A leader that only slept finds the new term in its next append.
    @Test func aPostgresLeaderThatWakesUpIsFenced() async throws {
        let conninfo = try PostgresServer.shared().conninfo
        let schema = PostgresServer.freshSchema()
        let standby = PostgresStandby<LedgerMachine>(conninfo: conninfo, schema: schema)
        let leader = try Leader("postgres", conninfo, schema)
        async let promoted = onThread { try standby.run() }
        try await leader.acknowledges(50)
        leader.signal(SIGSTOP)
        let promotion = try #require(try await promoted)
        leader.signal(SIGCONT)
        #expect(try await leader.end() == 74)
        try await check(promotion, holds: leader.acknowledged)
    }
}
