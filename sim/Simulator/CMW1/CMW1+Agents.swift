extension CMW1 {
    /// What the random numbers are for: the kinds of the definition.
    enum Kind {
        static let providerDraws: UInt64 = 1
        static let startsActive: UInt64 = 7
        static let income: UInt64 = 11
        static let bid: UInt64 = 12
        static let base: UInt64 = 13
        static let want: UInt64 = 21
        static let cheats: UInt64 = 31
        static let audited: UInt64 = 32
        static let enters: UInt64 = 41
    }

    func key(_ kind: UInt64) -> DrawKey { DrawKey(seed: seed, step: UInt64(steps), kind: kind) }

    /// The numbers that a new provider is made of, at this step.
    struct ProviderDraws {
        private let cost, markup, capacity, honesty, sellPart, fixedCost: DrawKey
        private let cheaters: Int32
        private let bond: Int64

        init(_ market: CMW1) {
            let first = Kind.providerDraws
            (cost, markup) = (market.key(first), market.key(first + 1))
            capacity = market.key(first + 2)
            honesty = market.key(first + 3)
            (sellPart, fixedCost) = (market.key(first + 4), market.key(first + 5))
            cheaters = Int32(market.settings.cheaterShare)
            bond = market.settings.bond
        }

        /// A provider enters a slot; the tokens of the slot stay.
        @inline(__always)
        func enter(_ slot: Int, _ c: CMW1Columns) {
            c.cost[slot] = 20 + cost.number(slot, below: 60)
            c.price[slot] = c.cost[slot] + 1 + markup.number(slot, below: 60)
            c.capacity[slot] = 50 + capacity.number(slot, below: 151)
            c.honest[slot] = honesty.number(slot, below: 1_000) >= cheaters ? 1 : 0
            c.sellPart[slot] = 200 + sellPart.number(slot, below: 801)
            c.fixedCost[slot] = 500 + fixedCost.number(slot, below: 2_501)
            c.unitCost[slot] = c.cost[slot]
            c.bond[slot] = bond
            (c.cash[slot], c.average[slot], c.streak[slot], c.active[slot]) = (0, 0, 0, 1)
        }
    }

    /// A slot without a provider: nothing to serve with, and all its tokens for sale.
    @inline(__always)
    func vacate(_ slot: Int) {
        columns.active[slot] = 0
        columns.bond[slot] = 0
        columns.capacity[slot] = 0
        columns.sellPart[slot] = 1_000
    }

    /// The state before the first step.
    func draw() {
        let c = columns
        let draws = ProviderDraws(self)
        let active = key(Kind.startsActive)
        for slot in 0..<c.providers {
            draws.enter(slot, c)
            if active.number(slot, below: 1_000) >= 800 { vacate(slot) }
        }
        let (income, bid, base) = (key(Kind.income), key(Kind.bid), key(Kind.base))
        for buyer in 0..<c.buyers {
            c.income[buyer] = 4_000 + income.number(buyer, below: 12_001)
            c.bid[buyer] = 40 + bid.number(buyer, below: 121)
            c.base[buyer] = 40 + base.number(buyer, below: 161)
            c.budget[buyer] = 3 * c.income[buyer]
        }
    }

    /// Makes what follows from the state: supply by price, the lists of slots, reciprocals of bids.
    mutating func index() {
        let c = columns
        // No bid rises above it, and no price above it and a thirty-second and 1.
        var top = max(Int32(settings.highestBid), 160)
        for buyer in 0..<c.buyers { top = max(top, c.bid[buyer]) }
        var highest = top + top >> 5 + 1
        for slot in 0..<c.providers { highest = max(highest, c.price[slot]) }
        ceiling = min(Int(highest) + 1, CMW1Columns.levels)
        for level in 2..<ceiling {
            c.reciprocals[level] = UInt32(((1 << 32) + UInt64(level) - 1) / UInt64(level))
        }
        c.supply.fill(0)
        c.demand.fill(0)
        (cheaters, free) = (0, 0)
        for slot in 0..<c.providers {
            if c.active[slot] == 0 {
                c.free[free] = UInt32(slot)
                free += 1
                continue
            }
            c.supply[Int(c.price[slot])] += c.capacity[slot]
            c.unitCost[slot] = c.cost[slot]
            if c.honest[slot] == 0 {
                c.cheaters[cheaters] = UInt32(slot)
                cheaters += 1
            }
        }
    }
}
