import Foundation

/// A ledger server of this program in a process of its own, as its users run it, and what it costs.
final class BenchServer {
    let port: Int
    let httpPort: Int
    /// The Unix socket, if it was asked for.
    let socket: String?
    /// Seconds from starting the process to being ready.
    let startSeconds: Double
    private let process = Process()

    /// Where this program is.
    static var program: String {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().path
    }

    /// Starts one; the journal's place is that of `exchequer ledger serve`.
    init(journal: String, socket: String? = nil) throws {
        self.socket = socket
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: BenchServer.program)
        process.arguments = [
            "ledger", "serve", "--journal", journal, "--port", "0", "--http-port", "0",
        ]
        if let socket { process.arguments? += ["--socket", socket] }
        process.standardOutput = output
        let clock = ContinuousClock()
        let started = clock.now
        try process.run()
        var line = Data()
        while !line.contains(0x0A) {
            let more = output.fileHandleForReading.availableData
            if more.isEmpty { throw BenchError.unexpected("the ledger server did not start") }
            line += more
        }
        let ready = try JSONDecoder().decode(Ready.self, from: line)
        port = ready.port
        httpPort = ready.httpPort
        startSeconds = (clock.now - started) / .seconds(1)
    }

    private struct Ready: Decodable {
        let port: Int
        let httpPort: Int
    }

    /// Bytes of memory that the process has in use.
    func residentBytes() throws -> Int {
        let path = "/proc/\(process.processIdentifier)/status"
        let status = try String(contentsOfFile: path, encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        guard let words = line?.split(separator: " "), words.count > 1,
            let kibibytes = Int(words[1])
        else { throw BenchError.unexpected("\(path) has no VmRSS") }
        return kibibytes * 1_024
    }

    /// Ends it in order.
    func stop() {
        process.terminate()
        process.waitUntilExit()
    }

    deinit { if process.isRunning { stop() } }
}

/// Programs that the ledger is measured against, as far as they are here.
enum BenchPeer {
    /// Runs a program and gives what it printed.
    static func run(
        _ program: String, _ arguments: [String], in folder: String
    ) throws -> String {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(
            decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw BenchError.unexpected("\(program) failed: \(text.suffix(300))")
        }
        return text
    }

    /// The number after `label` in what a program printed.
    static func number(after label: String, in text: String) -> Double? {
        for line in text.split(separator: "\n") {
            guard let range = line.range(of: label) else { continue }
            let rest = line[range.upperBound...].drop { $0 == " " || $0 == "=" }
            if let value = Double(rest.prefix { $0.isNumber || $0 == "." }) { return value }
        }
        return nil
    }

