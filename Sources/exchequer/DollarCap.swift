import ArgumentParser
import Primitives

/// A cap on fees in dollars, in the smallest unit of the chain's coin, rounded down; `nil` without
/// one.
///
/// - Parameters:
///   - option: the cap's option, for what is said of a wrong one; `priceOption` is the price's.
///   - coinPrice: dollars for one coin.
///   - unitsPerCoin: how many of the smallest unit a coin has.
func dollarCap(
    _ text: String?, _ option: String, coinPrice: String?, _ priceOption: String,
    unitsPerCoin: UInt128
) throws -> UInt128? {
    guard let text else { return nil }
    guard let coinPrice else { throw ValidationError("\(option) goes with \(priceOption).") }
    guard let cap = Asset.usd.parse(text), let price = Asset.usd.parse(coinPrice), !cap.isZero,
        !price.isZero
    else { throw ValidationError("\(option) and \(priceOption) are amounts, such as 12.50.") }
    let (product, overflow) = cap.units.multipliedReportingOverflow(by: unitsPerCoin)
    let limit = product / price.units
    guard !overflow, limit > 0 else {
        throw ValidationError("\(option) is beyond what can be reckoned with.")
    }
    return limit
}
