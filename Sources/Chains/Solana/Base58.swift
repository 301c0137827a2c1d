/// Base58 with Bitcoin's alphabet: how Solana writes addresses, hashes and signatures. Leading zero
/// bytes are leading `1`s, so that every byte string has exactly one text.
public enum Base58 {
    private static let alphabet = Array(
        "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".utf8)
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, letter) in alphabet.enumerated() { values[Int(letter)] = UInt8(value) }
        return values
    }()

    /// The text of some bytes. The time grows with the square of their count.
    public static func encode(_ bytes: [UInt8]) -> String {
        let zeros = bytes.prefix { $0 == 0 }.count
        var digits: [UInt8] = []
        for byte in bytes.dropFirst(zeros) {
            var carry = Int(byte)
            for place in digits.indices {
                carry += Int(digits[place]) << 8
                digits[place] = UInt8(carry % 58)
                carry /= 58
            }
            while carry > 0 {
                digits.append(UInt8(carry % 58))
                carry /= 58
            }
        }
        let letters =
            [UInt8](repeating: alphabet[0], count: zeros)
            + digits.reversed().map { alphabet[Int($0)] }
        return String(decoding: letters, as: UTF8.self)
    }

    /// The bytes of a text that is for at most `limit` bytes; `nil` if it is not base58 or longer.
    public static func decode(_ text: some StringProtocol, limit: Int = 128) -> [UInt8]? {
        // A byte takes log(256) / log(58) letters, 1.366.
        guard text.utf8.count <= limit * 7 / 5 + 1 else { return nil }
        let zeros = text.utf8.prefix { $0 == alphabet[0] }.count
        var bytes: [UInt8] = []
        for letter in text.utf8.dropFirst(zeros) {
            guard values[Int(letter)] < 58 else { return nil }
            var carry = Int(values[Int(letter)])
            for place in bytes.indices {
                carry += Int(bytes[place]) * 58
                bytes[place] = UInt8(carry & 255)
                carry >>= 8
            }
            if carry > 0 { bytes.append(UInt8(carry)) }
        }
        guard zeros + bytes.count <= limit else { return nil }
        return [UInt8](repeating: 0, count: zeros) + bytes.reversed()
    }
}
