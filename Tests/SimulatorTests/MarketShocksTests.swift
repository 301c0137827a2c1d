import Economics
import Primitives
import Simulator
import Testing

/// What happens when something happens: the experiments, in small.
@Suite struct MarketShocksTests {
    private let town: [String: Int64] = ["providers": 300, "buyers": 900, "verifiers": 8]

    @Test func aHalvingHalvesEmissionAndItsShareOfIncome() throws {
        var rules = Parameters()
        rules.halvingEpochs = 10
        var market = try Market(town.merging(["traders": 0]) { $1 }, rules: rules)
        market.step(10)
        let (before, share) = (market["emission"], market["emission_share"])
        market.step()
        #expect(abs(market["emission"] * 2 - before) <= 2)
        #expect(market["emission_share"] < share)
        // Tokens are sold where they are settled, a week at a time.
        var (busy, quiet): (Int64, Int64) = (0, 0)
        market = try Market(town.merging(["traders": 0]) { $1 }, rules: rules)
        for step in 1...28 {
            market.step()
            if step == 7 { busy = market["sell_pressure"] }
            if step == 28 { quiet = market["sell_pressure"] }
        }
        #expect(busy > 0 && quiet > 0 && quiet * 3 < busy * 2, "\(busy), then \(quiet)")
    }

    @Test func aCrashOfDemandLowersPricesAndDrivesProvidersOut() throws {
        let hasty = town.merging(["patience": 7]) { $1 }
        let crash: [String: Int64] = [
            "shock_from": 20, "shock_until": 80, "shock_demand": 200,
        ]
        var calm = try Market(hasty)
        var crashed = try Market(hasty.merging(crash) { $1 })
        calm.step(20)
        crashed.step(20)
        // The same luck until it comes.
        #expect(calm.row == crashed.row)
        let (calmExits, exits) = (
            calm.sum("exits", over: 60), crashed.sum("exits", over: 60)
        )
        #expect(crashed["price"] < calm["price"])
        #expect(crashed["utilisation"] < calm["utilisation"])
        #expect(exits > calmExits)
        #expect(crashed["active"] < calm["active"])
    }

    /// Wrong answers cost trust, trust is demand, and demand is income: with cheaters that nobody
    /// audits a market shrinks that audits keep.
    @Test func withoutAuditsDistrustSpirals() throws {
        let changes = town.merging(["lazy": 300, "distrust": 3_000]) { $1 }
        var rules = Parameters()
        rules.auditRatePerMillion = 1
        rules.bondMarginBasisPoints = 0
        var blind = try Market(changes, rules: rules)
        var audited = try Market(changes)
        blind.step(40)
        audited.step(40)
        #expect(blind["trust"] < 500_000 && audited["trust"] > 900_000)
        #expect(blind["jobs"] * 2 < audited["jobs"])
        #expect(blind["welfare"] < audited["welfare"])
    }

    @Test func atTheSubsidyCliffThoseWhoLivedOnItLeave() throws {
        // Overheads that pay from buyers does not cover.
        let poor: [String: Int64] = [
            "consumer_overhead": 2_000_000, "datacentre_overhead": 6_000_000,
            "specialised_overhead": 16_000_000, "patience": 5, "entry": 0,
        ]
        var rules = Parameters()
        rules.initialEmission = Amount(3_000_000_000_000_000)
        var subsidised = try Market(town.merging(poor) { $1 }, rules: rules)
        var cliff = try Market(
            town.merging(poor) { $1 }.merging(["emission_end": 15]) { $1 }, rules: rules)
        subsidised.step(60)
        cliff.step(14)
        #expect(cliff["emission"] > 0)
        cliff.step()
        #expect(cliff["emission"] == 0)
        cliff.step(45)
        #expect(cliff["active"] * 4 < subsidised["active"] * 3)
    }

    @Test func aWhaleConcentratesTheMarket() throws {
        var (fair, whale) = (
            try Market(town), try Market(town.merging(["whale": 20, "whale_factor": 64]) { $1 })
        )
        fair.step(20)
        whale.step(20)
        #expect(whale["hhi"] > 2 * fair["hhi"])
        #expect(whale["gini"] > fair["gini"])
        #expect(whale["whale_profit"] > whale["honest_profit"])
    }

    @Test func anEngineBugSlashesTheInnocentUnlessAppealsFindIt() throws {
        let bug = town.merging(["bug_step": 5, "bug_share": 400]) { $1 }
        var blamed = try Market(bug)
        #expect(blamed.sum("false_slashes", over: 4) == 0)
        blamed.step()
        #expect(blamed["false_slashes"] > 10)
        #expect(blamed.sum("false_slashes", over: 5) == 0)
        var found = try Market(bug.merging(["bug_upheld": 1_000]) { $1 })
        #expect(found.sum("false_slashes", over: 10) == 0)
        // Together at fault is worse than alone, under a correlation penalty.
        let rich = bug.merging(["bond": 2_000_000_000, "appeals": 0]) { $1 }
        var (alone, together) = (
            try Market(rich), try Market(rich.merging(["correlation": 3]) { $1 })
        )
        let (ladder, correlated) = (alone.sum("slashed", over: 7), together.sum("slashed", over: 7))
        #expect(correlated > ladder, "\(correlated) over \(ladder)")
    }

    @Test func feesFundWhatEmissionDidNot() throws {
        var (low, high) = (Parameters(), Parameters())
        low.feeBasisPoints = 200
        high.feeBasisPoints = 1_000
        var (cheap, dear) = (try Market(town, rules: low), try Market(town, rules: high))
        cheap.step(15)
        dear.step(15)
        #expect(dear["real_yield"] > 3 * cheap["real_yield"])
        #expect(dear["fees"] > 4 * cheap["fees"])
    }

    @Test func oneAuctionHasOnePriceAndServesWhoValuesWorkMost() throws {
        let scarce = town.merging([
            "demand": 20_000, "price_spread": 500, "reprice": 0, "batch_buyers": 0,
            "elasticity": 0,
        ]) { $1 }
        var asks = try Market(scarce)
        var auction = try Market(scarce.merging(["clearing": 1]) { $1 })
        asks.step()
        auction.step()
        #expect(auction["price"] > asks["price"])
        #expect(auction["pay"] > asks["pay"])
        // A job is worth more where those get it who value it most.
        func worth(_ market: Market) -> Int64 {
            (market["welfare"] + market["pay"] + market["fees"]) / market["jobs"]
        }
        #expect(worth(auction) > worth(asks), "\(worth(auction)) over \(worth(asks))")
    }

    @Test func burningPaymentsHoldsTheTokenUp() throws {
        let year = town.merging(["traders": 0, "delegators": 0]) { $1 }
        var paid = try Market(year)
        var burned = try Market(year.merging(["burn_and_mint": 1_000]) { $1 })
        paid.step(90)
        burned.step(90)
        #expect(burned["burned"] > 0 && paid["burned"] == 0)
        #expect(burned["token_price"] > paid["token_price"])
        #expect(burned["supply"] < paid["supply"])
    }

    @Test func delegatorsComeForTheYieldAndLoseWithThoseTheyBack() throws {
        var market = try Market(town.merging(["restake": 300]) { $1 })
        market.step(30)
        #expect(market["staked"] > 0 && market["delegator_yield"] > 0)
        var none = try Market(
            town.merging(["restake": 300, "delegator_hurdle": 900_000]) { $1 })
        none.step(60)
        #expect(none["staked"] < market["staked"])
        var slashed = try Market(town.merging(["restake": 300, "lazy": 300]) { $1 })
        slashed.step(30)
        #expect(slashed["burned"] > 0)
    }
}
