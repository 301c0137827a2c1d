import Foundation
import Synchronization

/// A real llama.cpp server as a process of its own (Tests/Harness/llama_server.py).
public final class LlamaServerProcess: Sendable {
    /// Why there is no server.
    public struct Missing: Error, CustomStringConvertible {
        /// What to do about it.
        public let description: String
    }

    /// Where it listens.
    public let url: String
    private let process: Mutex<Process>
    private let pid: Int32
    private let input: Pipe

    /// Starts a server of this model file and waits until it serves.
    public init(model: String, slots: Int = 2, key: String? = nil) throws {
        let root = URL(filePath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let python = root.appending(path: ".venv-llama/bin/python").path()
        guard FileManager.default.isExecutableFile(atPath: python) else {
            throw Missing(description: "no llama.cpp server at \(python): run `make llama`")
        }
        let process = Process()
        process.executableURL = URL(filePath: python)
        process.arguments =
            [
                root.appending(path: "Tests/Harness/llama_server.py").path(), model,
                "--slots", String(slots),
            ] + (key.map { ["--key", $0] } ?? [])
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        var line = ""
        while !line.hasSuffix("\n") {
            let bytes = output.fileHandleForReading.availableData
            if bytes.isEmpty { throw Missing(description: "the llama.cpp server ended: \(line)") }
            line += String(decoding: bytes, as: UTF8.self)
        }
        url = line.trimmingCharacters(in: .whitespacesAndNewlines)
        pid = process.processIdentifier
        self.input = input
        self.process = Mutex(process)
    }

    deinit { kill() }

    /// Ends it as `kill -9` does, and waits until it is gone.
    public func kill() {
        process.withLock { process in
            guard process.isRunning else { return }
            Foundation.kill(pid, SIGKILL)
            process.waitUntilExit()
        }
    }
}
