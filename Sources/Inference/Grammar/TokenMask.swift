/// Which tokens may come next: one bit for each token of a vocabulary.
public struct TokenMask: Hashable, Sendable {
    private var words: [UInt64]

    init(count: Int) {
        words = Array(repeating: 0, count: (count + 63) / 64)
    }

    /// Whether a token may come.
    public func contains(_ token: Int32) -> Bool {
        token >= 0 && Int(token) >> 6 < words.count
            && words[Int(token) >> 6] >> UInt64(token & 63) & 1 == 1
    }

    /// Whether no token may come.
    public var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

    mutating func insert(_ token: Int32) { words[Int(token) >> 6] |= 1 << UInt64(token & 63) }

    mutating func formUnion(_ other: TokenMask) {
        for place in words.indices { words[place] |= other.words[place] }
    }

    /// Makes the logits of all other tokens minus infinity.
    func apply(to logits: inout [Float]) {
        for (place, word) in words.enumerated() where word != .max {
            let start = place << 6
            for bit in 0..<min(64, logits.count - start) where word >> UInt64(bit) & 1 == 0 {
                logits[start + bit] = -.infinity
            }
        }
        // A model may have more logits than its tokenizer has tokens.
        for token in min(words.count << 6, logits.count)..<logits.count {
            logits[token] = -.infinity
        }
    }
}
