import Primitives

/// What buyers want in a step, and an auction that clears it at one price.
extension MarketModel {
    mutating func decideBuyers() {
        let mean = conditions.price
        if let demand { tally.arrivals = min(demand.level(of: steps, draws), 1_000_000_000) }
        let wants = BuyerKind.allCases.map { wantedPerMille($0, at: mean) }
        let luck = draws.stream(.wanted, step: steps)
        let own = settings.count(.buyers)
        let sizes = draws.stream(.jobSize, step: steps)
        for buyer in 0..<own {
            // One of sixteen sizes, behind the mean one.
            if demand != nil { orders.kinds[buyer] = UInt8(1 + sizes[buyer] >> 60) }
            let want = wants[Int(buyers.kind[buyer])]
            let part = luck.below(1_000, buyer) < want % 1_000 ? 1 : 0
            let wanted = min(want / 1_000 + Int64(part), 1_024)
            orders.wanted[buyer] = UInt16(wanted)
            orders.limits[buyer] = buyers.value[buyer]
            tally.wanted += wanted
            if wanted > 0 { provide(buyer, wanted) }
        }
        for buyer in own..<roster.buyers {
            let seller = Int(orders.sellers[buyer])
            let isThere = orders.asks[seller] != 0
            let wanted = isThere ? Int64(orders.slots[seller]) : 0
            orders.wanted[buyer] = UInt16(wanted)
            orders.limits[buyer] = buyers.value[buyer]
            tally.wanted += wanted
            if wanted > 0 { provide(buyer, wanted) }
        }
        takeTurns(own)
    }

    /// Wash buyers come first, as they only have one seller; the others begin at another one in
    /// each step.
    private mutating func takeTurns(_ own: Int) {
        let washers = roster.buyers - own
        for place in 0..<washers { orders.turns[place] = Int32(own + place) }
        let start = Int(draws.stream(.turn, step: steps).below(Int64(own), 0))
        for place in 0..<own {
            let buyer = start + place
            orders.turns[washers + place] = Int32(buyer < own ? buyer : buyer - own)
        }
    }

    /// Jobs a buyer of a kind wants, in thousandths, at a price.
    private func wantedPerMille(_ kind: BuyerKind, at price: Int64) -> Int64 {
        let isShock =
            (settings.count(
                .shockFrom)..<max(settings.count(.shockFrom), settings.count(.shockUntil)))
            .contains(steps)
        let level = isShock ? settings[.shockDemand] : 1_000
        let base = times(settings[.demand], level)
        let reference = settings[.startPrice]
        switch kind {
        case .person, .batch:
            let elasticity = settings[.elasticity] * (kind == .batch ? 2 : 1)
            let factor = 1_000 + elasticity * (reference - price) / reference
            return min(base * min(max(factor, 0), 4_000) / 1_000, 1_024_000)
        case .agent:
            let cost = terms.cost(0, ask: Int32(clamping: price) & ~3)
            let budget = times(settings[.dailyBudget], level)
            let most = Int64(clamping: Int128(budget) * 1_000_000_000 / Int128(max(cost, 1)))
            return min(most, 1_024_000)
        case .reseller:
            let margin = max(settings[.retailPrice] - price, 0)
            return min(
                base * min(margin * 2_000 / settings[.retailPrice], 2_000) / 1_000, 1_024_000)
        case .wash: return 0
        }
    }

    /// What there is of a demand in a shock of so many thousandths: times trust and arrivals.
    private func times(_ demand: Int64, _ shock: Int64) -> Int64 {
        let whole = Int128(demand) * Int128(shock) / 1_000 * Int128(conditions.trust) / 1_000_000
        return Int64(clamping: whole * Int128(tally.arrivals) / 1_000_000)
    }

    /// Brings money in when it could run out: for four steps at once.
    private mutating func provide(_ buyer: Int, _ wanted: Int64) {
        let party = roster.firstBuyer + buyer
        let cost = terms.cost(orders.kinds[buyer], ask: orders.limits[buyer])
        let need = cost * wanted
        if books.available[party] >= need { return }
        let units = need / Money.dollar * 4 + 1
        send(.deposit, party, units)
        flows.incoming += Int128(units)
    }

    // MARK: One price for all

    /// The auction of a step: asks from below and values from above meet at one price, at which all
    /// who are better sell and buy. The marginal ask is the price.
    mutating func clearUniformly() {
        var supply = 0
        for place in 0..<roster.providers
        where orders.asks[place] != 0 && providers.strategy[place] != Strategy.wash.rawValue {
            ranked[supply] = Int32(place)
            supply += 1
        }
        sorter.sort(ranked, count: supply) { UInt32(orders.asks[$0]) }
        // Buyers by value, the highest first; `turns` keeps who comes first among equals.
        let top = UInt32(highestAsk)
        let turns = orders.turns
        sorter.sort(turns, count: roster.buyers) { buyer in
            orders.sellers[buyer] >= 0 ? 0 : top - min(UInt32(orders.limits[buyer]), top)
        }
        var price: Int32 = 0
        var rank = 0
        var room = supply > 0 ? Int64(orders.slots[Int(ranked[0])]) : 0
        search: for turn in 0..<roster.buyers {
            let buyer = Int(turns[turn])
            if orders.sellers[buyer] >= 0 { continue }
            var left = Int64(orders.wanted[buyer])
            while left > 0 {
                if rank == supply { break search }
                let ask = orders.asks[Int(ranked[rank])]
                if ask > orders.limits[buyer] { break search }
                price = ask
                let part = min(left, room)
                left -= part
                room -= part
                if room == 0 {
                    rank += 1
                    if rank < supply { room = Int64(orders.slots[Int(ranked[rank])]) }
                }
            }
        }
        for place in 0..<supply {
            let provider = Int(ranked[place])
            orders.asks[provider] = orders.asks[provider] <= price ? price : 0
        }
    }
}
