import Economics
import Primitives

/// What must fit, and who is there at first.
extension MarketModel {
    static func strategyShares(_ settings: MarketSettings) -> [Int64] {
        let keys: [MarketParameter] = [
            .lazy, .quantising, .spoofing, .selective, .colluding, .sybil, .whale, .wash,
        ]
        return keys.map { settings[$0] }
    }

    static func check(_ settings: MarketSettings, _ rules: Parameters) throws(ScenarioError) {
        if let problem = rules.problem { throw ScenarioError("rules: \(problem)") }
        let groups: [(String, [MarketParameter])] = [
            (
                "the shares of providers from lazy to wash",
                [
                    .lazy, .quantising, .spoofing, .selective, .colluding, .sybil, .whale, .wash,
                ]
            ),
            (
                "consumer_hardware and datacentre_hardware",
                [.consumerHardware, .datacentreHardware]
            ),
            (
                "batch_buyers, agent_buyers and reseller_buyers",
                [.batchBuyers, .agentBuyers, .resellerBuyers]
            ),
            (
                "lazy_verifiers, colluding_verifiers and griefing_verifiers",
                [.lazyVerifiers, .colludingVerifiers, .griefingVerifiers]
            ),
            ("momentum_traders and noise_traders", [.momentumTraders, .noiseTraders]),
        ]
        for (names, keys) in groups where keys.reduce(0, { $0 + settings[$1] }) > 1_000 {
            throw ScenarioError("\(names) are together over 1; lower one of them")
        }
        if rules.challengeWindow.nanoseconds > rules.epochLength.nanoseconds {
            throw ScenarioError(
                "rules: a step is an epoch, so the challenge window must not be longer than one")
        }
        if rules.auditTimeout.nanoseconds > rules.epochLength.nanoseconds {
            throw ScenarioError(
                "rules: a step is an epoch, so the audit timeout must not be longer than one")
        }
        if settings[.backend] == 1, settings[.correlation] > 0 {
            throw ScenarioError(
                "correlation: the production house has no such rule, its penalties are those of "
                    + "the ladder alone; use 0 with the twin, or backend: kernel")
        }
        if rules.minimumBond.units >= 1 << 62 {
            throw ScenarioError("rules: the bond is too large")
        }
    }

    func checkPrices() throws(ScenarioError) {
        let asked = max(settings[.startPrice], settings[.value], settings[.retailPrice]) * 2
        if asked > Int64(highestAsk) {
            throw ScenarioError(
                "at start_price, value or retail_price a job of so many tokens is too dear to "
                    + "be counted; lower the price, the tokens or settlement")
        }
    }

    static func terms(_ settings: MarketSettings, _ demand: TraceDemand?) -> JobTerms {
        JobTerms(
            demand?.sizes ?? [
                (settings[.promptTokens], settings[.outputTokens]),
                (settings[.batchPromptTokens], settings[.batchOutputTokens]),
            ])
    }

    /// The ask at which a settlement period's pay for full capacity still fits its column, with
    /// room to spare.
    static func highestAsk(_ settings: MarketSettings, _ terms: JobTerms) -> Int32 {
        let quarters = terms.mostQuarters / 4 + 1
        let most = (Int64(1) << 61) / 1_024 / settings[.settlement] / quarters
        return Int32(clamping: min(most, 2_000_000_000)) & ~3
    }

    mutating func populate() {
        populateProviders()
        let kinds: [MarketParameter] = [.batchBuyers, .agentBuyers, .resellerBuyers]
        let start = draws.stream(.buyerKind)[0]
        let values = draws.stream(.value)
        let span = settings[.value] * settings[.valueSpread] / 1_000
        for buyer in 0..<settings.count(.buyers) {
            let kind = Spread.pick(Spread.part(buyer, from: start), kinds.map { settings[$0] })
            buyers.kind[buyer] = kind
            // With a trace's demand it is drawn anew in every step.
            orders.kinds[buyer] = kind == BuyerKind.batch.rawValue && demand == nil ? 1 : 0
            let value =
                kind == BuyerKind.reseller.rawValue
                ? settings[.retailPrice]
                : settings[.value] - span + values.below(2 * span + 1, buyer)
            buyers.value[buyer] = Int32(clamping: value) & ~3
            orders.limits[buyer] = buyers.value[buyer]
        }
        populateVerifiers()
        populateTraders()
        token.genesis =
            UInt128(settings[.poolTokens])
            + UInt128(settings[.traderTokens]) * UInt128(traders.kind.count)
            + UInt128(settings[.delegatorTokens]) * UInt128(delegators.tokens.count)
        if settings[.dumpStep] > 0 { conditions.holder = settings[.dumpTokens] }
        token.genesis += UInt128(conditions.holder)
        conditions.marked = token.price
        flows.incoming =
            Int128(settings[.poolDollars])
            + Int128(settings[.traderDollars]) * Int128(traders.kind.count)
    }

