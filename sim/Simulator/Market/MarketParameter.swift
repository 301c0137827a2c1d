/// What a scenario of the market can set, by its place in the list of values.
enum MarketParameter: Int, CaseIterable {
    case backend
    case providers, buyers, verifiers, delegators, traders
    case reserve, lazy, quantising, spoofing, selective, colluding, sybil, whale, wash
    case consumerHardware, datacentreHardware
    case consumerSlots, datacentreSlots, specialisedSlots
    case consumerCost, datacentreCost, specialisedCost
    case consumerOverhead, datacentreOverhead, specialisedOverhead
    case startPrice, priceSpread, priceStep, reprice
    case bond, bondCover, bondAsset, topUp, patience, entry, hurdle
    case cheating, lazySaving, quantisedSaving, spoofedSaving, detection, quantisedDetection
    case sybilIdentities, whaleFactor
    case batchBuyers, agentBuyers, resellerBuyers
    case demand, elasticity, value, valueSpread, retailPrice, dailyBudget
    case promptTokens, outputTokens, batchPromptTokens, batchOutputTokens
    case shockFrom, shockUntil, shockDemand, distrust
    case clearing
    case lazyVerifiers, colludingVerifiers, griefingVerifiers, silence
    case auditCost, verifierBond, accusations, appeals
    case bugStep, bugShare, bugUpheld
    case correlation
    case poolDollars, poolTokens, poolFee
    case sellShare, momentumTraders, noiseTraders, traderDollars, traderTokens, traderActivity
    case fundamentalPrice, dumpStep, dumpTokens
    case delegatorTokens, delegatorShare, restake, delegatorHurdle
    case settlement, feeReserve, buyback, burnAndMint
    case emissionEnd, unbonding
}

/// The values of a scenario, by name.
struct MarketSettings: Sendable {
    private let values: [Int64]

    init(_ values: [Int64]) { self.values = values }

    subscript(_ key: MarketParameter) -> Int64 { values[key.rawValue] }

    /// A value that counts something.
    func count(_ key: MarketParameter) -> Int { Int(values[key.rawValue]) }
}

extension MarketParameter {
    /// The table of all parameters, in the order of the cases.
    static let table: [ParameterSpec] = {
        let rows = people + hardware + offers + conduct + buying + verifying + tokens + operating
        precondition(rows.map(\.0) == MarketParameter.allCases, "the table is in the cases' order")
        return rows.map(\.1)
    }()

    private typealias Row = (MarketParameter, ParameterSpec)

    private static let share = Quantity.decimal(places: 3, of: "share")
    private static let dollars = Quantity.decimal(places: 6, of: "dollars")
    private static let price = Quantity.decimal(places: 6, of: "dollars a million output tokens")

    private static func part(
        _ key: MarketParameter, _ name: String, _ standard: Int64, _ about: String
    ) -> Row {
        (key, ParameterSpec(name, share, 0...1_000, standard: standard, about: about))
    }

    private static func row(
        _ key: MarketParameter, _ name: String, _ unit: Quantity, _ range: ClosedRange<Int64>,
        _ standard: Int64, _ about: String
    ) -> Row {
        (key, ParameterSpec(name, unit, range, standard: standard, about: about))
    }

