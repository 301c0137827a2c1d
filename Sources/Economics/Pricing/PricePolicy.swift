public import Primitives

/// How a posted price moves with demand: one rule by name, all called alike.
public enum PricePolicy: Hashable, Sendable {
    /// It does not.
    case fixed
    /// It follows the load, as the base fee of Ethereum does.
    case baseFee(BaseFee)

    /// The rule's name in parameter files.
    public var name: String {
        switch self {
        case .fixed: "fixed"
        case .baseFee: "base_fee"
        }
    }

    /// The price after a period in which `used` of `capacity` was used.
    public func next(
        _ price: Amount, used: UInt64, capacity: UInt64
    ) throws(EconomicsError) -> Amount {
        switch self {
        case .fixed: price
        case .baseFee(let rule): try rule.next(price, used: used, capacity: capacity)
        }
    }
}

/// A price that rises while more than a target is used and falls while less is, by at most one
/// part in `changeDenominator` a period.
///
/// Source: EIP-1559 (ethereum/EIPs, EIPS/eip-1559.md), and `calculate_base_fee_per_gas` of
/// ethereum/execution-specs: each division rounds down, and a rise is at least one unit.
public struct BaseFee: Hashable, Sendable {
    /// The capacity is so many times the target.
    public var elasticity: UInt64
    /// The most it moves in a period is one part in so many.
    public var changeDenominator: UInt64

    /// A rule; Ethereum has 2 and 8. Both above zero.
    public init(elasticity: UInt64 = 2, changeDenominator: UInt64 = 8) {
        precondition(elasticity > 0 && changeDenominator > 0)
        self.elasticity = elasticity
        self.changeDenominator = changeDenominator
    }

    /// The price of the next period.
    public func next(
        _ price: Amount, used: UInt64, capacity: UInt64
    ) throws(EconomicsError) -> Amount {
        let target = capacity / elasticity
        if target == 0 { throw .nothingToDivideBy }
        if used > capacity { throw .insufficient }
        if used == target { return price }
        let distance = used > target ? used - target : target - used
        guard
            let share = price.scaled(by: UInt128(distance), over: UInt128(target), rounding: .down)
        else { throw .overflow }
        let delta = Amount(share.units / UInt128(changeDenominator))
        if used < target { return price - min(delta, price) }
        guard let risen = price.checkedAdding(max(delta, Amount(1))) else { throw .overflow }
        return risen
    }
}
