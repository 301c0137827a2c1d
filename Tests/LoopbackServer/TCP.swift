import Foundation
import Synchronization

/// A plain blocking TCP connection, for saying to our code what a well-behaved peer never would.
public final class TCPConnection: Sendable {
    private let descriptor: Int32

    init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { Foundation.close(descriptor) }

    /// Dials a port of this machine.
    public static func connect(port: Int) throws -> TCPConnection {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = loopback(port)
        let failed = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Foundation.connect(
                    descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard failed == 0 else { throw POSIXError(.ECONNREFUSED) }
        return TCPConnection(descriptor: descriptor)
    }

    static func loopback(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = unsafe inet_addr("127.0.0.1")
        return address
    }

    /// Up to `count` bytes; none at the end.
    public func read(_ count: Int = 65_536) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: count)
        let got = unsafe recv(descriptor, &buffer, count, 0)
        return got > 0 ? Array(buffer[..<got]) : []
    }

    /// Exactly `count` bytes, fewer at the end.
    public func readExactly(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more = read(count - bytes.count)
            if more.isEmpty { break }
            bytes += more
        }
        return bytes
    }

    /// One HTTP request with its body, as text; `nil` at the end.
    public func readRequest() -> String? {
        var text = ""
        while true {
            if let end = text.range(of: "\r\n\r\n") {
                let length =
                    text.lowercased().range(of: "content-length: ").flatMap { range in
                        Int(text[range.upperBound...].prefix { $0.isNumber })
                    } ?? 0
                if text[end.upperBound...].utf8.count >= length { return text }
            }
            let more = read()
            if more.isEmpty { return nil }
            text += String(decoding: more, as: UTF8.self)
        }
    }

    /// Sends all bytes; `false` once the peer is gone.
    @discardableResult
    public func write(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let chunk = Array(rest.prefix(1 << 20))
            let sent = unsafe Foundation.send(
                descriptor, chunk, chunk.count, Int32(MSG_NOSIGNAL))
            if sent <= 0 { return false }
            rest = rest.dropFirst(sent)
        }
        return true
    }

    /// Sends a text.
    @discardableResult
    public func write(_ text: String) -> Bool { write(Array(text.utf8)) }

    /// Ends the connection in both directions.
    public func close() { Foundation.shutdown(descriptor, Int32(SHUT_RDWR)) }
}

/// Accepts plain TCP connections on a free port and hands each to `handler` on its own thread.
public final class TCPServer: Sendable {
    /// The port the system chose.
    public let port: Int
    private let listener: Listener

    /// A listening socket, closed when neither the server nor the thread that accepts uses it any
    /// more: the number of one that is closed earlier is soon another socket's, whose connections
    /// the thread would take and never answer.
    private final class Listener: Sendable {
        let descriptor: Int32
        let accepted = Atomic(0)

        init(descriptor: Int32) { self.descriptor = descriptor }

        deinit { Foundation.close(descriptor) }
    }

    /// Where it listens.
    public var url: String { "http://127.0.0.1:\(port)" }
    /// How many connections were accepted.
    public var connections: Int { listener.accepted.load(ordering: .sequentiallyConsistent) }

    /// Begins to listen.
    public init(_ handler: @escaping @Sendable (TCPConnection) -> Void) throws {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let listener = Listener(descriptor: socket)
        var address = TCPConnection.loopback(0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let failed = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(socket, $0, size) != 0 || listen(socket, 64) != 0
                    || getsockname(socket, $0, &size) != 0
            }
        }
        guard !failed else { throw POSIXError(.EADDRINUSE) }
        port = Int(UInt16(bigEndian: address.sin_port))
        self.listener = listener
        Thread {
            while true {
                let connection = accept(listener.descriptor, nil, nil)
                guard connection >= 0 else { return }
                listener.accepted.add(1, ordering: .sequentiallyConsistent)
                Thread { handler(TCPConnection(descriptor: connection)) }.start()
            }
        }.start()
    }

    /// Ends the accepting, also where it has not begun.
    deinit { shutdown(listener.descriptor, Int32(SHUT_RDWR)) }

    /// A port nobody listens on: it was free a moment ago.
    public static func closedPort() throws -> Int {
        try TCPServer { _ in }.port
    }
}
