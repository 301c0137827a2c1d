import Inference

/// Finds tokens from their bytes and their number: what a server withheld inside a character.
struct TokenSplitter: Sendable {
    private let tokenizer: Tokenizer
    private let tokens: [[UInt8]: Int32]
    private let longest: Int
    /// Bytes that may be withheld: a few characters.
    private static let maximumBytes = 64

    /// Reads the whole vocabulary once.
    init(_ tokenizer: Tokenizer) {
        self.tokenizer = tokenizer
        var tokens: [[UInt8]: Int32] = [:]
        var longest = 1
        for token in 0..<Int32(tokenizer.count) where tokenizer.kind(token) != .control {
            let bytes = tokenizer.bytes(of: token)
            if bytes.isEmpty || tokens[bytes] != nil { continue }
            tokens[bytes] = token
            longest = max(longest, bytes.count)
        }
        self.tokens = tokens
        self.longest = longest
    }

    /// The `missing` tokens that stand before `known` in `text`: those the tokenizer itself would
    /// take if they fit, else the first split that has as many; `nil` if there is none.
    func split(_ text: [UInt8], before known: [Int32], missing: Int) -> [Int32]? {
        let tail = known.flatMap { tokenizer.bytes(of: $0) }
        guard text.count <= Self.maximumBytes, missing <= text.count,
            text.suffix(tail.count) == tail[...]
        else { return nil }
        let usual = try? tokenizer.encode(String(decoding: text, as: UTF8.self))
        if let usual, usual.count == missing + known.count,
            usual.suffix(known.count) == known[...]
        {
            return Array(usual.prefix(missing))
        }
        var dead: Set<[Int]> = []
        return walk(text.dropLast(tail.count), missing, &dead)
    }

    /// `dead` holds the places (bytes left, tokens left) from which there is no way.
    private func walk(
        _ rest: ArraySlice<UInt8>, _ count: Int, _ dead: inout Set<[Int]>
    ) -> [Int32]? {
        if count == 0 { return rest.isEmpty ? [] : nil }
        if rest.count < count || dead.contains([rest.count, count]) { return nil }
        for length in (1...min(longest, rest.count)).reversed() {
            guard let token = tokens[Array(rest.prefix(length))],
                let others = walk(rest.dropFirst(length), count - 1, &dead)
            else { continue }
            return [token] + others
        }
        dead.insert([rest.count, count])
        return nil
    }
}
