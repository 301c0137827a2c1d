import Chains
import Foundation
import LoopbackServer
import Synchronization
import Transport

/// What an HTTP server says that should be a node and is none, or a broken one.
enum FakeNode {
    /// A call as it came in.
    struct Call: Decodable, Sendable {
        let jsonrpc: String
        let id: UInt64
        let method: String
        let params: [AnyJSON]
    }

    /// A server that answers every call with the HTTP status and body that `answer` makes of it.
    static func start(
        _ answer: @escaping @Sendable (Call) -> (status: Int, body: String)
    ) throws -> TCPServer {
        try TCPServer { connection in
            while let request = connection.readRequest() {
                guard let start = request.range(of: "\r\n\r\n"),
                    let call = try? decode(Call.self, String(request[start.upperBound...]))
                else { return connection.close() }
                let (status, body) = answer(call)
                let head = "HTTP/1.1 \(status) Said\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
                guard connection.write(head), connection.write(body) else { return }
            }
        }
    }

    /// A server that answers every call with the JSON text of a result.
    static func results(_ result: @escaping @Sendable (Call) -> String) throws -> TCPServer {
        try start { call in
            (200, #"{"jsonrpc":"2.0","id":\#(call.id),"result":\#(result(call))}"#)
        }
    }

    /// How often a method is called, and how often at most at once.
    final class Calls: Sendable {
        private let counts = Mutex((all: 0, open: 0, atOnce: 0))

        /// How often it was called.
        var all: Int { counts.withLock { $0.all } }
        /// How many calls were open at once, at most.
        var atOnce: Int { counts.withLock { $0.atOnce } }

        func count(_ answer: () -> Void) {
            counts.withLock { counts in
                counts.all += 1
                counts.open += 1
                counts.atOnce = max(counts.atOnce, counts.open)
            }
            answer()
            counts.withLock { $0.open -= 1 }
        }
    }

    /// A server that takes 300 ms to answer one method, and has no answer to the others.
    static func slow(
        at method: String, result: String, _ calls: Calls
    ) throws -> TCPServer {
        try results { call in
            guard call.method == method else { return "null" }
            calls.count { usleep(300_000) }
            return result
        }
    }

    /// A client of the server with a connection of its own.
    static func client(
        of server: TCPServer, timeout: Duration = .seconds(120)
    ) -> JSONRPC {
        JSONRPC(url: server.url, timeout: timeout, client: HTTPClient())
    }

    /// The chain as that server tells it.
    static func chain(
        of server: TCPServer, confirmations: UInt64 = 1, timeout: Duration = .seconds(120)
    ) -> EVMChain {
        EVMChain(
            rpc: client(of: server, timeout: timeout), chainID: 31_337,
            confirmations: confirmations, pollInterval: .milliseconds(5))
    }
}
