/// What everybody knows of the market after a step.
struct Conditions: Hashable, Sendable {
    /// The mean price paid, as an ask.
    var price: Int64
    /// The part of demand that wrong answers have left, in millionths.
    var trust: Int64 = 1_000_000
    /// Fees of a step in micro-dollars, as a moving mean of eight.
    var meanFees: Int64 = 0
    /// Delegators' rewards of a step in nano-tokens, as a moving mean of eight.
    var meanReward: Int64 = 0
    /// Profit over bond by class of hardware, in millionths. At first it attracts everybody.
    var roi: [Int64] = [0, 0, 0]
    /// Bonds in force, in ledger units.
    var bonded: UInt128 = 0
    /// The operator's dollars, in micro-dollars.
    var treasury: Int64 = 0
    /// Tokens of the holder that dumps them, in nano-tokens.
    var holder: Int64 = 0
    /// The token's price that bonds in tokens were last counted at, in micro-dollars.
    var marked: Int64 = 0

    init(price: Int64) { self.price = price }
}

/// Dollars that came from outside and went there, in micro-dollars.
struct DollarFlows: Hashable, Sendable {
    var incoming: Int128 = 0
    var outgoing: Int128 = 0
    /// Burned penalties that left the chain, and those that wait there, in ledger units.
    var slashed: Int128 = 0
    var burnPot: Int128 = 0
}

/// What is counted over a step.
struct StepTally: Sendable {
    var active: Int64 = 0
    var entries: Int64 = 0
    var exits: Int64 = 0
    var slots: Int64 = 0
    var wanted: Int64 = 0
    /// A trace's demand over its mean, in millionths.
    var arrivals: Int64 = 1_000_000
    /// Price times tokens, and tokens: in ask units a token.
    var paid: UInt128 = 0
    var tokens: UInt128 = 0
    var washed: Int64 = 0
    /// Ledger units.
    var gross: UInt128 = 0
    var pay: Int128 = 0
    var fees: UInt128 = 0
    var welfare: Int128 = 0
    var saved: UInt128 = 0
    var cheated: Int64 = 0
    var audits: Int64 = 0
    var convictions: Int64 = 0
    var guilty: Int64 = 0
    var innocent: Int64 = 0
    var overturned: Int64 = 0
    /// Bond captured from cheaters and pay withheld, ledger units.
    var lost: UInt128 = 0
    var rewards: Int64 = 0
    var tokensSold: UInt64 = 0
    var poolBefore: UInt128 = 0
    var verifierProfit: Int64 = 0
}
