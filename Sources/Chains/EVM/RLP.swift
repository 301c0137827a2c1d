/// Recursive-length prefix encoding (Ethereum yellow paper, appendix B): the form of transactions.
public indirect enum RLP: Hashable, Sendable {
    /// A byte string.
    case bytes([UInt8])
    /// A list of items.
    case list([RLP])

    /// A number: big endian without leading zeros, nothing for zero.
    public static func number(_ value: UInt128) -> RLP {
        var bytes: [UInt8] = []
        var rest = value
        while rest != 0 {
            bytes.append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
        return .bytes(bytes.reversed())
    }

    /// The encoded item.
    public var encoded: [UInt8] {
        switch self {
        case .bytes(let bytes):
            if bytes.count == 1, bytes[0] < 0x80 { return bytes }
            return Self.prefix(bytes.count, short: 0x80) + bytes
        case .list(let items):
            let body = items.flatMap(\.encoded)
            return Self.prefix(body.count, short: 0xc0) + body
        }
    }

    private static func prefix(_ count: Int, short: UInt8) -> [UInt8] {
        if count <= 55 { return [short + UInt8(count)] }
        guard case .bytes(let length) = number(UInt128(count)) else { return [] }
        return [short + 55 + UInt8(length.count)] + length
    }
}
