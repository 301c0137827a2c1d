/// SentencePiece's byte-pair model: characters merged into the token with the best score, and
/// single bytes for what the vocabulary lacks.
///
/// The order of merges is that of llama.cpp (`llm_tokenizer_spm` in `src/llama-vocab.cpp`).
struct SentencePieceEncoder: Sendable {
    private let tokens: TokenTable
    /// How early a token is made: the highest score has the lowest number.
    private let priorities: [UInt32]
    /// The token of each single byte; -1 if the vocabulary lacks it.
    private let byteTokens: [Int32]
    private let unknownToken: Int32?

    /// What stands for a space in tokens: U+2581.
    static let space: [UInt8] = [0xe2, 0x96, 0x81]

    init(
        _ tokens: TokenTable, scores: [Float], unknownToken: Int32?
    ) {
        self.tokens = tokens
        self.unknownToken = unknownToken
        priorities = scores.map { score in
            let bits = (score + 0).bitPattern
            return bits >> 31 == 0 ? ~(bits | 0x8000_0000) : bits
        }
        byteTokens = (0..<256).map { byte in
            let digits = String(byte, radix: 16, uppercase: true)
            let name = "<0x\(byte < 16 ? "0" : "")\(digits)>"
            return tokens.find(Array(name.utf8)[...]) ?? tokens.find([UInt8(byte)]) ?? -1
        }
    }

    private struct Symbol {
        var start: Int32
        var count: Int32
    }

    /// Appends the tokens of `text`, which is valid UTF-8, with a space before it if `prefixed`.
    /// O(n log n).
    func encode(_ text: ArraySlice<UInt8>, prefixed: Bool, into result: inout [Int32]) {
        let bytes = Self.escape(text, prefixed: prefixed)
        var symbols: [Symbol] = []
        symbols.reserveCapacity(bytes.count)
        var place = 0
        while place < bytes.count {
            let lead = bytes[place]
            let width = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
            symbols.append(Symbol(start: Int32(place), count: Int32(width)))
            place += width
        }
        PairMerging.merge(&symbols) { left, right in
            let merged = Symbol(start: left.start, count: left.count + right.count)
            guard let token = tokens.find(Self.slice(bytes, merged)) else { return nil }
            return PairMerging.Rule(priority: priorities[Int(token)], merged: merged)
        }
        for symbol in symbols { append(Self.slice(bytes, symbol), to: &result) }
    }

    private func append(_ text: ArraySlice<UInt8>, to result: inout [Int32]) {
        if let token = tokens.find(text) {
            result.append(token)
            return
        }
        for byte in text {
            let token = byteTokens[Int(byte)]
            if token >= 0 {
                result.append(token)
            } else if let unknownToken {
                result.append(unknownToken)
            }
        }
    }

    private static func slice(_ bytes: [UInt8], _ symbol: Symbol) -> ArraySlice<UInt8> {
        bytes[Int(symbol.start)..<Int(symbol.start + symbol.count)]
    }

    private static func escape(_ text: ArraySlice<UInt8>, prefixed: Bool) -> [UInt8] {
        var bytes: [UInt8] = prefixed ? space : []
        bytes.reserveCapacity(text.count + text.count / 4)
        for byte in text {
            if byte == 0x20 { bytes += space } else { bytes.append(byte) }
        }
        return bytes
    }

    /// The bytes a token's text stands for.
    static func unescape(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = text
        while let first = rest.first {
            if rest.starts(with: space) {
                bytes.append(0x20)
                rest = rest.dropFirst(space.count)
            } else {
                bytes.append(first)
                rest = rest.dropFirst()
            }
        }
        return bytes
    }
}
