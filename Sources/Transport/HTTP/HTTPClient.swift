import Foundation

/// The project's one HTTP client: libcurl, one thread, kept-alive connections, any number of
/// exchanges at once. Follows no redirects and speaks only `http` and `https`.
public final class HTTPClient: Sendable {
    /// The client of this process.
    public static let shared = HTTPClient()

    private let loop: CurlLoop

    /// A client with its own thread and connections, which end with it.
    public init() {
        loop = CurlLoop()
    }

    deinit { loop.stop() }

    /// Sends a request and reads the whole answer.
    public func send(_ request: HTTPRequest) async throws(HTTPError) -> HTTPResponse {
        let exchange = try await open(request)
        var body: [UInt8] = []
        while let chunk = try await exchange.next() {
            guard body.count + chunk.count <= request.maximumResponseBytes else {
                exchange.cancel()
                throw .responseTooLarge(limit: request.maximumResponseBytes)
            }
            body += chunk
        }
        if Task.isCancelled, !exchange.isAtEnd { throw .cancelled(mayHaveArrived: true) }
        return HTTPResponse(head: exchange.head, body: body)
    }

    /// Sends a request and returns when the head of the answer is there; the body follows.
    public func open(_ request: HTTPRequest) async throws(HTTPError) -> HTTPExchange {
        let transfer = loop.transfer(try CheckedRequest(request))
        loop.add(transfer)
        guard let head = try await transfer.head.next() else {
            loop.cancel(transfer)
            throw .cancelled(mayHaveArrived: true)
        }
        return HTTPExchange(head: head, transfer: transfer, loop: loop)
    }

    /// Sends a request and reads the answer as server-sent events. A status other than 2xx throws
    /// `HTTPStatusError` with the body's first 64 KiB. Dropping the stream ends the exchange.
    public func events(
        _ request: HTTPRequest, maximumEventBytes: Int = 1 << 20
    ) async throws -> ServerSentEvents {
        var request = request
        request.headers.append(("Accept", "text/event-stream"))
        let exchange = try await open(request)
        guard exchange.head.isSuccess else {
            var body: [UInt8] = []
            while body.count < 64 << 10, let chunk = try await exchange.next() {
                body += chunk
            }
            exchange.cancel()
            throw HTTPStatusError(head: exchange.head, body: Array(body.prefix(64 << 10)))
        }
        return ServerSentEvents(exchange: exchange, maximumEventBytes: maximumEventBytes)
    }
}

/// An answer that was expected to be a success and was not.
public struct HTTPStatusError: Error, Sendable {
    /// Status and header fields.
    public let head: HTTPHead
    /// The start of the body.
    public let body: [UInt8]
}

/// An answer whose head is there and whose body is still coming.
public final class HTTPExchange: Sendable {
    /// Status and header fields.
    public let head: HTTPHead
    private let transfer: CurlTransfer
    private let loop: CurlLoop
    private let ended = AtomicFlag()

    init(head: HTTPHead, transfer: CurlTransfer, loop: CurlLoop) {
        self.head = head
        self.transfer = transfer
        self.loop = loop
    }

    deinit { cancel() }

    /// The body, chunk by chunk, held back while nobody takes it. Meant for one reader.
    public var body: HTTPBody { HTTPBody(exchange: self) }

    /// The next chunk of the body, or `nil` at its end and for a cancelled task.
    public func next() async throws(HTTPError) -> [UInt8]? {
        if let chunk = try await transfer.body.next() { return chunk }
        if !Task.isCancelled { ended.set() }
        return nil
    }

    /// Ends the exchange now. Safe to call at any time, also after its end.
    public func cancel() {
        loop.cancel(transfer)
        transfer.body.drop()
    }

    /// Whether the last byte was handed out.
    var isAtEnd: Bool { ended.isSet }
}

/// The body of an answer as chunks of bytes.
public struct HTTPBody: AsyncSequence, Sendable {
    /// A run of bytes.
    public typealias Element = [UInt8]
    let exchange: HTTPExchange

    /// Hands out the chunks.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let exchange: HTTPExchange

        /// The next chunk, or `nil` at the end.
        public mutating func next() async throws(HTTPError) -> [UInt8]? {
            try await exchange.next()
        }
    }

    /// Starts reading where the last reader stopped.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(exchange: exchange) }
}

/// A request that was looked at: libcurl is only handed these.
struct CheckedRequest: Sendable {
    let request: HTTPRequest
    let isLoopback: Bool

    init(_ request: HTTPRequest) throws(HTTPError) {
        guard !request.method.isEmpty, request.method.utf8.count <= 16,
            request.method.utf8.allSatisfy({ (0x41...0x5a).contains($0) })
        else { throw .invalidRequest("method") }
        guard request.url.utf8.count <= 8_192,
            request.url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }),
            let parts = URLComponents(string: request.url), let host = parts.host, !host.isEmpty
        else { throw .invalidRequest("address") }
        guard parts.scheme == "http" || parts.scheme == "https" else {
            throw .invalidRequest("scheme")
        }
        for (name, value) in request.headers {
            let name = Array(name.utf8)
            guard !name.isEmpty, name.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != 0x3a }),
                value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 })
            else { throw .invalidRequest("header") }
        }
        self.request = request
        isLoopback =
            host == "localhost" || host == "[::1]" || host == "::1"
            || host.hasPrefix("127.")
    }
}
