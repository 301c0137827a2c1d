import Clearing
import Hummingbird
import Primitives
import Service

/// What the chains charged, as the API shows it.
enum CostRoutes {
    static let all: [Route] = [
        Route(
            .get, "/v1/costs", .anyone, "settlement",
            "What the chains charged, each transaction once, in the order it was booked",
            isPaged: true
        ) { call in
            try await call.list {
                $0.costs
            } _: { cost, _ in
                Listed(cost)
            }
        }
    ]

    /// A cost with what it is for.
    private struct Listed: Encodable, Sendable {
        let subject: String
        /// The batch, dispersal, channel or verdict; of books the last dispersal.
        let number: UInt64?
        let coin, units: String
        let gas: UInt64
        let transaction: String

        init(_ cost: ChainCost) {
            subject = cost.subject.name
            number = cost.subject.number
            let plain = PayoutViews.Cost(cost)
            coin = plain.coin
            units = plain.units
            gas = plain.gas
            transaction = plain.transaction
        }
    }

    /// The costs in one coin.
    struct Totals: Encodable, Sendable {
        let coin: String
        /// What was charged, less what was given back.
        let units: String
        let batch, dispersal, channel, verdict, books, upkeep, rentReturn: String
        let transactions: Int

        /// The sums of each coin that was spent. O(costs).
        static func all(_ house: borrowing ClearingHouse) -> [Totals] {
            var sums: [NativeCoin: Sums] = [:]
            for cost in house.costs { sums[cost.coin, default: Sums()].add(cost) }
            return NativeCoin.allCases.compactMap { coin in
                sums[coin].map { Totals(coin, $0, house.expense(coin)) }
            }
        }

        private init(_ coin: NativeCoin, _ sums: Sums, _ expense: Amount) {
            func text(_ name: String) -> String { "\(sums.units[name] ?? 0)" }
            self.coin = "\(coin)"
            units = "\(expense.units)"
            batch = text("batch")
            dispersal = text("dispersal")
            channel = text("channel")
            verdict = text("verdict")
            books = text("books")
            upkeep = text("upkeep")
            rentReturn = text("rent_return")
            transactions = sums.count
        }
    }

    /// Units by what they were for.
    private struct Sums {
        var units: [String: UInt128] = [:]
        var count = 0

        mutating func add(_ cost: ChainCost) {
            units[cost.subject.name, default: 0] += cost.units
            count += 1
        }
    }
}

extension ChainCost.Subject {
    /// The name that programs read.
    fileprivate var name: String {
        switch self {
        case .batch: "batch"
        case .dispersal: "dispersal"
        case .channel: "channel"
        case .verdict: "verdict"
        case .books: "books"
        case .upkeep: "upkeep"
        case .rentReturn: "rent_return"
        }
    }

    fileprivate var number: UInt64? {
        switch self {
        case .batch(let id): id.rawValue
        case .dispersal(let id): id.rawValue
        case .channel(let id): id.rawValue
        case .verdict(let id): id.rawValue
        case .books(let id): id.rawValue
        case .upkeep, .rentReturn: nil
        }
    }
}