    private static let people: [Row] = [
        row(
            .backend, "backend", .choice(["kernel", "twin"]), 0...1, 0,
            "Who keeps the books: columns, or the production clearing house itself."),
        row(
            .providers, "providers", .count(of: "providers"), 1...10_000_000, 200,
            "Machines that can serve, of whatever kind."),
        row(
            .buyers, "buyers", .count(of: "buyers"), 1...10_000_000, 600,
            "Who asks for work; each wash trader has one more of its own."),
        row(
            .verifiers, "verifiers", .count(of: "verifiers"), 0...10_000, 5,
            "Nodes that re-execute audited jobs, each 32 at a time."),
        row(
            .delegators, "delegators", .count(of: "delegators"), 0...1_000_000, 50,
            "Holders who stake tokens for a part of the emission."),
        row(
            .traders, "traders", .count(of: "traders"), 0...1_000_000, 50,
            "Traders on the token's pool."),
        part(.reserve, "reserve", 200, "The part of the providers that is not there at first."),
        part(.lazy, "lazy", 0, "Providers that answer anything."),
        part(.quantising, "quantising", 0, "Providers that run a smaller quantisation than sold."),
        part(.spoofing, "spoofing", 0, "Providers that sell another's cached or cheaper work."),
        part(
            .selective, "selective", 0, "Providers that cheat where the rules make it worth while."),
        part(.colluding, "colluding", 0, "Cheating providers whom colluding verifiers clear."),
        part(.sybil, "sybil", 0, "Providers that are parts of one owner's capacity."),
        part(.whale, "whale", 0, "Providers with many times the capacity."),
        part(.wash, "wash", 0, "Providers that buy from themselves for the emission."),
    ]

    private static let hardware: [Row] = [
        part(.consumerHardware, "consumer_hardware", 600, "Providers with consumer hardware."),
        part(
            .datacentreHardware, "datacentre_hardware", 300,
            "Providers in data centres; the rest has specialised hardware."),
        slots(.consumerSlots, "consumer_slots", 8),
        slots(.datacentreSlots, "datacentre_slots", 24),
        slots(.specialisedSlots, "specialised_slots", 64),
        cost(.consumerCost, "consumer_cost", 240_000),
        cost(.datacentreCost, "datacentre_cost", 160_000),
        cost(.specialisedCost, "specialised_cost", 100_000),
        overhead(.consumerOverhead, "consumer_overhead", 100_000),
        overhead(.datacentreOverhead, "datacentre_overhead", 1_000_000),
        overhead(.specialisedOverhead, "specialised_overhead", 4_000_000),
    ]

    private static func slots(_ key: MarketParameter, _ name: String, _ standard: Int64) -> Row {
        row(
            key, name, .count(of: "jobs"), 1...1_024, standard, "Jobs such a machine serves a step."
        )
    }

    private static func cost(_ key: MarketParameter, _ name: String, _ standard: Int64) -> Row {
        row(
            key, name, price, 0...1_000_000_000, standard,
            "What a million output tokens cost such a machine; a prompt token costs a quarter.")
    }

    private static func overhead(_ key: MarketParameter, _ name: String, _ standard: Int64) -> Row {
        row(
            key, name, dollars, 0...1_000_000_000_000, standard,
            "What such a machine costs a step, used or not.")
    }

    private static let offers: [Row] = [
        row(
            .startPrice, "start_price", price, 4...1_000_000_000, 400_000,
            "The mean of first asks."),
        part(.priceSpread, "price_spread", 200, "How far first asks spread around it."),
        part(.priceStep, "price_step", 20, "How far an ask moves at a time."),
        part(.reprice, "reprice", 200, "Providers that look at their ask in a step."),
        row(
            .bond, "bond", dollars, 0...1_000_000_000_000, 0,
            "Each provider's bond; 0 for as much as its capacity asks for."),
        row(
            .bondCover, "bond_cover", .decimal(places: 3, of: "times"), 0...100_000, 1_250,
            "The bond over what the capacity asks for at the first ask."),
        row(
            .bondAsset, "bond_asset", .choice(["stable", "token"]), 0...1, 0,
            "What providers' bonds are held in: dollars, or tokens that are worth the pool's price."
        ),
        part(
            .topUp, "top_up", 500,
            "The part of its bond below which a provider fills it up; 0 for never."),
        row(
            .patience, "patience", .count(of: "steps"), 1...1_000_000, 14,
            "Steps of loss after which a provider leaves."),
        part(.entry, "entry", 20, "Providers outside that look whether to come in a step."),
        row(
            .hurdle, "hurdle", .decimal(places: 6, of: "return a step"), 0...1_000_000, 500,
            "The least return on the bond that attracts them."),
    ]

