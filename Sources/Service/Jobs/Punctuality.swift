/// Whether the house was held up itself: it has not heard anyone meanwhile, nor told anyone what
/// to do. Times are in milliseconds of any clock that only moves on.
struct Punctuality: Sendable {
    /// The house's clock beats so often.
    static let interval: UInt64 = 250
    /// After a longer hold-up nodes may have given the house up, whose heartbeats did not come.
    static let longest: UInt64 = 10_000
    /// So long after its end it may still hear of their having hung up.
    static let aftermath: UInt64 = 5_000

    private var beatAt: UInt64
    private var wasAwayUntil: UInt64?
    /// Whether the clock has not beaten yet.
    private(set) var isNew = true

    init(from now: UInt64) { beatAt = now }

    /// The clock beats: for how long the house was held up, 0 if it was not.
    mutating func beat(at now: UInt64) -> UInt64 {
        let gap = now - beatAt
        if gap > Self.longest { wasAwayUntil = now }
        beatAt = now
        isNew = false
        return gap > 2 * Self.interval ? gap - Self.interval : 0
    }

    /// Whether nodes that hang up now may do so because they have not heard the house for long: it
    /// is held up, or was until a moment ago.
    func mayBeGivenUp(at now: UInt64) -> Bool {
        now - beatAt > Self.longest || wasAwayUntil.map { now - $0 < Self.aftermath } ?? false
    }
}
