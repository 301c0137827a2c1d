import Cryptography
import Primitives

/// Reads and checks the tokenizer in a file's metadata.
struct TokenizerTables {
    private(set) var pieces: [[UInt8]] = []
    private(set) var kinds: [Tokenizer.Kind] = []
    private(set) var specials: [(bytes: [UInt8], token: Int32)] = []
    private(set) var endTokens: [Int32] = []
    let beginToken: Int32?
    let endToken: Int32?
    let addsBegin: Bool
    let merges: BytePairMerges
    let digest: Digest

    init(_ file: GGUFFile) throws(ModelError) {
        try Self.requireText(file, "tokenizer.ggml.model", "gpt2")
        try Self.requireText(file, "tokenizer.ggml.pre", "smollm")
        let texts = try Self.texts(file, "tokenizer.ggml.tokens")
        let mergeTexts = try Self.texts(file, "tokenizer.ggml.merges")
        guard case .integers(let types)? = file.value("tokenizer.ggml.token_type") else {
            throw ModelError(.missingKey, "tokenizer.ggml.token_type")
        }
        guard types.count == texts.count else {
            throw ModelError(.invalidVocabulary, "\(types.count) types, \(texts.count) tokens")
        }
        beginToken = try Self.token(file, "tokenizer.ggml.bos_token_id", count: texts.count)
        endToken = try Self.token(file, "tokenizer.ggml.eos_token_id", count: texts.count)
        addsBegin = file.value("tokenizer.ggml.add_bos_token") == .flag(true)
        if file.value("tokenizer.ggml.add_space_prefix") == .flag(true) {
            throw ModelError(.unsupportedTokenizer, "add_space_prefix")
        }
        let lookup = try Self.lookup(texts)
        merges = try Self.readMerges(mergeTexts, lookup)
        digest = Self.hash(texts, types, mergeTexts, beginToken, endToken, addsBegin)
        try fill(texts, types)
    }

    private mutating func fill(_ texts: [String], _ types: [Int64]) throws(ModelError) {
        let endNames = ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "</s>"]
        for (index, text) in texts.enumerated() {
            guard let kind = UInt8(exactly: types[index]).flatMap(Tokenizer.Kind.init) else {
                throw ModelError(.invalidVocabulary, "token \(index) has type \(types[index])")
            }
            kinds.append(kind)
            if kind == .normal || kind == .byte {
                guard let bytes = ByteAlphabet.decode(text) else {
                    throw ModelError(.invalidVocabulary, "token \(index) is not byte text")
                }
                pieces.append(bytes)
                continue
            }
            pieces.append(Array(text.utf8))
            guard kind != .unused, !text.isEmpty else { continue }
            specials.append((Array(text.utf8), Int32(index)))
            if kind == .control, endNames.contains(text) { endTokens.append(Int32(index)) }
        }
        if let endToken, !endTokens.contains(endToken) { endTokens.append(endToken) }
        specials.sort { ($1.bytes.count, $0.token) < ($0.bytes.count, $1.token) }
    }

    /// Token text, as its UTF-8 bytes, to number.
    private static func lookup(_ texts: [String]) throws(ModelError) -> [[UInt8]: Int32] {
        var lookup: [[UInt8]: Int32] = [:]
        lookup.reserveCapacity(texts.count)
        for (index, text) in texts.enumerated() {
            guard lookup.updateValue(Int32(index), forKey: Array(text.utf8)) == nil else {
                throw ModelError(.invalidVocabulary, "token \(index) stands twice")
            }
        }
        return lookup
    }

    private static func readMerges(
        _ texts: [String], _ lookup: [[UInt8]: Int32]
    ) throws(ModelError) -> BytePairMerges {
        var rules: [UInt64: UInt64] = [:]
        rules.reserveCapacity(texts.count)
        for (rank, text) in texts.enumerated() {
            let parts = text.utf8.split(separator: 0x20, omittingEmptySubsequences: false)
            guard parts.count == 2, let left = lookup[Array(parts[0])],
                let right = lookup[Array(parts[1])],
                let merged = lookup[Array(parts[0]) + Array(parts[1])]
            else { throw ModelError(.invalidVocabulary, "merge \(rank)") }
            let rule = UInt64(rank) << 32 | UInt64(merged)
            guard rules.updateValue(rule, forKey: BytePairMerges.key(left, right)) == nil else {
                throw ModelError(.invalidVocabulary, "merge \(rank) stands twice")
            }
        }
        var byteTokens = [Int32](repeating: -1, count: 256)
        for (scalar, byte) in ByteAlphabet.byteOfScalar.enumerated() where byte >= 0 {
            guard let scalar = Unicode.Scalar(UInt16(scalar)) else { continue }
            byteTokens[Int(byte)] = lookup[Array(String(scalar).utf8)] ?? -1
        }
        return BytePairMerges(rules: rules, byteTokens: byteTokens)
    }

    private static func hash(
        _ texts: [String], _ types: [Int64], _ merges: [String], _ begin: Int32?, _ end: Int32?,
        _ addsBegin: Bool
    ) -> Digest {
        var writer = ByteWriter()
        writer.write("exchequer-tokenizer-v1 gpt2 smollm")
        writer.write(UInt32(texts.count))
        for text in texts { writer.write(text) }
        for type in types { writer.write(UInt64(bitPattern: type)) }
        writer.write(UInt32(merges.count))
        for merge in merges { writer.write(merge) }
        for token in [begin, end] {
            writer.write(token != nil)
            if let token { writer.write(UInt32(bitPattern: token)) }
        }
        writer.write(addsBegin)
        return SHA256.hash(writer.bytes)
    }

    private static func requireText(
        _ file: GGUFFile, _ key: String, _ expected: String
    ) throws(ModelError) {
        guard let value = file.value(key) else { throw ModelError(.missingKey, key) }
        guard case .text(let text) = value else { throw ModelError(.wrongValueType, key) }
        guard text == expected else {
            throw ModelError(
                .unsupportedTokenizer, "\(key): \(text), this engine knows \(expected)")
        }
    }

    private static func texts(_ file: GGUFFile, _ key: String) throws(ModelError) -> [String] {
        guard let value = file.value(key) else { throw ModelError(.missingKey, key) }
        guard case .texts(let texts) = value else { throw ModelError(.wrongValueType, key) }
        return texts
    }

    private static func token(
        _ file: GGUFFile, _ key: String, count: Int
    ) throws(ModelError) -> Int32? {
        guard let value = file.value(key) else { return nil }
        guard let number = value.count else { throw ModelError(.wrongValueType, key) }
        guard number < count else { throw ModelError(.invalidVocabulary, key) }
        return Int32(number)
    }
}
