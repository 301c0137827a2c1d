public import Primitives

/// When a claim is worth its gas: what it brings has to be over so many times what it costs.
public struct ClaimPolicy: Hashable, Sendable {
    /// How many times the gas a claim has to bring.
    public let multiple: UInt64
    /// What the chain's own coin is reckoned at, in dollars.
    public let coinPrice: Amount
    /// What the incentive token is reckoned at, in dollars; zero brings nothing.
    public let tlyPrice: Amount

    private static let weiPerCoin: UInt128 = 1_000_000_000_000_000_000

    /// A policy of these numbers.
    public init(multiple: UInt64, coinPrice: Amount, tlyPrice: Amount = .zero) {
        self.multiple = multiple
        self.coinPrice = coinPrice
        self.tlyPrice = tlyPrice
    }

    /// What gas costs in dollars, rounded up; `nil` if that cannot be reckoned with.
    public func cost(gas: UInt64, price: UInt128) -> Amount? {
        let (wei, tooMuchGas) = UInt128(gas).multipliedReportingOverflow(by: price)
        let (product, overflow) = wei.multipliedReportingOverflow(by: coinPrice.units)
        guard !tooMuchGas, !overflow else { return nil }
        let isExact = product.isMultiple(of: Self.weiPerCoin)
        return Amount(product / Self.weiPerCoin + (isExact ? 0 : 1))
    }

    /// What sums of both assets are in dollars, rounded down.
    public func value(usd: Amount, tly: Amount) -> Amount {
        // A coin has 10^12 ledger units, as a dollar has.
        let (product, overflow) = tly.units.multipliedReportingOverflow(by: tlyPrice.units)
        let tallies = overflow ? Amount.zero : Amount(product / 1_000_000_000_000)
        return usd.checkedAdding(tallies) ?? usd
    }

    /// Whether it is worth it.
    public func isWorth(value: Amount, cost: Amount) -> Bool {
        let (least, overflow) = cost.units.multipliedReportingOverflow(by: UInt128(multiple))
        return !overflow && value.units > least
    }
}

/// A leaf of the root that pays, with its proof.
public struct ClaimLeaf: Hashable, Sendable {
    /// In what.
    public let asset: Asset
    /// Its token.
    public let token: EVMAddress
    /// Who is paid.
    public let account: EVMAddress
    /// All that was ever owed, in chain units.
    public let cumulative: UInt128
    /// The siblings, lowest first.
    public let proof: [Digest]

    /// A leaf of these parts.
    public init(
        asset: Asset, token: EVMAddress, account: EVMAddress, cumulative: UInt128, proof: [Digest]
    ) {
        self.asset = asset
        self.token = token
        self.account = account
        self.cumulative = cumulative
        self.proof = proof
    }

    /// As `claimMany` takes it.
    var argument: ABIValue {
        .tuple([
            .address(token), .address(account), .uint(cumulative),
            .array(proof.map { .bytes32($0) }),
        ])
    }
}
