/// What to ask an HTTP server.
public struct HTTPRequest: Sendable {
    /// `GET`, `POST` or another method of upper-case letters.
    public var method: String
    /// An absolute `http` or `https` address.
    public var url: String
    /// Header fields, in order.
    public var headers: [(name: String, value: String)]
    /// What is sent, if anything.
    public var body: [UInt8]?
    /// How long the whole exchange may take, with `open` up to the last byte; `nil` for no limit.
    public var timeout: Duration?
    /// How long it may take until a connection stands.
    public var connectTimeout: Duration
    /// The most bytes of body that `send` accepts.
    public var maximumResponseBytes: Int
    /// Whether the server may be given the request twice. If not, a method other than `GET` and
    /// `HEAD` always opens a fresh connection, because a kept-alive one may be dead.
    public var mayRepeat: Bool

    /// A request; 30 seconds and 8 MiB unless told otherwise.
    public init(
        method: String = "GET", url: String, headers: [(name: String, value: String)] = [],
        body: [UInt8]? = nil, timeout: Duration? = .seconds(30),
        connectTimeout: Duration = .seconds(10), maximumResponseBytes: Int = 8 << 20,
        mayRepeat: Bool = false
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.connectTimeout = connectTimeout
        self.maximumResponseBytes = maximumResponseBytes
        self.mayRepeat = mayRepeat
    }

    /// A `POST` of JSON text.
    public static func json(
        _ url: String, body: [UInt8], headers: [(name: String, value: String)] = [],
        timeout: Duration? = .seconds(30)
    ) -> HTTPRequest {
        HTTPRequest(
            method: "POST", url: url,
            headers: [("Content-Type", "application/json")] + headers, body: body,
            timeout: timeout)
    }
}

/// The status line and header fields of an answer.
public struct HTTPHead: Sendable {
    /// The status code, 200 to 999.
    public let status: Int
    /// Header fields in order, names as the server spelled them.
    public let headers: [(name: String, value: String)]

    /// A head of these parts.
    public init(status: Int, headers: [(name: String, value: String)]) {
        self.status = status
        self.headers = headers
    }

    /// Whether the status is 200 to 299.
    public var isSuccess: Bool { (200...299).contains(status) }

    /// The first field of this name, in any case.
    public subscript(_ name: String) -> String? {
        let wanted = name.lowercased()
        return headers.first { $0.name.lowercased() == wanted }?.value
    }
}

/// A whole answer. Any status counts as an answer: 404 and 500 are not thrown.
public struct HTTPResponse: Sendable {
    /// Status and header fields.
    public let head: HTTPHead
    /// The body.
    public let body: [UInt8]

    /// The status code.
    public var status: Int { head.status }
    /// The body as text; bytes that are not UTF-8 become replacement characters.
    public var text: String { String(decoding: body, as: UTF8.self) }
}

/// Why there is no answer, or no whole one.
public enum HTTPError: Error, Hashable, Sendable {
    /// The request was never tried: bad method, address, scheme or header; carries which.
    case invalidRequest(String)
    /// No connection came about: nothing reached the server.
    case couldNotConnect(String)
    /// No trusted TLS session came about: nothing reached the server.
    case tls(String)
    /// Time ran out. If `mayHaveArrived`, the server may have acted: the outcome is unknown.
    case timedOut(mayHaveArrived: Bool)
    /// The connection broke or the answer is not HTTP.
    case connectionLost(mayHaveArrived: Bool, String)
    /// The body, or its header, is longer than the limit given; the server has acted.
    case responseTooLarge(limit: Int)
    /// The caller's task was cancelled.
    case cancelled(mayHaveArrived: Bool)

    /// Whether the server may have acted on the request without the caller knowing the result.
    public var isOutcomeUnknown: Bool {
        switch self {
        case .invalidRequest, .couldNotConnect, .tls: false
        case .timedOut(let arrived), .connectionLost(let arrived, _), .cancelled(let arrived):
            arrived
        case .responseTooLarge: true
        }
    }
}
