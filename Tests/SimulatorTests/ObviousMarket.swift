import Simulator

/// CMW-1 as its definition reads: one struct an agent, sorted lists, plain divisions. Slow, and
/// written without a look at the columns, to be compared with them under any constants.
struct ObviousMarket {
    struct Provider {
        var cost: Int64 = 0
        var price: Int64 = 0
        var cap: Int64 = 0
        var honest = false
        var sell: Int64 = 0
        var fixed: Int64 = 0
        var active = false
        var bond: Int64 = 0
        var tokens: Int64 = 0
        var cash: Int64 = 0
        var ema: Int64 = 0
        var streak: Int64 = 0
        var served: Int64 = 0
        var net: Int64 = 0
        var expense: Int64 = 0
        var sold: Int64 = 0
        var rewarded: Int64 = 0
    }

    struct Buyer {
        var income: Int64
        var bid: Int64
        var base: Int64
        var budget: Int64
        var wanted: Int64 = 0
        var got: Int64 = 0
    }

    private let seed: UInt64
    private let constants: [String: Int64]
    private var providers: [Provider]
    private var buyers: [Buyer] = []
    private var x: Int64
    private var y: Int64
    private var t: UInt64 = 0
    private var history: UInt64

    /// The values by the names of `CMW1.parameters`.
    init(_ constants: [String: Int64], seed: UInt64) {
        self.constants = constants
        self.seed = seed
        history = seed
        let agents = constants["agents"] ?? 0
        providers = Array(repeating: Provider(), count: Int(agents / 2))
        x = agents / 2 * (constants["pool_tokens"] ?? 0)
        y = agents / 2 * (constants["pool_money"] ?? 0)
        for i in providers.indices {
            enter(i)
            if draw(7, i, 1_000) >= 800 {
                providers[i].active = false
                providers[i].bond = 0
            }
        }
        for j in 0..<Int(agents - agents / 2) {
            let income = 4_000 + draw(11, j, 12_001)
            buyers.append(
                Buyer(
                    income: income, bid: 40 + draw(12, j, 121), base: 40 + draw(13, j, 161),
                    budget: 3 * income))
        }
    }

    private func value(_ name: String) -> Int64 { constants[name] ?? 0 }

    private static let golden: UInt64 = 0x9E37_79B9_7F4A_7C15

    private static func mix(_ word: UInt64) -> UInt64 {
        var z = word
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }

    private static func fold(_ h: UInt64, _ v: Int64) -> UInt64 {
        mix((h ^ UInt64(bitPattern: v)) &+ golden)
    }

    private func draw(_ kind: UInt64, _ index: Int, _ limit: Int64) -> Int64 {
        let golden = Self.golden
        let ofStep = Self.mix(seed &+ golden &* (t + 1))
        let ofKind = Self.mix(ofStep &+ golden &* (kind + 1))
        let word = Self.mix(ofKind &+ golden &* (UInt64(index) + 1))
        return Int64(((word >> 32) * UInt64(limit)) >> 32)
    }

    private mutating func enter(_ i: Int) {
        providers[i].cost = 20 + draw(1, i, 60)
        providers[i].price = providers[i].cost + 1 + draw(2, i, 60)
        providers[i].cap = 50 + draw(3, i, 151)
        providers[i].honest = draw(4, i, 1_000) >= value("cheater_share")
        providers[i].sell = 200 + draw(5, i, 801)
        providers[i].fixed = 500 + draw(6, i, 2_501)
        providers[i].bond = value("bond")
        (providers[i].cash, providers[i].ema, providers[i].streak) = (0, 0, 0)
        providers[i].active = true
    }

    /// One step's sixteen aggregates.
    mutating func step() -> [Int64] {
        t += 1
        let active = Int64(providers.count { $0.active })
        ask()
        trade()
        let (fees, confiscated, slashed, caught) = verify()
        let minted = reward()
        let (sold, out, burned) = swap(fees)
        let traded = providers.reduce(0) { $0 + $1.served }
        let gross = providers.reduce(0) { $0 + $1.served * $1.price }
        let demand = buyers.reduce(0) { $0 + $1.wanted }
        let (exits, entries) = adapt(sold, out)
        let row = [
            active, demand, traded, gross, fees, confiscated, slashed, minted, sold, out, burned,
            x, y, exits, entries, caught,
        ]
        for value in row { history = Self.fold(history, value) }
        return row
    }

    private mutating func ask() {
        let isShock = Int64(t) >= value("shock_from") && Int64(t) < value("shock_to")
        for j in buyers.indices {
            let buyer = buyers[j]
            buyers[j].budget = min(buyer.budget + buyer.income, 8 * buyer.income)
            let want = draw(21, j, 2 * buyer.base + 1) / (isShock ? 2 : 1)
            buyers[j].wanted = min(want, buyers[j].budget / buyer.bid)
            buyers[j].got = 0
        }
    }

