import Foundation
import PostgresHarness
import ProcessHarness
import Testing

/// `exchequer ledger serve` and `exchequer ledger standby`, killed, stopped and promoted.
@Suite(.serialized) struct StandbyCommandTests {
    /// Exit code of a process that another one took over from.
    private static let fenced: Int32 = 75
    private static let newAccount: UInt64 = 1 << 60

    @Test(arguments: ["sqlite", "file"])
    func aKilledLeaderLosesNothingAcknowledged(_ kind: String) async throws {
        let machines = try await TwoMachines()
        let standby = try machines.standby(kind)
        let listens = try await standby.listenPort()
        let leader = try machines.leader(kind, to: listens)
        let port = try await leader.port()
        let writers = try (0..<4).map { try AccountWriter(port: port, after: $0 << 32) }
        for writer in writers { try await writer.acknowledges(60) }
        leader.signal(SIGKILL)
        var acknowledged: [UInt64] = []
        for writer in writers { acknowledged += try await writer.finish() }
        let served = try await standby.port(2)
        #expect(try await ServedAccounts.existing(acknowledged, at: served) == acknowledged)
        #expect(try await ServedAccounts.creates(Self.newAccount, at: served))
        #expect(standby.words.contains("took over with term 2"))
        // The old leader may not come back.
        let again = try machines.leader(kind, to: listens)
        #expect(try await again.end() == Self.fenced)
        #expect(again.words.contains("this standby took over with term 2: stop this leader"))
        #expect(again.lines.isEmpty)
        // The promoted machine leads from now on, by whatever command it is started.
        standby.signal(SIGTERM)
        #expect(try await standby.end() == 128 + SIGTERM)
        let promoted = try LedgerProgram(
            ["serve", "--journal", machines.place(kind, "copy"), "--port", "0"])
        let all = acknowledged + [Self.newAccount]
        #expect(try await ServedAccounts.existing(all, at: promoted.port()) == all)
    }

    /// The standby of a leader that acknowledges alone may lack something.
    @Test(arguments: [["--acknowledge", "async"], ["--alone"]])
    func onlyAnOperatorPromotes(_ flags: [String]) async throws {
        let machines = try await TwoMachines()
        let standby = try machines.standby("file", patience: "1")
        let leader = try machines.leader("file", to: try await standby.listenPort(), flags)
        let port = try await leader.port()
        try await standby.says("follows a leader")
        let writer = try AccountWriter(port: port)
        try await writer.acknowledges(200)
        leader.signal(SIGKILL)
        let acknowledged = try await writer.finish()
        try await Task.sleep(for: .seconds(2))
        #expect(standby.lines.count == 1, "it took over by itself")
        standby.signal(SIGUSR1)
        let served = try await standby.port(2)
        let ids = (1...UInt64(acknowledged.count + 1)).map { $0 }
        let found = try await ServedAccounts.existing(ids, at: served)
        #expect(found == ids.prefix { $0 <= found.count }, "a beginning of what there was")
        #expect(!found.isEmpty)
        if flags == ["--alone"] { #expect(found.count >= acknowledged.count) }
        #expect(try await ServedAccounts.creates(Self.newAccount, at: served))
    }

    /// Whether the leader has something to write or nothing.
    @Test(arguments: [true, false])
    func anOperatorsTakeoverFencesALivingLeader(_ isBusy: Bool) async throws {
        let machines = try await TwoMachines()
        let standby = try machines.standby("sqlite")
        let leader = try machines.leader("file", to: try await standby.listenPort())
        let port = try await leader.port()
        #expect(try await ServedAccounts.creates(1, at: port))
        let writer = isBusy ? try AccountWriter(port: port, after: 1) : nil
        try await writer?.acknowledges(100)
        standby.signal(SIGUSR1)
        let served = try await standby.port(2)
        #expect(try await leader.end() == Self.fenced)
        #expect(leader.words.contains("another process took this journal over with term 2"))
        let acknowledged = [1] + (try await writer?.finish() ?? [])
        #expect(try await ServedAccounts.existing(acknowledged, at: served) == acknowledged)
    }

    @Test func anOrderlyStopIsNoTakeoverAndACopyIsNotServed() async throws {
        let machines = try await TwoMachines()
        let standby = try machines.standby("file")
        let listens = try await standby.listenPort()
        let leader = try machines.leader("sqlite", to: listens)
        #expect(try await ServedAccounts.creates(1, at: leader.port()))
        let busy = try LedgerProgram(
            [
                "standby", "--journal", machines.place("file", "other"), "--listen",
                "\(listens)", "--leader-key", machines.leaderKey, "--identity",
                "\(machines.folder)/standby.key",
            ])
        #expect(try await busy.end() == 6)
        #expect(busy.words.contains("cannot listen"))
        leader.signal(SIGTERM)
        #expect(try await leader.end() == 128 + SIGTERM)
        try await Task.sleep(for: .seconds(4))
        #expect(standby.lines.count == 1)
        standby.signal(SIGTERM)
        #expect(try await standby.end() == 128 + SIGTERM)
        let copy = try LedgerProgram(["serve", "--journal", machines.place("file", "copy")])
        #expect(try await copy.end() == 3)
        #expect(copy.words.contains("it is a standby's copy"))
    }

    @Test func aPostgresStandbyTakesOver() async throws {
        let conninfo = try PostgresServer.shared().conninfo
        let place = "postgres:\(conninfo)#\(PostgresServer.freshSchema())"
        let leader = try LedgerProgram(["serve", "--journal", place, "--port", "0"])
        let writer = try AccountWriter(port: try await leader.port())
        let standby = try LedgerProgram(["standby", "--journal", place, "--port", "0"])
        #expect(try await standby.ready().listen == nil)
        try await writer.acknowledges(50)
        leader.signal(SIGKILL)
        let acknowledged = try await writer.finish()
        let served = try await standby.port(2)
        #expect(try await ServedAccounts.existing(acknowledged, at: served) == acknowledged)
        let again = try LedgerProgram(["serve", "--journal", place, "--port", "0"])
        #expect(try await again.end() == 5)
        #expect(again.words.contains("in use by another process"))
        // Another standby, told to: the first one is fenced by its next write, if not before.
        let late = try AccountWriter(port: served, after: 1 << 32)
        let second = try LedgerProgram(["standby", "--journal", place, "--port", "0"])
        _ = try await second.ready()
        second.signal(SIGUSR1)
        let last = try await second.port(2)
        #expect(try await standby.end() == Self.fenced)
        let all = acknowledged + (try await late.finish())
        #expect(try await ServedAccounts.existing(all, at: last) == all)
    }

    /// Nobody asks anything of them: a leader that was started as one, and one that took over.
    @Test func idlePostgresLeadersEndWhenTheyAreTakenOverFrom() async throws {
        let conninfo = try PostgresServer.shared().conninfo
        let place = "postgres:\(conninfo)#\(PostgresServer.freshSchema())"
        var leader = try LedgerProgram(["serve", "--journal", place, "--port", "0"])
        _ = try await leader.port()
        for term in 2...3 {
            let standby = try LedgerProgram(["standby", "--journal", place, "--port", "0"])
            _ = try await standby.ready()
            standby.signal(SIGUSR1)
            #expect(try await leader.end() == Self.fenced)
            #expect(leader.words.contains("took this journal over with term \(term)"))
            _ = try await standby.port(2)
            leader = standby
        }
        #expect(try await ServedAccounts.creates(1, at: leader.port(2)))
    }
}
