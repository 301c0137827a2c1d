import Foundation
import Transport

/// HTTP to one upstream: its address, its key, and what can go wrong on the way.
struct UpstreamLink: Sendable {
    private let base: String
    private let key: String?
    private let http = HTTPClient.shared
    /// The most bytes of an answer that is not streamed, and of one event of one that is.
    static let maximumBytes = 1 << 20
    private static let connectTimeout = Duration.seconds(5)
    private static let timeout = Duration.seconds(10)

    /// A link to `http(s)://host:port`; `key` goes into the `Authorization` field.
    init(base: String, key: String?) {
        var base = base
        while base.hasSuffix("/") { base.removeLast() }
        self.base = base
        self.key = key
    }

    /// Reads the key in a file: one line, without the blanks around it.
    static func key(inFile path: String) throws(NodeError) -> String {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw NodeError(.badKeyFile, "\(path) cannot be read")
        }
        let key = String(decoding: data.prefix(4_096), as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        guard !key.isEmpty, key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw NodeError(.badKeyFile, "\(path) does not hold a key of one line")
        }
        return key
    }

    /// The status of a `GET`.
    func status(of path: String) async throws(UpstreamError) -> Int {
        try await send(request("GET", path, body: nil)).status
    }

    /// The JSON a `GET` brings.
    func get<Value: Decodable>(_ path: String) async throws(UpstreamError) -> Value {
        try await answer(request("GET", path, body: nil), path)
    }

    /// The JSON a `POST` of JSON brings.
    func post<Value: Decodable>(
        _ path: String, _ body: some Encodable
    ) async throws(UpstreamError) -> Value {
        try await answer(request("POST", path, body: SnakeCaseJSON.encode(body)), path)
    }

    /// Begins a completion; its answer follows in the exchange.
    func open(_ call: UpstreamCall) async throws(UpstreamError) -> HTTPExchange {
        var request = request("POST", call.path, body: call.body)
        request.timeout = nil
        let exchange: HTTPExchange
        do throws(HTTPError) {
            exchange = try await http.open(request)
        } catch {
            throw Self.error(error)
        }
        guard exchange.head.isSuccess else {
            exchange.cancel()
            throw .refused(status: exchange.head.status)
        }
        return exchange
    }

    /// What an error on the way means.
    static func error(_ error: HTTPError) -> UpstreamError {
        switch error {
        case .cancelled: .cancelled
        case .timedOut: .unreachable("no answer in time")
        case .responseTooLarge(let limit): .badAnswer("it is longer than \(limit) bytes")
        case .couldNotConnect(let why), .tls(let why), .connectionLost(_, let why):
            .unreachable(why)
        case .invalidRequest(let what): .unreachable("no such \(what) can be asked for")
        }
    }

    private func answer<Value: Decodable>(
        _ request: HTTPRequest, _ path: String
    ) async throws(UpstreamError) -> Value {
        let response = try await send(request)
        guard response.head.isSuccess else { throw .refused(status: response.status) }
        guard let value: Value = SnakeCaseJSON.decode(response.body) else {
            throw .badAnswer("the answer of \(path) is not the JSON such a server sends")
        }
        return value
    }

    private func send(_ request: HTTPRequest) async throws(UpstreamError) -> HTTPResponse {
        do throws(HTTPError) {
            return try await http.send(request)
        } catch {
            throw Self.error(error)
        }
    }

    private func request(_ method: String, _ path: String, body: [UInt8]?) -> HTTPRequest {
        var headers: [(name: String, value: String)] = []
        if body != nil { headers.append(("Content-Type", "application/json")) }
        if let key { headers.append(("Authorization", "Bearer \(key)")) }
        return HTTPRequest(
            method: method, url: base + path, headers: headers, body: body,
            timeout: Self.timeout, connectTimeout: Self.connectTimeout,
            maximumResponseBytes: Self.maximumBytes)
    }
}