    private mutating func trade() {
        for i in providers.indices { providers[i].served = 0 }
        let supply = providers.indices.filter { providers[$0].active }
            .sorted { (providers[$0].price, $0) < (providers[$1].price, $1) }
        let demand = buyers.indices.filter { buyers[$0].wanted > 0 }
            .sorted { (-buyers[$0].bid, $0) < (-buyers[$1].bid, $1) }
        var (p, d) = (0, 0)
        while p < supply.count, d < demand.count {
            let (i, j) = (supply[p], demand[d])
            if providers[i].price > buyers[j].bid { break }
            let room = providers[i].cap - providers[i].served
            let need = buyers[j].wanted - buyers[j].got
            let units = min(room, need)
            providers[i].served += units
            buyers[j].got += units
            buyers[j].budget -= units * providers[i].price
            if units == room { p += 1 }
            if units == need { d += 1 }
        }
    }

    private mutating func verify() -> (Int64, Int64, Int64, Int64) {
        var (fees, confiscated, slashed, caught): (Int64, Int64, Int64, Int64) = (0, 0, 0, 0)
        for i in providers.indices {
            let p = providers[i]
            let cheats = !p.honest && draw(31, i, 1_000) < value("cheat_rate")
            let isCaught =
                p.served > 0 && cheats && draw(32, i, 1_000) < value("audit_rate")
            let gross = p.served * p.price
            let fee = isCaught ? 0 : gross * value("fee_rate") / 1_000
            providers[i].net = isCaught ? 0 : gross - fee
            providers[i].rewarded = isCaught ? 0 : p.served
            fees += fee
            if isCaught {
                let slash = p.bond * value("slash_part") / 1_000
                providers[i].bond -= slash
                slashed += slash
                confiscated += gross
                caught += 1
            }
            let unit = cheats ? p.cost * value("cheat_cost") / 1_000 : p.cost
            providers[i].expense = p.active ? p.served * unit + p.fixed : 0
        }
        return (fees, confiscated, slashed, caught)
    }

    private mutating func reward() -> Int64 {
        let emission =
            (Int64(providers.count) * value("emission"))
            >> (Int64(t - 1) / value("halving_interval"))
        let work = providers.reduce(0) { $0 + $1.rewarded }
        var minted: Int64 = 0
        for i in providers.indices where work > 0 {
            let reward = emission * providers[i].rewarded / work
            providers[i].tokens += reward
            minted += reward
        }
        return minted
    }

    private mutating func swap(_ fees: Int64) -> (Int64, Int64, Int64) {
        for i in providers.indices {
            let p = providers[i]
            providers[i].sold = p.active ? p.tokens * p.sell / 1_000 : p.tokens
            providers[i].tokens -= providers[i].sold
        }
        let sold = providers.reduce(0) { $0 + $1.sold }
        var (out, burned): (Int64, Int64) = (0, 0)
        func output(_ d: Int64, _ x: Int64, _ y: Int64) -> Int64 {
            Int64(Int128(d) * 997 * Int128(y) / (Int128(x) * 1_000 + Int128(d) * 997))
        }
        if sold > 0 {
            out = output(sold, x, y)
            (x, y) = (x + sold, y - out)
        }
        if fees > 0 {
            burned = output(fees, y, x)
            (x, y) = (x - burned, y + fees)
        }
        return (sold, out, burned)
    }

    private mutating func adapt(_ sold: Int64, _ out: Int64) -> (Int64, Int64) {
        let wasFree = providers.map { !$0.active }
        var (exits, entries): (Int64, Int64) = (0, 0)
        for i in providers.indices where providers[i].active {
            var p = providers[i]
            let proceeds = sold > 0 ? Int64(Int128(out) * Int128(p.sold) / Int128(sold)) : 0
            let profit = p.net + proceeds - p.expense
            p.cash += profit
            p.ema += (profit - p.ema) >> 3
            p.streak = p.ema < 0 ? p.streak + 1 : 0
            if p.served * 10 >= p.cap * 9 {
                p.price += (p.price >> 5) + 1
            } else if p.served * 2 < p.cap {
                p.price = max(p.price - (p.price >> 5) - 1, p.cost)
            }
            if p.streak >= value("exit_streak") || p.bond < value("minimum_bond") {
                p.cash += p.bond
                (p.bond, p.active) = (0, false)
                exits += 1
            }
            providers[i] = p
        }
        for j in buyers.indices {
            let bid = buyers[j].bid
            if buyers[j].got < buyers[j].wanted {
                buyers[j].bid = min(bid + (bid >> 6) + 1, value("highest_bid"))
            } else if buyers[j].wanted > 0 {
                buyers[j].bid = max(bid - (bid >> 6), value("lowest_bid"))
            }
        }
        let earned = providers.reduce(0) { $0 + ($1.active ? $1.ema : 0) }
        for i in providers.indices where earned > 0 && wasFree[i] {
            if draw(41, i, 1_000) < value("entry_rate") {
                enter(i)
                entries += 1
            }
        }
        return (exits, entries)
    }

    /// The checksum of the definition.
    var checksum: UInt64 {
        var sum: UInt64 = 0
        for (i, p) in providers.enumerated() {
            let fields = [
                p.active ? 1 : 0, p.honest ? 1 : 0, p.price, p.bond, p.tokens, p.cash, p.ema,
                p.streak,
            ]
            sum &+= fields.reduce(UInt64(i), Self.fold)
        }
        for (j, b) in buyers.enumerated() {
            sum &+= [b.bid, b.budget].reduce(UInt64(j), Self.fold)
        }
        return Self.fold(history, Int64(bitPattern: sum))
    }
}
