/// Guesses that a text goes on as it did the last time: finds where its last tokens stood before,
/// in prompt or output, and copies what followed ("prompt lookup").
///
/// The last 12, 6, 3 and 2 tokens are looked up, the longest first, in tables of fixed size that
/// hold the latest place of each hash: a few dozen operations a token, whatever the length, and
/// 8 MiB at most. Where a copy is broken by one other token, it goes on behind it.
public struct SuffixDraft: DraftSource {
    /// Tokens that a lookup compares, the longest first.
    private static let lengths = [12, 6, 3, 2]
    /// How far back a found place is compared further, to tell how good it is.
    private static let reach = 64

    private var tokens: [Int32] = []
    /// For each length, by hash: the place after the latest occurrence; 0 for none.
    private var places: [[Int32]]
    private let mask: UInt64
    /// Where the next token is copied from; `nil` without an idea.
    private var source: Int?
    /// How many tokens before `source` are those before the end.
    private var matched = 0

    /// A source for texts of about `capacity` tokens; a longer one forgets its oldest places.
    public init(capacity: Int) {
        var size = 256
        while size < min(2 * capacity, 1 << 19) { size *= 2 }
        mask = UInt64(size - 1)
        places = Array(repeating: Array(repeating: 0, count: size), count: Self.lengths.count)
    }

    /// Takes certain tokens. Takes time in proportion to their number.
    public mutating func append(_ more: [Int32]) {
        for token in more { append(token) }
    }

    private mutating func append(_ token: Int32) {
        let broken = follow(token)
        tokens.append(token)
        var found: Int?
        for (level, length) in Self.lengths.enumerated() where tokens.count >= length {
            let slot = slot(length)
            let place = Int(places[level][slot])
            places[level][slot] = Int32(truncatingIfNeeded: tokens.count)
            if found == nil, source == nil, place > 0, agrees(place, length) { found = place }
        }
        if let found {
            source = found
            matched = common(found)
        } else if source == nil, let broken {
            source = broken
            matched = 0
        }
    }

    /// Moves the copy on if it goes on with `token`. Otherwise there is none any more; returns the
    /// place behind the break of a long one.
    private mutating func follow(_ token: Int32) -> Int? {
        guard let place = source else { return nil }
        if tokens[place] == token {
            source = place + 1
            matched += 1
            return nil
        }
        source = nil
        return matched >= 8 ? place + 1 : nil
    }

    /// The next tokens of the copy, if `pending` are its first ones.
    public mutating func draft(after pending: [Int32], count: Int) -> [Int32] {
        guard let source, count > 0 else { return [] }
        let end = tokens.count
        // What is copied may reach into the copy itself: a text that repeats.
        var copy: [Int32] = []
        copy.reserveCapacity(pending.count + count)
        for index in 0..<pending.count + count {
            let place = source + index
            let token = place < end ? tokens[place] : copy[place - end]
            if index < pending.count, pending[index] != token { return [] }
            copy.append(token)
        }
        return Array(copy[pending.count...])
    }

    /// By how many tokens agree: less than 2, 2, 3, 6, 12, 32 and more.
    public var evidence: Int {
        switch matched {
        case ..<2: 0
        case ..<3: 1
        case ..<6: 2
        case ..<12: 3
        case ..<32: 4
        default: 5
        }
    }

    /// It is not.
    public var isSlow: Bool { false }

    private func slot(_ length: Int) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for token in tokens.suffix(length) {
            hash = (hash ^ UInt64(UInt32(bitPattern: token))) &* 0x9E37_79B9_7F4A_7C15
            hash ^= hash >> 29
        }
        return Int(hash & mask)
    }

    /// Whether the `length` tokens before `place` are the last ones.
    private func agrees(_ place: Int, _ length: Int) -> Bool {
        guard place >= length, place < tokens.count else { return false }
        return tokens[place - length..<place] == tokens[(tokens.count - length)...]
    }

    private func common(_ place: Int) -> Int {
        var count = 0
        while count < Self.reach, count < place,
            tokens[place - 1 - count] == tokens[tokens.count - 1 - count]
        {
            count += 1
        }
        return count
    }
}
