public import Primitives

/// Since when things stand as they do, as far as whoever looks has seen: a value.
///
/// For what neither the books nor the chain have a date. It begins anew with each process.
public struct FirstSeen<Name: Hashable & Sendable, Standing: Equatable & Sendable>: Sendable {
    private var known: [Name: (standing: Standing, since: Timestamp)] = [:]

    /// Nothing was seen yet.
    public init() {}

    /// Takes down how all of them stand now. What is not among them any more is forgotten, and
    /// whatever stands otherwise than it did begins anew. O(things).
    public mutating func look(_ now: Timestamp, at things: [(name: Name, standing: Standing)]) {
        var next: [Name: (standing: Standing, since: Timestamp)] = [:]
        next.reserveCapacity(things.count)
        for (name, standing) in things {
            if let old = next[name] ?? known[name], old.standing == standing {
                next[name] = old
            } else {
                next[name] = (standing, now)
            }
        }
        known = next
    }

    /// Since when it stands as it did at the last look; `nil` if it was not among the things.
    public subscript(name: Name) -> Timestamp? { known[name]?.since }
}
