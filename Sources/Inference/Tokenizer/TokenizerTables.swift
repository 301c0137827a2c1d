import Cryptography
import Primitives

/// Reads and checks the tokenizer in a file's metadata.
struct TokenizerTables {
    /// What this reader accepts at most.
    enum Limit {
        static let tokens = 1 << 20
        static let tokenBytes = 4_096
        static let specialBytes = 1_024
        static let allBytes = 1 << 30
    }

    /// Which algorithm a file asks for.
    enum Model: String {
        case bytePair = "gpt2"
        case sentencePiece = "llama"
    }

    let model: Model
    /// The name of the pre-tokenizer.
    let pre: String
    let tokens: TokenTable
    /// The type numbers as the file gives them.
    let types: [Int64]
    private(set) var kinds: [Tokenizer.Kind] = []
    let merges: [String]
    let scores: [Float]
    let beginToken: Int32?
    let endToken: Int32?
    let unknownToken: Int32?
    let addsBegin: Bool
    let addsEnd: Bool
    let addsSpace: Bool
    /// Whether special tokens drop the white space after them: Phi-3 was trained so.
    let stripsRight: Bool
    private(set) var endTokens: [Int32] = []

    init(_ file: GGUFFile) throws(ModelError) {
        let name = try file.text("tokenizer.ggml.model")
        guard let model = Model(rawValue: name) else {
            throw ModelError(
                .unsupportedTokenizer, "\(name); this engine knows gpt2 and llama")
        }
        self.model = model
        let isPiece = model == .sentencePiece
        pre = isPiece ? "default" : try file.text("tokenizer.ggml.pre", or: "default")
        let texts = try file.texts("tokenizer.ggml.tokens")
        tokens = try Self.table(texts)
        types = try Self.types(file, count: texts.count)
        merges = isPiece ? [] : try file.texts("tokenizer.ggml.merges")
        scores = isPiece ? try Self.scores(file, count: texts.count) : []
        let count = texts.count
        beginToken = try file.token("bos_token_id", or: isPiece ? 1 : nil, count)
        endToken = try file.token("eos_token_id", or: isPiece ? 2 : nil, count)
        unknownToken = try file.token("unknown_token_id", or: isPiece ? 0 : nil, count)
        let adds = isPiece || PreTokenizer(named: pre)?.addsBegin == true
        addsBegin = try file.flag("tokenizer.ggml.add_bos_token", or: adds)
        addsEnd = try file.flag("tokenizer.ggml.add_eos_token", or: false)
        addsSpace = try file.flag("tokenizer.ggml.add_space_prefix", or: isPiece)
        if addsSpace, !isPiece { throw ModelError(.unsupportedTokenizer, "add_space_prefix") }
        stripsRight = isPiece && Self.isPhi3(file)
        try readKinds(texts)
    }

    private mutating func readKinds(_ texts: [String]) throws(ModelError) {
        kinds.reserveCapacity(texts.count)
        for (index, text) in texts.enumerated() {
            guard var kind = UInt8(exactly: types[index]).flatMap(Tokenizer.Kind.init) else {
                throw ModelError(.invalidVocabulary, "token \(index) has type \(types[index])")
            }
            if TokenNames.ends.contains(text) { endTokens.append(Int32(index)) }
            if TokenNames.ends.contains(text) || TokenNames.fillIn.contains(text) {
                kind = .control
            } else if TokenNames.shown.contains(text) {
                kind = .userDefined
            }
            kinds.append(kind)
            let size = text.utf8.count
            if kind != .normal, kind != .byte, size > Limit.specialBytes {
                throw ModelError(.limitExceeded, "special token \(index): \(size) bytes")
            }
        }
        let ends = Set(endTokens.map { texts[Int($0)] })
        let isHarmony = ends.contains("<|return|>") && ends.contains("<|call|>")
        let isSolar = ends.contains("<|calls|>") && ends.contains("<|flush|>")
        if isHarmony || isSolar, let end = endTokens.first(where: { texts[Int($0)] == "<|end|>" }) {
            endTokens.removeAll { $0 == end }
            kinds[Int(end)] = .userDefined
        }
        if let endToken, !endTokens.contains(endToken) { endTokens.append(endToken) }
    }

