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

    /// No text of so many bytes has more letters: a byte takes log(256) / log(58) of them, 1.366.
    static func mostLetters(for bytes: Int) -> Int { bytes * 7 / 5 + 1 }

    /// The bytes of a text that is for at most `limit` bytes; `nil` if it is not base58 or longer.
    /// The time grows with the square of the limit: 10,240 bytes take four million steps.
    public static func decode(_ text: some StringProtocol, limit: Int = 128) -> [UInt8]? {
        guard text.utf8.count <= mostLetters(for: limit) else { return nil }
        let zeros = text.utf8.prefix { $0 == alphabet[0] }.count
        // The number in words of 32 bits, the lowest first. Some letters at once are less than
        // 2^30, so that no product is too great for 64 bits.
        var words: [UInt32] = []
        var (sum, factor, count): (UInt64, UInt64, Int) = (0, 1, 0)
        for letter in text.utf8.dropFirst(zeros) {
            let value = values[Int(letter)]
            guard value < 58 else { return nil }
            (sum, factor, count) = (sum * 58 + UInt64(value), factor * 58, count + 1)
            if count == lettersAtOnce {
                multiply(&words, by: factor, plus: sum)
                (sum, factor, count) = (0, 1, 0)
            }
        }
        if count > 0 { multiply(&words, by: factor, plus: sum) }
        var bytes = [UInt8](repeating: 0, count: zeros)
        for word in words.reversed() {
            for shift: UInt32 in [24, 16, 8, 0] {
                let byte = UInt8(truncatingIfNeeded: word >> shift)
                // The highest word has zeros before the number's first byte.
                if byte > 0 || bytes.count > zeros { bytes.append(byte) }
            }
        }
        return bytes.count <= limit ? bytes : nil
    }

    /// 58^5 is the last power below 2^30.
    private static let lettersAtOnce = 5

    private static func multiply(_ words: inout [UInt32], by factor: UInt64, plus sum: UInt64) {
        var carry = sum
        for place in words.indices {
            carry += UInt64(words[place]) * factor
            words[place] = UInt32(truncatingIfNeeded: carry)
            carry >>= 32
        }
        if carry > 0 { words.append(UInt32(carry)) }
    }
}
