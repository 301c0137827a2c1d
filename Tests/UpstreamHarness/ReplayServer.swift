import Foundation
public import LoopbackServer
import Synchronization

/// An HTTP server that answers with recorded text, path by path.
public final class ReplayServer: Sendable {
    /// One answer.
    public enum Answer: Sendable {
        /// A status and a whole body.
        case whole(Int, String)
        /// Events, each the data of one, after which the answer ends.
        case events([String])
        /// Anything else: writes after the head of an event stream, as long as it likes.
        case stream(@Sendable (TCPConnection) -> Void)
    }

    /// A request as it came in.
    public struct Request: Sendable {
        /// Method and path: `POST /tokenize`.
        public let line: String
        /// Header fields and body, as they came.
        public let text: String
        /// The body.
        public var body: String {
            text.range(of: "\r\n\r\n").map { String(text[$0.upperBound...]) } ?? ""
        }
    }

    private let server: TCPServer
    private let log: Log

    private final class Log: Sendable {
        let requests = Mutex<[Request]>([])
    }

    /// Where it listens.
    public var url: String { server.url }
    /// What was asked so far.
    public var requests: [Request] { log.requests.withLock { $0 } }

    /// Answers each request with what `answer` says; 404 for `nil`.
    public init(_ answer: @escaping @Sendable (Request) -> Answer?) throws {
        let log = Log()
        self.log = log
        server = try TCPServer { connection in
            while let text = connection.readRequest() {
                let parts = text.prefix { $0 != "\r\n" }.split(separator: " ")
                guard parts.count >= 2 else { return connection.close() }
                let request = Request(line: "\(parts[0]) \(parts[1])", text: text)
                log.requests.withLock { $0.append(request) }
                switch answer(request) ?? .whole(404, "{}") {
                case .whole(let status, let body):
                    connection.write(
                        "HTTP/1.1 \(status) Said\r\nContent-Type: application/json\r\n"
                            + "Connection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
                            + body)
                    // A kept connection would outlive this server, and its port find a new one.
                    return connection.close()
                case .events(let events):
                    connection.write(Self.streamHead)
                    for event in events { connection.write("data: \(event)\n\n") }
                    return connection.close()
                case .stream(let write):
                    connection.write(Self.streamHead)
                    write(connection)
                    return connection.close()
                }
            }
        }
    }

    private static let streamHead =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
}
