/// The one-to-one map between bytes and printable characters of the GPT-2 tokenizer: printable
/// Latin-1 bytes stand for themselves, the other 68 are U+0100 and up in order.
enum ByteAlphabet {
    /// The byte each character up to U+0143 stands for; -1 for none.
    static let byteOfScalar: [Int16] = {
        var table = [Int16](repeating: -1, count: 0x144)
        var next = 0x100
        for byte in 0..<256 {
            if isPrintable(byte) {
                table[byte] = Int16(byte)
            } else {
                table[next] = Int16(byte)
                next += 1
            }
        }
        return table
    }()

    private static func isPrintable(_ byte: Int) -> Bool {
        (0x21...0x7e).contains(byte) || (0xa1...0xac).contains(byte) || (0xae...0xff).contains(byte)
    }

    /// The bytes that `text` stands for; `nil` if it has a character outside the alphabet.
    static func decode(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        for scalar in text.unicodeScalars {
            guard scalar.value < 0x144 else { return nil }
            let byte = byteOfScalar[Int(scalar.value)]
            guard byte >= 0 else { return nil }
            bytes.append(UInt8(byte))
        }
        return bytes
    }
}
