import Foundation
import HTTPTypes
import Hummingbird

/// JSON as this API spells it: snake case, sorted keys, numbers exact.
enum JSON {
    /// Encodes an answer.
    static func encode(_ value: some Encodable) -> ByteBuffer {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return ByteBuffer(bytes: try encoder.encode(value))
        } catch {
            preconditionFailure("answers are made of text and numbers: \(error)")
        }
    }

    /// Reads a request's body. Throws `invalid_json`, or names the field that is wrong.
    static func decode<Value: Decodable>(
        _ type: Value.Type = Value.self, from body: ByteBuffer
    ) throws(APIError) -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do {
            return try decoder.decode(type, from: Data(body.readableBytesView))
        } catch let error as DecodingError {
            throw wrongField(error)
        } catch {
            throw APIError(.badRequest, code: "invalid_json", "the body is not JSON")
        }
    }

    private static func wrongField(_ error: DecodingError) -> APIError {
        let (context, key): (DecodingError.Context, (any CodingKey)?) =
            switch error {
            case .keyNotFound(let key, let context): (context, key)
            case .typeMismatch(_, let context), .valueNotFound(_, let context),
                .dataCorrupted(let context):
                (context, nil)
            @unknown default: (.init(codingPath: [], debugDescription: ""), nil)
            }
        let path = (context.codingPath + (key.map { [$0] } ?? [])).map { key in
            key.intValue.map { "\($0)" } ?? snake(key.stringValue)
        }.joined(separator: ".")
        if path.isEmpty {
            return APIError(
                .badRequest, code: "invalid_json", "the body is not a JSON object of this kind")
        }
        let what = key == nil ? "has the wrong type or value" : "is missing"
        return APIError.invalid(path, "'\(path)' \(what)")
    }

    private static func snake(_ name: String) -> String {
        name.reduce(into: "") { text, character in
            text += character.isUppercase ? "_\(character.lowercased())" : "\(character)"
        }
    }

    /// An answer of JSON text.
    static func response(_ status: HTTPResponse.Status, _ body: ByteBuffer) -> Response {
        Response(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: body))
    }

    /// A successful answer.
    static func ok(_ value: some Encodable) -> Response { response(.ok, encode(value)) }
}

/// A page of a list, in ascending order of number.
struct Page<Item: Encodable & Sendable>: Encodable, Sendable {
    let object = "list"
    let data: [Item]
    let hasMore: Bool
    let nextAfter: UInt64?

    init(_ data: [Item], hasMore: Bool = false, nextAfter: UInt64? = nil) {
        self.data = data
        self.hasMore = hasMore
        self.nextAfter = nextAfter
    }
}

/// Nothing to say but that it was done.
struct Done: Encodable, Sendable {
    let ok = true
}
