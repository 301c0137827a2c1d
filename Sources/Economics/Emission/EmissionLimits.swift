import Primitives

/// Amounts of policies stay so small that their products with fixed-point numbers fit.
enum EmissionLimits {
    /// 2^100 ledger units: more than 10^18 tokens.
    static let amount = Amount(1 << 100)

    static func problem(of amounts: Amount...) -> String? {
        amounts.allSatisfy { $0 <= amount } ? nil : "an amount is over 2^100 units"
    }

    /// The supply that inflation is a part of. An inflation that never ends reaches any limit:
    /// over 2^110 units nothing more is minted, and the books stay inside 128 bits.
    static func supply(_ genesis: Amount, _ issued: Amount) throws(EconomicsError) -> Amount {
        guard let supply = genesis.checkedAdding(issued), supply.units >> 110 == 0 else {
            throw .overflow
        }
        return supply
    }
}
