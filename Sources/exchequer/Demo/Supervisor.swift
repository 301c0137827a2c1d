import Foundation
import Synchronization

/// Starts the demo's processes and stops them: after `stopAll` none runs and none can be started.
final class Supervisor: Sendable {
    /// A command that could not be started or did not succeed.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private struct State {
        var children: [(name: String, process: Process)] = []
        var isStopping = false
    }

    private let logs: URL
    private let state = Mutex(State())

    /// Writes each process's output to `logs/NAME.log`.
    init(logs: URL) {
        self.logs = logs
    }

    /// Starts a process that runs until it is stopped.
    @discardableResult
    func start(_ name: String, _ executable: String, _ arguments: [String]) throws -> Process {
        let process = make(executable, arguments)
        let log = try logFile(name)
        process.standardOutput = log
        process.standardError = log
        try launch(name, process)
        return process
    }

    /// Starts a process and gives its first line of output, which says where it listens.
    func startListening(
        _ name: String, _ executable: String, _ arguments: [String]
    ) throws -> String {
        let process = make(executable, arguments)
        let output = Pipe()
        process.standardOutput = output
        process.standardError = try logFile(name)
        try launch(name, process)
        var line = Data()
        while let byte = try output.fileHandleForReading.read(upToCount: 1), !byte.isEmpty {
            if byte == Data([0x0A]) { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
        }
        throw Failure(description: "\(name) did not start: see \(logPath(name))")
    }

    /// Runs a command to its end and gives its output; what it says goes on with `talk`.
    @discardableResult
    func run(
        _ name: String, _ executable: String, _ arguments: [String], accepting codes: [Int32] = [0],
        talk: (@Sendable (String) -> Void)? = nil
    ) throws -> String {
        let process = make(executable, arguments)
        let output = Pipe()
        process.standardOutput = output
        process.standardError = try logFile(name)
        try launch(name, process)
        var all = Data()
        var line = Data()
        while case let chunk = output.fileHandleForReading.availableData, !chunk.isEmpty {
            all.append(chunk)
            guard let talk else { continue }
            for byte in chunk {
                if byte != 0x0A {
                    line.append(byte)
                    continue
                }
                talk(String(decoding: line, as: UTF8.self))
                line.removeAll()
            }
        }
        process.waitUntilExit()
        state.withLock { $0.children.removeAll { $0.process === process } }
        guard codes.contains(process.terminationStatus) else {
            throw Failure(
                description: """
                    \(name) failed with code \(process.terminationStatus); its log is \
                    \(logPath(name)):
                    \(tail(name))\(String(decoding: all.suffix(2_000), as: UTF8.self))
                    """)
        }
        return String(decoding: all, as: UTF8.self)
    }

    /// Whether a process that was started still runs.
    func isRunning(_ name: String) -> Bool {
        state.withLock { $0.children.contains { $0.name == name && $0.process.isRunning } }
    }

    /// Kills a process without a chance to say goodbye.
    func kill(_ name: String) {
        for process in take(name) {
            Foundation.kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }
    }

    /// Asks a process to end and waits; kills it after ten seconds.
    func stop(_ name: String) {
        stop(take(name))
    }

    /// Stops everything, newest first.
    func stopAll() {
        let children = state.withLock { state in
            state.isStopping = true
            defer { state.children = [] }
            return state.children.map(\.process)
        }
        stop(children.reversed())
    }

    /// The end of a process's log.
    func tail(_ name: String, lines: Int = 12) -> String {
        let text = (try? String(contentsOfFile: logPath(name), encoding: .utf8)) ?? ""
        return text.split(separator: "\n").suffix(lines).joined(separator: "\n") + "\n"
    }

    /// Where a process's output goes.
    func logPath(_ name: String) -> String {
        logs.appendingPathComponent("\(name).log").path
    }

    private func make(_ executable: String, _ arguments: [String]) -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        return process
    }

    private func launch(_ name: String, _ process: Process) throws {
        try state.withLock { state in
            if state.isStopping { throw Failure(description: "stopping") }
            do {
                try process.run()
            } catch {
                throw Failure(description: "\(name) cannot be started: \(error)")
            }
            state.children.append((name, process))
        }
    }

    private func logFile(_ name: String) throws -> FileHandle {
        let path = logPath(name)
        if !FileManager.default.fileExists(atPath: path) {
            _ = FileManager.default.createFile(atPath: path, contents: nil)
        }
        guard let handle = FileHandle(forWritingAtPath: path) else {
            throw Failure(description: "\(path) cannot be written")
        }
        try handle.seekToEnd()
        return handle
    }

    private func take(_ name: String) -> [Process] {
        state.withLock { state in
            let taken = state.children.filter { $0.name == name }.map(\.process)
            state.children.removeAll { $0.name == name }
            return taken
        }
    }

    private func stop(_ processes: [Process]) {
        for process in processes where process.isRunning { process.terminate() }
        let deadline = Date().addingTimeInterval(10)
        while Date() < deadline, processes.contains(where: \.isRunning) { usleep(20_000) }
        for process in processes where process.isRunning {
            Foundation.kill(process.processIdentifier, SIGKILL)
        }
        for process in processes { process.waitUntilExit() }
    }
}
