import Foundation
import Ledger
import LedgerServer
import Primitives
import ProcessHarness
import Synchronization
import Testing

/// Two machines in one folder: their keys, and the real program as leader and as standby.
final class TwoMachines: Sendable {
    let folder: String
    let leaderKey: String
    let standbyKey: String

    init() async throws {
        folder = "\(FileManager.default.temporaryDirectory.path)/machines-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        leaderKey = try await TwoMachines.newKey("\(folder)/leader.key")
        standbyKey = try await TwoMachines.newKey("\(folder)/standby.key")
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    private static func newKey(_ file: String) async throws -> String {
        struct Key: Decodable { let node: String }
        let program = try RunningProgram("exchequer", ["keys", "new", file, "--json"])
        _ = try await program.end()
        return try JSONDecoder().decode(Key.self, from: Data(program.lines.joined().utf8)).node
    }

    /// The place of a journal of this kind: `sqlite` or `file`.
    func place(_ kind: String, _ name: String) -> String { "\(kind):\(folder)/\(name)" }

    /// Starts a standby with its copy in `copy`, on a port of its choice. The patience is long
    /// enough for a leader on a machine that runs every other test too.
    func standby(_ kind: String, patience: String = "3") throws -> LedgerProgram {
        try LedgerProgram(
            [
                "standby", "--journal", place(kind, "copy"), "--identity",
                "\(folder)/standby.key", "--leader-key", leaderKey, "--listen", "0",
                "--patience", patience, "--port", "0",
            ])
    }

    /// Starts a leader with its journal in `books`.
    func leader(_ kind: String, to standby: Int, _ flags: [String] = []) throws -> LedgerProgram {
        try LedgerProgram(
            [
                "serve", "--journal", place(kind, "books"), "--identity",
                "\(folder)/leader.key", "--standby-key", standbyKey, "--replicate-to",
                "\(standby)", "--port", "0",
            ] + flags)
    }
}

/// A running `exchequer ledger ...`.
final class LedgerProgram: Sendable {
    /// A line on its standard output: what it is ready for.
    struct Ready: Decodable {
        let port, listen, httpPort: Int?
        let sequence: UInt64
        let process: Int32
    }

    private let program: RunningProgram

    init(_ arguments: [String]) throws {
        program = try RunningProgram("exchequer", ["ledger"] + arguments)
    }

    var lines: [String] { program.lines }
    func signal(_ number: Int32) { program.signal(number) }
    func end() async throws -> Int32 { try await program.end() }

    /// Bytes of memory that it has now.
    func residentBytes() throws -> Int {
        let pages = try String(
            contentsOfFile: "/proc/\(program.identifier)/statm", encoding: .ascii
        )
        .split(separator: " ")
        return (Int(pages[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// What it said on standard error.
    var words: String { program.errors.joined(separator: "\n") }

    /// Waits until it is ready for the first time, or for the second: a standby that leads.
    func ready(_ time: Int = 1) async throws -> Ready {
        try await eventually { self.lines.count >= time || !self.program.isRunning }
        let line = try #require(lines.dropFirst(time - 1).first, "it ended: \(words)")
        return try JSONDecoder().decode(Ready.self, from: Data(line.utf8))
    }

    /// The port of the binary protocol, once it serves.
    func port(_ time: Int = 1) async throws -> Int { try #require(try await ready(time).port) }

    /// The port that a standby listens on.
    func listenPort() async throws -> Int { try #require(try await ready().listen) }

    /// Waits until it says something on standard error.
    func says(_ text: String) async throws { try await eventually { self.words.contains(text) } }
}

/// A client that creates account after account until its server is gone.
final class AccountWriter: Sendable {
    private let created = Mutex<[UInt64]>([])
    private let ended = DispatchSemaphore(value: 0)

    /// Starts, with the account after `first`.
    init(port: Int, after first: UInt64 = 0) throws {
        Thread.detachNewThread { [self] in
            AccountWriter.write(port, first) { id in created.withLock { $0.append(id) } }
            ended.signal()
        }
    }

    private static func write(_ port: Int, _ first: UInt64, _ acknowledged: (UInt64) -> Void) {
        guard let client = try? LedgerClient(port: port).withPatience() else { return }
        var id = first + 1
        while let result = try? client.createAccounts([account(UInt128(id))]) {
            if result.map(\.status) == [.created] { acknowledged(id) }
            id += 1
        }
    }

    /// The accounts whose creation was acknowledged.
    var acknowledged: [UInt64] { created.withLock { $0 } }

    /// Waits until so many are.
    func acknowledges(_ count: Int) async throws {
        try await eventually { self.acknowledged.count >= count }
    }

    /// Waits until its server is gone; gives all that were acknowledged.
    func finish() async throws -> [UInt64] {
        try await onThread { self.ended.wait() }
        return acknowledged
    }
}

/// What a ledger at a port knows.
enum ServedAccounts {
    /// Those of `ids` that exist, in order.
    static func existing(_ ids: [UInt64], at port: Int) async throws -> [UInt64] {
        try await onThread {
            let client = try LedgerClient(port: port).withPatience()
            var found: [UInt64] = []
            for start in stride(from: 0, to: ids.count, by: 1_000) {
                let page = ids[start..<min(start + 1_000, ids.count)]
                found += try client.accounts(page.map { AccountID(UInt128($0)) })
                    .map { UInt64(truncatingIfNeeded: $0.id.value) }
            }
            return found
        }
    }

    /// Whether a new account can be created.
    static func creates(_ id: UInt64, at port: Int) async throws -> Bool {
        try await onThread {
            let client = try LedgerClient(port: port).withPatience()
            return try client.createAccounts([account(UInt128(id))]).map(\.status) == [.created]
        }
    }
}
