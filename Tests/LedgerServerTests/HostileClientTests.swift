import Foundation
import Ledger
import LedgerServer
import Primitives
import ProcessHarness
import Service
import Storage
import Testing

/// Clients that mean ill: they are cut off, and the others are served.
@Suite(.serialized, .timeLimit(.minutes(10))) struct HostileClientTests {
    private func impatient() async throws -> RunningLedger {
        var options = LedgerServer.Options()
        options.patience = 1
        return try await RunningLedger(options: options)
    }

    @Test func whoSendsAByteNowAndThenIsCutOff() async throws {
        let running = try await impatient()
        let slow = try running.client()
        let slowWeb = try running.web()
        let fast = try running.client()
        var ended = 0
        for client in [{ try slow.send([0x45]) }, { try slowWeb.send([0x47]) }] {
            while (try? client()) != nil {
                _ = try fast.ask(.head, [])
                try await Task.sleep(for: .milliseconds(50))
                if running.server.connections < 3 - ended { break }
            }
            ended += 1
        }
        while running.server.connections > 1 { try await Task.sleep(for: .milliseconds(20)) }
        _ = try fast.ask(.head, [])
        await running.end()
    }

    /// Also when all that came of its request was taken already.
    @Test func whoSendsAHeadAndNoBodyIsCutOff() async throws {
        let running = try await impatient()
        let web = try running.web()
        let head =
            "POST /v1/transfers HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
            + "Content-Length: 100\r\n\r\n"
        try web.send(Array(head.utf8))
        // An idle one is not meant by this.
        let idle = try running.client()
        _ = try idle.ask(.head, [])
        while running.server.connections != 1 { try await Task.sleep(for: .milliseconds(20)) }
        _ = try idle.ask(.head, [])
        await running.end()
    }

    @Test func whoDoesNotReadIsCutOff() async throws {
        let running = try await impatient()
        let fast = try running.client()
        _ = try fast.createAccounts((1...8_000).map { account($0) })
        let deaf = try running.client()
        while running.server.connections < 2 { try await Task.sleep(for: .milliseconds(5)) }
        let query = QueryFilter().canonicalBytes()
        // Far more replies than the system's buffers hold.
        for _ in 0..<60 { _ = try deaf.send(.queryAccounts, query) }
        while running.server.connections > 1 {
            _ = try fast.ask(.head, [])
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(deaf.drain() < 60 << 20)
        await running.end()
    }

    /// What large replies may take together is bounded.
    @Test func largeRepliesShareOneBudget() async throws {
        var options = LedgerServer.Options()
        options.heldBytes = 2 << 20
        let running = try await RunningLedger(options: options)
        let client = try running.client()
        let query = QueryFilter().canonicalBytes()
        try client.send((0..<10).flatMap { rawFrame(7, UInt64($0), query) })
        let refusals = try (0..<10).compactMap { _ in try client.refusal() }
        #expect(!refusals.isEmpty && refusals.allSatisfy { $0 == LedgerRefusal.busy.rawValue })
        // All of it is given back.
        _ = try client.ask(.queryAccounts, query)
        await running.end()
    }

    /// What clients once sent is not kept for them: 200 that sent the largest request there is, and
    /// 200 that sent the beginning of another, cost the server less than 64 MiB.
    @Test func idleClientsKeepNoLargeRequests() async throws {
        let books = FileManager.default.temporaryDirectory.appendingPathComponent(
            "idle-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: books) }
        let program = try LedgerProgram([
            "serve", "--journal", "file:\(books.path)", "--port", "0",
        ])
        let port = try await program.port()
        try await onThread {
            // Refused all of them: the ledger keeps nothing.
            let accounts = (1...8_189).map { _ in Account(id: AccountID(0), ledger: 1, code: 1) }
            let command = LedgerCommand.createAccounts(accounts).canonicalBytes()
            let clients = try (0..<201).map { _ in try LedgerClient(port: port).withPatience() }
            func sendAll(_ client: LedgerClient, then rest: [UInt8] = []) throws {
                try client.send(LedgerClient.frame(.submit, command, number: 1) + rest)
                _ = try client.receive()
            }
            try sendAll(clients[0])
            let before = try program.residentBytes()
            for (place, client) in clients.dropFirst().enumerated() {
                try sendAll(client, then: place % 2 == 0 ? [] : [0x45])
            }
            let grown = try program.residentBytes() - before
            print("LedgerServerTests: \(grown >> 20) MiB more for 200 clients")
            #expect(grown < 64 << 20)
            withExtendedLifetime(clients) {}
        }
        program.signal(SIGTERM)
        #expect(try await program.end() == 128 + SIGTERM)
    }

    /// The server has a process of its own, so that this one keeps half of its descriptors for the
    /// tests that run at the same time.
    @Test func tenThousandConnectionsAreServed() async throws {
        var limit = rlimit()
        let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        _ = unsafe getrlimit(kind, &limit)
        limit.rlim_cur = limit.rlim_max
        _ = unsafe setrlimit(kind, &limit)
        let count = min(10_000, Int(clamping: limit.rlim_cur) / 2)
        let books = FileManager.default.temporaryDirectory.appendingPathComponent(
            "connections-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: books) }
        let program = try LedgerProgram([
            "serve", "--journal", "file:\(books.path)", "--port", "0",
        ])
        let port = try await program.port()
        try await onThread {
            let clients = try (0..<count).map { _ in try LedgerClient(port: port).withPatience() }
            for client in clients { _ = try client.ask(.head, []) }
            let last = try LedgerClient(port: port).withPatience()
            #expect(try last.createAccounts([account(1)])[0].status == .created)
            withExtendedLifetime(clients) {}
        }
        print("LedgerServerTests: \(count) connections at once")
        program.signal(SIGTERM)
        #expect(try await program.end() == 128 + SIGTERM)
    }
}
