import Foundation

/// A real PostgreSQL server in a temporary folder, on a Unix socket: `Tests/Harness/
/// postgres-server.sh`. It is gone when this value, or the process, is.
public final class PostgresServer: @unchecked Sendable {
    /// Why there is no server; in its words.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// libpq's connection string, of a superuser without a password.
    public let conninfo: String
    private let script = Process()
    private let input = Pipe()
    private let output = Pipe()
    private let lock = NSLock()

    /// Starts a server; `options` are those of the script. Takes about a second.
    public init(_ options: [String] = []) throws {
        let errors = Pipe()
        script.executableURL = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Harness/postgres-server.sh")
        script.arguments = options
        script.standardInput = input
        script.standardOutput = output
        script.standardError = errors
        // Nobody else may hold the pipe open that stops the server.
        _ = fcntl(input.fileHandleForWriting.fileDescriptor, F_SETFD, FD_CLOEXEC)
        try script.run()
        guard let line = PostgresServer.line(output), line.hasPrefix("ready ") else {
            let words = errors.fileHandleForReading.readDataToEndOfFile()
            throw Failure(description: String(decoding: words, as: UTF8.self))
        }
        conninfo = String(line.dropFirst(6))
    }

    deinit {
        try? input.fileHandleForWriting.close()
        script.waitUntilExit()
    }

    private static let started = Result { try PostgresServer() }

    /// The server that the tests of this process share: they must not stop it.
    public static func shared() throws -> PostgresServer { try started.get() }

    /// Cuts the server off, as a crash of its machine would, but for what the system still holds.
    public func stop() throws { try command("stop", expecting: "stopped") }

    /// Starts it again: it recovers first.
    public func start() throws { try command("start", expecting: "ready") }

    /// A connection for whatever a test does behind a journal's back.
    public func session() throws -> SQLSession { try SQLSession(conninfo) }

    /// A schema's name that no one else uses.
    public static func freshSchema() -> String {
        "t" + UUID().uuidString.lowercased().replacing("-", with: "")
    }

    private func command(_ word: String, expecting answer: String) throws {
        try lock.withLock {
            try input.fileHandleForWriting.write(contentsOf: Data("\(word)\n".utf8))
            guard PostgresServer.line(output) == answer else {
                throw Failure(description: "the server did not \(word)")
            }
        }
    }

    private static func line(_ pipe: Pipe) -> String? {
        var bytes: [UInt8] = []
        while let byte = try? pipe.fileHandleForReading.read(upToCount: 1)?.first {
            if byte == 0x0A { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(byte)
        }
        return nil
    }
}
