extension WireFrame {
    /// Token ids, as `tokens` (to be processed) or `sampled` (chosen). Throws for none or for more
    /// than fit a frame.
    public static func tokens(
        _ ids: [Int32], kind: Kind = .tokens, stage: UInt16, job: JobID, attempt: UInt32,
        position: UInt32
    ) throws(WireFrameError) -> WireFrame {
        var payload: [UInt8] = []
        payload.reserveCapacity(4 * ids.count)
        for id in ids { appendWord(UInt32(bitPattern: id), to: &payload) }
        return try WireFrame(
            kind: kind, stage: stage, job: job, attempt: attempt, position: position,
            count: UInt32(clamping: ids.count), payload: payload)
    }

    /// `rows` rows of activations, row after row. Throws for none, for a ragged number of values
    /// and for more than fit a frame.
    public static func activations(
        _ values: [Float], rows: UInt32, stage: UInt16, job: JobID, attempt: UInt32,
        position: UInt32
    ) throws(WireFrameError) -> WireFrame {
        var payload: [UInt8] = []
        payload.reserveCapacity(4 * values.count)
        for value in values { appendWord(value.bitPattern, to: &payload) }
        return try WireFrame(
            kind: .activations, stage: stage, job: job, attempt: attempt, position: position,
            count: rows, payload: payload)
    }

    /// A fault with its code; text beyond 1,000 bytes is cut.
    public static func fault(
        code: UInt16, text: String, stage: UInt16, job: JobID, attempt: UInt32
    ) -> WireFrame {
        var payload = [UInt8(truncatingIfNeeded: code), UInt8(truncatingIfNeeded: code >> 8)]
        for character in text {
            let bytes = Array(character.utf8)
            guard payload.count + bytes.count <= 1_002 else { break }
            payload += bytes
        }
        do {
            return try WireFrame(
                kind: .fault, stage: stage, job: job, attempt: attempt, payload: payload)
        } catch {
            preconditionFailure("a short code and whole characters always fit")
        }
    }

    /// The token ids of a `tokens` or `sampled` frame; empty for other kinds.
    public var tokenIDs: [Int32] {
        kind == .tokens || kind == .sampled ? words.map(Int32.init(bitPattern:)) : []
    }

    /// The values of an `activations` frame, row after row; empty for other kinds.
    public var activationValues: [Float] {
        kind == .activations ? words.map(Float.init(bitPattern:)) : []
    }

    /// Values in each row of an `activations` frame; 0 for other kinds.
    public var rowWidth: Int {
        kind == .activations ? payload.count / 4 / Int(count) : 0
    }

    /// The code and text of a `fault` frame.
    public var fault: (code: UInt16, text: String)? {
        guard kind == .fault else { return nil }
        let code = UInt16(payload[0]) | UInt16(payload[1]) << 8
        return (code, String(decoding: payload.dropFirst(2), as: UTF8.self))
    }

    /// Bytes of a token with its log probability, of which each row of a `scores` frame has some.
    public static let scoreBytes = 12
    /// The most tokens of a row beside the one that was chosen.
    public static let maximumLikelyTokens = 20

    /// Whether a payload of so many bytes can be `count` rows of scores.
    static func areScores(count: Int, payload: Int) -> Bool {
        guard count > 0, payload.isMultiple(of: count * scoreBytes) else { return false }
        return (1...maximumLikelyTokens + 1).contains(payload / count / scoreBytes)
    }

    private var words: [UInt32] {
        var words: [UInt32] = []
        words.reserveCapacity(payload.count / 4)
        for offset in stride(from: 0, to: payload.count, by: 4) {
            var word: UInt32 = 0
            for index in (0..<4).reversed() { word = word << 8 | UInt32(payload[offset + index]) }
            words.append(word)
        }
        return words
    }

    private static func appendWord(_ word: UInt32, to bytes: inout [UInt8]) {
        bytes.append(UInt8(truncatingIfNeeded: word))
        bytes.append(UInt8(truncatingIfNeeded: word >> 8))
        bytes.append(UInt8(truncatingIfNeeded: word >> 16))
        bytes.append(UInt8(truncatingIfNeeded: word >> 24))
    }
}
