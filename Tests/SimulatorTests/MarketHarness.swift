import Economics
import Primitives
import Simulator
import Testing

/// A market with some parameters other than the standard ones, and what its rows say by name.
struct Market {
    var model: MarketModel
    private(set) var row = Array(repeating: Int64(0), count: MarketModel.metrics.count)

    init(
        _ changes: [String: Int64] = [:], rules: Parameters = Parameters(),
        demand: TraceDemand? = nil, seed: UInt64 = 1
    ) throws {
        let values = Market.values(changes)
        if let demand {
            model = try MarketModel(values, rules: rules, demand: demand, seed: seed)
        } else {
            model = try MarketModel(values, rules: rules, seed: seed)
        }
    }

    static func values(_ changes: [String: Int64]) -> [Int64] {
        for name in changes.keys.sorted() {
            let isKnown = MarketModel.parameters.contains { $0.name == name }
            if !isKnown { Issue.record("there is no parameter \(name)") }
        }
        return MarketModel.parameters.map { changes[$0.name] ?? $0.standard }
    }

    mutating func step() { model.step(into: &row) }

    mutating func step(_ count: Int) { for _ in 0..<count { step() } }

    subscript(_ metric: String) -> Int64 {
        guard let place = MarketModel.metrics.firstIndex(where: { $0.name == metric }) else {
            Issue.record("there is no metric \(metric)")
            return 0
        }
        return row[place]
    }

    /// The sum of a metric over steps.
    mutating func sum(_ metric: String, over steps: Int) -> Int64 {
        var sum: Int64 = 0
        for _ in 0..<steps {
            step()
            sum += self[metric]
        }
        return sum
    }

    /// The metrics that are always zero in a world where nothing is lost.
    static let alwaysZero = [
        "book_imbalance", "dollar_imbalance", "token_imbalance", "product_falls",
    ]
}
