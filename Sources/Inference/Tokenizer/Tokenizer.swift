public import Primitives

/// Text to tokens and back: byte-level byte-pair encoding with the `smollm` pre-tokenizer.
///
/// A token is a number from 0; special tokens such as `<|im_end|>` steer the model and must only
/// come from text that is trusted (`parseSpecial`).
public final class Tokenizer: Sendable {
    /// What a token is for; the raw values are those of the GGUF format.
    public enum Kind: UInt8, Sendable {
        /// Ordinary text.
        case normal = 1
        /// Stands for what the vocabulary lacks.
        case unknown = 2
        /// Steers the model; not text.
        case control = 3
        /// Text that is always one token.
        case userDefined = 4
        /// Reserved.
        case unused = 5
        /// One raw byte.
        case byte = 6
    }

    /// How many tokens there are.
    public let count: Int
    /// The token put before a text if the model wants one.
    public let beginToken: Int32?
    /// The token that ends an answer.
    public let endToken: Int32?
    /// Whether `encode` puts `beginToken` first when asked to add special tokens.
    public let addsBegin: Bool
    /// SHA-256 over all tables: two tokenizers with the same digest give the same tokens.
    public let digest: Digest
    private let kinds: [Kind]
    private let pieces: [[UInt8]]
    private let merges: BytePairMerges
    /// Tokens found in text before anything else, the longest first.
    private let specials: [(bytes: [UInt8], token: Int32)]
    private let endTokens: [Int32]

    /// Builds the tables from a file's metadata.
    init(_ file: GGUFFile) throws(ModelError) {
        let tables = try TokenizerTables(file)
        count = tables.pieces.count
        beginToken = tables.beginToken
        endToken = tables.endToken
        addsBegin = tables.addsBegin
        digest = tables.digest
        kinds = tables.kinds
        pieces = tables.pieces
        merges = tables.merges
        specials = tables.specials
        endTokens = tables.endTokens
    }

    /// What a token is for; `nil` if there is no such token.
    public func kind(_ token: Int32) -> Kind? {
        token >= 0 && Int(token) < count ? kinds[Int(token)] : nil
    }

    /// The bytes of a token, which need not be whole characters; a control token's are its name.
    /// Empty if there is no such token.
    public func bytes(of token: Int32) -> [UInt8] {
        token >= 0 && Int(token) < count ? pieces[Int(token)] : []
    }

    /// Whether a model that produces this token has finished its answer.
    public func isEnd(_ token: Int32) -> Bool { endTokens.contains(token) }

    /// The special token with this exact name.
    public func special(_ name: String) -> Int32? {
        let bytes = Array(name.utf8)
        return specials.first { $0.bytes == bytes }?.token
    }

    /// The tokens of `text`.
    ///
    /// - Parameters:
    ///   - parseSpecial: whether names of control tokens in the text become those tokens. Leave
    ///     off for text from strangers: with it a user could end the system message.
    ///   - addSpecial: whether to put the begin token first if the model asks for one.
    public func encode(
        _ text: String, parseSpecial: Bool = false, addSpecial: Bool = false
    ) -> [Int32] {
        var tokens: [Int32] = []
        if addSpecial, addsBegin, let beginToken { tokens.append(beginToken) }
        for fragment in fragments(of: text, parseSpecial: parseSpecial) {
            switch fragment {
            case .special(let token): tokens.append(token)
            case .text(let part): encodeWords(part, into: &tokens)
            }
        }
        return tokens
    }

    /// The text of `tokens`; bytes that are no UTF-8 become U+FFFD.
    ///
    /// - Parameter showSpecial: whether control tokens appear by name or not at all.
    public func decode(_ tokens: [Int32], showSpecial: Bool = true) -> String {
        var bytes: [UInt8] = []
        for token in tokens where showSpecial || kind(token) != .control {
            bytes.append(contentsOf: self.bytes(of: token))
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func encodeWords(_ text: Substring, into tokens: inout [Int32]) {
        let bytes = Array(text.utf8)
        PreTokenizer(text).forEachWord { range in
            merges.encode(bytes[range], into: &tokens)
        }
    }

    private enum Fragment {
        case text(Substring)
        case special(Int32)
    }

    /// Cuts out special tokens: all places of the longest name first, then of the next.
    private func fragments(of text: String, parseSpecial: Bool) -> [Fragment] {
        var fragments: [Fragment] = text.isEmpty ? [] : [.text(text[...])]
        for (name, token) in specials
        where parseSpecial || kinds[Int(token)] == .userDefined {
            var result: [Fragment] = []
            for fragment in fragments {
                guard case .text(let part) = fragment else {
                    result.append(fragment)
                    continue
                }
                split(part, at: name, token, into: &result)
            }
            fragments = result
        }
        return fragments
    }

    private func split(
        _ text: Substring, at name: [UInt8], _ token: Int32, into result: inout [Fragment]
    ) {
        let bytes = text.utf8
        var start = bytes.startIndex
        var place = start
        while place < bytes.endIndex {
            if bytes[place] == name[0], bytes[place...].starts(with: name) {
                if start < place { result.append(.text(text[start..<place])) }
                result.append(.special(token))
                place = bytes.index(place, offsetBy: name.count)
                start = place
            } else {
                place = bytes.index(after: place)
            }
        }
        if start < bytes.endIndex { result.append(.text(text[start...])) }
    }
}
