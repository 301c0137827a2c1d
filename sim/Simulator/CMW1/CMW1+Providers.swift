extension CMW1 {
    /// Phase 3 for the cheaters: who cheats at this step and who is found out. Gives the units that
    /// are served and not rewarded.
    mutating func audit(_ now: inout CMW1Row) -> Int64 {
        let c = columns
        let (cheats, audited) = (key(Kind.cheats), key(Kind.audited))
        let (cheatRate, auditRate) = (Int32(settings.cheatRate), Int32(settings.auditRate))
        let cheatCost = Int32(settings.cheatCost)
        var units: Int64 = 0
        var place = 0
        while place < cheaters {
            let slot = Int(c.cheaters[place])
            if c.active[slot] == 0 {
                cheaters -= 1
                c.cheaters[place] = c.cheaters[cheaters]
                continue
            }
            place += 1
            let cost = c.cost[slot]
            let cheated = cheats.number(slot, below: 1_000) < cheatRate
            c.unitCost[slot] = cheated ? cost &* cheatCost / 1_000 : cost
            guard cheated, c.served[slot] > 0, audited.number(slot, below: 1_000) < auditRate
            else { continue }
            let served = Int64(c.served[slot])
            c.paid[slot] = 0
            let slashed = c.bond[slot] * settings.slashPart / 1_000
            c.bond[slot] -= slashed
            now.slashed += slashed
            now.confiscated += served * Int64(c.price[slot])
            now.caught += 1
            units += served
        }
        return units
    }

    /// Phases 3 to 5 for each provider: fee, costs, its part of the emission, tokens for sale.
    func settle(_ rewarded: Int64, _ now: inout CMW1Row) {
        let c = columns
        let (prices, tokens, sellParts, offered) = (c.price, c.tokens, c.sellPart, c.offered)
        let (served, paidUnits, margin) = (c.served, c.paid, c.margin)
        let (unitCosts, fixedCosts) = (c.unitCost, c.fixedCost)
        let feeRate = UInt32(settings.feeRate)
        let emission = rewarded > 0 ? UInt64(settings.emission(at: steps)) : 0
        let divisor = InvariantDivisor(UInt64(max(rewarded, 1)))
        var (fees, minted, sold): (UInt64, UInt64, UInt64) = (0, 0, 0)
        for slot in 0..<c.providers {
            let paid = UInt32(bitPattern: paidUnits[slot])
            let gross = paid &* UInt32(bitPattern: prices[slot])
            let fee = gross &* feeRate / 1_000
            fees &+= UInt64(fee)
            let costs = served[slot] &* unitCosts[slot] &+ fixedCosts[slot]
            margin[slot] = Int32(bitPattern: gross &- fee) &- costs
            let reward = divisor.quotient(of: emission &* UInt64(paid))
            minted &+= reward
            let held = UInt64(bitPattern: tokens[slot]) &+ reward
            let offer = held &* UInt64(UInt32(bitPattern: sellParts[slot])) / 1_000
            tokens[slot] = Int64(bitPattern: held &- offer)
            offered[slot] = Int64(bitPattern: offer)
            sold &+= offer
        }
        now.fees = Int64(bitPattern: fees)
        now.minted = Int64(bitPattern: minted)
        now.sold = Int64(bitPattern: sold)
    }

    /// Phase 5 for the pool: tokens are sold to it, and fees buy tokens back and burn them.
    mutating func exchange(_ now: inout CMW1Row) {
        if now.sold > 0 {
            now.out = CMW1.output(now.sold, from: poolTokens, to: poolMoney)
            poolTokens += now.sold
            poolMoney -= now.out
        }
        if now.fees > 0 {
            now.burned = CMW1.output(now.fees, from: poolMoney, to: poolTokens)
            poolMoney += now.fees
            poolTokens -= now.burned
        }
    }

    /// What a constant-product pool with a fee of 0.3 % gives (Uniswap v2's getAmountOut).
    private static func output(_ amount: Int64, from held: Int64, to other: Int64) -> Int64 {
        let input = UInt128(amount.magnitude) * 997
        return Int64(input * UInt128(other.magnitude) / (UInt128(held.magnitude) * 1_000 + input))
    }

    /// What each provider's tokens fetched, as a part of `out`: the factor and the divisor of what
    /// it offered. Products are below 2^63 in the workload itself; where another pool or emission
    /// makes them wider, the parts are put in the place of the offers.
    private func parts(of out: Int64, sold: Int64) -> (factor: UInt64, divisor: InvariantDivisor) {
        let whole = max(sold, 1).magnitude
        if !out.multipliedReportingOverflow(by: sold).overflow {
            return (out.magnitude, InvariantDivisor(whole))
        }
        let offered = columns.offered
        for slot in 0..<offered.count {
            let product = UInt128(out.magnitude) * UInt128(offered[slot].magnitude)
            offered[slot] = Int64(product / UInt128(whole))
        }
        return (1, InvariantDivisor(1))
    }

    /// Phase 6 for providers: what they earned, what they ask next, and who leaves; the new supply.
    /// Gives the sum of the averages of who stays.
    mutating func adapt(_ now: inout CMW1Row) -> Int64 {
        let c = columns
        let (active, bond, cash, averages) = (c.active, c.bond, c.cash, c.average)
        let (streaks, prices, capacities) = (c.streak, c.price, c.capacity)
        let (costs, units, margin, offered) = (c.cost, c.served, c.margin, c.offered)
        let supply = c.supply
        for level in 0..<ceiling { supply[level] = 0 }
        let exitStreak = Int32(settings.exitStreak)
        let minimumBond = settings.minimumBond
        let (factor, divisor) = parts(of: now.out, sold: now.sold)
        var sum: Int64 = 0
        var freed = 0
        for slot in 0..<c.providers where active[slot] != 0 {
            let proceeds = divisor.quotient(of: factor &* UInt64(bitPattern: offered[slot]))
            let profit = Int64(margin[slot]) &+ Int64(bitPattern: proceeds)
            cash[slot] &+= profit
            let average = averages[slot] &+ ((profit &- averages[slot]) >> 3)
            averages[slot] = average
            let streak = average < 0 ? streaks[slot] &+ 1 : 0
            streaks[slot] = streak
            let (capacity, served, price) = (capacities[slot], units[slot], prices[slot])
            let step = (price >> 5) &+ 1
            let lower = max(price &- step, costs[slot])
            let isIdle = served &* 2 < capacity
            let next = served &* 10 >= capacity &* 9 ? price &+ step : isIdle ? lower : price
            prices[slot] = next
            if streak >= exitStreak || bond[slot] < minimumBond {
                cash[slot] &+= bond[slot]
                vacate(slot)
                c.freed[freed] = UInt32(slot)
                freed += 1
                continue
            }
            sum &+= average
            supply[Int(next)] &+= capacity
        }
        now.exits = Int64(freed)
        return sum
    }

    /// Phase 7: slots that were free before this step fill while providers earn; then those that
    /// this step freed are free as well.
    mutating func enter(whileEarning sum: Int64, _ now: inout CMW1Row) {
        let c = columns
        if sum > 0 {
            let enters = key(Kind.enters)
            let draws = ProviderDraws(self)
            let rate = Int32(settings.entryRate)
            var place = 0
            while place < free {
                let slot = Int(c.free[place])
                if enters.number(slot, below: 1_000) >= rate {
                    place += 1
                    continue
                }
                free -= 1
                c.free[place] = c.free[free]
                draws.enter(slot, c)
                c.supply[Int(c.price[slot])] += c.capacity[slot]
                if c.honest[slot] == 0 {
                    c.cheaters[cheaters] = UInt32(slot)
                    cheaters += 1
                }
                now.entries += 1
            }
        }
        for place in 0..<Int(now.exits) {
            c.free[free] = c.freed[place]
            free += 1
        }
    }
}