    /// The first executable of this name: what the variable names, or what is on the PATH.
    static func find(_ name: String, variable: String? = nil) -> String? {
        let environment = ProcessInfo.processInfo.environment
        if let variable, let path = environment[variable] {
            return FileManager.default.isExecutableFile(atPath: path) ? path : nil
        }
        let folders = (environment["PATH"] ?? "").split(separator: ":").map(String.init)
        return (folders + ["/usr/lib/postgresql/15/bin"]).map { "\($0)/\(name)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }
}

/// TigerBeetle's own benchmark: one replica, loopback, the same disk.
struct TigerBeetlePeer {
    let program: String

    /// `nil` where there is no `tigerbeetle` on the PATH or in TIGERBEETLE.
    init?() {
        guard let program = BenchPeer.find("tigerbeetle", variable: "TIGERBEETLE") else {
            return nil
        }
        self.program = program
    }

    /// Transfers a second that its benchmark reports.
    func rate(clients: Int, batch: Int, transfers: Int, in folder: String) throws -> Double {
        var arguments = [
            "benchmark", "--clients=\(clients)", "--transfer-batch-count=\(batch)",
            "--transfer-count=\(transfers)", "--query-count=0",
        ]
        var replica: Process?
        defer {
            // It does not end at SIGTERM, and nobody needs its file.
            if let replica { kill(replica.processIdentifier, SIGKILL) }
            replica?.waitUntilExit()
        }
        // The replica that the benchmark starts by itself admits 32 clients.
        if clients > 16 {
            let (process, address) = try start(in: folder)
            replica = process
            arguments.append("--addresses=\(address)")
        }
        let text = try BenchPeer.run(program, arguments, in: folder)
        guard let rate = BenchPeer.number(after: "load accepted", in: text) else {
            throw BenchError.unexpected("TigerBeetle reported no rate: \(text.suffix(300))")
        }
        return rate
    }

    private func start(in folder: String) throws -> (Process, String) {
        let file = "bench.tigerbeetle"
        _ = try BenchPeer.run(
            program,
            ["format", "--cluster=0", "--replica=0", "--replica-count=1", file], in: folder)
        let process = Process()
        let output = Pipe()
        let address = "127.0.0.1:\(UInt16.random(in: 20_000...30_000))"
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = [
            "start", "--addresses=\(address)", "--experimental", "--limit-pipeline-requests=56",
            file,
        ]
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.standardError = output
        try process.run()
        var seen = ""
        while !seen.contains("listening on") {
            let more = output.fileHandleForReading.availableData
            if more.isEmpty { throw BenchError.unexpected("TigerBeetle did not start: \(seen)") }
            seen += String(decoding: more, as: UTF8.self)
        }
        // Whatever it says from here on must not fill the pipe.
        output.fileHandleForReading.readabilityHandler = { _ = $0.availableData }
        return (process, address)
    }
}

/// A double-entry function in PostgreSQL (Tests/Harness/peers), called by `pgbench`, and the server
/// that the ledger's PostgreSQL journal is measured on as well.
final class PostgresPeer {
    let conninfo: String
    private let pgbench: String
    private let psql: String
    private let scripts: String
    private let server = Process()
    private let input = Pipe()

    /// Starts a server and checks that the function keeps its books; `nil` where there is no
    /// `pgbench` or no server script. `harness` is Tests/Harness.
    init?(harness: String) throws {
        let script = "\(harness)/postgres-server.sh"
        guard let pgbench = BenchPeer.find("pgbench"), let psql = BenchPeer.find("psql"),
            FileManager.default.fileExists(atPath: script)
        else { return nil }
        self.pgbench = pgbench
        self.psql = psql
        scripts = "\(harness)/peers"
        let output = Pipe()
        server.executableURL = URL(fileURLWithPath: script)
        server.arguments = ["--disk", "shared_buffers=512MB", "max_wal_size=4GB"]
        server.standardInput = input
        server.standardOutput = output
        _ = fcntl(input.fileHandleForWriting.fileDescriptor, F_SETFD, FD_CLOEXEC)
        try server.run()
        var line = ""
        while !line.contains("\n") {
            let more = output.fileHandleForReading.availableData
            if more.isEmpty { throw BenchError.unexpected("PostgreSQL did not start") }
            line += String(decoding: more, as: UTF8.self)
        }
        guard line.hasPrefix("ready ") else { throw BenchError.unexpected(line) }
        conninfo = line.dropFirst(6).trimmingCharacters(in: .whitespacesAndNewlines)
        for script in ["double_entry.sql", "check.sql"] {
            _ = try BenchPeer.run(
                psql, [conninfo, "-q", "-v", "ON_ERROR_STOP=1", "-f", "\(scripts)/\(script)"],
                in: scripts)
        }
    }

    /// Transfers a second through a script with so many transfers in a call. Counts calls and not
    /// seconds: `pgbench -T` ends by SIGALRM, which is blocked in what this process starts.
    func rate(_ script: String, clients: Int, batch: Int, calls: Int) throws -> Double {
        _ = try BenchPeer.run(
            psql, [conninfo, "-q", "-f", "\(scripts)/bench_setup.sql"], in: scripts)
        let text = try BenchPeer.run(
            pgbench,
            [
                "-n", "-M", "prepared", "-c", "\(clients)", "-j", "1", "-t",
                "\(calls / clients)", "-D", "n=\(batch)", "-f", "\(scripts)/\(script)", conninfo,
            ], in: scripts)
        guard let calls = BenchPeer.number(after: "tps", in: text) else {
            throw BenchError.unexpected("pgbench reported no rate: \(text.suffix(300))")
        }
        return calls * Double(batch)
    }

    deinit {
        try? input.fileHandleForWriting.close()
        server.waitUntilExit()
    }
}
