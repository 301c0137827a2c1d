/// Finds the most likely tokens.
enum TopTokens {
    /// The `count` tokens with the largest logits, largest first, the lowest id of equals first.
    static func largest(_ count: Int, of logits: [Float]) -> [Int] {
        func precedes(_ left: Int, _ right: Int) -> Bool {
            logits[left] > logits[right] || (logits[left] == logits[right] && left < right)
        }
        guard count > 0 else { return [] }
        if count * 16 > logits.count {
            return Array(logits.indices.sorted(by: precedes).prefix(count))
        }
        var best: [Int] = []
        for token in logits.indices {
            if best.count == count, !precedes(token, best[count - 1]) { continue }
            var low = 0
            var high = best.count
            while low < high {
                let middle = (low + high) / 2
                if precedes(best[middle], token) { low = middle + 1 } else { high = middle }
            }
            if best.count == count { best.removeLast() }
            best.insert(token, at: low)
        }
        return best
    }
}
