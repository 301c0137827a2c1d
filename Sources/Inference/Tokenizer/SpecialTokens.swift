/// Finds tokens that are cut out of text before anything else: the longest names first, and of
/// one length from the front. A control token counts only where the text is trusted; a
/// user-defined token counts everywhere.
struct SpecialTokens: Sendable {
    /// A piece of text: bytes to be encoded, or a token that was found.
    enum Fragment {
        case text(Range<Int>)
        case token(Int32)
    }

    /// The names of one length.
    private struct Group: Sendable {
        var length: Int
        /// Whether a name starts with this byte, and whether one ends with it.
        var starts = [Bool](repeating: false, count: 256)
        var ends = [Bool](repeating: false, count: 256)
    }

    private var names: TokenTable
    private var tokens: [Int32] = []
    /// Whether the name counts in text that is not trusted.
    private var isUserDefined: [Bool] = []
    /// Whether white space after the name is dropped.
    private var stripsRight: [Bool] = []
    private var groups: [Group] = []

    init(capacity: Int) {
        names = TokenTable(capacity: capacity)
    }

    /// Adds a name, which no other token has.
    mutating func add(
        _ name: ArraySlice<UInt8>, _ token: Int32, isUserDefined: Bool, strips: Bool
    ) {
        guard names.append(name) else { return }
        tokens.append(token)
        self.isUserDefined.append(isUserDefined)
        stripsRight.append(strips)
        let place = groups.firstIndex { $0.length <= name.count } ?? groups.count
        if place == groups.count || groups[place].length != name.count {
            groups.insert(Group(length: name.count), at: place)
        }
        groups[place].starts[Int(name[name.startIndex])] = true
        groups[place].ends[Int(name[name.endIndex - 1])] = true
    }

    /// The token with this exact name.
    func find(_ name: String) -> Int32? {
        names.find(Array(name.utf8)[...]).map { tokens[Int($0)] }
    }

    /// Cuts `text` at special tokens. O(bytes times lengths of names that can occur).
    ///
    /// - Parameter trusted: the parts of the text, by where they end, and whether each is trusted.
    func cut(_ text: [UInt8], trusted: [(end: Int, isTrusted: Bool)]) -> [Fragment] {
        guard !text.isEmpty else { return [] }
        var occurs = [Bool](repeating: false, count: 256)
        for byte in text { occurs[Int(byte)] = true }
        var fragments: [Fragment] = [.text(0..<text.count)]
        for group in groups
        where zip(group.starts, occurs).contains(where: { $0 && $1 }) {
            var result: [Fragment] = []
            var part = 0
            for fragment in fragments {
                guard case .text(let range) = fragment else {
                    result.append(fragment)
                    continue
                }
                cut(text, range, at: group, trusted, &part, into: &result)
            }
            fragments = result
        }
        return fragments
    }

    private func cut(
        _ text: [UInt8], _ range: Range<Int>, at group: Group,
        _ trusted: [(end: Int, isTrusted: Bool)], _ part: inout Int,
        into result: inout [Fragment]
    ) {
        var start = range.lowerBound
        var place = start
        while place + group.length <= range.upperBound {
            while trusted[part].end <= place { part += 1 }
            guard group.starts[Int(text[place])], group.ends[Int(text[place + group.length - 1])],
                let name = names.find(text[place..<place + group.length]),
                isUserDefined[Int(name)]
                    || trusted[part].isTrusted && place + group.length <= trusted[part].end
            else {
                place += 1
                continue
            }
            if start < place { result.append(.text(start..<place)) }
            result.append(.token(tokens[Int(name)]))
            place += group.length
            if stripsRight[Int(name)] {
                while place < range.upperBound, Self.isSpace(text[place]) { place += 1 }
            }
            start = place
        }
        if start < range.upperBound { result.append(.text(start..<range.upperBound)) }
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || (0x09...0x0d).contains(byte)
    }
}
