public import Primitives

/// Divides a sum in proportion to weights.
public enum ProRata {
    /// Each weight's share of `total`, rounded down; what rounding leaves is returned as `rest`.
    /// With no weight at all, everything is rest. O(n).
    public static func split(_ total: Amount, weights: [UInt64]) -> (shares: [Amount], rest: Amount)
    {
        split(total, weights: weights.map { UInt128($0) })
    }

    /// One weight's share of `total`, rounded down; nothing if the weights sum to nothing.
    public static func share(of total: Amount, weight: UInt128, sum: UInt128) -> Amount {
        total.scaled(by: weight, over: sum, rounding: .down) ?? .zero
    }

    /// The same with wide weights, whose sum must fit 128 bits: it traps otherwise.
    public static func split(
        _ total: Amount, weights: [UInt128]
    ) -> (shares: [Amount], rest: Amount) {
        let sum = weights.reduce(0, +)
        var rest = total
        var shares: [Amount] = []
        shares.reserveCapacity(weights.count)
        for weight in weights {
            let share = ProRata.share(of: total, weight: weight, sum: sum)
            shares.append(share)
            rest -= share
        }
        return (shares, rest)
    }
}
