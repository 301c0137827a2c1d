import Economics
import Primitives

/// The token market of a step: who sells, who buys, at what the pool gives.
extension MarketModel {
    mutating func tradeTokens() {
        decideDelegators()
        decideTraders()
        let dumped = settings.count(.dumpStep) == steps + 1 ? conditions.holder : 0
        token.sell(dumped)
        tally.tokensSold = token.sold
        tally.poolBefore = token.pool.second.units
        let (asked, offered) = (token.spent, token.sold)
        token.trade()
        // An order that the pool refused was not carried out, and everybody has what he had.
        let hasBought = asked == token.spent
        let hasSold = offered == token.sold
        var dollars = Int64(token.dollarsOut)
        var tokens = Int64(token.tokensOut)
        payProviders(hasSold, &dollars)
        payTraders(hasBought, hasSold, &dollars, &tokens)
        if hasSold { payHolder(dumped, &dollars) }
        if burnBudget > 0, !hasBought { conditions.treasury += burnBudget }
        // Dust of what was bought is burned with what was bought to be; that of dollars is the
        // operator's.
        if hasBought { token.burned += UInt128(tokens) }
        conditions.treasury += dollars
        burnBudget = 0
        token.clear()
    }

    /// The holder that dumped its tokens takes what they brought out of the market.
    private mutating func payHolder(_ dumped: Int64, _ dollars: inout Int64) {
        let proceeds = token.proceeds(dumped)
        conditions.holder -= dumped
        flows.outgoing += Int128(proceeds)
        dollars -= proceeds
    }

    /// A trader's purse goes into the market by a part at a time, and only so far as there is a
    /// reason.
    private mutating func decideTraders() {
        let price = token.price
        let past = token.history[0]
        let fair = fairPrice
        let luck = draws.stream(.noise, step: steps)
        let activity = settings[.traderActivity]
        for place in 0..<traders.kind.count {
            // Positive: the token is worth buying.
            var opinion: Int64 = 0
            switch TraderKind(rawValue: traders.kind[place]) {
            case .fundamental:
                if price * 20 < fair * 19 {
                    opinion = 1
                } else if price * 20 > fair * 21 {
                    opinion = -1
                }
            case .momentum:
                if price * 50 > past * 51 {
                    opinion = 1
                } else if price * 50 < past * 49 {
                    opinion = -1
                }
            case .noise, nil:
                opinion = luck.below(3, 2 * place) - 1
            }
            let part = luck.below(activity + 1, 2 * place + 1)
            var order: Int64 = 0
            if opinion > 0 { order = -(traders.dollars[place] / 1_000 * part) }
            if opinion < 0 { order = traders.tokens[place] / 1_000 * part }
            traders.order[place] = order
            if order > 0 { token.sell(order) } else { token.buy(-order) }
        }
    }

    /// What a token is worth by fundamentals: a year's fees over the supply, or what is set.
    private var fairPrice: Int64 {
        if settings[.fundamentalPrice] > 0 { return settings[.fundamentalPrice] }
        let yearly = Int128(max(conditions.meanFees, 0)) * 365 * 1_000_000_000
        return Int64(clamping: yearly / Int128(max(supply, 1)))
    }

    /// Tokens there are, in nano-tokens.
    var supply: UInt128 {
        token.genesis + books.minted / UInt128(Money.token) - token.burned
    }

    private mutating func payProviders(_ hasSold: Bool, _ dollars: inout Int64) {
        if steps % settings.count(.settlement) == settings.count(.settlement) - 1 {
            for place in 0..<roster.providers {
                let selling = providers.selling[place]
                if selling == 0 { continue }
                let proceeds = hasSold ? token.proceeds(selling) : 0
                providers.dollars[place] += proceeds
                dollars -= proceeds
                if !hasSold { providers.tokens[place] += selling }
                providers.selling[place] = 0
            }
        }
        for place in 0..<delegators.selling.count {
            let selling = delegators.selling[place]
            if selling == 0 { continue }
            // A delegator's dollars leave the market.
            let proceeds = hasSold ? token.proceeds(selling) : 0
            flows.outgoing += Int128(proceeds)
            dollars -= proceeds
            if !hasSold { delegators.tokens[place] += selling }
            delegators.selling[place] = 0
        }
    }

    private mutating func payTraders(
        _ hasBought: Bool, _ hasSold: Bool, _ dollars: inout Int64, _ tokens: inout Int64
    ) {
        for place in 0..<traders.kind.count {
            let order = traders.order[place]
            if order > 0, hasSold {
                let proceeds = token.proceeds(order)
                traders.tokens[place] -= order
                traders.dollars[place] += proceeds
                dollars -= proceeds
            } else if order < 0, hasBought {
                let bought = token.bought(-order)
                traders.dollars[place] += order
                traders.tokens[place] += bought
                tokens -= bought
            }
        }
    }
}
