public import Primitives

/// Text to tokens and back, with the ids llama.cpp gives: byte-level byte-pair encoding with the
/// pre-tokenizers of the common families, and SentencePiece.
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

    /// The most bytes one text may have.
    public static let maximumTextBytes = 16 << 20

    /// How many tokens there are.
    public let count: Int
    /// The token put before a text if the model wants one.
    public let beginToken: Int32?
    /// The token that ends an answer.
    public let endToken: Int32?
    /// Whether `encode` puts `beginToken` first when asked to add special tokens.
    public let addsBegin: Bool
    /// Whether `encode` puts `endToken` last when asked to add special tokens.
    public let addsEnd: Bool
    /// SHA-256 over all tables: two tokenizers with the same digest give the same tokens.
    public let digest: Digest
    private let kinds: [Kind]
    private let pieces: TextList
    private let specials: SpecialTokens
    private let endTokens: [Int32]
    private let encoder: Encoder
    private let addsSpace: Bool

    private enum Encoder: Sendable {
        case bytePair(BytePairEncoder)
        case sentencePiece(SentencePieceEncoder)
    }

    /// Reads the tables of a file's metadata and checks that they fit together.
    public init(_ file: GGUFFile) throws(ModelError) {
        let tables = try TokenizerTables(file)
        switch tables.model {
        case .bytePair:
            guard let preTokenizer = PreTokenizer(named: tables.pre) else {
                throw ModelError(
                    .unsupportedTokenizer,
                    "pre-tokenizer \(tables.pre); this engine knows \(PreTokenizer.examples)")
            }
            encoder = .bytePair(
                try BytePairEncoder(
                    tables.merges, preTokenizer: preTokenizer, tokens: tables.tokens))
        case .sentencePiece:
            encoder = .sentencePiece(
                SentencePieceEncoder(
                    tables.tokens, scores: tables.scores, unknownToken: tables.unknownToken))
        }
        count = tables.tokens.count
        beginToken = tables.beginToken
        endToken = tables.endToken
        addsBegin = tables.addsBegin
        addsEnd = tables.addsEnd
        addsSpace = tables.addsSpace
        digest = tables.digest()
        kinds = tables.kinds
        pieces = try Self.pieces(tables)
        specials = Self.specials(tables)
        endTokens = tables.endTokens
    }

    /// The name of the begin token; empty if there is none.
    public var beginName: String { name(of: beginToken) }

    /// The name of the end token; empty if there is none.
    public var endName: String { name(of: endToken) }

    private func name(of token: Int32?) -> String {
        token.map { String(decoding: bytes(of: $0), as: UTF8.self) } ?? ""
    }

    /// What a token is for; `nil` if there is no such token.
    public func kind(_ token: Int32) -> Kind? {
        token >= 0 && Int(token) < count ? kinds[Int(token)] : nil
    }

    /// The bytes of a token, which need not be whole characters; a control token's are its name.
    /// Empty if there is no such token or if it is unused.
    public func bytes(of token: Int32) -> [UInt8] {
        token >= 0 && Int(token) < count ? Array(pieces[token]) : []
    }

    /// Whether a model that produces this token has finished its answer.
    public func isEnd(_ token: Int32) -> Bool { endTokens.contains(token) }

    /// The special token with this exact name.
    public func special(_ name: String) -> Int32? { specials.find(name) }

    /// The tokens of `text`. O(n log n).
    ///
    /// - Parameters:
    ///   - parseSpecial: whether names of control tokens in the text become those tokens. Leave
    ///     off for text from strangers: with it a user could end the system message.
    ///   - addSpecial: whether to put the begin token first and the end token last if the model
    ///     asks for them.
    /// - Throws: `textTooLong` for more than `maximumTextBytes`.
    public func encode(
        _ text: String, parseSpecial: Bool = false, addSpecial: Bool = false
    ) throws(ModelError) -> [Int32] {
        var prompt = PromptText()
        if parseSpecial { prompt.append(markup: text) } else { prompt.append(content: text) }
        return try encode(prompt, addSpecial: addSpecial)
    }

    /// The tokens of a text of which only parts may contain names of control tokens. The parts
    /// are encoded as one text: a word may cross from one into the next, a control token may not.
    public func encode(
        _ prompt: PromptText, addSpecial: Bool = false
    ) throws(ModelError) -> [Int32] {
        guard prompt.bytes.count <= Self.maximumTextBytes else {
            throw ModelError(
                .textTooLong, "\(prompt.bytes.count) bytes, at most \(Self.maximumTextBytes)")
        }
        var tokens: [Int32] = []
        if addSpecial, addsBegin, let beginToken { tokens.append(beginToken) }
        var follows = true
        for fragment in specials.cut(prompt.bytes, trusted: prompt.parts) {
            switch fragment {
            case .token(let token):
                tokens.append(token)
                follows = true
            case .text(let range):
                switch encoder {
                case .bytePair(let encoder): encoder.encode(prompt.bytes[range], into: &tokens)
                case .sentencePiece(let encoder):
                    encoder.encode(
                        prompt.bytes[range], prefixed: addsSpace && follows, into: &tokens)
                }
                follows = false
            }
        }
        if addSpecial, addsEnd, let endToken { tokens.append(endToken) }
        return tokens
    }

    /// The text of `tokens`; bytes that are no UTF-8 become U+FFFD. The space that `encode` put
    /// before the text is taken off again.
    ///
    /// - Parameter showSpecial: whether control tokens appear by name or not at all.
    public func decode(_ tokens: [Int32], showSpecial: Bool = true) -> String {
        var bytes: [UInt8] = []
        for (place, token) in tokens.enumerated() {
            let kind = kind(token)
            if !showSpecial, kind == .control || kind == .unknown { continue }
            var piece = self.bytes(of: token)[...]
            if place == 0, addsSpace, piece.first == 0x20 { piece = piece.dropFirst() }
            bytes.append(contentsOf: piece)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The bytes that each token stands for, with control tokens by their names.
    private static func pieces(_ tables: TokenizerTables) throws(ModelError) -> TextList {
        var pieces = TextList()
        for token in 0..<Int32(tables.tokens.count) {
            let text = tables.tokens[token]
            switch (tables.kinds[Int(token)], tables.model) {
            case (.normal, .bytePair), (.byte, .bytePair):
                // Command R has tokens outside the alphabet, which no text becomes.
                pieces.append(ByteAlphabet.decode(text) ?? Array(text))
            case (.normal, .sentencePiece):
                pieces.append(SentencePieceEncoder.unescape(text))
            case (.byte, .sentencePiece):
                let name = String(decoding: text, as: UTF8.self)
                guard name.utf8.count == 6, name.hasPrefix("<0x"), name.hasSuffix(">"),
                    let byte = UInt8(name.dropFirst(3).dropLast(), radix: 16)
                else { throw ModelError(.invalidVocabulary, "token \(token) is no byte: \(name)") }
                pieces.append([byte])
            case (.unused, _):
                pieces.append([])
            default:
                pieces.append(text)
            }
        }
        return pieces
    }

    private static func specials(_ tables: TokenizerTables) -> SpecialTokens {
        var specials = SpecialTokens(capacity: 0)
        for (index, kind) in tables.kinds.enumerated()
        where kind == .control || kind == .userDefined || kind == .unknown {
            let name = tables.tokens[Int32(index)]
            let text = String(decoding: name, as: UTF8.self)
            specials.add(
                name, Int32(index), isUserDefined: kind == .userDefined,
                strips: tables.stripsRight && !["<unk>", "<s>", "<|endoftext|>"].contains(text))
        }
        return specials
    }
}
