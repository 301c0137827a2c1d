extension CMW1 {
    // Matching walks providers from the cheapest and buyers from the keenest, ties by number. Who
    // is served follows from sums by price and by bid alone, so nothing is sorted: whole levels
    // are matched first, then each provider and buyer finds its part in its level, in order of
    // number.

    /// Where supply ends: providers below the price serve all they can, those at it the rest.
    struct Cut {
        var price: Int32
        var rest: Int32
    }

    /// Phase 1: what buyers want and can pay; gives the sum.
    func ask() -> Int64 {
        let c = columns
        let want = key(Kind.want)
        let halving: Int32 = settings.isShock(steps) ? 1 : 0
        var sum: Int64 = 0
        for buyer in 0..<c.buyers {
            let income = c.income[buyer]
            let budget = min(c.budget[buyer] &+ income, 8 &* income)
            c.budget[buyer] = budget
            let limit = UInt32(truncatingIfNeeded: 2 &* c.base[buyer] &+ 1)
            let wanted = want.number(buyer, below: limit) &>> halving
            // The budget divided by the bid: exact, as their product is below 2^32.
            let bid = Int(c.bid[buyer])
            let reciprocal = UInt64(c.reciprocals[bid])
            let affordable = (UInt64(UInt32(bitPattern: budget)) &* reciprocal) >> 32
            let units = min(wanted, Int32(truncatingIfNeeded: affordable))
            c.wanted[buyer] = units
            c.demand[bid] &+= units
            sum &+= Int64(units)
        }
        return sum
    }

    /// Phase 2, level by level. Leaves in `queues`, for each bid, how much its buyers get and from
    /// where.
    func match(_ now: inout CMW1Row) -> Cut {
        let c = columns
        var price = 0
        while price < ceiling, c.supply[price] == 0 { price += 1 }
        var rest = price < ceiling ? c.supply[price] : 0
        var bid = ceiling - 1
        while bid >= price {
            let wanted = c.demand[bid]
            c.demand[bid] = 0
            var queue = CMW1Columns.Queue()
            (queue.price, queue.rest) = (Int32(truncatingIfNeeded: price), rest)
            var missing = wanted
            while missing > 0, price <= bid {
                let units = min(missing, rest)
                missing &-= units
                rest &-= units
                now.gross &+= Int64(units) &* Int64(price)
                if rest > 0 { break }
                price += 1
                while price < ceiling, c.supply[price] == 0 { price += 1 }
                rest = price < ceiling ? c.supply[price] : 0
            }
            queue.left = wanted &- missing
            now.traded &+= Int64(queue.left)
            c.queues[bid] = queue
            bid -= 1
        }
        while bid >= 0 {
            c.demand[bid] = 0
            c.queues[bid] = CMW1Columns.Queue()
            bid -= 1
        }
        let used = price < ceiling ? c.supply[price] &- rest : 0
        return Cut(price: Int32(truncatingIfNeeded: price), rest: used)
    }

    /// What each provider serves.
    func fill(_ cut: Cut) {
        let c = columns
        var rest = cut.rest
        for slot in 0..<c.providers {
            let price = c.price[slot]
            let capacity = c.capacity[slot]
            var units = price < cut.price ? capacity : 0
            if price == cut.price {
                units = min(capacity, rest)
                rest &-= units
            }
            c.served[slot] = units
            c.paid[slot] = units
        }
    }

    /// The buyers' part of phases 2 and 6: each takes its units from its queue, pays and bids anew.
    func payAndBid() {
        let c = columns
        let (highest, lowest) = (Int32(settings.highestBid), Int32(settings.lowestBid))
        let (wants, bids, budgets, queues) = (c.wanted, c.bid, c.budget, c.queues)
        for buyer in 0..<c.buyers {
            let (wanted, bid) = (wants[buyer], bids[buyer])
            let level = Int(bid)
            var queue = queues[level]
            let units = min(wanted, queue.left)
            queue.left &-= units
            if units <= queue.rest {
                queue.rest &-= units
                budgets[buyer] &-= units &* queue.price
            } else {
                budgets[buyer] &-= pay(units, &queue)
            }
            queues[level] = queue
            let up = min(bid &+ (bid >> 6) &+ 1, highest)
            let down = max(bid &- (bid >> 6), lowest)
            bids[buyer] = units < wanted ? up : wanted > 0 ? down : bid
        }
    }

    /// What units cost that come from more than one price.
    @inline(never)
    private func pay(_ units: Int32, _ queue: inout CMW1Columns.Queue) -> Int32 {
        let supply = columns.supply
        var missing = units
        var sum: Int32 = 0
        while true {
            let part = min(missing, queue.rest)
            sum &+= part &* queue.price
            missing &-= part
            queue.rest &-= part
            if missing == 0 { return sum }
            repeat { queue.price &+= 1 } while supply[Int(queue.price)] == 0
            queue.rest = supply[Int(queue.price)]
        }
    }
}
