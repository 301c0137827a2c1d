public import Primitives

/// The sizes and constants of a transformer: everything the arithmetic needs besides the weights.
public struct ModelArchitecture: Hashable, Sendable {
    /// The family of the graph.
    public var family: ModelFamily
    /// How many layers.
    public var layers: Int
    /// Numbers in the residual stream of one position.
    public var hidden: Int
    /// Numbers inside the feed-forward part.
    public var feed: Int
    /// Query heads.
    public var heads: Int
    /// Key-value heads; each serves `heads / keyValueHeads` query heads.
    public var keyValueHeads: Int
    /// Numbers of one head.
    public var headSize: Int
    /// How many numbers of a head are rotated.
    public var ropeSize: Int
    /// The base of the rotation frequencies.
    public var ropeBase: Double
    /// Added to the mean square in the norms.
    public var epsilon: Float
    /// How many tokens there are.
    public var vocabulary: Int
    /// How many positions the model was made for.
    public var contextLength: Int
    /// Layers that see only the last positions; `nil` if all see all.
    public var window: SlidingWindow?
    /// What the angles of layers without a window are divided by.
    public var ropeScale = 1.0
    /// Scores are divided by the square root of this; mostly `headSize`.
    public var scoreSize: Int

    /// Key-value memory per position and layer, in bytes.
    public var cacheBytes: Int { 2 * 2 * keyValueHeads * headSize }

    /// All layers as one range.
    public var allLayers: LayerRange? { LayerRange(0, UInt16(clamping: layers)) }

    /// What this engine accepts at most.
    enum Limit {
        static let layers = 1_024
        static let width = 65_536
        static let heads = 1_024
        static let headSize = 512
        static let vocabulary = 1 << 20
        static let context = 1 << 20
        static let ropeScale = 1_000.0
    }
}

extension ModelArchitecture {
    /// Reads and checks the sizes in a file's metadata.
    init(_ file: GGUFFile) throws(ModelError) {
        let family = try Self.family(file)
        let prefix = family.rawValue + "."
        try UnsupportedFeatures(family).check(file)
        let layers = try file.count(prefix + "block_count", limit: Limit.layers)
        let hidden = try file.count(prefix + "embedding_length", limit: Limit.width)
        let heads = try file.count(prefix + "attention.head_count", limit: Limit.heads)
        let headSize = try file.count(
            prefix + "attention.key_length", limit: Limit.headSize, or: hidden / heads)
        // Gemma 3 27B is the one model that scales by another size, and its files do not say so.
        let scoreSize = family == .gemma3 && layers == 62 ? hidden / heads : headSize
        self.init(
            family: family, layers: layers, hidden: hidden,
            feed: try file.count(prefix + "feed_forward_length", limit: Limit.width),
            heads: heads,
            keyValueHeads: try file.count(
                prefix + "attention.head_count_kv", limit: Limit.heads, or: heads),
            headSize: headSize,
            ropeSize: try file.count(
                prefix + "rope.dimension_count", limit: Limit.headSize, or: headSize),
            ropeBase: try file.float(prefix + "rope.freq_base", or: 10_000),
            epsilon: Float(
                try file.float(prefix + "attention.layer_norm_rms_epsilon", or: nil)),
            vocabulary: try Self.vocabulary(file, prefix),
            contextLength: try file.count(prefix + "context_length", limit: Limit.context),
            scoreSize: scoreSize)
        if family.hasLocalLayers {
            window = try SlidingWindow(file, prefix: prefix, layers: layers)
            if file.value(prefix + "rope.scaling.type") != .text("none") {
                ropeScale = try file.float(prefix + "rope.scaling.factor", or: 1)
            }
        }
        try check(
            valueSize: file.count(prefix + "attention.value_length", limit: 512, or: headSize))
    }

    private static func family(_ file: GGUFFile) throws(ModelError) -> ModelFamily {
        guard case .text(let name)? = file.value("general.architecture") else {
            throw ModelError(.missingKey, "general.architecture")
        }
        guard let family = ModelFamily(rawValue: name) else {
            let known = ModelFamily.allCases.map(\.rawValue).joined(separator: ", ")
            throw ModelError(.unsupportedArchitecture, "\(name); this engine runs \(known)")
        }
        return family
    }

    private static func vocabulary(
        _ file: GGUFFile, _ prefix: String
    ) throws(ModelError) -> Int {
        guard case .texts(let tokens)? = file.value("tokenizer.ggml.tokens") else {
            throw ModelError(.missingKey, "tokenizer.ggml.tokens")
        }
        let stated = try file.count(
            prefix + "vocab_size", limit: Limit.vocabulary, or: tokens.count)
        guard stated == tokens.count, stated >= 1, stated <= Limit.vocabulary else {
            throw ModelError(.invalidArchitecture, "\(tokens.count) tokens, \(stated) stated")
        }
        return stated
    }

