/// Those of a list that are done with: all before one, and some of the others. So one that stays
/// open for long keeps nobody after it from being looked at.
public struct DoneMark: Hashable, Sendable {
    private var first = 0
    private var later: Set<Int> = []

    /// Nothing is done with.
    public init() {}

    /// The places of the first that are not done with, of a list of so many. O(those that are done
    /// with after the first that is not, and what is found).
    public func open(of count: Int, atMost limit: Int = .max) -> [Int] {
        var found: [Int] = []
        for place in first..<max(count, first) where !later.contains(place) {
            if found.count == limit { break }
            found.append(place)
        }
        return found
    }

    /// Some of them are done with.
    public mutating func end(_ places: [Int]) {
        later.formUnion(places)
        while later.remove(first) != nil { first += 1 }
    }
}
