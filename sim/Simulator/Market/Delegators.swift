import Economics
import Primitives

/// Holders who stake tokens. All stake lies in one pool, which gets a part of every provider's
/// emission and loses as large a part of itself as was slashed of all bonds.
struct Delegators: Sendable {
    /// Tokens that are not staked, in nano-tokens.
    var tokens: Column<Int64>
    /// Tokens sold in this step.
    var selling: Column<Int64>
    var pool = DelegationPool()
    var stakes: [DelegationPool.Delegation?]

    init(_ count: Int, tokens held: Int64) {
        tokens = Column(count, held)
        selling = Column(count, 0)
        stakes = Array(repeating: nil, count: count)
    }

    /// Whether somebody is to look at its stake gets its rewards; `stays` says whether the stake
    /// goes on. Gives the rewards.
    mutating func review(_ place: Int, stays: Bool) -> Int64 {
        guard let stake = stakes[place] else {
            if stays { join(place) }
            return 0
        }
        if stays {
            let (paid, next) = pool.withdraw(stake)
            stakes[place] = next
            return Int64(clamping: paid.units)
        }
        let (paid, back) = pool.undelegate(stake)
        stakes[place] = nil
        tokens[place] += Int64(clamping: back.units)
        return Int64(clamping: paid.units)
    }

    private mutating func join(_ place: Int) {
        do throws(EconomicsError) {
            stakes[place] = try pool.delegate(Amount(UInt128(tokens[place])))
            tokens[place] = 0
        } catch {
            // Too little, or a pool whose stake is all gone: it stays out.
            stakes[place] = nil
        }
    }
}

extension MarketModel {
    /// Gives delegators their part of a settlement's tokens.
    mutating func reward(_ tokens: Int64) {
        let steps = settings[.settlement]
        conditions.meanReward += (tokens / steps - conditions.meanReward) / 2
        if tokens == 0 { return }
        do throws(EconomicsError) {
            try delegators.pool.allocate(Amount(UInt128(tokens)))
        } catch {
            preconditionFailure("somebody has a stake: \(error)")
        }
    }

    /// Delegators lose with those they back, and those who look at their stake decide: in while a
    /// step's rewards over the stake are enough, out when they are not.
    mutating func decideDelegators() {
        if result.slashed > 0, delegators.pool.shares > 0, conditions.bonded > 0 {
            let part =
                Amount(min(result.slashed, conditions.bonded))
                .scaled(by: 1_000_000, over: conditions.bonded, rounding: .down) ?? .zero
            token.burned += delegators.pool.slash(perMillion: UInt32(part.units)).units
        }
        let luck = draws.stream(.restake, step: steps)
        let count = delegators.tokens.count
        for place in 0..<count where luck.happens(perMille: settings[.restake], place) {
            let reward = delegators.review(
                place, stays: delegatorYield >= settings[.delegatorHurdle])
            let selling = reward / 1_000 * settings[.sellShare]
            delegators.selling[place] = selling
            delegators.tokens[place] += reward - selling
            token.sell(selling)
        }
        // What rounding left of rewards, when the last one is gone.
        token.burned += delegators.pool.takeDust().units
    }

    /// A step's rewards over all stake, in millionths. An empty pool looks as good as can be, so
    /// that somebody tries.
    var delegatorYield: Int64 {
        let stake = delegators.pool.stake.units
        if stake == 0 { return settings[.delegatorShare] > 0 ? 1_000_000 : 0 }
        return Int64(clamping: UInt128(max(conditions.meanReward, 0)) * 1_000_000 / stake)
    }
}
