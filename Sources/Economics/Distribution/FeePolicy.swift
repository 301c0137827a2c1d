public import Primitives

/// How what a buyer pays is divided between the provider of a stage and the house.
public enum FeePolicy {
    /// Divides one stage's gross pay. The fee is rounded down, so the provider keeps the odd unit.
    public static func split(
        _ gross: Amount, parameters: Parameters
    ) -> (provider: Amount, fee: Amount) {
        let fee = gross.share(basisPoints: parameters.feeBasisPoints, rounding: .down)
        return (gross - fee, fee)
    }
}
