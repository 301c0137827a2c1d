import Primitives

/// The day's limit.
extension SolanaManager {
    /// What the transactions of the last day on which one ended cost, with those on their way at
    /// their dearest, in lamports. O(batches).
    public var dayCost: UInt64 { cost(on: day) }

    /// What transactions cost on a day: those that ended in a final block on it, and those that may
    /// still. Whatever is on its way at midnight counts on both days.
    private func cost(on day: UInt64, besides place: Int? = nil) -> UInt64 {
        var sum = self.day == day ? spent : 0
        for (index, batch) in batches.enumerated() where index != place {
            sum = sum.saturatingSum(batch.cost(policy))
        }
        return sum
    }

    /// With how many of `count` payouts at most a batch stays within the day's limit, besides all
    /// others on their way.
    func countWithinDay(
        _ count: Int, _ kind: SolanaBatchKind, price: UInt64, besides place: Int? = nil,
        at now: Timestamp
    ) -> Int {
        guard policy.dayLimit < .max else { return count }
        let others = cost(on: now.day, besides: place)
        var count = count
        while count > 0,
            others.saturatingSum(policy.cost(kind, count, price: price)) > policy.dayLimit
        { count -= 1 }
        return count
    }

    /// Counts what a batch's transaction cost that is in a final block now.
    mutating func spend(
        _ batch: SolanaBatch, _ transaction: Signature, isUndone: Bool, at now: Timestamp
    ) {
        let price = batch.attempts.first { $0.id == transaction }?.price ?? 0
        if day != now.day { spent = 0 }
        day = now.day
        spent = spent.saturatingSum(
            policy.cost(batch.kind, batch.ids.count, price: price, isUndone: isUndone))
    }
}
