public import Primitives

/// Net emissions: a halving schedule, and on top of it burned tokens that come back from a pool, a
/// fixed part of it an epoch. What an epoch can add to the pool is capped, so that burning more
/// than that makes the supply fall.
///
/// Source: Helium HIP 20 (helium/HIP, 0020-hnt-max-supply.md), "Net Emissions": a pool that gives
/// 1/336 of itself to the next epoch and takes at most 34.24 HNT (1 % of 3,424) an epoch.
public struct NetEmissions: Hashable, Sendable {
    /// The schedule beneath.
    public var schedule: HeightHalving
    /// An epoch mints one part in so many of the pool.
    public var poolEpochs: UInt64
    /// The most that an epoch's burning adds to the pool.
    public var cap: Amount

    /// A rule.
    public init(schedule: HeightHalving, poolEpochs: UInt64, cap: Amount) {
        self.schedule = schedule
        self.poolEpochs = poolEpochs
        self.cap = cap
    }

    func advance(
        _ state: inout EmissionState, by observation: EmissionObservation
    ) throws(EconomicsError) -> Amount {
        var pool = Amount.zero
        if case .pool(let known) = state { pool = known }
        guard let filled = pool.checkedAdding(min(observation.burned, cap)) else {
            throw .overflow
        }
        let again = Amount(filled.units / UInt128(poolEpochs))
        let scheduled = schedule.emission(epoch: observation.epoch)
        guard let sum = scheduled.checkedAdding(again) else { throw .overflow }
        state = .pool(filled - again)
        return sum
    }
}

extension NetEmissions: EmissionRule {
    static var name: String { "net_emissions" }
    static var keys: [PolicyKey] {
        HeightHalving.keys + [PolicyKey("pool_epochs"), PolicyKey("cap", .tokens)]
    }
    var values: [UInt128] { schedule.values + [UInt128(poolEpochs), cap.units] }

    init(values: [UInt128]) {
        self.init(
            schedule: HeightHalving(values: values), poolEpochs: UInt64(clamping: values[2]),
            cap: Amount(values[3]))
    }

    var problem: String? {
        if poolEpochs == 0 { return "the pool must give back some time" }
        return schedule.problem ?? EmissionLimits.problem(of: cap)
    }
}
