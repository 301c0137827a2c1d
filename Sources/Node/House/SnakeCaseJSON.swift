import Foundation

/// JSON whose keys are the snake-case spelling of Swift's names, both ways.
enum SnakeCaseJSON {
    static func encode(_ body: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return Array(try encoder.encode(body))
        } catch {
            preconditionFailure("text and finite numbers always encode: \(error)")
        }
    }

    /// The value these bytes spell; `nil` if they spell none of its kind.
    static func decode<Value: Decodable>(_ bytes: some Sequence<UInt8>) -> Value? {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try? decoder.decode(Value.self, from: Data(bytes))
    }
}
