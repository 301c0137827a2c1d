import Ledger
import LedgerServer
import Primitives
import Service
import Storage
import Testing

/// Each number of a refusal has a row that gets it.
@Suite(.serialized, .timeLimit(.minutes(10))) struct RefusalTests {
    struct Row: Sendable {
        let bytes: [UInt8]
        let refusal: LedgerRefusal

        /// A request whose header has the given byte at a place.
        init(
            _ refusal: LedgerRefusal, operation: UInt8 = 4, at place: Int? = nil,
            is byte: UInt8 = 0,
            body: [UInt8] = []
        ) {
            let length = UInt32(body.count)
            var bytes: [UInt8] = [0x45, 0x58, 0x51, 0x4C, 1, operation, 0, 0]
            bytes += (0..<4).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) }
            bytes += [0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]
            if let place { bytes[place] = byte }
            self.bytes = bytes + body
            self.refusal = refusal
        }
    }

    private static let count8190: [UInt8] =
        [0xA2, 0xFE, 0x1F, 0, 0] + [UInt8](repeating: 0, count: 128 * 8_188)

    static let rows: [Row] = [
        Row(.notThisProtocol, at: 0, is: 0),
        Row(.unsupportedVersion, at: 4, is: 2),
        Row(.reservedField, at: 6, is: 1),
        Row(.reservedField, at: 15, is: 1),
        Row(.tooLarge, at: 11, is: 1),
        Row(.unknownOperation, operation: 0),
        Row(.unknownOperation, operation: 9),
        Row(.malformed, body: [0]),
        Row(.malformed, operation: 1),
        Row(.malformed, operation: 1, body: [0xA2, 0, 0, 0, 0]),
        Row(.malformed, operation: 1, body: [0xA2, 1, 0, 0, 0, 7]),
        Row(.malformed, operation: 1, body: count8190),
        Row(.malformed, operation: 1, body: LedgerCommand.pulse.canonicalBytes()),
        Row(.malformed, operation: 2),
        Row(.malformed, operation: 2, body: [1, 2, 3]),
        Row(.malformed, operation: 5, body: [UInt8](repeating: 1, count: 128)),
        Row(.malformed, operation: 7, body: [UInt8](repeating: 0, count: 63)),
    ]

    /// Covered by tests of their own below.
    static let byItself: Set<LedgerRefusal> = [
        .busy, .stopping, .outcomeUnknown, .tooManyConnections,
    ]

    @Test func everyRefusalHasARow() {
        let covered = Set(RefusalTests.rows.map(\.refusal)).union(RefusalTests.byItself)
        #expect(covered == Set(LedgerRefusal.allCases))
    }

    @Test func badRequestsAreRefusedWithTheirNumber() async throws {
        let running = try await RunningLedger()
        let witness = try running.client()
        _ = try witness.createAccounts([account(1), account(2)])
        let before = try witness.ask(.head, [])
        for row in RefusalTests.rows {
            let client = try running.client()
            try client.send(row.bytes)
            #expect(try client.refusal() == row.refusal.rawValue, "\(row.bytes.prefix(32))")
            if row.refusal.closes {
                #expect(client.drain() == 0)
            } else {
                #expect(try client.ask(.head, []) == before)
            }
        }
        #expect(try witness.ask(.head, []) == before)
        await running.end()
    }

    @Test func queriesThatMakeNoSenseAreRefusedWithTheirNumber() async throws {
        let running = try await RunningLedger()
        let client = try running.client()
        var filter = AccountFilter(account: AccountID(0))
        let number = try client.send(.accountTransfers, filter.canonicalBytes())
        #expect(number > 0)
        #expect(try client.refusal() == 102)
        filter = AccountFilter(account: AccountID(1), limit: 0)
        _ = try client.send(.accountBalances, filter.canonicalBytes())
        #expect(try client.refusal() == 107)
        await running.end()
    }

    @Test func tooMuchAtOnceIsRefusedWithBusy() async throws {
        var commit = LedgerService.usualOptions
        commit.waitingCommands = 0
        let running = try await RunningLedger(commit: commit)
        let client = try running.client()
        _ = try client.send(.submit, LedgerCommand.createAccounts([account(1)]).canonicalBytes())
        #expect(try client.refusal() == LedgerRefusal.busy.rawValue)
        await running.end()
    }

    @Test func aStoppedServerSaysSo() async throws {
        let running = try await RunningLedger()
        let client = try running.client()
        _ = try client.createAccounts([account(1), account(2)])
        try await running.service.stop()
        _ = try client.send(.submit, LedgerCommand.createTransfers([transfer(1)]).canonicalBytes())
        #expect(try client.refusal() == LedgerRefusal.stopping.rawValue)
        #expect(client.drain() == 0)
        let web = try running.web()
        let answer = try web.get("/v1/accounts/1")
        #expect(answer.status == 503 && answer.error["rejection"] as? Int == 8)
        await running.end()
    }

    @Test func aFailingJournalNeverMeansSuccess() async throws {
        let journal = BreakableJournal()
        let running = try await RunningLedger(journal: journal)
        let client = try running.client()
        let web = try running.web()
        _ = try client.createAccounts([account(1), account(2)])
        journal.breakNow()
        let body = LedgerCommand.createTransfers([transfer(1)]).canonicalBytes()
        // The server ends the connection after it, so what is sent later may go unanswered.
        _ = try client.send(.submit, body)
        #expect(try client.refusal() == LedgerRefusal.outcomeUnknown.rawValue)
        #expect(client.drain() == 0)
        let answer = try web.post("/v1/accounts", "[{\"id\":\"3\",\"ledger\":1,\"code\":1}]")
        #expect(answer.status == 503 && answer.error["code"] as? String == "outcome_unknown")
        await running.server.close()
    }

    @Test func tooManyConnectionsAreRefused() async throws {
        var options = LedgerServer.Options()
        options.connections = 2
        let running = try await RunningLedger(options: options)
        let first = try running.client()
        let web = try running.web()
        _ = try first.ask(.head, [])
        #expect(try web.get("/healthz").status == 200)
        let third = try running.client()
        #expect(try third.refusal() == LedgerRefusal.tooManyConnections.rawValue)
        #expect(third.drain() == 0)
        _ = try first.ask(.head, [])
        await running.end()
    }
}
