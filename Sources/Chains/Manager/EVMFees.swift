/// What a transaction offers, in wei per unit of gas (EIP-1559).
public struct EVMFees: Hashable, Sendable {
    /// For who includes it.
    public let tip: UInt128
    /// In all.
    public let cap: UInt128

    /// These fees.
    public init(tip: UInt128, cap: UInt128) {
        self.tip = tip
        self.cap = cap
    }

    /// The most that `gas` can cost, or `nil` above 2^128 - 1.
    func cost(gas: UInt64) -> UInt128? {
        let (cost, overflow) = cap.multipliedReportingOverflow(by: UInt128(gas))
        return overflow ? nil : cost
    }
}

/// What gas costs now, in wei per unit, as the nodes say.
public struct EVMFeeMarket: Hashable, Sendable {
    /// What is burned.
    public let baseFee: UInt128
    /// What the nodes advise as a tip.
    public let tip: UInt128

    /// These prices.
    public init(baseFee: UInt128, tip: UInt128) {
        self.baseFee = baseFee
        self.tip = tip
    }
}

/// The fee rule of Optimism's batcher (op-service/txmgr/txmgr.go: `calcGasFeeCap`, `updateFees`,
/// `calcThresholdValue`), in whole numbers: thresholds are rounded up, so that a bump is never less
/// than it says.
public struct EVMFeeRule: Hashable, Sendable {
    /// The least tip and base fee reckoned with.
    public let minimum: EVMFeeMarket
    /// How much more a replacement must offer, in percent.
    public let bumpPercent: UInt128

    /// A rule of these numbers.
    public init(minimum: EVMFeeMarket, bumpPercent: UInt128 = 15) {
        self.minimum = minimum
        self.bumpPercent = bumpPercent
    }

    /// What a first attempt offers: the tip, and as cap the tip plus twice the base fee, which
    /// stays enough for five full blocks in a row. `nil` above 2^128 - 1.
    public func first(_ market: EVMFeeMarket) -> EVMFees? {
        let tip = max(market.tip, minimum.tip)
        return cap(base: market.baseFee, tip: tip).map { EVMFees(tip: tip, cap: $0) }
    }

    /// What a replacement of `old` offers, or `nil` if it is not worth replacing or does not fit
    /// 128 bits. If tip or cap rises, both rise by at least the threshold, because pools ask for
    /// both (geth: `PriceBump` 10 %); if only the base fee rose, the cap is reckoned anew with the
    /// threshold tip. `isForced`, for when a pool asked for more, replaces whatever the market
    /// says.
    public func replacement(
        of old: EVMFees, _ market: EVMFeeMarket, isForced: Bool
    ) -> EVMFees? {
        guard let new = first(market), let leastTip = threshold(old.tip),
            let leastCap = threshold(old.cap)
        else { return nil }
        if !isForced, new.tip <= old.tip, new.cap <= old.cap { return nil }
        let tip = max(new.tip, leastTip)
        guard let wanted = cap(base: market.baseFee, tip: tip) else { return nil }
        return EVMFees(tip: tip, cap: max(wanted, leastCap))
    }

    private func cap(base: UInt128, tip: UInt128) -> UInt128? {
        let (double, tooLarge) = max(base, minimum.baseFee).multipliedReportingOverflow(by: 2)
        let (sum, overflow) = double.addingReportingOverflow(tip)
        return tooLarge || overflow ? nil : sum
    }

    private func threshold(_ old: UInt128) -> UInt128? {
        let (product, overflow) = old.multipliedReportingOverflow(by: 100 + bumpPercent)
        guard !overflow else { return nil }
        return product / 100 + (product % 100 == 0 ? 0 : 1)
    }
}

extension EVMManagerPolicy {
    var feeRule: EVMFeeRule {
        EVMFeeRule(
            minimum: EVMFeeMarket(baseFee: minimumBaseFee, tip: minimumTip),
            bumpPercent: bumpPercent)
    }
}
