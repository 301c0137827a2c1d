import Foundation
import LedgerServer

/// One keep-alive client of a ledger's HTTP API, which reads no more of an answer than it must.
final class HTTPLoadClient {
    private let connection: LedgerClient
    private var received = [UInt8](repeating: 0, count: 4_096)

    var socket: CInt { connection.socket }

    init(port: Int) throws {
        connection = try LedgerClient(port: port)
    }

    /// The whole request that posts `body`.
    static func request(_ path: String, _ body: String) -> [UInt8] {
        Array(
            ("POST \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)").utf8)
    }

    func send(_ request: [UInt8]) throws { try connection.send(request) }

    /// Waits for an answer; gives its body. Throws unless its status is 200.
    func receive() throws -> ArraySlice<UInt8> {
        var count = 0
        var end: Int?
        var bodyStart = 0
        while end.map({ count < $0 }) ?? true {
            if count == received.count { received += [UInt8](repeating: 0, count: count) }
            let read = unsafe received.withUnsafeMutableBytes { bytes in
                unsafe recv(
                    socket, bytes.baseAddress.map { unsafe $0 + count }, bytes.count - count, 0)
            }
            if read < 0, errno == EINTR { continue }
            guard read > 0 else { throw BenchError.unexpected("the server hung up") }
            count += read
            if end == nil, let start = headEnd(count) {
                bodyStart = start
                end = start + (try contentLength(start))
            }
        }
        return received[bodyStart..<count]
    }

    private func headEnd(_ count: Int) -> Int? {
        var place = 3
        while place < count {
            if received[place] == 0x0A, received[place - 2] == 0x0A { return place + 1 }
            place += 1
        }
        return nil
    }

    private func contentLength(_ end: Int) throws -> Int {
        // "HTTP/1.1 200".
        guard received[9] == 0x32 else {
            throw BenchError.unexpected(String(decoding: received[..<end], as: UTF8.self))
        }
        let name = Array("Content-Length: ".utf8)
        var place = 0
        while place + name.count < end {
            if received[place] == name[0],
                received[place..<(place + name.count)].elementsEqual(name)
            {
                return received[(place + name.count)...].prefix { $0 >= 0x30 && $0 <= 0x39 }
                    .reduce(0) { $0 * 10 + Int($1 - 0x30) }
            }
            place += 1
        }
        throw BenchError.unexpected("an answer has no Content-Length")
    }
}
