import Chains
import Foundation
import Primitives
import Testing

/// The bytes of hexadecimal text, or a failed test. Spaces and line ends do not count.
func hex(_ text: String) throws -> [UInt8] {
    try #require(Hex.decode(text.filter { !$0.isWhitespace }))
}

func digest(_ text: String) throws -> Digest {
    try #require(Digest(hex: text))
}

/// The digest of 32 equal bytes.
func digest(_ fill: UInt8) throws -> Digest {
    try #require(Digest([UInt8](repeating: fill, count: 32)))
}

func address(_ text: String) throws -> EVMAddress {
    try #require(EVMAddress(hex: text))
}

/// The address of 20 equal bytes.
func address(_ fill: UInt8) throws -> EVMAddress {
    try #require(EVMAddress([UInt8](repeating: fill, count: 20)))
}

/// A 32-byte word that holds a small number.
func word(_ number: UInt64) -> [UInt8] {
    UInt256(low: UInt128(number)).word.bytes
}

/// Reads a value from JSON text.
func decode<Value: Decodable>(_ type: Value.Type, _ json: String) throws -> Value {
    try JSONDecoder().decode(type, from: Data(json.utf8))
}

/// Files of the project, found from this one.
enum Project {
    static let root: URL = {
        var folder = URL(fileURLWithPath: #filePath)
        while folder.path != "/" {
            folder.deleteLastPathComponent()
            let manifest = folder.appendingPathComponent("Package.swift").path
            if FileManager.default.fileExists(atPath: manifest) { return folder }
        }
        return folder
    }()

    static func artifactFile(_ name: String) -> URL {
        root.appendingPathComponent("contracts-abi/evm/\(name).json")
    }

    static func artifact(_ name: String) throws -> ContractArtifact {
        try ContractArtifact(contentsOf: artifactFile(name))
    }
}

/// Any JSON, for changing what a node said before it is said again.
struct AnyJSON: Decodable, Sendable {
    let value: JSONValue

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            value = .null
        } else if let flag = try? container.decode(Bool.self) {
            value = .bool(flag)
        } else if let number = try? container.decode(Int64.self) {
            value = .integer(number)
        } else if let text = try? container.decode(String.self) {
            value = .string(text)
        } else if let list = try? container.decode([AnyJSON].self) {
            value = .array(list.map(\.value))
        } else {
            value = .object(try container.decode([String: AnyJSON].self).mapValues(\.value))
        }
    }
}

extension JSONValue {
    /// This object with one field set.
    func with(_ name: String, _ value: JSONValue) -> JSONValue {
        guard case .object(var fields) = self else { return self }
        fields[name] = value
        return .object(fields)
    }

    /// The value of a field, or null.
    subscript(_ name: String) -> JSONValue {
        guard case .object(let fields) = self else { return .null }
        return fields[name] ?? .null
    }
}
