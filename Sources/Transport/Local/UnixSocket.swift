import CHost
import Foundation
import Glibc

/// One line there, one line back, over a Unix socket of this machine. The kernel says which user is
/// at the other end.
public enum UnixSocket {
    /// Sends a line and waits for the other end's line; neither has its line end. The work is done
    /// on a thread of its own.
    ///
    /// - Parameters:
    ///   - limit: the most bytes of the answer.
    ///   - users: whose process may be at the other end.
    public static func exchange(
        _ line: [UInt8], at path: String, limit: Int, timeout: Duration, users: Set<UInt32>
    ) async throws(UnixSocketError) -> [UInt8] {
        let result = await withCheckedContinuation { waiting in
            Thread.detachNewThread {
                waiting.resume(
                    returning: Result { () throws(UnixSocketError) in
                        try exchangeNow(line, path, limit, timeout, users)
                    })
            }
        }
        return try result.get()
    }

    private static func exchangeNow(
        _ line: [UInt8], _ path: String, _ limit: Int, _ timeout: Duration, _ users: Set<UInt32>
    ) throws(UnixSocketError) -> [UInt8] {
        let socket = try connect(path)
        defer { close(socket) }
        let peer = try UnixChannel.user(of: socket)
        guard users.contains(peer) else { throw .stranger(peer) }
        var channel = UnixChannel(socket, limit: limit, until: .now + timeout)
        try channel.write(line)
        guard let answer = try channel.read() else { throw .closed }
        return answer
    }

    /// A socket that is connected to whoever listens at `path`.
    static func connect(_ path: String) throws(UnixSocketError) -> Int32 {
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw .unreachable(path) }
        let connected = try unsafe withAddress(of: path) { address, length in
            unsafe Glibc.connect(socket, address, length) == 0
        }
        guard connected else {
            close(socket)
            throw .unreachable(path)
        }
        return socket
    }

    /// Lends the address of a path, which has at most 107 bytes.
    static func withAddress(
        of path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Bool
    ) throws(UnixSocketError) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard !bytes.isEmpty, bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw .unreachable(path)
        }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe body(pointer, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}

/// The lines of one connection, each at most so long and there in time.
struct UnixChannel {
    private let socket: Int32
    private let limit: Int
    private var rest: [UInt8] = []
    /// When waiting ends.
    var deadline: ContinuousClock.Instant

    init(_ socket: Int32, limit: Int, until deadline: ContinuousClock.Instant) {
        self.socket = socket
        self.limit = limit
        self.deadline = deadline
    }

    /// The user at the other end.
    static func user(of socket: Int32) throws(UnixSocketError) -> UInt32 {
        var user: uid_t = 0
        guard unsafe exq_peer_user(socket, &user) == 0 else { throw .closed }
        return user
    }

    /// The next line; `nil` if the other end hung up between two lines.
    mutating func read() throws(UnixSocketError) -> [UInt8]? {
        while true {
            if let end = rest.firstIndex(of: 10) {
                guard end <= limit else { throw .tooLong }
                let line = Array(rest[..<end])
                rest.removeSubrange(...end)
                return line
            }
            guard rest.count <= limit else { throw .tooLong }
            try wait(for: POLLIN)
            var part = [UInt8](repeating: 0, count: 65_536)
            let count = unsafe recv(socket, &part, part.count, Int32(MSG_DONTWAIT))
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            if count == 0, rest.isEmpty { return nil }
            guard count > 0 else { throw .closed }
            rest += part[..<count]
        }
    }

    mutating func write(_ line: [UInt8]) throws(UnixSocketError) {
        let bytes = line + [10]
        var done = 0
        let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe send(
                    socket, buffer.baseAddress?.advanced(by: done), bytes.count - done, flags)
            }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN {
                try wait(for: POLLOUT)
                continue
            }
            guard count > 0 else { throw .closed }
            done += count
        }
    }

    private func wait(for events: Int32) throws(UnixSocketError) {
        while true {
            let left = deadline - .now
            guard left > .zero else { throw .timedOut }
            let (seconds, attoseconds) = left.components
            let milliseconds = seconds * 1_000 + attoseconds / 1_000_000_000_000_000 + 1
            var poll = pollfd(fd: socket, events: Int16(events), revents: 0)
            let ready = unsafe Glibc.poll(&poll, 1, Int32(clamping: milliseconds))
            if ready > 0 { return }
            if ready < 0, errno != EINTR { throw .closed }
        }
    }
}
