import Economics
import Primitives

/// The end of a step: what everybody learns, and the row.
extension MarketModel {
    mutating func conclude(into row: inout [Int64]) {
        if tally.tokens > 0 { conditions.price = Int64(tally.paid / tally.tokens) }
        tally.fees = UInt128(max(Int128(tally.gross) - tally.pay - heldBack, 0))
        let wrong = ratio(tally.cheated + tally.innocent, Int64(result.jobs))
        let lost = min(wrong * settings[.distrust] / 1_000, 1_000_000)
        conditions.trust += (1_000_000 - lost - conditions.trust) / 8
        let fees = Int64(clamping: tally.fees / UInt128(Money.dollar))
        conditions.meanFees += (fees - conditions.meanFees) / 8
        for hardware in 0..<3 {
            // A class that nobody runs is as attractive as the most attractive one, and a market
            // without providers attracts somebody to try.
            let others = (0..<3).map { figures.returnOf(hardware: $0) }.max() ?? 0
            conditions.roi[hardware] =
                figures.has(hardware: hardware)
                ? figures.returnOf(hardware: hardware)
                : figures.count == 0 ? settings[.hurdle] : others
        }
        writeWork(&row)
        writeToken(&row, fees)
        writeHonesty(&row)
        writeBooks(&row)
    }

    /// What convictions of this step keep in escrow beyond it, less what those of earlier steps let
    /// go: neither pay nor fee.
    private var heldBack: Int128 { Int128(books.escrow) - escrowBefore + Int128(result.refunded) }

    private func ratio(_ part: Int64, _ whole: Int64) -> Int64 {
        whole <= 0 ? 0 : Int64(clamping: Int128(part) * 1_000_000 / Int128(whole))
    }

    private func ratio(_ part: UInt128, _ whole: UInt128) -> Int64 {
        whole == 0 ? 0 : Int64(clamping: part * 1_000_000 / whole)
    }

    private func micro(_ units: UInt128) -> Int64 { Int64(clamping: units / UInt128(Money.dollar)) }

    private func micro(_ units: Int128) -> Int64 { Int64(clamping: units / Int128(Money.dollar)) }

    private func writeWork(_ row: inout [Int64]) {
        func set(_ metric: MarketMetric, _ value: Int64) { row[metric.rawValue] = value }
        set(.active, tally.active)
        set(.entries, tally.entries)
        set(.exits, tally.exits)
        set(.bans, Int64(result.tombstones))
        set(.wanted, tally.wanted)
        set(.jobs, Int64(result.jobs))
        set(.fillRate, ratio(Int64(result.jobs), tally.wanted))
        set(.utilisation, ratio(Int64(result.jobs), tally.slots))
        set(.price, conditions.price)
        set(.pay, micro(tally.pay))
        set(.fees, micro(tally.fees))
        set(.welfare, micro(tally.welfare + Int128(result.refunded)))
        set(.trust, conditions.trust)
        set(.arrivals, tally.arrivals)
        let (gini, concentration) = figures.inequality
        set(.gini, gini)
        set(.concentration, concentration)
        set(.roiMedian, figures.returnAt(perMille: 500))
        set(.roiLow, figures.returnAt(perMille: 50))
        set(.roiHigh, figures.returnAt(perMille: 950))
        set(.roiConsumer, figures.returnOf(hardware: 0))
        set(.roiDatacentre, figures.returnOf(hardware: 1))
        set(.roiSpecialised, figures.returnOf(hardware: 2))
        set(.honestProfit, figures.meanProfit([.honest]))
        set(
            .cheaterProfit,
            figures.meanProfit([.lazy, .quantising, .spoofing, .selective, .colluding]))
        set(.sybilProfit, figures.meanProfit([.sybil]))
        set(.whaleProfit, figures.meanProfit([.whale]))
        set(.washProfit, figures.meanProfit([.wash]))
        set(.verifierProfit, tally.verifierProfit / max(Int64(roster.verifiers), 1))
    }

