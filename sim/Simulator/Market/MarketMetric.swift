/// What every step of the market tells, by its place in the row.
enum MarketMetric: Int, CaseIterable {
    case active, entries, exits, bans
    case wanted, jobs, fillRate, utilisation, price, pay, fees, welfare, trust
    case arrivals
    case tokenPrice, emission, emissionShare, realYield, sellPressure, supply, burned, staked
    case roiMedian, roiLow, roiHigh, roiConsumer, roiDatacentre, roiSpecialised
    case gini, concentration
    case cheated, cheatingRate, audits, convictions, detection, falseSlashes, overturned
    case slashed, refunded, corruptionProfit, corruptionCost, breakEven
    case honestProfit, cheaterProfit, sybilProfit, whaleProfit, washProfit
    case verifierProfit, delegatorYield
    case bonded, insurance, feePot, operatorDollars
    case bookImbalance, dollarImbalance, tokenImbalance, productFalls
}

extension MarketMetric {
    /// The table of all metrics, in the order of the cases.
    static let table: [MetricSpec] = {
        let rows = work + token + returns + honesty + books
        precondition(rows.map(\.0) == MarketMetric.allCases, "the table is in the cases' order")
        return rows.map(\.1)
    }()

    private typealias Row = (MarketMetric, MetricSpec)

    private static let share = Quantity.decimal(places: 6, of: "share")
    private static let dollars = Quantity.decimal(places: 6, of: "dollars")
    private static let tokens = Quantity.decimal(places: 9, of: "tokens")
    private static let rate = Quantity.decimal(places: 6, of: "return a step")

    private static func row(
        _ key: MarketMetric, _ name: String, _ unit: Quantity, _ about: String
    ) -> Row {
        (key, MetricSpec(name, unit, about: about))
    }

    private static let work: [Row] = [
        row(.active, "active", .count(of: "providers"), "Providers with a bond that serve."),
        row(.entries, "entries", .count(of: "providers"), "Providers that came in."),
        row(.exits, "exits", .count(of: "providers"), "Providers that began to leave."),
        row(.bans, "bans", .count(of: "providers"), "Providers convicted for good."),
        row(.wanted, "wanted", .count(of: "jobs"), "Jobs buyers asked for."),
        row(.jobs, "jobs", .count(of: "jobs"), "Jobs that were served."),
        row(.fillRate, "fill_rate", share, "Jobs served over jobs asked for."),
        row(.utilisation, "utilisation", share, "Jobs served over what active providers could."),
        row(
            .price, "price", .decimal(places: 6, of: "dollars a million output tokens"),
            "The mean price paid, weighted by tokens; the last one where nothing was sold."),
        row(.pay, "pay", dollars, "What providers were paid by buyers, after the fee."),
        row(.fees, "fees", dollars, "What the house took in fees, before it paid for audits."),
        row(
            .welfare, "welfare", dollars,
            "What right answers were worth to buyers less what all cost them, refunds taken off; "
                + "wash trades left out."),
        row(.trust, "trust", share, "Demand that wrong answers have left."),
        row(
            .arrivals, "arrivals", .decimal(places: 6, of: "times"),
            "Demand that the trace has in the step, over its mean; 1 without a trace."),
    ]

    private static let token: [Row] = [
        row(
            .tokenPrice, "token_price", .decimal(places: 6, of: "dollars a token"),
            "The pool's price after the step."),
        row(.emission, "emission", tokens, "Tokens the house emitted."),
        row(
            .emissionShare, "emission_share", share,
            "The emission's worth over that and providers' pay."),
        row(.realYield, "real_yield", rate, "Fees over the worth of the stake."),
        row(
            .sellPressure, "sell_pressure", share,
            "Tokens sold over the pool's tokens before the step."),
        row(.supply, "supply", tokens, "Genesis and what was minted less what was burned."),
        row(.burned, "burned", tokens, "Tokens burned in all."),
        row(.staked, "staked", tokens, "Tokens that delegators stake."),
    ]

    private static let returns: [Row] = [
        row(.roiMedian, "roi_median", rate, "Active providers' profit over bond, the median."),
        row(.roiLow, "roi_p5", rate, "The same, the twentieth from below."),
        row(.roiHigh, "roi_p95", rate, "The same, the twentieth from above."),
        row(.roiConsumer, "roi_consumer", rate, "Profit over bond of consumer hardware together."),
        row(.roiDatacentre, "roi_datacentre", rate, "The same of data centres."),
        row(.roiSpecialised, "roi_specialised", rate, "The same of specialised hardware."),
        row(.gini, "gini", share, "Gini coefficient of jobs over active providers."),
        row(.concentration, "hhi", share, "Herfindahl-Hirschman index of jobs."),
    ]

    private static let honesty: [Row] = [
        row(.cheated, "cheated", .count(of: "jobs"), "Jobs served wrong on purpose."),
        row(.cheatingRate, "cheating_rate", share, "Those over jobs served."),
        row(.audits, "audits", .count(of: "audits"), "Audits that were drawn."),
        row(.convictions, "convictions", .count(of: "verdicts"), "Convictions that stand."),
        row(.detection, "detection", share, "Convictions of cheats over jobs served wrong."),
        row(
            .falseSlashes, "false_slashes", .count(of: "verdicts"),
            "Convictions that stand of who did not cheat."),
        row(.overturned, "overturned", .count(of: "verdicts"), "Convictions undone on appeal."),
        row(.slashed, "slashed", dollars, "Penalties taken for good."),
        row(.refunded, "refunded", dollars, "What convictions gave back to buyers."),
        row(.corruptionProfit, "corruption_profit", dollars, "What cheating saved."),
        row(
            .corruptionCost, "corruption_cost", dollars,
            "Bond captured from cheaters and pay withheld."),
        row(
            .breakEven, "break_even", share,
            "p*: what cheating saved a job over what a conviction cost; 0 without one."),
        row(.honestProfit, "honest_profit", dollars, "Profit of an honest provider, the mean."),
        row(.cheaterProfit, "cheater_profit", dollars, "The same of lazy to colluding ones."),
        row(.sybilProfit, "sybil_profit", dollars, "The same of sybils."),
        row(.whaleProfit, "whale_profit", dollars, "The same of whales."),
        row(.washProfit, "wash_profit", dollars, "The same of wash traders, with their buyers."),
        row(.verifierProfit, "verifier_profit", dollars, "Profit of a verifier, the mean."),
        row(.delegatorYield, "delegator_yield", rate, "Rewards over stake."),
    ]

    private static let books: [Row] = [
        row(.bonded, "bonded", dollars, "Bonds of all, in force."),
        row(.insurance, "insurance", dollars, "What insures buyers."),
        row(.feePot, "fee_pot", dollars, "Fees in the house."),
        row(.operatorDollars, "treasury", dollars, "Fees collected and not spent."),
        row(
            .bookImbalance, "book_imbalance", .decimal(places: 12, of: "dollars"),
            "Dollars on chain less all accounts of the house: always 0."),
        row(
            .dollarImbalance, "dollar_imbalance", dollars,
            "Dollars of all less what came from outside: always 0."),
        row(
            .tokenImbalance, "token_imbalance", .decimal(places: 12, of: "tokens"),
            "Genesis, minted and burned tokens less what all hold: always 0."),
        row(
            .productFalls, "product_falls", .count(of: "swaps"),
            "Swaps after which the pool's product was smaller: always 0."),
    ]
}
