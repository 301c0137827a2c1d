import Economics
import Primitives

/// What providers decide before a step: to come, to go, at what price.
extension MarketModel {
    mutating func decideProviders() {
        let reprice = draws.stream(.reprice, step: steps)
        let entry = draws.stream(.entry, step: steps)
        let lowest = Int64(clamping: rules.minimumBond.units)
        let price = token.price
        for place in 0..<roster.providers {
            countBond(place, price)
            if books.tombstoned[place] != 0 { providers.presence[place] = Presence.banned.rawValue }
            switch Presence(rawValue: providers.presence[place]) {
            case .outside:
                guard entry.happens(perMille: settings[.entry], place),
                    conditions.roi[Int(providers.hardware[place])] >= settings[.hurdle]
                else { continue }
                providers.presence[place] = Presence.active.rawValue
                providers.losses[place] = 0
                providers.meanProfit[place] = 0
                tally.entries += 1
                raiseBond(place)
            case .active:
                if Int(providers.losses[place]) >= settings.count(.patience) {
                    leave(place)
                    continue
                }
                let bonded = providers.inForce[place]
                let least = providers.bond[place] * settings[.topUp] / 1_000
                let isShort = bonded * Money.dollar < lowest || bonded < least
                if steps == 0 || settings[.topUp] > 0 && isShort { raiseBond(place) }
                if reprice.happens(perMille: settings[.reprice], place) { moveAsk(place) }
                orders.asks[place] = providers.ask[place]
            case .leaving:
                orders.asks[place] = 0
                if steps >= Int(providers.leavesAt[place]) { takeBond(place, .outside) }
            case .banned, nil:
                orders.asks[place] = 0
                leaveBanned(place)
            }
            if providers.presence[place] == Presence.active.rawValue {
                orders.asks[place] = providers.ask[place]
                if strategy(place) == .selective { tempt(place) }
                tally.slots += Int64(orders.slots[place])
                tally.active += 1
            }
        }
        conditions.marked = price
        if steps == 0 { bondVerifiers() }
    }

    /// What a provider has bonded as this step begins. A bond in tokens is counted anew at the
    /// pool's price: what it lost in worth leaves the house's books, what it gained comes in.
    private mutating func countBond(_ place: Int, _ price: Int64) {
        let (bonded, unbonding) = (
            books.bonded[place] / Money.dollar, books.unbonding[place] / Money.dollar
        )
        providers.inForce[place] = bonded
        providers.onItsWay[place] = unbonding
        if settings[.bondAsset] == 0 || price == conditions.marked { return }
        let (force, way) = (counted(bonded, price), counted(unbonding, price))
        providers.inForce[place] = force
        providers.onItsWay[place] = way
        if way > unbonding { change(.bond, place, way - unbonding) }
        let leaving = max(bonded - force, 0) + max(way - unbonding, 0)
        if leaving > 0 { send(.unbond, place, leaving) }
        let lost = max(bonded - force, 0) + max(unbonding - way, 0)
        if lost > 0 { change(.withdraw, place, lost) }
        if force > bonded { change(.bond, place, force - bonded) }
    }

    /// What units of a bond in tokens are at a price. More than four million dollars do not fit.
    private func counted(_ units: Int64, _ price: Int64) -> Int64 {
        let worth = Int128(units) * Int128(price) / Int128(max(conditions.marked, 1))
        return Int64(min(worth, max(4_000_000_000_000, Int128(units))))
    }

    /// Dollars of a bond that come from outside or go there.
    private mutating func change(_ kind: ChainEntry.Kind, _ place: Int, _ units: Int64) {
        send(kind, place, units)
        if kind == .bond {
            flows.incoming += Int128(units)
        } else {
            flows.outgoing += Int128(units)
        }
    }

    private mutating func raiseBond(_ place: Int) {
        let missing = providers.bond[place] - providers.inForce[place]
        if missing <= 0 { return }
        send(.bond, place, missing)
        providers.dollars[place] -= missing
    }

    private mutating func leave(_ place: Int) {
        providers.presence[place] = Presence.leaving.rawValue
        providers.leavesAt[place] = Int32(clamping: steps + settings.count(.unbonding))
        orders.asks[place] = 0
        tally.exits += 1
        let units = providers.inForce[place]
        if units > 0 { send(.unbond, place, units) }
    }

    /// A banned provider takes what its penalty left.
    private mutating func leaveBanned(_ place: Int) {
        let units = providers.inForce[place]
        if units > 0 {
            providers.leavesAt[place] = Int32(clamping: steps + settings.count(.unbonding))
            send(.unbond, place, units)
        } else if steps >= Int(providers.leavesAt[place]) {
            takeBond(place, .banned)
        }
    }