    private func writeToken(_ row: inout [Int64], _ fees: Int64) {
        func set(_ metric: MarketMetric, _ value: Int64) { row[metric.rawValue] = value }
        let price = token.price
        let emission = Int64(clamping: result.emitted / UInt128(Money.token))
        let value = worth(emission, price)
        set(.tokenPrice, price)
        set(.emission, emission)
        set(.emissionShare, ratio(value, value + micro(tally.pay)))
        let stake = Int64(clamping: delegators.pool.stake.units)
        set(.realYield, ratio(fees, worth(stake, price)))
        set(.sellPressure, ratio(UInt128(tally.tokensSold), tally.poolBefore))
        set(.supply, Int64(clamping: supply))
        set(.burned, Int64(clamping: token.burned))
        set(.staked, stake)
        set(.delegatorYield, stake == 0 ? 0 : delegatorYield)
    }

    private func writeHonesty(_ row: inout [Int64]) {
        func set(_ metric: MarketMetric, _ value: Int64) { row[metric.rawValue] = value }
        set(.cheated, tally.cheated)
        set(.cheatingRate, ratio(tally.cheated, Int64(result.jobs)))
        set(.audits, tally.audits)
        set(.convictions, tally.convictions)
        set(.detection, ratio(tally.guilty, tally.cheated))
        set(.falseSlashes, tally.innocent)
        set(.overturned, tally.overturned)
        set(.slashed, micro(result.slashed))
        set(.refunded, micro(result.refunded))
        set(.corruptionProfit, micro(tally.saved))
        set(.corruptionCost, micro(tally.lost))
        // (saved / cheated) / (lost / guilty)
        let scale = UInt128(max(tally.guilty, 0))
        let whole = tally.lost * UInt128(max(tally.cheated, 1)) / UInt128(Money.dollar)
        set(.breakEven, ratio(tally.saved / UInt128(Money.dollar) * scale, whole))
    }

    private mutating func writeBooks(_ row: inout [Int64]) {
        func set(_ metric: MarketMetric, _ value: Int64) { row[metric.rawValue] = value }
        var (bonded, others, tokens): (Int128, Int128, Int128) = (0, 0, 0)
        for party in 0..<roster.parties {
            bonded += Int128(books.bonded[party])
            others += Int128(books.available[party]) + Int128(books.payable[party])
            others += Int128(books.unbonding[party])
            tokens += Int128(books.tally[party])
        }
        conditions.bonded = UInt128(bonded)
        set(.bonded, micro(bonded))
        set(.insurance, micro(books.insurance))
        set(.feePot, micro(books.fee))
        set(.operatorDollars, conditions.treasury)
        let house =
            bonded + others
            + Int128(books.escrow + books.fee + books.burn + books.insurance + books.captured)
        set(.bookImbalance, Int64(clamping: Int128(books.chain) - house))
        escrowBefore = Int128(books.escrow)

        var dollars = Int128(conditions.treasury) + Int128(token.pool.first.units)
        var held = Int128(token.pool.second.units) + Int128(delegators.pool.stake.units)
        held += Int128(delegators.pool.rewardsHeld.units) + Int128(conditions.holder)
        for place in 0..<roster.providers {
            dollars += Int128(providers.dollars[place])
            held += Int128(providers.tokens[place])
        }
        for place in 0..<roster.verifiers { dollars += Int128(verifiers.dollars[place]) }
        for place in 0..<traders.kind.count {
            dollars += Int128(traders.dollars[place])
            held += Int128(traders.tokens[place])
        }
        for place in 0..<delegators.tokens.count { held += Int128(delegators.tokens[place]) }
        // What was slashed and burned left the chain in whole chain units: it went outside.
        let chain = Int128(books.chain) / Int128(Money.dollar)
        let inside = dollars + chain + burnedDollars()
        set(.dollarImbalance, Int64(clamping: inside - flows.incoming + flows.outgoing))
        let scale = Int128(Money.token)
        let made = Int128(token.genesis) * scale + Int128(books.minted)
        let gone = (Int128(token.burned) + held) * scale + tokens
        set(.tokenImbalance, Int64(clamping: made - gone))
        set(.productFalls, token.productFalls)
    }

    /// Micro-dollars that penalties took off the chain for good.
    private mutating func burnedDollars() -> Int128 {
        flows.slashed += Int128(result.burned) - (Int128(books.burn) - flows.burnPot)
        flows.burnPot = Int128(books.burn)
        return flows.slashed / Int128(Money.dollar)
    }
}
