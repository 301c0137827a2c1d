import Foundation
import Synchronization

/// A program of this build in a process of its own, and what it has said so far. It is killed when
/// this value is gone.
public final class RunningProgram: Sendable {
    /// Why a program is not as a test wants it.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// The process's number.
    public let identifier: Int32
    private let said = Lines()
    private let complained = Lines()
    private let status = Status()
    private let running = DispatchGroup()

    /// Starts the program of this name that lies beside the one that runs the tests.
    public init(_ name: String, _ arguments: [String]) throws {
        let process = Process()
        let output = Pipe()
        let errors = Pipe()
        process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0])
            .deletingLastPathComponent().appendingPathComponent(name)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = errors
        for _ in 0..<3 { running.enter() }
        process.terminationHandler = { [status, running] process in
            status.value.withLock { $0 = process.terminationStatus }
            running.leave()
        }
        try process.run()
        identifier = process.processIdentifier
        said.read(output.fileHandleForReading, in: running)
        complained.read(errors.fileHandleForReading, in: running)
    }

    deinit { if isRunning { kill(identifier, SIGKILL) } }

    /// The whole lines on its standard output.
    public var lines: [String] { said.all }
    /// The whole lines on its standard error.
    public var errors: [String] { complained.all }
    /// Whether it has not ended yet.
    public var isRunning: Bool { status.value.withLock { $0 == nil } }

    /// Sends it a signal.
    public func signal(_ number: Int32) { kill(identifier, number) }

    /// Waits for its end, a minute at most, and gives its exit code, or the signal that killed it;
    /// everything that it said is there then.
    public func end() async throws -> Int32 {
        try await onThread { [running, status] in
            guard running.wait(timeout: .now() + 60) == .success else {
                throw Failure(description: "it did not end")
            }
            return status.value.withLock { $0 } ?? -1
        }
    }

    private final class Status: Sendable {
        let value = Mutex<Int32?>(nil)
    }

    /// Whole lines, as they come.
    private final class Lines: Sendable {
        private let lines = Mutex<[String]>([])

        var all: [String] { lines.withLock { $0 } }

        /// Reads on a thread until the end.
        func read(_ handle: FileHandle, in group: DispatchGroup) {
            Thread.detachNewThread { [self] in
                var rest = Data()
                while true {
                    let more = handle.availableData
                    if more.isEmpty { break }
                    rest.append(more)
                    while let end = rest.firstIndex(of: 0x0A) {
                        let line = String(decoding: rest[rest.startIndex..<end], as: UTF8.self)
                        lines.withLock { $0.append(line) }
                        rest = Data(rest[(end + 1)...])
                    }
                }
                group.leave()
            }
        }
    }
}

/// Waits until something is so; half a minute at most.
public func eventually(_ isSo: () -> Bool) async throws {
    for _ in 0..<3_000 {
        if isSo() { return }
        try await Task.sleep(for: .milliseconds(10))
    }
    throw RunningProgram.Failure(description: "it did not come to that")
}

/// Runs what blocks on a thread of its own.
public func onThread<Value: Sendable>(
    _ body: @escaping @Sendable () throws -> Value
) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
    }
}
