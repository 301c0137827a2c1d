import Foundation
import Ledger
import LedgerServer
import Primitives
import Service
import Storage
import Testing

/// Clients that mean ill: they are cut off, and the others are served.
@Suite(.serialized, .timeLimit(.minutes(3))) struct HostileClientTests {
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

    @Test func tenThousandConnectionsAreServed() async throws {
        var limit = rlimit()
        let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        _ = unsafe getrlimit(kind, &limit)
        limit.rlim_cur = limit.rlim_max
        _ = unsafe setrlimit(kind, &limit)
        // Both ends are in this process.
        let count = min(10_000, (Int(clamping: limit.rlim_cur) - 500) / 2)
        let running = try await RunningLedger()
        let clients = try (0..<count).map { _ in try running.client() }
        for client in clients.enumerated().filter({ $0.offset % 97 == 0 }).map(\.element) {
            _ = try client.ask(.head, [])
        }
        while running.server.connections < count { try await Task.sleep(for: .milliseconds(5)) }
        let last = try running.client()
        #expect(try last.createAccounts([account(1)])[0].status == .created)
        withExtendedLifetime(clients) {}
        print("LedgerServerTests: \(count) connections at once")
        await running.end()
    }
}
