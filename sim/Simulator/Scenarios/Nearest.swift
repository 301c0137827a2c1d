/// Finds the name that somebody may have meant.
enum Nearest {
    /// `; did you mean ...?`, or nothing if no name is near.
    static func hint(_ word: String, in names: [String]) -> String {
        name(word, in: names).map { "; did you mean `\($0)`?" } ?? ""
    }

    /// The name with the fewest slips, if a third of its letters or less differ.
    static func name(_ word: String, in names: [String]) -> String? {
        let typed = Array(word.lowercased().utf8.prefix(64))
        var best: (name: String, slips: Int)?
        for name in names {
            let slips = distance(typed, Array(name.lowercased().utf8.prefix(64)))
            if slips <= max(2, name.utf8.count / 3), slips < best?.slips ?? .max {
                best = (name, slips)
            }
        }
        return best?.name
    }

    /// Letters to insert, leave out, change or swap (Damerau 1964, with swaps of neighbours).
    private static func distance(_ one: [UInt8], _ other: [UInt8]) -> Int {
        var before = [Int](repeating: 0, count: other.count + 1)
        var last = Array(0...other.count)
        for row in one.indices {
            var next = [row + 1]
            for column in other.indices {
                let change = last[column] + (one[row] == other[column] ? 0 : 1)
                var least = min(change, min(last[column + 1], next[column]) + 1)
                if row > 0, column > 0, one[row] == other[column - 1], one[row - 1] == other[column]
                {
                    least = min(least, before[column - 1] + 1)
                }
                next.append(least)
            }
            (before, last) = (last, next)
        }
        return last[other.count]
    }
}
