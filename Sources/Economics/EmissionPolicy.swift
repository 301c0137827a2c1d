public import Primitives

/// How many incentive tokens an epoch emits. Policies are pure functions of the epoch's number and
/// the parameters, so the simulator runs exactly what production runs.
public enum EmissionPolicy {
    /// Fixed halving: the initial emission, halved (rounded down) every `halvingEpochs` epochs.
    /// Epochs count from 1.
    public static func emission(epoch: EpochID, parameters: Parameters) -> Amount {
        precondition(epoch != .none, "epochs count from one")
        let halvings = (epoch.rawValue - 1) / UInt64(parameters.halvingEpochs)
        return halvings >= 128 ? .zero : Amount(parameters.initialEmission.units >> halvings)
    }
}

extension EmissionPolicy {
    /// The work that earns emission: token-layers, but no more than the fee paid for them backs.
    /// Work without a fee would let anybody farm the emission by serving himself.
    public static func backed(work: UInt64, fee: Amount, parameters: Parameters) -> UInt64 {
        let most = fee.units / UInt128(parameters.feeUnitsPerWork)
        return min(work, UInt64(clamping: most))
    }
}

/// Divides a sum in proportion to weights.
public enum ProRata {
    /// Each weight's share of `total`, rounded down; what rounding leaves is returned as `rest`.
    /// With no weight at all, everything is rest. O(n).
    public static func split(_ total: Amount, weights: [UInt64]) -> (shares: [Amount], rest: Amount)
    {
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