    /// Texts by number; an empty text is called `[EMPTY_n]`, as llama.cpp does.
    private static func table(_ texts: [String]) throws(ModelError) -> TokenTable {
        guard (1...Limit.tokens).contains(texts.count) else {
            throw ModelError(
                .limitExceeded, "\(texts.count) tokens, from 1 to \(Limit.tokens)")
        }
        var tokens = TokenTable(capacity: texts.count)
        var bytes = 0
        for (index, text) in texts.enumerated() {
            let size = text.utf8.count
            bytes += size
            guard size <= Limit.tokenBytes, bytes <= Limit.allBytes else {
                throw ModelError(
                    .limitExceeded, "token \(index): \(size) bytes, at most \(Limit.tokenBytes)")
            }
            guard tokens.append(size == 0 ? "[EMPTY_\(index)]".utf8 : text.utf8) else {
                throw ModelError(.invalidVocabulary, "token \(index) stands twice")
            }
        }
        return tokens
    }

    private static func types(_ file: GGUFFile, count: Int) throws(ModelError) -> [Int64] {
        guard let value = file.value("tokenizer.ggml.token_type") else {
            throw ModelError(.missingKey, "tokenizer.ggml.token_type")
        }
        guard case .integers(let types) = value else {
            throw ModelError(.wrongValueType, "tokenizer.ggml.token_type")
        }
        guard types.count == count else {
            throw ModelError(.invalidVocabulary, "\(types.count) types, \(count) tokens")
        }
        return types
    }

    private static func scores(_ file: GGUFFile, count: Int) throws(ModelError) -> [Float] {
        guard let value = file.value("tokenizer.ggml.scores") else {
            throw ModelError(.missingKey, "tokenizer.ggml.scores")
        }
        guard case .floats(let scores) = value else {
            throw ModelError(.wrongValueType, "tokenizer.ggml.scores")
        }
        guard scores.count == count, scores.allSatisfy({ $0.isFinite }) else {
            throw ModelError(.invalidVocabulary, "\(scores.count) scores, \(count) tokens")
        }
        return scores.map(Float.init)
    }

    /// Whether the model's name says Phi-3. Nothing else in the file tells.
    private static func isPhi3(_ file: GGUFFile) -> Bool {
        guard case .text(let name)? = file.value("general.name") else { return false }
        let lower = name.lowercased()
        return lower.contains("phi-3") || lower.contains("phi3")
    }

    /// SHA-256 over all that decides about tokens.
    func digest() -> Digest {
        var writer = ByteWriter()
        var header = "exchequer-tokenizer-v1 \(model.rawValue) \(pre)"
        if addsEnd { header += " adds-end" }
        if addsSpace { header += " adds-space" }
        if stripsRight { header += " strips-right" }
        if model == .sentencePiece, let unknownToken { header += " unknown-\(unknownToken)" }
        writer.write(header)
        writer.write(UInt32(tokens.count))
        for token in 0..<Int32(tokens.count) {
            writer.write(String(decoding: tokens[token], as: UTF8.self))
        }
        for type in types { writer.write(UInt64(bitPattern: type)) }
        for score in scores { writer.write(score.bitPattern) }
        writer.write(UInt32(merges.count))
        for merge in merges { writer.write(merge) }
        for token in [beginToken, endToken] {
            writer.write(token != nil)
            if let token { writer.write(UInt32(bitPattern: token)) }
        }
        writer.write(addsBegin)
        return SHA256.hash(writer.bytes)
    }
}

extension GGUFFile {
    fileprivate func text(_ key: String, or standard: String? = nil) throws(ModelError) -> String {
        guard let value = value(key) else {
            guard let standard else { throw ModelError(.missingKey, key) }
            return standard
        }
        guard case .text(let text) = value else { throw ModelError(.wrongValueType, key) }
        return text
    }

    fileprivate func texts(_ key: String) throws(ModelError) -> [String] {
        guard let value = value(key) else { throw ModelError(.missingKey, key) }
        guard case .texts(let texts) = value else { throw ModelError(.wrongValueType, key) }
        return texts
    }

    fileprivate func flag(_ key: String, or standard: Bool) throws(ModelError) -> Bool {
        guard let value = value(key) else { return standard }
        guard case .flag(let flag) = value else { throw ModelError(.wrongValueType, key) }
        return flag
    }

    fileprivate func token(
        _ key: String, or standard: Int?, _ count: Int
    ) throws(ModelError) -> Int32? {
        let key = "tokenizer.ggml." + key
        guard let value = value(key) else {
            guard let standard, standard < count else { return nil }
            return Int32(standard)
        }
        guard let number = value.count else { throw ModelError(.wrongValueType, key) }
        guard number < count else { throw ModelError(.invalidVocabulary, key) }
        return Int32(number)
    }
}
