/// Byte-level byte-pair encoding: words into single bytes, and bytes merged by ranked rules.
struct BytePairEncoder: Sendable {
    let preTokenizer: PreTokenizer
    /// Left token and right token to rank (upper half) and merged token (lower half).
    private let rules: [UInt64: UInt64]
    /// The token of each single byte; -1 if the vocabulary lacks it.
    private let byteTokens: [Int32]
    /// Whole words; empty if the pre-tokenizer does not take them.
    private let words: TokenTable

    /// Reads the merges, each two tokens with a space between, the most important first.
    init(
        _ merges: [String], preTokenizer: PreTokenizer, tokens: TokenTable
    ) throws(ModelError) {
        self.preTokenizer = preTokenizer
        rules = try Self.readMerges(merges, tokens)
        var byteTokens = [Int32](repeating: -1, count: 256)
        for (scalar, byte) in ByteAlphabet.byteOfScalar.enumerated() where byte >= 0 {
            guard let scalar = Unicode.Scalar(UInt16(scalar)) else { continue }
            byteTokens[Int(byte)] = tokens.find(Array(String(scalar).utf8)[...]) ?? -1
        }
        self.byteTokens = byteTokens
        words = preTokenizer.takesWholeWords ? Self.words(tokens) : TokenTable(capacity: 0)
    }

    /// Appends the tokens of `text`, which is valid UTF-8. Bytes that no token stands for are left
    /// out, as the reference tokenizers do. O(n log n).
    func encode(_ text: ArraySlice<UInt8>, into tokens: inout [Int32]) {
        var symbols: [Int32] = []
        preTokenizer.forEachWord(in: text) { range in
            if let word = words.find(text[range]) {
                tokens.append(word)
                return
            }
            symbols.removeAll(keepingCapacity: true)
            for byte in text[range] where byteTokens[Int(byte)] >= 0 {
                symbols.append(byteTokens[Int(byte)])
            }
            PairMerging.merge(&symbols) { left, right in
                guard let rule = rules[Self.key(left, right)] else { return nil }
                return PairMerging.Rule(
                    priority: UInt32(rule >> 32), merged: Int32(truncatingIfNeeded: rule))
            }
            tokens.append(contentsOf: symbols)
        }
    }

    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    private static func readMerges(
        _ texts: [String], _ tokens: TokenTable
    ) throws(ModelError) -> [UInt64: UInt64] {
        var rules: [UInt64: UInt64] = [:]
        rules.reserveCapacity(texts.count)
        for (rank, text) in texts.enumerated() {
            let bytes = Array(text.utf8)
            guard let space = bytes.dropFirst().firstIndex(of: 0x20),
                let left = tokens.find(bytes[..<space]),
                let right = tokens.find(bytes[(space + 1)...]),
                let merged = tokens.find((bytes[..<space] + bytes[(space + 1)...])[...])
            else { throw ModelError(.invalidVocabulary, "merge \(rank) names no tokens") }
            let rule = UInt64(rank) << 32 | UInt64(merged)
            guard rules.updateValue(rule, forKey: key(left, right)) == nil else {
                throw ModelError(.invalidVocabulary, "merge \(rank) stands twice")
            }
        }
        return rules
    }

    /// The tokens by the bytes they stand for; what is no text of the byte alphabet is never found.
    private static func words(_ tokens: TokenTable) -> TokenTable {
        var words = TokenTable(capacity: tokens.count)
        for token in 0..<Int32(tokens.count) {
            _ = words.append(ByteAlphabet.decode(tokens[token]) ?? [])
        }
        return words
    }
}
