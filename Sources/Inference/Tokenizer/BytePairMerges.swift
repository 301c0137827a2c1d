/// The merge rules of a byte-pair tokenizer: which two tokens become which one, and how early.
struct BytePairMerges: Sendable {
    /// Left token and right token to rank (upper half) and merged token (lower half).
    private let rules: [UInt64: UInt64]
    /// The token of each single byte; -1 if the vocabulary lacks it.
    private let byteTokens: [Int32]

    init(rules: [UInt64: UInt64], byteTokens: [Int32]) {
        self.rules = rules
        self.byteTokens = byteTokens
    }

    static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    /// Appends the tokens of one word. The lowest rank is merged first, the leftmost of equals;
    /// O(n log n). Bytes that no token stands for are left out, as the reference tokenizers do.
    func encode(_ word: ArraySlice<UInt8>, into tokens: inout [Int32]) {
        var symbols: [Int32] = []
        for byte in word where byteTokens[Int(byte)] >= 0 {
            symbols.append(byteTokens[Int(byte)])
        }
        guard symbols.count > 1 else {
            tokens.append(contentsOf: symbols)
            return
        }
        merge(&symbols)
        for symbol in symbols where symbol >= 0 { tokens.append(symbol) }
    }

    /// Merges in place; a symbol that was merged into its left neighbour becomes -1.
    private func merge(_ symbols: inout [Int32]) {
        var next = Array(1...symbols.count)
        var previous = Array(-1..<symbols.count - 1)
        var queue = MinimumHeap()
        func propose(_ left: Int) {
            let right = next[left]
            guard right < symbols.count else { return }
            guard let rule = rules[Self.key(symbols[left], symbols[right])] else { return }
            queue.insert(rule & ~0xffff_ffff | UInt64(left))
        }
        for left in 0..<symbols.count - 1 { propose(left) }
        while let best = queue.removeFirst() {
            let left = Int(best & 0xffff_ffff)
            let right = next[left]
            guard symbols[left] >= 0, right < symbols.count,
                let rule = rules[Self.key(symbols[left], symbols[right])],
                rule >> 32 == best >> 32
            else { continue }
            symbols[left] = Int32(truncatingIfNeeded: rule)
            symbols[right] = -1
            next[left] = next[right]
            if next[right] < symbols.count { previous[next[right]] = left }
            propose(left)
            if previous[left] >= 0 { propose(previous[left]) }
        }
    }
}

/// A binary heap of numbers, the smallest first.
struct MinimumHeap {
    private var items: [UInt64] = []

    mutating func insert(_ item: UInt64) {
        var place = items.count
        items.append(item)
        while place > 0 {
            let parent = (place - 1) / 2
            if items[parent] <= item { break }
            items[place] = items[parent]
            place = parent
        }
        items[place] = item
    }

    mutating func removeFirst() -> UInt64? {
        guard let first = items.first, let last = items.popLast() else { return nil }
        if items.isEmpty { return first }
        var place = 0
        while true {
            var child = 2 * place + 1
            if child >= items.count { break }
            if child + 1 < items.count, items[child + 1] < items[child] { child += 1 }
            if last <= items[child] { break }
            items[place] = items[child]
            place = child
        }
        items[place] = last
        return first
    }
}
