/// Joins neighbours until no rule applies: the heart of byte-pair and SentencePiece tokenizers.
enum PairMerging {
    /// What a rule says of two neighbours.
    struct Rule<Symbol> {
        /// The lowest comes first, the leftmost of equals.
        var priority: UInt32
        /// What the two become.
        var merged: Symbol
    }

    /// Merges `symbols` in place, in O(n log n). A merge may make others of its neighbours
    /// possible or impossible, so a proposal counts only while it is the newest of its place.
    static func merge<Symbol>(
        _ symbols: inout [Symbol], by rule: (Symbol, Symbol) -> Rule<Symbol>?
    ) {
        let count = symbols.count
        guard count > 1 else { return }
        var next = Array(1...Int32(count))
        var previous = Array(-1..<Int32(count) - 1)
        var proposals = [Rule<Symbol>?](repeating: nil, count: count)
        var queue = MinimumHeap()
        func propose(_ left: Int) {
            let right = Int(next[left])
            proposals[left] = right < count ? rule(symbols[left], symbols[right]) : nil
            guard let proposal = proposals[left] else { return }
            queue.insert(UInt64(proposal.priority) << 32 | UInt64(left))
        }
        for left in 0..<count - 1 { propose(left) }
        while let best = queue.removeFirst() {
            let left = Int(best & 0xffff_ffff)
            guard let proposal = proposals[left], proposal.priority == UInt32(best >> 32) else {
                continue
            }
            let right = Int(next[left])
            symbols[left] = proposal.merged
            proposals[right] = nil
            next[left] = next[right]
            next[right] = -1
            if Int(next[left]) < count { previous[Int(next[left])] = Int32(left) }
            propose(left)
            if previous[left] >= 0 { propose(Int(previous[left])) }
        }
        var kept = 0
        for place in 0..<count where next[place] >= 0 {
            symbols[kept] = symbols[place]
            kept += 1
        }
        symbols.removeLast(count - kept)
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
