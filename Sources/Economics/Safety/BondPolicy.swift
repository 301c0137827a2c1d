public import Primitives

/// How much bond makes honesty the better business.
///
/// Honest iff q(B + E + F) >= g: q the chance that a cheat is caught, B the bond, E the forfeited
/// fee, F future profit, g the gain (docs/concepts/bonds.md). With E and F left out as a margin,
/// B >= g / q.
public enum BondPolicy {
    /// The bond a party needs while in-flight work could steal at most `exposure`:
    /// `max(minimum, margin * exposure / (audit rate * audit power))`, rounded up. With an audit
    /// rate of zero no bond can deter, and the answer is `nil`.
    public static func requiredBond(exposure: Amount, parameters: Parameters) -> Amount? {
        if exposure.isZero { return parameters.minimumBond }
        return deterrent(exposure: exposure, parameters: parameters).map {
            max(parameters.minimumBond, $0)
        }
    }

    /// What must be lost on a conviction so that stealing `exposure` does not pay:
    /// `margin * exposure / (audit rate * audit power)`, rounded up; `nil` if nothing would do.
    public static func deterrent(exposure: Amount, parameters: Parameters) -> Amount? {
        if exposure.isZero { return .zero }
        let detection =
            UInt128(parameters.auditRatePerMillion) * UInt128(parameters.auditPowerPerMillion)
        let margin = UInt128(parameters.bondMarginBasisPoints) * 100_000_000
        guard detection > 0 else { return nil }
        return exposure.scaled(by: margin, over: detection, rounding: .up)
    }

    /// The most that in-flight work may be able to steal under a bond: the largest exposure whose
    /// required bond is no more. `nil` if the bond covers no work at all.
    public static func largestExposure(bond: Amount, parameters: Parameters) -> Amount? {
        if bond < parameters.minimumBond { return nil }
        let detection =
            UInt128(parameters.auditRatePerMillion) * UInt128(parameters.auditPowerPerMillion)
        let margin = UInt128(parameters.bondMarginBasisPoints) * 100_000_000
        guard detection > 0 else { return nil }
        // Where the margin is nothing, any work is covered.
        return bond.scaled(by: detection, over: margin, rounding: .down) ?? Amount(.max)
    }
}