    private static let conduct: [Row] = [
        part(.cheating, "cheating", 1_000, "The part of its jobs a cheater cheats on."),
        part(.lazySaving, "lazy_saving", 950, "What a lazy answer saves of its cost."),
        part(.quantisedSaving, "quantised_saving", 500, "What the smaller quantisation saves."),
        part(.spoofedSaving, "spoofed_saving", 800, "What spoofed work saves."),
        part(.detection, "detection", 1_000, "The chance that an audit shows wrong work."),
        part(
            .quantisedDetection, "quantised_detection", 1_000,
            "The chance that an audit shows a smaller quantisation."),
        row(
            .sybilIdentities, "sybil_identities", .count(of: "identities"), 1...1_024, 4,
            "Providers that a sybil's capacity is split into."),
        row(
            .whaleFactor, "whale_factor", .count(of: "times"), 1...1_024, 16,
            "A whale's capacity over that of its hardware, at most 1,024 jobs."),
    ]
}

extension MarketParameter {
    private static func tokens(
        _ key: MarketParameter, _ name: String, _ standard: Int64, _ about: String
    ) -> Row {
        row(key, name, .count(of: "tokens"), 4...100_000_000, standard, about)
    }

    private static let buying: [Row] = [
        part(.batchBuyers, "batch_buyers", 200, "Buyers of large jobs that can wait."),
        part(.agentBuyers, "agent_buyers", 200, "Programs that spend a budget a step."),
        part(
            .resellerBuyers, "reseller_buyers", 100,
            "Resellers: their value is a retail price; the rest are people, interactive."),
        row(
            .demand, "demand", .decimal(places: 3, of: "jobs"), 0...1_000_000, 2_000,
            "Jobs a buyer wants in a step at the first ask."),
        row(
            .elasticity, "elasticity", .decimal(places: 3, of: "per price"), 0...10_000, 700,
            "The part of demand lost per part that the price is over the first ask."),
        row(
            .value, "value", price, 4...1_000_000_000, 900_000,
            "The mean of what work is worth to buyers."),
        part(.valueSpread, "value_spread", 500, "How far worth spreads around it."),
        row(
            .retailPrice, "retail_price", price, 4...1_000_000_000, 600_000,
            "What resellers sell for."),
        row(
            .dailyBudget, "budget", dollars, 0...1_000_000_000_000, 500_000,
            "What an agent may spend in a step."),
        tokens(.promptTokens, "prompt_tokens", 600_000, "Prompt tokens of a job: a session's."),
        tokens(.outputTokens, "output_tokens", 200_000, "Output tokens of a job."),
        tokens(.batchPromptTokens, "batch_prompt_tokens", 2_000_000, "The same of a batch job."),
        tokens(.batchOutputTokens, "batch_output_tokens", 500_000, "The same of a batch job."),
        row(
            .shockFrom, "shock_from", .count(of: "steps"), 0...1_000_000, 0,
            "The first step of a shock of demand."),
        row(
            .shockUntil, "shock_until", .count(of: "steps"), 0...1_000_000, 0,
            "The step after its last."),
        row(
            .shockDemand, "shock_demand", .decimal(places: 3, of: "times"), 0...100_000, 500,
            "Demand in the shock over what it is else."),
        row(
            .distrust, "distrust", .decimal(places: 3, of: "times"), 0...100_000, 2_000,
            "The part of demand lost per part of answers that are wrong."),
        row(
            .clearing, "clearing", .choice(["ask", "uniform"]), 0...1, 0,
            "Each job at its provider's ask, or all of a step in one auction at one price."),
    ]

