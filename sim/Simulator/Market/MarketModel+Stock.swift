import Economics
import Primitives

/// After a step: what everybody earned, what settlement paid, what is sold.
extension MarketModel {
    /// Books each provider's and verifier's profit. Income counts when it is earned, a captured
    /// bond when it is captured, tokens at the pool's last price.
    mutating func takeStock() {
        let price = token.price
        let kept = 1_000 - settings[.burnAndMint]
        let cut = delegators.pool.shares == 0 ? 1_000 : 1_000 - settings[.delegatorShare]
        var outgoing: Int128 = 0
        for place in 0..<roster.providers {
            let earned = books.payable[place] - providers.lastPayable[place]
            let minted = books.tally[place] - providers.lastTally[place]
            providers.lastPayable[place] = books.payable[place]
            providers.lastTally[place] = books.tally[place]
            tally.pay += Int128(earned)
            let isActive = providers.presence[place] == Presence.active.rawValue
            let taken = result.taken[place]
            if !isActive, earned == 0, minted == 0, taken == 0 { continue }
            let running = isActive ? overhead(place) : 0
            let costs = providers.spent[place] / Money.dollar + running
            providers.dollars[place] -= costs
            outgoing += Int128(costs)
            var profit = earned / 1_000 * kept / Money.dollar - costs - taken / Money.dollar
            profit += worth(minted / Money.token / 1_000 * cut, price)
            let strategy = strategy(place)
            if strategy == .wash {
                // It buys from itself: what its buyer paid is its own.
                profit -=
                    terms.cost(0, ask: providers.ask[place]) / Money.dollar
                    * Int64(result.used[place])
            }
            if strategy.cheats { tally.lost += UInt128(max(taken, 0)) }
            providers.totalProfit[place] += profit
            let mean = providers.meanProfit[place] + (profit - providers.meanProfit[place]) / 8
            providers.meanProfit[place] = mean
            if mean < 0 {
                providers.losses[place] += providers.losses[place] < .max ? 1 : 0
            } else {
                providers.losses[place] = 0
            }
            if isActive {
                figures.add(
                    profit: profit, bond: providers.bond[place], jobs: result.used[place],
                    hardware: providers.hardware[place], strategy: strategy)
            }
        }
        takeVerifiersStock(&outgoing)
        flows.outgoing += outgoing
    }

    private mutating func takeVerifiersStock(_ outgoing: inout Int128) {
        for verifier in 0..<roster.verifiers {
            let party = roster.providers + verifier
            let earned = books.payable[party] - verifiers.lastPayable[verifier]
            verifiers.lastPayable[verifier] = books.payable[party]
            let costs = verifiers.spent[verifier] / Money.dollar
            verifiers.dollars[verifier] -= costs
            outgoing += Int128(costs)
            tally.verifierProfit +=
                earned / Money.dollar - costs - result.taken[party] / Money.dollar
        }
    }

    /// What nano-tokens are worth at a price in micro-dollars a token.
    @inline(__always)
    func worth(_ tokens: Int64, _ price: Int64) -> Int64 {
        let product = tokens.multipliedFullWidth(by: price)
        let divisor: Int64 = 1_000_000_000
        guard product.high < divisor, product.high > -divisor else { return .max }
        return divisor.dividingFullWidth(product).quotient
    }

    // MARK: Settlement

    /// Money on chain: pay and tokens reach their owners, delegators get their part, the operator
    /// its fees, and what is to be sold is ordered.
    mutating func settle() {
        let reserve = UInt128(settings[.feeReserve]) * UInt128(Money.dollar)
        let fees = books.fee > reserve ? books.fee - reserve : 0
        house.settle(fees: fees / UInt128(Money.dollar) * UInt128(Money.dollar), &books, &result)
        let burning = settings[.burnAndMint]
        let cut = settings[.delegatorShare]
        var rewards: Int64 = 0
        burnBudget = 0
        for place in 0..<roster.providers {
            providers.lastPayable[place] = books.payable[place]
            providers.lastTally[place] = books.tally[place]
            let paid = result.paidDollars[place]
            let burned = paid / 1_000 * burning
            providers.dollars[place] += paid - burned
            burnBudget += burned
            let tokens = result.paidTokens[place]
            let reward = delegators.pool.shares == 0 ? 0 : tokens / 1_000 * cut
            rewards += reward
            let selling = (tokens - reward) / 1_000 * settings[.sellShare]
            providers.tokens[place] += tokens - reward - selling
            providers.selling[place] = selling
            token.sell(selling)
        }
        reward(rewards)
        for verifier in 0..<roster.verifiers {
            let party = roster.providers + verifier
            verifiers.lastPayable[verifier] = books.payable[party]
            verifiers.dollars[verifier] += result.paidDollars[party]
        }
        let collected = result.paidDollars[roster.operatorPlace]
        let buyback = collected / 1_000 * settings[.buyback]
        conditions.treasury += collected - buyback
        burnBudget += buyback
        token.buy(burnBudget)
    }
}
