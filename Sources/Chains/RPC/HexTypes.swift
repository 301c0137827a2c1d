import Primitives

/// Bytes that travel as `0x` and two digits each.
struct HexData: Decodable, Sendable {
    let bytes: [UInt8]

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard text.hasPrefix("0x"), let bytes = Hex.decode(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not hex")
        }
        self.bytes = bytes
    }
}

/// A number that travels as `0x` and hexadecimal digits.
struct Quantity<Number: FixedWidthInteger & UnsignedInteger & Sendable>: Decodable, Sendable {
    let value: Number

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        let digits = text.dropFirst(2)
        guard text.hasPrefix("0x"), digits.first?.isHexDigit == true,
            let value = Number(digits, radix: 16)
        else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "no quantity")
        }
        self.value = value
    }
}

/// A hash that travels as 32 bytes of hex data.
struct HexDigest: Decodable, Sendable {
    let value: Digest

    init(from decoder: any Decoder) throws {
        guard let value = Digest(try HexData(from: decoder).bytes) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "not 32 bytes"))
        }
        self.value = value
    }
}

/// An address that travels as 20 bytes of hex data.
struct HexAddress: Decodable, Sendable {
    let value: EVMAddress

    init(from decoder: any Decoder) throws {
        guard let value = EVMAddress(try HexData(from: decoder).bytes) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "not 20 bytes"))
        }
        self.value = value
    }
}
