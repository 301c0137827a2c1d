import CHost
import Foundation
import Ledger
import LedgerServer
import Primitives

/// Many clients of a ledger server in one thread, each with one request under way: what
/// TigerBeetle's own benchmark does. Over the binary protocol or HTTP.
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

    /// Where the server is.
    enum Place {
        /// The binary protocol over TCP.
        case port(Int)
        /// The binary protocol over a Unix socket.
        case socket(String)
        /// HTTP over TCP.
        case http(Int)
    }

    let place: Place
    let clients: Int
    let batch: Int
    let accounts: Int

    /// Creates the accounts, then sends so many transfers and waits for every reply. Each must say
    /// that its transfer was created.
    func run(transfers total: Int) throws -> Result {
        // A system call for each number would take longer than the ledger does.
        var random = SplitMix64(seed: .random(in: .min ... .max))
        let requests = max(total / batch, clients)
        let all = (0..<requests).map { _ in transfers(&random) }
        if case .http(let port) = place {
            let connections = try (0..<clients).map { _ in try HTTPLoadClient(port: port) }
            try createAccounts(connections[0])
            let bodies = all.map { HTTPLoadClient.request("/v1/transfers", LedgerLoad.json($0)) }
            return try drive(sockets: connections.map(\.socket), requests: bodies.count) {
                try connections[$0].send(bodies[$1])
            } receive: {
                try checkJSON(try connections[$0].receive())
            }
        }
        let connections = try (0..<clients).map { _ in try connect() }
        try createAccounts(connections[0])
        let frames = all.enumerated().map { number, transfers in
            LedgerClient.frame(
                .submit, LedgerCommand.createTransfers(transfers).canonicalBytes(),
                number: UInt64(number))
        }
        return try drive(sockets: connections.map(\.socket), requests: frames.count) {
            try connections[$0].send(frames[$1])
        } receive: {
            try check(try connections[$0].receive().1)
        }
    }

    private func connect() throws -> LedgerClient {
        switch place {
        case .port(let port), .http(let port): try LedgerClient(port: port)
        case .socket(let path): try LedgerClient(socket: path)
        }
    }

    private var accountParts: [[Account]] {
        let all = (1...accounts).map { Account(id: AccountID(UInt128($0)), ledger: 1, code: 1) }
        return stride(from: 0, to: accounts, by: LedgerCommand.eventLimit).map { start in
            Array(all[start..<min(start + LedgerCommand.eventLimit, accounts)])
        }
    }

    private func createAccounts(_ client: LedgerClient) throws {
        for part in accountParts {
            for result in try client.createAccounts(part)
            where result.status != .created && result.status != .exists {
                throw BenchError.unexpected("an account was answered \(result.status)")
            }
        }
    }

    private func createAccounts(_ client: HTTPLoadClient) throws {
        for part in accountParts {
            let records = part.map { "{\"id\":\"\($0.id)\",\"ledger\":1,\"code\":1}" }
            let body = "{\"accounts\":[\(records.joined(separator: ","))]}"
            try client.send(HTTPLoadClient.request("/v1/accounts", body))
            _ = try client.receive()
        }
    }

    /// A request with random ids between random accounts.
    private func transfers(_ random: inout SplitMix64) -> [Transfer] {
        (0..<batch).map { _ in
            let debit = UInt128.random(in: 1...UInt128(accounts), using: &random)
            let step = UInt128.random(in: 1..<UInt128(accounts), using: &random)
            return Transfer(
                id: TransferID(UInt128.random(in: 1..<UInt128.max, using: &random)),
                debitAccount: AccountID(debit),
                creditAccount: AccountID((debit - 1 + step) % UInt128(accounts) + 1),
                amount: Amount(UInt128.random(in: 1...1_000, using: &random)), ledger: 1, code: 1)
        }
    }

    private static func json(_ transfers: [Transfer]) -> String {
        let records = transfers.map { transfer in
            "{\"id\":\"\(transfer.id)\",\"debit_account\":\"\(transfer.debitAccount)\","
                + "\"credit_account\":\"\(transfer.creditAccount)\","
                + "\"amount\":\"\(transfer.amount.units)\",\"ledger\":1,\"code\":1}"
        }
        return "{\"transfers\":[\(records.joined(separator: ","))]}"
    }

    private func drive(
        sockets: [CInt], requests: Int, send: (_ client: Int, _ request: Int) throws -> Void,
        receive: (_ client: Int) throws -> Void
    ) throws -> Result {
        let readiness = try Readiness(of: sockets)
        var sent = [ContinuousClock.Instant?](repeating: nil, count: clients)
        var latencies: [Double] = []
        latencies.reserveCapacity(requests)
        var next = 0
        let clock = ContinuousClock()
        let started = clock.now
        func sendNext(_ client: Int) throws {
            sent[client] = nil
            guard next < requests else { return }
            sent[client] = clock.now
            try send(client, next)
            next += 1
        }
        for client in 0..<clients { try sendNext(client) }
        while latencies.count < requests {
            let answered = readiness.wait()
            if answered.isEmpty {
                throw BenchError.unexpected("the server did not answer for half a minute")
            }
            for client in answered.lazy.map(Int.init) {
                try receive(client)
                if let since = sent[client] { latencies.append(milliseconds(clock.now - since)) }
                try sendNext(client)
            }
        }
        latencies.sort()
        return Result(
            transfers: requests * batch,
            seconds: milliseconds(clock.now - started) / 1_000, latencies: latencies)
    }

    private func check(_ reply: [UInt8]) throws {
        guard reply.count == 16 * batch else { throw BenchError.unexpected("a reply is too short") }
        for place in stride(from: 8, to: reply.count, by: 16)
        where reply[place] != 0xFF || reply[place + 3] != 0xFF {
            throw BenchError.unexpected("a transfer was not created")
        }
    }

    /// As many results say `created` as there are transfers.
    private func checkJSON(_ body: ArraySlice<UInt8>) throws {
        let word = LedgerLoad.created
        var found = 0
        var place = body.startIndex
        while place + word.count <= body.endIndex {
            if body[place] == word[0], body[place..<(place + word.count)].elementsEqual(word) {
                found += 1
                place += word.count
            } else {
                place += 1
            }
        }
        if found != batch { throw BenchError.unexpected("a transfer was not created") }
    }

    private static let created = Array("\"created\"".utf8)

    private func milliseconds(_ duration: Duration) -> Double {
        let (seconds, attoseconds) = duration.components
        return Double(seconds) * 1e3 + Double(attoseconds) * 1e-15
    }
}

/// Which of many sockets have something to read. A load of clients in one thread looks so often
/// that `poll`, which looks at each, was a sixth of its time.
private final class Readiness {
    private let queue: CInt
    private var places: [CInt]

    init(of sockets: [CInt]) throws {
        places = Array(repeating: 0, count: sockets.count)
        queue = exq_queue()
        for (place, socket) in sockets.enumerated() {
            guard exq_watch(queue, socket, CInt(place)) == 0 else {
                throw BenchError.unexpected("a socket cannot be waited for")
            }
        }
    }

    deinit { _ = close(queue) }

    /// The places of those that have; none after half a minute.
    func wait() -> ArraySlice<CInt> {
        let count = unsafe exq_wait(queue, &places, CInt(places.count), 30_000)
        return places.prefix(Int(count))
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
