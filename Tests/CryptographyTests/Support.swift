import Cryptography
import Primitives
import Testing

/// The bytes of hexadecimal text, or a failed test.
func hex(_ text: String) throws -> [UInt8] {
    try #require(Hex.decode(text))
}

func digest(_ text: String) throws -> Digest {
    try #require(Digest(hex: text))
}

/// The bytes 0, step, 2 step ... modulo 256.
func pattern(_ count: Int, step: Int = 1) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 * step) }
}

func ed25519(_ fill: UInt8) throws -> Ed25519.PrivateKey {
    try #require(Ed25519.PrivateKey(seed: [UInt8](repeating: fill, count: 32)))
}
