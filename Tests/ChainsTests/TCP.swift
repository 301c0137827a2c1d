import Foundation
import Synchronization

/// A plain blocking TCP connection, for saying to our code what a well-behaved node never would.
final class TCPConnection: Sendable {
    private let descriptor: Int32

    init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { Foundation.close(descriptor) }

    /// Bytes as they come; none at the end.
    func read() -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let got = unsafe recv(descriptor, &buffer, buffer.count, 0)
        return got > 0 ? Array(buffer[..<got]) : []
    }

    /// One HTTP request with its body, as text; `nil` at the end.
    func readRequest() -> String? {
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

    @discardableResult
    func write(_ text: String) -> Bool {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let chunk = Array(rest.prefix(1 << 20))
            let sent = unsafe Foundation.send(
                descriptor, chunk, chunk.count, Int32(MSG_NOSIGNAL))
            if sent <= 0 { return false }
            rest = rest.dropFirst(sent)
        }
        return true
    }

    func close() { Foundation.shutdown(descriptor, Int32(SHUT_RDWR)) }
}

/// Accepts plain TCP connections on a free port and hands each to `handler` on its own thread.
final class TCPServer: Sendable {
    let port: Int
    private let descriptor: Int32

    var url: String { "http://127.0.0.1:\(port)" }

    init(_ handler: @escaping @Sendable (TCPConnection) -> Void) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = unsafe inet_addr("127.0.0.1")
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let socket = descriptor
        let failed = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(socket, $0, size) != 0 || listen(socket, 64) != 0
                    || getsockname(socket, $0, &size) != 0
            }
        }
        guard !failed else { throw POSIXError(.EADDRINUSE) }
        port = Int(UInt16(bigEndian: address.sin_port))
        Thread {
            while true {
                let connection = accept(socket, nil, nil)
                guard connection >= 0 else { return }
                Thread { handler(TCPConnection(descriptor: connection)) }.start()
            }
        }.start()
    }

    deinit {
        shutdown(descriptor, Int32(SHUT_RDWR))
        Foundation.close(descriptor)
    }

    /// A port nobody listens on: it was free a moment ago.
    static func closedPort() throws -> Int {
        try TCPServer { _ in }.port
    }
}
