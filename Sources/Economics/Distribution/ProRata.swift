public import Primitives

/// Divides a sum in proportion to weights.
public enum ProRata {
    /// Each weight's share of `total`, rounded down; what rounding leaves is returned as `rest`.
    /// With no weight at all, everything is rest. O(n).
    ///
    /// Weights that add up to more than 128 bits are a defect of the caller and trap: those of 64
    /// bits cannot.
    public static func split(
        _ total: Amount, weights: [some UnsignedInteger & FixedWidthInteger]
    ) -> (shares: [Amount], rest: Amount) {
        var sum: UInt128 = 0
        for weight in weights { sum += UInt128(weight) }
        var rest = total
        var shares: [Amount] = []
        shares.reserveCapacity(weights.count)
        for weight in weights {
            let share =
                total.scaled(by: UInt128(weight), over: sum, rounding: .down) ?? .zero
            shares.append(share)
            rest -= share
        }
        return (shares, rest)
    }
}
