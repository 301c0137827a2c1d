import Dispatch
import Foundation
import Synchronization

/// A real llama.cpp server as a process of its own (Tests/Harness/llama_server.py).
public final class LlamaServerProcess: Sendable {
    /// Why there is no server.
    public struct Missing: Error, CustomStringConvertible {
        /// What to do about it.
        public let description: String
    }

    /// Seconds a server may take to load the model.
    private static let patience = 60.0

    /// Where it listens.
    public let url: String
    private let pid: Int32
    private let isKilled = Mutex(false)
    /// The server ends when this is closed.
    private let input: Pipe

    /// Starts a server of this model file and waits, on a thread of its own, until it serves.
    public static func start(
        model: String, slots: Int = 2, key: String? = nil
    ) async throws -> LlamaServerProcess {
        try await withCheckedThrowingContinuation { continuation in
            Thread {
                continuation.resume(
                    with: Result { try LlamaServerProcess(model: model, slots: slots, key: key) })
            }.start()
        }
    }

    private init(model: String, slots: Int, key: String?) throws {
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
        let child = process.processIdentifier
        let served = DispatchSemaphore(value: 0)
        Thread {
            // Ends the reading below: a test must fail where a server does not come.
            if served.wait(timeout: .now() + Self.patience) == .timedOut {
                Foundation.kill(child, SIGKILL)
            }
        }.start()
        defer { served.signal() }
        var line = ""
        while !line.hasSuffix("\n") {
            let bytes = output.fileHandleForReading.availableData
            if bytes.isEmpty { throw Missing(description: "the llama.cpp server ended: \(line)") }
            line += String(decoding: bytes, as: UTF8.self)
        }
        url = line.trimmingCharacters(in: .whitespacesAndNewlines)
        pid = process.processIdentifier
        self.input = input
    }

    deinit { try? input.fileHandleForWriting.close() }

    /// Ends it as `kill -9` does.
    public func kill() {
        isKilled.withLock { isKilled in
            if !isKilled { Foundation.kill(pid, SIGKILL) }
            isKilled = true
        }
    }
}
