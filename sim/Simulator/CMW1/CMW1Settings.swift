/// The constants of CMW-1, which studies may vary.
struct CMW1Settings: Sendable {
    /// Provider slots, and buyers.
    let providers, buyers: Int
    /// In thousandths.
    let cheaterShare, cheatRate, cheatCost, auditRate, slashPart, feeRate, entryRate: Int64
    /// In ten-thousandths of a dollar.
    let bond, minimumBond: Int64
    /// New tokens a slot and step before the first halving, in thousandths, and the steps between.
    let emission, halvingInterval: Int64
    /// What the pool holds at first for each slot.
    let poolTokens, poolMoney: Int64
    /// Steps of loss in a row after which a provider leaves.
    let exitStreak: Int64
    /// How far bids go, in ten-thousandths of a dollar a unit.
    let highestBid, lowestBid: Int64
    /// Demand halves from the first of these steps to before the second.
    let shockFrom, shockTo: Int64

    /// What a scenario can set, in the order of the values.
    static let parameters: [ParameterSpec] = {
        let part = Quantity.decimal(places: 3, of: "part")
        let money = Quantity.decimal(places: 4, of: "USD")
        let token = Quantity.decimal(places: 3, of: "tokens")
        let step = Quantity.count(of: "steps")
        let most: Int64 = 1_000_000_000
        return [
            .init(
                "agents", .count(of: "agents"), 2...1_000_000, standard: 1_000,
                about: "Half of them are provider slots, the others buyers."),
            .init(
                "cheater_share", part, 0...1_000, standard: 200,
                about: "The part of providers that cheat at times."),
            .init(
                "cheat_rate", part, 0...1_000, standard: 500,
                about: "The part of steps at which a cheater cheats."),
            .init(
                "cheat_cost", part, 0...1_000, standard: 400,
                about: "What cheating costs, as a part of the honest cost."),
            .init(
                "audit_rate", part, 0...1_000, standard: 50,
                about: "The part of cheated steps that is found out."),
            .init(
                "slash_part", part, 0...1_000, standard: 500,
                about: "The part of its bond that a provider loses when it is found out."),
            .init(
                "fee_rate", part, 0...1_000, standard: 50,
                about: "The part of what buyers pay that buys tokens back and burns them."),
            .init(
                "bond", money, 0...most, standard: 200_000,
                about: "What a provider puts up when it enters."),
            .init(
                "minimum_bond", money, 0...most, standard: 60_000,
                about: "A provider with a smaller bond leaves."),
            .init(
                "emission", token, 0...1_000_000, standard: 1_000,
                about: "New tokens for each provider slot and step, before the first halving."),
            .init(
                "halving_interval", step, 1...1_000_000, standard: 120,
                about: "Steps from one halving of the emission to the next."),
            .init(
                "pool_tokens", token, 1...most, standard: 100_000,
                about: "Tokens in the pool at first, for each provider slot."),
            .init(
                "pool_money", money, 1...most, standard: 200_000,
                about: "Money in the pool at first, for each provider slot."),
            .init(
                "entry_rate", part, 0...1_000, standard: 20,
                about: "The part of free slots that fill at a step while providers earn."),
            .init(
                "exit_streak", step, 1...1_000_000, standard: 10,
                about: "Steps of loss in a row after which a provider leaves."),
            .init(
                "highest_bid", money, 2...4_000, standard: 400,
                about: "The most a buyer ever bids for a unit of work."),
            .init(
                "lowest_bid", money, 2...4_000, standard: 10,
                about: "The least a buyer ever bids for a unit of work."),
            .init(
                "shock_from", step, 0...most, standard: 200,
                about: "The step from which demand is half."),
            .init(
                "shock_to", step, 0...most, standard: 230,
                about: "The step from which demand is whole again."),
        ]
    }()

    /// The values in the order of `parameters`; throws where they do not fit each other.
    init(_ values: [Int64]) throws(ScenarioError) {
        guard values.count == CMW1Settings.parameters.count else {
            throw ScenarioError("cmw1 has \(CMW1Settings.parameters.count) parameters")
        }
        for (spec, value) in zip(CMW1Settings.parameters, values)
        where !spec.range.contains(value) {
            throw ScenarioError("\(spec.name) is out of range")
        }
        var place = 0
        func next() -> Int64 {
            defer { place += 1 }
            return values[place]
        }
        let agents = Int(next())
        providers = agents / 2
        buyers = agents - agents / 2
        (cheaterShare, cheatRate, cheatCost) = (next(), next(), next())
        (auditRate, slashPart, feeRate) = (next(), next(), next())
        (bond, minimumBond) = (next(), next())
        (emission, halvingInterval) = (next(), next())
        (poolTokens, poolMoney) = (next(), next())
        (entryRate, exitStreak) = (next(), next())
        (highestBid, lowestBid) = (next(), next())
        (shockFrom, shockTo) = (next(), next())
        if lowestBid > highestBid {
            throw ScenarioError("lowest_bid is above highest_bid")
        }
    }

    /// The emission of a step, for all slots together.
    func emission(at step: Int) -> Int64 {
        (Int64(providers) * emission) >> (Int64(step - 1) / halvingInterval)
    }

    /// Whether demand is half at a step.
    func isShock(_ step: Int) -> Bool { step >= shockFrom && step < shockTo }
}
