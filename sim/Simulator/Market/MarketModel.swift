public import Economics
import Primitives

/// A market for inference with a token: providers, buyers, verifiers, delegators and traders around
/// the house's own rules (docs/reference/simulation-model.md).
///
/// A step is an emission epoch. The agents' behaviour is one code; the house behind it is either
/// the production state machine (`twin`) or the same rules in columns (`kernel`), and both give
/// everybody the same balances to the unit.
public struct MarketModel: SimulationModel {
    /// `market`.
    public static let name = "market"
    /// What it is.
    public static let summary =
        "Providers, buyers, verifiers, delegators and traders under the house's rules."
    /// What a scenario can set (docs/reference/simulation-model.md).
    public static var parameters: [ParameterSpec] { MarketParameter.table }
    /// The sizes of jobs.
    public static let sizedByDemand = [
        "prompt_tokens", "output_tokens", "batch_prompt_tokens", "batch_output_tokens",
    ]
    /// What every step tells.
    public static var metrics: [MetricSpec] { MarketMetric.table }

    /// What a provider, verifier, buyer or the operator has in the house, in ledger units.
    public struct Statement: Hashable, Sendable {
        /// Dollars it may spend.
        public let available: Int64
        /// Bond in force.
        public let bonded: Int64
        /// Bond on its way out.
        public let unbonding: Int64
        /// Dollars that wait for settlement.
        public let payable: Int64
        /// Tokens that wait for settlement.
        public let tokens: Int64
    }

    let settings: MarketSettings
    let rules: Parameters
    let draws: Draws
    let roster: Roster
    let terms: JobTerms
    let demand: TraceDemand?
    /// No provider asks for more: what a party can have then fits its column.
    let highestAsk: Int32

    var house: any House
    var books: Books
    var orders: StepOrders
    var result: StepResult
    var providers: Providers
    var buyers: Buyers
    var verifiers: Verifiers
    var delegators: Delegators
    var traders: Traders
    var token: TokenMarket
    var conditions: Conditions
    var flows = DollarFlows()
    var tally = StepTally()
    var figures: Figures
    /// For the auction of a step.
    var sorter: RadixSort
    var ranked: Column<Int32>
    var rulings: [Ruling] = []
    /// Dollars that buy and burn tokens in this step.
    var burnBudget: Int64 = 0
    /// What was in escrow after the last step, in ledger units.
    var escrowBefore: Int128 = 0
    /// Steps done: emission epochs.
    public internal(set) var steps = 0

    /// A market before its first step. Throws where shares are over one, the rules' windows do not
    /// fit in an epoch, or a job is too dear to be counted. O(agents).
    public init(_ values: [Int64], rules: Parameters, seed: UInt64) throws(ScenarioError) {
        try self.init(MarketSettings(values), rules, nil, seed)
    }

    /// A market whose buyers want in each step what a trace has, in jobs of the trace's sizes.
    public init(
        _ values: [Int64], rules: Parameters, demand: TraceDemand, seed: UInt64
    ) throws(ScenarioError) {
        try self.init(MarketSettings(values), rules, demand, seed)
    }

    private init(
        _ settings: MarketSettings, _ rules: Parameters, _ demand: TraceDemand?, _ seed: UInt64
    ) throws(ScenarioError) {
        try MarketModel.check(settings, rules)
        let start = Draws(seed: seed).stream(.strategy)[0]
        let shares = MarketModel.strategyShares(settings)
        let count = settings.count(.providers)
        let strategies = Column<UInt8>(count, 0)
        var washers = 0
        for place in 0..<count {
            strategies[place] = Spread.pick(Spread.part(place, from: start), shares)
            if strategies[place] == Strategy.wash.rawValue { washers += 1 }
        }
        let roster = Roster(
            providers: count, verifiers: settings.count(.verifiers),
            buyers: settings.count(.buyers) + washers)
        let terms = MarketModel.terms(settings, demand)
        self.settings = settings
        self.rules = rules
        self.roster = roster
        self.terms = terms
        self.demand = demand
        draws = Draws(seed: seed)
        highestAsk = MarketModel.highestAsk(settings, terms)
        let correlation = UInt32(settings[.correlation])
        if settings[.backend] == 0 {
            house = KernelHouse(
                roster, terms, rules: rules,
                penalty: correlation == 0
                    ? .ladder : .correlated(CorrelationPenalty(multiplier: correlation)))
        } else {
            house = TwinHouse(roster, terms, rules: rules)
        }
        books = Books(roster)
        orders = StepOrders(roster)
        result = StepResult(roster)
        providers = Providers(count)
        providers.strategy = strategies
        buyers = Buyers(roster.buyers)
        verifiers = Verifiers(roster.verifiers)
        traders = Traders(settings.count(.traders))
        delegators = Delegators(
            settings.count(.delegators), tokens: settings[.delegatorTokens])
        token = TokenMarket(
            dollars: settings[.poolDollars], tokens: settings[.poolTokens],
            feePerMille: settings[.poolFee], genesis: 0)
        conditions = Conditions(price: settings[.startPrice])
        figures = Figures()
        sorter = RadixSort(capacity: max(count, roster.buyers))
        ranked = Column(max(count, roster.buyers), 0)
        try checkPrices()
        populate()
    }

    // MARK: A step

    /// One emission epoch. O(agents + jobs), with the kernel.
    public mutating func step(into row: inout [Int64]) {
        var owner = ColumnOwner()
        visit(&owner)
        visitScratch(&owner)
        tally = StepTally()
        figures.clear()
        orders.chain.removeAll(keepingCapacity: true)
        result.clear()
        if settings.count(.emissionEnd) == steps + 1 { endEmission() }
        decideProviders()
        decideBuyers()
        if settings[.clearing] == 1 { clearUniformly() }
        house.open(orders, &books, &result)
        serve()
        audit()
        house.close(&books, &result)
        let isSettling = (steps + 1) % settings.count(.settlement) == 0
        takeStock()
        if isSettling { settle() }
        tradeTokens()
        steps += 1
        conclude(into: &row)
    }

    /// From this step on nothing is emitted: the house is told, as it would be.
    mutating func endEmission() {
        var ended = rules
        ended.initialEmission = .zero
        if ended.otherEmission != nil {
            ended.otherEmission = .heightHalving(HeightHalving(initial: .zero, interval: 1))
        }
        house.configure(ended)
    }

    /// What the party at a place has in the house: providers, verifiers, buyers (behind them those
    /// of wash traders), the operator.
    public func statement(of party: Int) -> Statement {
        Statement(
            available: books.available[party], bonded: books.bonded[party],
            unbonding: books.unbonding[party], payable: books.payable[party],
            tokens: books.tally[party])
    }

    /// How many parties have a statement.
    public var parties: Int { roster.parties }
}