    private mutating func takeBond(_ place: Int, _ presence: Presence) {
        let units = providers.onItsWay[place]
        if units > 0 {
            send(.withdraw, place, units)
            providers.dollars[place] += units
        }
        providers.presence[place] = presence.rawValue
    }

    mutating func send(_ kind: ChainEntry.Kind, _ party: Int, _ units: Int64) {
        orders.chain.append(ChainEntry(kind: kind, party: Int32(party), units: units))
    }

    private mutating func bondVerifiers() {
        let lowest = Int64(clamping: Asset.usd.chainUnits(rules.minimumBond)) + 1
        let units = min(max(settings[.verifierBond], lowest), 4_000_000_000_000)
        for verifier in 0..<roster.verifiers {
            send(.bond, roster.providers + verifier, units)
            verifiers.dollars[verifier] -= units
        }
    }

    /// Decides for each kind of job whether what cheating saves is more than the chance of a
    /// conviction times what one costs by the rules: gain > q (slash + withheld pay).
    private func tempt(_ place: Int) {
        let units = providers.inForce[place]
        let bond = Amount(
            UInt128((units > 0 ? units : providers.bond[place]) * Money.dollar))
        let detection =
            UInt128(rules.auditRatePerMillion) * UInt128(rules.auditPowerPerMillion)
        var kinds: UInt32 = 0
        for kind in 0..<UInt8(terms.kinds) {
            let cost = Amount(UInt128(terms.cost(kind, ask: providers.ask[place])))
            let compute = unitCost(providers.hardware[place]) * terms.quarters(kind) / 4
            let gain = UInt128(compute / 1_000 * settings[.quantisedSaving])
            let deterrent = BondPolicy.deterrent(exposure: cost, parameters: rules) ?? .zero
            let rung = SlashPolicy.rung(code: .outputMismatch, prior: 0)
            let slash = max(SlashPolicy.penalty(rung, bond: bond), min(deterrent, bond))
            let loss = slash + FeePolicy.split(cost, parameters: rules).provider
            if gain * 1_000_000_000_000 > detection * loss.units { kinds |= 1 << kind }
        }
        providers.tempted[place] = kinds
    }

    /// Up when it was sold out, down when half of it was idle, and never under what a job costs.
    private mutating func moveAsk(_ place: Int) {
        if providers.strategy[place] == Strategy.wash.rawValue { return }
        let ask = Int64(providers.ask[place])
        let step = ask * settings[.priceStep] / 1_000
        let used = Int64(result.used[place])
        let slots = Int64(orders.slots[place])
        var next = ask
        if used * 10 >= slots * 9 { next += step } else if used * 2 <= slots { next -= step }
        next = max(next, floorAsk(place), 4)
        providers.ask[place] = Int32(clamping: min(next, Int64(highestAsk))) & ~3
    }

    /// The ask at which the pay that reaches a provider just covers what a job costs it.
    private func floorAsk(_ place: Int) -> Int64 {
        let strategy = Strategy(rawValue: providers.strategy[place]) ?? .honest
        let kept = Int64(10_000 - min(rules.feeBasisPoints, 9_999))
        let saved = strategy.cheats ? saving(strategy) * settings[.cheating] / 1_000 : 0
        let cost = unitCost(providers.hardware[place]) * (1_000 - saved) / 1_000
        let dear = cost * 10_000 / kept
        return (dear * (1_000 - settings[.burnAndMint]) / 1_000 + 3) & ~3
    }

    /// What a million output tokens cost on hardware of this class, in micro-dollars.
    @inline(__always)
    func unitCost(_ hardware: UInt8) -> Int64 {
        switch hardware {
        case 0: settings[.consumerCost]
        case 1: settings[.datacentreCost]
        default: settings[.specialisedCost]
        }
    }

    /// What hardware costs a step, for a provider that has a part or a multiple of it.
    func overhead(_ place: Int) -> Int64 {
        let keys: [(MarketParameter, MarketParameter)] = [
            (.consumerOverhead, .consumerSlots), (.datacentreOverhead, .datacentreSlots),
            (.specialisedOverhead, .specialisedSlots),
        ]
        let (cost, slots) = keys[Int(providers.hardware[place])]
        return settings[cost] * Int64(orders.slots[place]) / settings[slots]
    }

    /// The part of a job's cost that cheating saves.
    func saving(_ strategy: Strategy) -> Int64 {
        switch strategy {
        case .lazy, .colluding: settings[.lazySaving]
        case .quantising, .selective: settings[.quantisedSaving]
        case .spoofing: settings[.spoofedSaving]
        default: 0
        }
    }
}

/// Scales between ledger units and chain units.
enum Money {
    /// Ledger units of a micro-dollar.
    static let dollar: Int64 = 1_000_000
    /// Ledger units of a nano-token.
    static let token: Int64 = 1_000
}
