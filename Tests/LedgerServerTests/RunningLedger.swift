import Foundation
import Ledger
import LedgerServer
import Primitives
import Service
import Storage
import Synchronization

/// A served ledger in this process, on ports of the system's choice, with a clock that stands
/// still; and what it must answer.
final class RunningLedger: Sendable {
    static let now = Timestamp(seconds: 1_000)

    let service: LedgerService
    let server: LedgerServer
    var port: Int { server.port }
    var httpPort: Int { server.httpPort ?? 0 }

    init(
        journal: any Journal = MemoryJournal(), options: LedgerServer.Options = .init(),
        commit: CommitOptions = LedgerService.usualOptions, snapshots: SnapshotOptions? = nil,
        socket: String? = nil, clock: @escaping @Sendable () -> Timestamp = { RunningLedger.now }
    ) async throws {
        service = try LedgerService(
            journal: journal, snapshots: snapshots, clock: clock, options: commit,
            onFailure: { _ in })
        do {
            server = try await LedgerServer(
                service, port: 0, httpPort: 0, socket: socket, options: options)
        } catch {
            try? await service.stop()
            throw error
        }
    }

    func client() throws -> LedgerClient { try LedgerClient(port: port).withPatience() }
    func web() throws -> WebClient { try WebClient(port: httpPort) }

    func end() async {
        try? await service.stop()
        await server.close()
    }
}

/// A ledger that decides as the served one does, command by command.
struct Twin {
    private(set) var machine = LedgerMachine(tableSeed: 1)
    private var latest: UInt64 = 0

    mutating func apply(_ command: LedgerCommand) -> LedgerAnswer {
        latest = max(RunningLedger.now.nanoseconds, latest + LedgerMachine.ticks(of: command))
        return machine.apply(command, at: Timestamp(nanoseconds: latest))
    }
}

/// A journal that fails at its first append once it is told to, as one on a broken disk does.
final class BreakableJournal: Journal {
    let inner = MemoryJournal()
    private let broken = Mutex(false)

    func breakNow() { broken.withLock { $0 = true } }

    var term: UInt64 { inner.term }
    var head: JournalHead { inner.head }

    func recover(
        after start: JournalHead,
        _ body: (JournalBatch, JournalEntries) throws(JournalError) -> Void
    ) throws(JournalError) -> JournalHead {
        try inner.recover(after: start, body)
    }

    func append(_ batch: JournalBatch) throws(JournalError) {
        if broken.withLock({ $0 }) { throw .inputOutput(10, "injected") }
        try inner.append(batch)
    }

    func checkpoints() throws(JournalError) -> [StateCheckpoint] { try inner.checkpoints() }
    func record(_ checkpoint: StateCheckpoint) throws(JournalError) { try inner.record(checkpoint) }
    func reader() throws(JournalError) -> any JournalReader { try inner.reader() }
    func close() throws(JournalError) { try inner.close() }
}

/// A client of the HTTP API that sends what it is told and reads whole answers.
final class WebClient {
    struct Answer {
        let status: Int
        let body: String

        var json: [String: Any] {
            (try? JSONSerialization.jsonObject(with: Data(body.utf8))) as? [String: Any] ?? [:]
        }
        var error: [String: Any] { json["error"] as? [String: Any] ?? [:] }
    }

    private let connection: LedgerClient
    private var received: [UInt8] = []

    init(port: Int) throws { connection = try LedgerClient(port: port).withPatience() }

    func send(_ bytes: [UInt8]) throws { try connection.send(bytes) }

    func post(
        _ path: String, _ body: [UInt8], type: String = "application/json"
    ) throws -> Answer {
        let head =
            "POST \(path) HTTP/1.1\r\nHost: here\r\nContent-Type: \(type)\r\n"
            + "Content-Length: \(body.count)\r\n\r\n"
        try send(Array(head.utf8) + body)
        return try receive()
    }

    func post(_ path: String, _ body: String) throws -> Answer {
        try post(path, Array(body.utf8))
    }

    func get(_ path: String, method: String = "GET") throws -> Answer {
        try send(Array("\(method) \(path) HTTP/1.1\r\nHost: here\r\n\r\n".utf8))
        return try receive()
    }

    func receive() throws -> Answer {
        var end = headEnd
        while end == nil {
            try readMore()
            end = headEnd
        }
        let start = end ?? 0
        let head = String(decoding: received[..<start], as: UTF8.self)
        let lines = head.components(separatedBy: "\r\n")
        let length =
            lines.first { $0.hasPrefix("Content-Length: ") }
            .flatMap { Int($0.dropFirst(16)) } ?? 0
        while received.count < start + length { try readMore() }
        let body = String(decoding: received[start..<(start + length)], as: UTF8.self)
        received.removeFirst(start + length)
        return Answer(status: Int(head.split(separator: " ")[1]) ?? 0, body: body)
    }

    private var headEnd: Int? {
        received.firstRange(of: Array("\r\n\r\n".utf8))?.upperBound
    }

    private func readMore() throws {
        let bytes = connection.bytesAtHand()
        if bytes.isEmpty { throw LedgerClientError.disconnected("the server hung up") }
        received += bytes
    }
}

extension LedgerClient {
    /// Fails a read after half a minute, so that a server that forgets an answer fails its test.
    func withPatience() -> LedgerClient {
        var time = timeval(tv_sec: 30, tv_usec: 0)
        _ = unsafe setsockopt(
            socket, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        return self
    }

    /// What has come, at least a byte; nothing once the server has hung up.
    func bytesAtHand() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = unsafe recv(socket, &bytes, bytes.count, 0)
        return Array(bytes.prefix(max(count, 0)))
    }

    /// Reads until the server hangs up; gives how much came.
    func drain() -> Int {
        var sum = 0
        while true {
            let count = bytesAtHand().count
            if count == 0 { return sum }
            sum += count
        }
    }

    /// The number of the refusal that comes next; `nil` if it is a reply.
    func refusal() throws -> UInt16? {
        do throws(LedgerClientError) {
            _ = try receive()
            return nil
        } catch {
            if case .refused(let number, _) = error { return number }
            throw error
        }
    }

    /// Sends nothing more, but still reads.
    func endSending() { _ = shutdown(socket, CInt(SHUT_WR)) }
}

func account(_ id: UInt128, _ flags: AccountFlags = []) -> Account {
    Account(id: AccountID(id), ledger: 1, code: 1, flags: flags)
}

func transfer(_ id: UInt128, amount: UInt128 = 1) -> Transfer {
    Transfer(
        id: TransferID(id), debitAccount: AccountID(1), creditAccount: AccountID(2),
        amount: Amount(amount), ledger: 1, code: 1)
}

/// The bytes of a request, written down from the protocol's page, as a stranger's client would.
func rawFrame(_ operation: UInt8, _ number: UInt64, _ body: [UInt8] = []) -> [UInt8] {
    var writer = ByteWriter()
    writer.write(LedgerFrame.magic)
    writer.write(LedgerFrame.version)
    writer.write(operation)
    writer.write(UInt16(0))
    writer.write(UInt32(body.count))
    writer.write(UInt32(0))
    writer.write(number)
    writer.writeRaw(body)
    return writer.bytes
}