    private func check(valueSize: Int) throws(ModelError) {
        func require(_ condition: Bool, _ what: String) throws(ModelError) {
            if !condition { throw ModelError(.invalidArchitecture, what) }
        }
        try require(hidden.isMultiple(of: 32), "hidden size \(hidden) is not whole blocks")
        try require(feed.isMultiple(of: 32), "feed size \(feed) is not whole blocks")
        try require(headSize.isMultiple(of: 8), "head size \(headSize)")
        try require((heads * headSize).isMultiple(of: 32), "\(heads) heads of \(headSize)")
        try require(heads.isMultiple(of: keyValueHeads), "\(keyValueHeads) key-value heads")
        try require(valueSize == headSize, "value size \(valueSize)")
        try require(ropeSize.isMultiple(of: 2) && ropeSize <= headSize, "rope size \(ropeSize)")
        for base in [ropeBase, window?.ropeBase ?? ropeBase] {
            try require(base >= 1 && base <= 1e9, "rope base \(base)")
        }
        try require(scoreSize >= 1, "scores scaled by \(scoreSize)")
        try require(ropeScale >= 1 && ropeScale <= Limit.ropeScale, "rope scale \(ropeScale)")
        try require(epsilon > 0 && epsilon < 1, "epsilon \(epsilon)")
    }
}

extension GGUFFile {
    /// A count from 1 to `limit`; a missing key gives `standard` if there is one.
    func count(
        _ key: String, limit: Int, or standard: Int? = nil
    ) throws(ModelError) -> Int {
        guard let value = value(key) else {
            guard let standard else { throw ModelError(.missingKey, key) }
            return standard
        }
        guard let count = value.count else { throw ModelError(.wrongValueType, key) }
        guard count >= 1, count <= limit else {
            throw ModelError(.limitExceeded, "\(key): \(count), from 1 to \(limit)")
        }
        return count
    }

    /// A finite float; a missing key gives `standard` if there is one.
    func float(_ key: String, or standard: Double?) throws(ModelError) -> Double {
        guard let value = value(key) else {
            guard let standard else { throw ModelError(.missingKey, key) }
            return standard
        }
        guard case .float(let number) = value, number.isFinite else {
            throw ModelError(.wrongValueType, key)
        }
        return number
    }
}

extension ModelArchitecture: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(family.rawValue)
        for size in [
            layers, hidden, feed, heads, keyValueHeads, headSize, ropeSize, vocabulary,
            contextLength,
        ] { writer.write(UInt32(clamping: size)) }
        writer.write(ropeBase.bitPattern)
        writer.write(epsilon.bitPattern)
        guard family.hasLocalLayers else { return }
        writer.write(UInt32(clamping: window?.size ?? 0))
        writer.write(UInt32(clamping: window?.period ?? 0))
        writer.write((window?.ropeBase ?? 0).bitPattern)
        writer.write(ropeScale.bitPattern)
        writer.write(UInt32(clamping: scoreSize))
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        guard let family = ModelFamily(rawValue: try reader.readString(limit: 64)) else {
            throw .invalidValue("architecture")
        }
        var sizes: [Int] = []
        for _ in 0..<9 { sizes.append(Int(try reader.readUInt32())) }
        self.init(
            family: family, layers: sizes[0], hidden: sizes[1], feed: sizes[2], heads: sizes[3],
            keyValueHeads: sizes[4], headSize: sizes[5], ropeSize: sizes[6],
            ropeBase: Double(bitPattern: try reader.readUInt64()),
            epsilon: Float(bitPattern: try reader.readUInt32()), vocabulary: sizes[7],
            contextLength: sizes[8], scoreSize: sizes[5])
        guard sizes.allSatisfy({ $0 >= 1 && $0 <= Limit.context }),
            layers <= Limit.layers, ropeBase.isFinite, epsilon.isFinite
        else { throw .invalidValue("architecture") }
        if family.hasLocalLayers { try readLocalLayers(&reader) }
        // Whoever sends a manifest can send any numbers, and a referee computes with them.
        guard hidden <= Limit.width, feed <= Limit.width, heads <= Limit.heads,
            keyValueHeads <= Limit.heads, headSize <= Limit.headSize,
            vocabulary <= Limit.vocabulary, (try? check(valueSize: headSize)) != nil
        else { throw .invalidValue("architecture") }
    }

    private mutating func readLocalLayers(_ reader: inout ByteReader) throws(CodecError) {
        let size = Int(try reader.readUInt32())
        let period = Int(try reader.readUInt32())
        let base = Double(bitPattern: try reader.readUInt64())
        ropeScale = Double(bitPattern: try reader.readUInt64())
        scoreSize = Int(try reader.readUInt32())
        guard size <= Limit.context, period <= Limit.layers, base.isFinite, base >= 0,
            size > 0 || (period == 0 && base.bitPattern == 0), ropeScale.isFinite,
            scoreSize >= 1, scoreSize <= Limit.width
        else { throw .invalidValue("architecture") }
        if size > 0 { window = SlidingWindow(size: size, period: period, ropeBase: base) }
    }
}
