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

    /// The bytes that `text` stands for, given as UTF-8; `nil` if it has a character outside the
    /// alphabet.
    static func decode(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var place = text.startIndex
        while place < text.endIndex {
            var point = Int(text[place])
            if point >= 0x80 {
                guard point < 0xe0, place + 1 < text.endIndex else { return nil }
                place += 1
                point = (point & 0x1f) << 6 | Int(text[place] & 0x3f)
            }
            guard point < byteOfScalar.count, byteOfScalar[point] >= 0 else { return nil }
            bytes.append(UInt8(byteOfScalar[point]))
            place += 1
        }
        return bytes
    }
}
