import CHost
import Foundation
import Glibc
import Synchronization

/// Answers lines at a Unix socket, for processes of some users only.
public final class UnixListener: Sendable {
    /// What the listener does not exceed.
    public struct Limits: Sendable {
        /// Bytes of a line.
        public var line = 512 << 10
        /// Connections at a time; others wait.
        public var connections = 32
        /// How long a line and its answer may take to come and go.
        public var patience = Duration.seconds(10)

        /// The usual limits.
        public init() {}
    }

    /// Where it listens.
    public let path: String
    private let socket: Int32
    private let users: Set<UInt32>
    private let limits: Limits
    private let slots: DispatchSemaphore
    private let isClosed = Mutex(false)

    /// Listens at `path`. What an ended process left there is removed; `inUse` if something
    /// answers.
    /// Others than its owner can open the socket only if another user is among `users`; who is not
    /// one of them is told nothing.
    public init(
        path: String, users: Set<UInt32>, limits: Limits = Limits()
    ) throws(UnixSocketError) {
        self.path = path
        self.users = users
        self.limits = limits
        // One that begins at a number must not end below it, and connections outlive this value.
        slots = DispatchSemaphore(value: 0)
        for _ in 0..<limits.connections { slots.signal() }
        if let other = try? UnixSocket.connect(path) {
            close(other)
            throw .inUse(path)
        }
        var status = stat()
        if unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK {
            unsafe unlink(path)
        }
        socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw .unreachable(path) }
        let socket = socket
        let isBound = try unsafe UnixSocket.withAddress(of: path) { address, length in
            unsafe bind(socket, address, length) == 0
        }
        let mode: mode_t = users.contains { $0 != getuid() } ? 0o666 : 0o600
        guard isBound, unsafe chmod(path, mode) == 0, listen(socket, 64) == 0 else {
            close(socket)
            throw .unreachable(path)
        }
    }

    /// Answers each line of each connection on a thread of its own, until `stop`.
    public func serve(_ answer: @escaping @Sendable ([UInt8]) -> [UInt8]) {
        Thread.detachNewThread { [self] in
            while true {
                slots.wait()
                // Not on a number that may be another's by now.
                if isClosed.withLock({ $0 }) { return }
                let connection = accept(socket, nil, nil)
                if isClosed.withLock({ $0 }) {
                    if connection >= 0 { close(connection) }
                    return
                }
                if connection < 0 {
                    slots.signal()
                    // Out of descriptors: others have to end first.
                    Thread.sleep(forTimeInterval: 0.01)
                    continue
                }
                Thread.detachNewThread { [self] in
                    converse(connection, answer)
                    close(connection)
                    slots.signal()
                }
            }
        }
    }

    private func converse(_ connection: Int32, _ answer: ([UInt8]) -> [UInt8]) {
        guard let user = try? UnixChannel.user(of: connection), users.contains(user) else { return }
        var channel = UnixChannel(connection, limit: limits.line, until: .now + limits.patience)
        while let line = try? channel.read() {
            channel.deadline = .now + limits.patience
            guard (try? channel.write(answer(line))) != nil else { return }
            channel.deadline = .now + limits.patience
        }
    }

    /// Listens no more, and takes the socket away.
    public func stop() {
        let wasClosed = isClosed.withLock { isClosed in
            defer { isClosed = true }
            return isClosed
        }
        guard !wasClosed else { return }
        unsafe unlink(path)
        shutdown(socket, Int32(SHUT_RDWR))
        close(socket)
    }
}
