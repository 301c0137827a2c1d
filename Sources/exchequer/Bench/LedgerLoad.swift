import Foundation
import Ledger
import LedgerServer
import Primitives

/// Many clients of a ledger server in one thread, each with one request under way: what
/// TigerBeetle's own benchmark does.
struct LedgerLoad {
    /// What a run measured.
    struct Result: Sendable {
        let transfers: Int
        let seconds: Double
        /// Milliseconds from sending a request to having its reply, sorted.
        let latencies: [Double]

        var rate: Double { Double(transfers) / seconds }
        func percentile(_ share: Double) -> Double {
            latencies.isEmpty ? 0 : latencies[Int(Double(latencies.count - 1) * share)]
        }
    }

    let port: Int
    let clients: Int
    let batch: Int
    let accounts: Int

    /// Creates the accounts, then sends so many transfers and waits for every reply. Each must say
    /// that its transfer was created.
    func run(transfers total: Int) throws -> Result {
        let connections = try (0..<clients).map { _ in try LedgerClient(port: port) }
        try createAccounts(connections[0])
        var random = SystemRandomNumberGenerator()
        let bodies = (0..<max(total / batch, clients)).map { _ in body(&random) }
        return try drive(connections, bodies)
    }

    private func createAccounts(_ client: LedgerClient) throws {
        let all = (1...accounts).map { Account(id: AccountID(UInt128($0)), ledger: 1, code: 1) }
        for start in stride(from: 0, to: accounts, by: LedgerCommand.eventLimit) {
            let part = Array(all[start..<min(start + LedgerCommand.eventLimit, accounts)])
            for result in try client.createAccounts(part)
            where result.status != .created && result.status != .exists {
                throw BenchError.unexpected("an account was answered \(result.status)")
            }
        }
    }

    /// A request with random ids between random accounts.
    private func body(_ random: inout SystemRandomNumberGenerator) -> [UInt8] {
        let transfers = (0..<batch).map { _ in
            let debit = UInt128.random(in: 1...UInt128(accounts), using: &random)
            let step = UInt128.random(in: 1..<UInt128(accounts), using: &random)
            return Transfer(
                id: TransferID(UInt128.random(in: 1..<UInt128.max, using: &random)),
                debitAccount: AccountID(debit),
                creditAccount: AccountID((debit - 1 + step) % UInt128(accounts) + 1),
                amount: Amount(UInt128.random(in: 1...1_000, using: &random)), ledger: 1, code: 1)
        }
        return LedgerCommand.createTransfers(transfers).canonicalBytes()
    }

    private func drive(_ connections: [LedgerClient], _ bodies: [[UInt8]]) throws -> Result {
        var polls = connections.map { pollfd(fd: $0.socket, events: Int16(POLLIN), revents: 0) }
        var sent = [ContinuousClock.Instant?](repeating: nil, count: clients)
        var latencies: [Double] = []
        latencies.reserveCapacity(bodies.count)
        var next = 0
        let clock = ContinuousClock()
        let started = clock.now
        func send(_ client: Int) throws {
            sent[client] = nil
            guard next < bodies.count else { return }
            sent[client] = clock.now
            _ = try connections[client].send(.submit, bodies[next])
            next += 1
        }
        for client in 0..<clients { try send(client) }
        while latencies.count < bodies.count {
            guard unsafe poll(&polls, UInt(clients), 30_000) > 0 else {
                throw BenchError.unexpected("the server did not answer for half a minute")
            }
            for client in 0..<clients where polls[client].revents != 0 {
                let (_, reply) = try connections[client].receive()
                if let since = sent[client] { latencies.append(milliseconds(clock.now - since)) }
                try send(client)
                try check(reply)
            }
        }
        latencies.sort()
        return Result(
            transfers: bodies.count * batch,
            seconds: milliseconds(clock.now - started) / 1_000, latencies: latencies)
    }

    private func check(_ reply: [UInt8]) throws {
        guard reply.count == 16 * batch else { throw BenchError.unexpected("a reply is too short") }
        for place in stride(from: 8, to: reply.count, by: 16)
        where reply[place] != 0xFF || reply[place + 3] != 0xFF {
            throw BenchError.unexpected("a transfer was not created")
        }
    }

    private func milliseconds(_ duration: Duration) -> Double {
        let (seconds, attoseconds) = duration.components
        return Double(seconds) * 1e3 + Double(attoseconds) * 1e-15
    }
}

/// Why a figure could not be measured.
enum BenchError: Error, CustomStringConvertible {
    case unexpected(String)

    var description: String {
        switch self {
        case .unexpected(let words): words
        }
    }
}