    private static let verifying: [Row] = [
        part(.lazyVerifiers, "lazy_verifiers", 0, "Verifiers that clear everything unseen."),
        part(.colludingVerifiers, "colluding_verifiers", 0, "Verifiers that clear their friends."),
        part(.griefingVerifiers, "griefing_verifiers", 0, "Verifiers that accuse the innocent."),
        part(.silence, "silence", 0, "The chance that a verifier does not answer in time."),
        row(
            .auditCost, "audit_cost", share, 0...10_000, 1_000,
            "What an audit costs over what the job costs an honest provider."),
        row(
            .verifierBond, "verifier_bond", dollars, 0...1_000_000_000_000, 1_000_000_000,
            "Each verifier's bond."),
        part(.accusations, "accusations", 200, "The part of its audits a griefer accuses in."),
        part(.appeals, "appeals", 1_000, "The chance that who is accused wrongly appeals."),
        row(
            .bugStep, "bug_step", .count(of: "steps"), 0...1_000_000, 0,
            "The step in which an engine bug makes honest work wrong; 0 for never."),
        part(.bugShare, "bug_share", 200, "The part of the providers with that engine."),
        part(
            .bugUpheld, "bug_upheld", 0, "The chance that an appeal finds the bug and not fraud."),
        row(
            .correlation, "correlation", .count(of: "times"), 0...1_000, 0,
            "The multiplier of a correlation penalty; 0 for the ladder alone, as in production."),
    ]

    private static let tokens: [Row] = [
        row(
            .poolDollars, "pool_dollars", dollars, 1_000_000...1_000_000_000_000_000,
            1_000_000_000_000,
            "Dollars in the pool at first."),
        row(
            .poolTokens, "pool_tokens", tally, 1_000_000_000...1_000_000_000_000_000_000,
            500_000_000_000_000, "Tokens in the pool at first."),
        row(
            .poolFee, "pool_fee", .decimal(places: 3, of: "share"), 0...999, 3,
            "What the pool keeps of a payment."),
        part(.sellShare, "sell_share", 700, "What providers sell of the tokens they are paid."),
        part(.momentumTraders, "momentum_traders", 300, "Traders that follow the price."),
        part(
            .noiseTraders, "noise_traders", 400,
            "Traders without a reason; the rest looks at fundamentals."),
        row(
            .traderDollars, "trader_dollars", dollars, 0...1_000_000_000_000, 1_000_000_000,
            "A trader's dollars at first."),
        row(
            .traderTokens, "trader_tokens", tally, 0...1_000_000_000_000_000, 500_000_000_000,
            "A trader's tokens at first."),
        part(
            .traderActivity, "trader_activity", 50, "The most of its purse a trader trades."),
        row(
            .fundamentalPrice, "fundamental_price", .decimal(places: 6, of: "dollars a token"),
            0...1_000_000_000_000, 0,
            "What fundamentals see in a token; 0 for a year's fees over the supply."),
        row(
            .dumpStep, "dump_step", .count(of: "steps"), 0...1_000_000, 0,
            "The step in which a holder sells all it has into the pool; 0 for never."),
        row(
            .dumpTokens, "dump_tokens", tally, 0...1_000_000_000_000_000_000, 0,
            "What that holder has."),
        row(
            .delegatorTokens, "delegator_tokens", tally, 0...1_000_000_000_000_000,
            1_000_000_000_000, "A delegator's tokens at first."),
        part(.delegatorShare, "delegator_share", 150, "The part of emission that delegators get."),
        part(.restake, "restake", 30, "Delegators that look at their stake in a step."),
        row(
            .delegatorHurdle, "delegator_hurdle", .decimal(places: 6, of: "return a step"),
            0...1_000_000, 200, "The least return on stake that keeps them."),
    ]

    private static let tally = Quantity.decimal(places: 9, of: "tokens")

    private static let operating: [Row] = [
        row(
            .settlement, "settlement", .count(of: "steps"), 1...1_000, 7,
            "Steps from one settlement on chain to the next."),
        row(
            .feeReserve, "fee_reserve", dollars, 0...1_000_000_000_000_000, 100_000_000,
            "Fees that stay in the house to pay for audits; what is over is collected."),
        part(.buyback, "buyback", 0, "The part of collected fees that buys and burns tokens."),
        part(
            .burnAndMint, "burn_and_mint", 0,
            "The part of providers' pay that buys and burns tokens: they live on emission."),
        row(
            .emissionEnd, "emission_end", .count(of: "steps"), 0...1_000_000, 0,
            "The step from which on nothing is emitted; 0 for never."),
        row(
            .unbonding, "unbonding", .count(of: "steps"), 1...1_000_000, 14,
            "Steps a bond takes to leave."),
    ]
}
