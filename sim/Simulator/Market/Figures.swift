/// Distributions over active providers, counted in one pass: returns in steps of a ten-thousandth
/// from -10 % to 10 % (what is further out counts as that), and jobs exactly.
struct Figures: Sendable {
    private var returns = Column<Int32>(Figures.bins, 0)
    private var jobs = Column<Int32>(1_025, 0)
    private var profits = Column<Int64>(Strategy.allCases.count, 0)
    private var heads = Column<Int64>(Strategy.allCases.count, 0)
    private var hardwareProfits = Column<Int64>(3, 0)
    private var hardwareBonds = Column<Int64>(3, 0)
    private(set) var count: Int64 = 0

    private static let bins = 2_001
    private static let width: Int64 = 100

    mutating func visit(_ visitor: inout some ColumnVisitor) {
        visitor.visit(&returns)
        visitor.visit(&jobs)
        visitor.visit(&profits)
        visitor.visit(&heads)
        visitor.visit(&hardwareProfits)
        visitor.visit(&hardwareBonds)
    }

    mutating func clear() {
        returns.fill(0)
        jobs.fill(0)
        profits.fill(0)
        heads.fill(0)
        hardwareProfits.fill(0)
        hardwareBonds.fill(0)
        count = 0
    }

    /// Counts a provider with its profit and bond in micro-dollars.
    @inline(__always)
    mutating func add(
        profit: Int64, bond: Int64, jobs served: UInt16, hardware: UInt8, strategy: Strategy
    ) {
        count += 1
        jobs[Int(served)] += 1
        let place = profit * (1_000_000 / Figures.width) / max(bond, 1) + 1_000
        returns[Int(min(max(place, 0), Int64(Figures.bins - 1)))] += 1
        profits[Int(strategy.rawValue)] += profit
        heads[Int(strategy.rawValue)] += 1
        hardwareProfits[Int(hardware)] += profit
        hardwareBonds[Int(hardware)] += bond
    }

    /// The return that so many thousandths are at or below, in millionths.
    func returnAt(perMille: Int64) -> Int64 {
        if count == 0 { return 0 }
        let rank = (count * perMille + 999) / 1_000
        var sum: Int64 = 0
        for bin in 0..<Figures.bins {
            sum += Int64(returns[bin])
            if sum >= max(rank, 1) { return (Int64(bin) - 1_000) * Figures.width }
        }
        return 0
    }

    /// Profit over bond of all hardware of a class, in millionths.
    func returnOf(hardware: Int) -> Int64 {
        let bond = hardwareBonds[hardware]
        if bond == 0 { return 0 }
        return Int64(clamping: Int128(hardwareProfits[hardware]) * 1_000_000 / Int128(bond))
    }

    /// Whether anybody has hardware of a class.
    func has(hardware: Int) -> Bool { hardwareBonds[hardware] > 0 }

    /// The mean profit of providers with these strategies, in micro-dollars.
    func meanProfit(_ strategies: [Strategy]) -> Int64 {
        var profit: Int64 = 0
        var heads: Int64 = 0
        for strategy in strategies {
            profit += profits[Int(strategy.rawValue)]
            heads += self.heads[Int(strategy.rawValue)]
        }
        return heads == 0 ? 0 : profit / heads
    }

    /// The Gini coefficient and the Herfindahl-Hirschman index of jobs, in millionths. With the
    /// providers in order of their jobs x_i the first is sum((2i - n - 1) x_i) / (n sum(x_i)).
    var inequality: (gini: Int64, concentration: Int64) {
        var rank: Int128 = 0
        var ranked: Int128 = 0
        var sum: Int128 = 0
        var squares: Int128 = 0
        for served in 0..<1_025 where jobs[served] > 0 {
            let heads = Int128(jobs[served])
            let value = Int128(served)
            ranked += value * heads * (2 * rank + heads - Int128(count))
            sum += value * heads
            squares += value * value * heads
            rank += heads
        }
        if sum == 0 { return (0, 0) }
        return (
            Int64(ranked * 1_000_000 / (Int128(count) * sum)),
            Int64(squares * 1_000_000 / (sum * sum))
        )
    }
}
