import Foundation
import Primitives
import Synchronization
public import Transport

/// A JSON-RPC 2.0 client over HTTP.
///
/// Trusts nothing the server says: the id must be the one asked with, the version 2.0, and the
/// result of the type expected.
public struct JSONRPC: Sendable {
    /// Where the node listens.
    public let url: String
    /// How long one call may take.
    public let timeout: Duration
    private let headers: [(name: String, value: String)]
    private let client: HTTPClient
    private let ids = Counter()
    private static let maximumResponseBytes = 32 << 20

    /// A client of the node at `url`. `headers` may hold an access token.
    public init(
        url: String, timeout: Duration = .seconds(20),
        headers: [(name: String, value: String)] = [], client: HTTPClient = .shared
    ) {
        self.url = url
        self.timeout = timeout
        self.headers = headers
        self.client = client
    }

    /// Calls a method whose result may not be null.
    public func call<Result: Decodable & Sendable>(
        _ method: String, _ parameters: [JSONValue] = [], as type: Result.Type = Result.self
    ) async throws(RPCError) -> Result {
        guard let result: Result = try await callOptional(method, parameters) else {
            throw .malformed("\(method): no result")
        }
        return result
    }

    /// Calls a method whose result may be null.
    public func callOptional<Result: Decodable & Sendable>(
        _ method: String, _ parameters: [JSONValue] = [], as type: Result.Type = Result.self
    ) async throws(RPCError) -> Result? {
        let id = ids.next()
        let response = try await exchange(
            Call(id: id, method: method, params: parameters), method: method)
        let reply: Reply<Result>
        do {
            reply = try JSONDecoder().decode(Reply<Result>.self, from: Data(response.body))
        } catch {
            guard response.head.isSuccess else { throw .status(response.status) }
            throw .malformed("\(method): \(Self.describe(error))")
        }
        guard reply.jsonrpc == "2.0" else { throw .malformed("\(method): version") }
        if let error = reply.error {
            guard reply.id == id || reply.id == nil else { throw .malformed("\(method): id") }
            throw .server(code: error.code, message: error.message, data: error.data?.bytes)
        }
        guard response.head.isSuccess else { throw .status(response.status) }
        guard reply.id == id else { throw .malformed("\(method): id") }
        guard reply.hasResult else { throw .malformed("\(method): no result") }
        return reply.result
    }

    private func exchange(_ call: Call, method: String) async throws(RPCError) -> HTTPResponse {
        let body: Data
        do {
            body = try JSONEncoder().encode(call)
        } catch {
            throw .malformed("\(method): parameters")
        }
        var request = HTTPRequest.json(
            url, body: Array(body), headers: headers, timeout: timeout)
        // Every call we make can be carried out twice: reads, and a signed transaction whose
        // nonce counts once.
        request.mayRepeat = true
        request.maximumResponseBytes = Self.maximumResponseBytes
        do {
            return try await client.send(request)
        } catch {
            throw .transport(error)
        }
    }

    private static func describe(_ error: any Error) -> String {
        guard let error = error as? DecodingError else { return "not JSON" }
        switch error {
        case .keyNotFound(let key, _): return "no \(key.stringValue)"
        case .typeMismatch(_, let context), .valueNotFound(_, let context),
            .dataCorrupted(let context):
            return context.codingPath.last.map { "bad \($0.stringValue)" } ?? "not JSON"
        @unknown default: return "not JSON"
        }
    }
}

private struct Call: Encodable {
    let jsonrpc = "2.0"
    let id: UInt64
    let method: String
    let params: [JSONValue]
}

private struct Reply<Result: Decodable>: Decodable {
    let jsonrpc: String
    let id: UInt64?
    let result: Result?
    let hasResult: Bool
    let error: Refusal?

    enum CodingKeys: CodingKey {
        case jsonrpc, id, result, error
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        jsonrpc = try fields.decode(String.self, forKey: .jsonrpc)
        id = try fields.decodeIfPresent(UInt64.self, forKey: .id)
        error = try fields.decodeIfPresent(Refusal.self, forKey: .error)
        hasResult = fields.contains(.result)
        result = error == nil ? try fields.decodeIfPresent(Result.self, forKey: .result) : nil
    }
}

private struct Refusal: Decodable {
    let code: Int
    let message: String
    let data: HexData?

    enum CodingKeys: CodingKey {
        case code, message, data
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        code = try fields.decode(Int.self, forKey: .code)
        message = try fields.decode(String.self, forKey: .message).cut(toBytes: 1_000)
        data = try? fields.decode(HexData.self, forKey: .data)
    }
}

/// Gives out call ids.
private final class Counter: Sendable {
    private let value = Atomic<UInt64>(0)

    func next() -> UInt64 { value.add(1, ordering: .relaxed).newValue }
}