    private mutating func populateProviders() {
        let hardware = draws.stream(.hardware)
        let prices = draws.stream(.price)
        let reserve = draws.stream(.reserve)[0]
        let span = settings[.startPrice] * settings[.priceSpread] / 1_000
        var washBuyer = settings.count(.buyers)
        for place in 0..<roster.providers {
            let shares = [settings[.consumerHardware], settings[.datacentreHardware]]
            // 0 consumer, 1 data centre, 2 specialised.
            let kind = (Spread.pick(hardware.below(1_000, place), shares) + 2) % 3
            providers.hardware[place] = kind
            let strategy = Strategy(rawValue: providers.strategy[place]) ?? .honest
            orders.slots[place] = slots(kind, strategy)
            let ask = settings[.startPrice] - span + prices.below(2 * span + 1, place)
            providers.ask[place] = max(4, Int32(clamping: ask) & ~3)
            if strategy == .wash {
                providers.ask[place] = washAsk
                buyers.kind[washBuyer] = BuyerKind.wash.rawValue
                buyers.value[washBuyer] = washAsk
                orders.limits[washBuyer] = washAsk
                orders.sellers[washBuyer] = Int32(place)
                washBuyer += 1
            }
            providers.bond[place] = wantedBond(place)
            if Spread.part(place, from: reserve) >= settings[.reserve] {
                providers.presence[place] = Presence.active.rawValue
            }
        }
    }

    private func slots(_ hardware: UInt8, _ strategy: Strategy) -> UInt16 {
        let keys: [MarketParameter] = [.consumerSlots, .datacentreSlots, .specialisedSlots]
        let own = settings[keys[Int(hardware)]]
        switch strategy {
        case .sybil: return UInt16(max(1, own / settings[.sybilIdentities]))
        case .whale: return UInt16(min(1_024, own * settings[.whaleFactor]))
        default: return UInt16(own)
        }
    }

    /// A provider's bond in chain units: what is set, or what its slots need at its ask, and never
    /// less than the rules want.
    private func wantedBond(_ place: Int) -> Int64 {
        let least = Asset.usd.chainUnits(rules.minimumBond)
        let lowest = Int64(clamping: least) + (least * 1_000_000 < rules.minimumBond.units ? 1 : 0)
        if settings[.bond] > 0 { return max(settings[.bond], lowest) }
        let exposure =
            UInt128(orders.slots[place]) * UInt128(terms.cost(0, ask: providers.ask[place]))
        let needed = BondPolicy.requiredBond(exposure: Amount(exposure), parameters: rules)
        let covered = (needed ?? rules.minimumBond).units * UInt128(settings[.bondCover]) / 1_000
        // At most four million dollars: more does not fit the column in ledger units.
        return max(Int64(clamping: min(covered / 1_000_000, 4_000_000_000_000)), lowest)
    }

    /// The ask at which a wash trade's fee just backs all its work, or the start price if none can.
    var washAsk: Int32 {
        let work = UInt128(terms.work(0)) * UInt128(rules.feeUnitsPerWork)
        let quarters = UInt128(terms.quarters(0))
        guard rules.feeBasisPoints > 0 else { return Int32(clamping: settings[.startPrice]) & ~3 }
        let least =
            (work * 10_000 + UInt128(rules.feeBasisPoints) - 1)
            / UInt128(rules.feeBasisPoints)
        let ask = (least * 4 + quarters - 1) / quarters + 4
        return min(Int32(clamping: ask) & ~3, highestAsk)
    }

    private mutating func populateVerifiers() {
        let keys: [MarketParameter] = [.lazyVerifiers, .colludingVerifiers, .griefingVerifiers]
        let start = draws.stream(.verifierKind)[0]
        for place in 0..<roster.verifiers {
            verifiers.kind[place] = Spread.pick(
                Spread.part(place, from: start), keys.map { settings[$0] })
        }
    }

    private mutating func populateTraders() {
        let start = draws.stream(.traderKind)[0]
        let shares = [settings[.momentumTraders], settings[.noiseTraders]]
        for place in 0..<traders.kind.count {
            traders.kind[place] = Spread.pick(Spread.part(place, from: start), shares)
            traders.dollars[place] = settings[.traderDollars]
            traders.tokens[place] = settings[.traderTokens]
        }
    }
}
