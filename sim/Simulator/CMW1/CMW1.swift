public import Economics

/// CMW-1, the small compute market that many simulators run with the same bits, on columns
/// (docs/reference/simulation-cmw1.md). It knows none of the house's rules.
///
/// A value: a copy is a branch, which costs its memory at the first step of either.
public struct CMW1: SimulationModel {
    /// `cmw1`.
    public static let name = "cmw1"
    /// What it is.
    public static let summary =
        "A compute market with emission, fees that burn, audits and entry, the same in all tools."
    /// The constants of the workload, with its own values as standards.
    public static let parameters = CMW1Settings.parameters
    /// The sixteen aggregates of a step.
    public static let metrics = CMW1Row.metrics

    let settings: CMW1Settings
    let seed: UInt64
    /// Written after `makeUnique` alone.
    var columns: CMW1Columns
    /// What the pool holds: tokens and money.
    var poolTokens, poolMoney: Int64
    /// Steps done.
    public internal(set) var steps = 0
    /// All rows so far, folded.
    var history: UInt64
    /// How many slots the columns' lists hold.
    var cheaters = 0
    var free = 0
    /// Prices and bids of this run are below it.
    var ceiling = 0

    /// The workload before its first step; `rules` are not looked at.
    public init(_ values: [Int64], rules: Parameters, seed: UInt64) throws(ScenarioError) {
        settings = try CMW1Settings(values)
        self.seed = seed
        history = seed
        poolTokens = Int64(settings.providers) * settings.poolTokens
        poolMoney = Int64(settings.providers) * settings.poolMoney
        columns = CMW1Columns(providers: settings.providers, buyers: settings.buyers)
        draw()
        index()
    }

    /// The workload with its own values and so many agents.
    public init(agents: Int, seed: UInt64) throws(ScenarioError) {
        var values = CMW1.parameters.map(\.standard)
        values[0] = Int64(agents)
        try self.init(values, rules: Parameters(), seed: seed)
    }

    /// One step of the README's seven phases.
    public mutating func step(into row: inout [Int64]) {
        if !isKnownUniquelyReferenced(&columns) { columns = columns.copy() }
        steps += 1
        var now = CMW1Row()
        now.active = Int64(settings.providers - free)
        now.demand = ask()
        let cut = match(&now)
        payAndBid()
        fill(cut)
        let rewarded = now.traded - audit(&now)
        settle(rewarded, &now)
        exchange(&now)
        enter(whileEarning: adapt(&now), &now)
        (now.poolTokens, now.poolMoney) = (poolTokens, poolMoney)
        now.write(to: &row)
        for value in row { history = DrawKey.fold(history, value) }
    }

    /// The checksum of the workload: all rows and every agent, folded as its definition says.
    public var digest: UInt64 {
        var sum: UInt64 = 0
        let c = columns
        for slot in 0..<c.providers {
            var word = UInt64(slot)
            for value in [c.active[slot], c.honest[slot], c.price[slot]] {
                word = DrawKey.fold(word, Int64(value))
            }
            for value in [c.bond[slot], c.tokens[slot], c.cash[slot], c.average[slot]] {
                word = DrawKey.fold(word, value)
            }
            sum &+= DrawKey.fold(word, Int64(c.streak[slot]))
        }
        for buyer in 0..<c.buyers {
            let word = DrawKey.fold(UInt64(buyer), Int64(c.bid[buyer]))
            sum &+= DrawKey.fold(word, Int64(c.budget[buyer]))
        }
        return DrawKey.fold(history, Int64(bitPattern: sum))
    }
}
