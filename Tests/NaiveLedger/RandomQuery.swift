public import Ledger
import Primitives

/// Draws filters, each afresh: around the edges of what is stored, of the limits and of the rules.
public struct RandomQuery: Sendable {
    private var random: SplitMix64

    /// Filters that hang on the seed and on what is stored.
    public init(seed: UInt64) { random = SplitMix64(seed: ~seed) }

    /// A filter of an account's transfers.
    public mutating func accountFilter(_ ledger: LedgerState) -> AccountFilter {
        var filter = AccountFilter(
            account: AccountID(UInt128(Int.random(in: 1...8, using: &random))),
            limit: limit(),
            flags: AccountFilterFlags(rawValue: UInt32.random(in: 1...7, using: &random)))
        if filter.flags == .reversed, !random.once(in: 4) { filter.flags.insert(.debits) }
        if random.once(in: 40) { filter.account = AccountID(random.pick([0, .max, 13])) }
        if random.once(in: 60) { filter.flags = AccountFilterFlags(rawValue: 1 << 3 | 1) }
        if random.once(in: 4) { filter.userData128 = random.pick([5, 6, 7]) }
        if random.once(in: 4) { filter.userData64 = random.pick([5, 6, 7]) }
        if random.once(in: 4) { filter.userData32 = random.pick([5, 6, 7]) }
        if random.once(in: 6) { filter.code = random.pick([1, 2]) }
        (filter.timestampMin, filter.timestampMax) = times(ledger)
        return filter
    }

    /// A filter of all accounts or transfers.
    public mutating func filter(_ ledger: LedgerState) -> QueryFilter {
        var filter = QueryFilter(limit: limit(), flags: random.once(in: 2) ? .reversed : [])
        if random.once(in: 60) { filter.flags = QueryFilterFlags(rawValue: 2) }
        if random.once(in: 4) { filter.userData128 = random.pick([1, 5, 6, 7]) }
        if random.once(in: 4) { filter.userData64 = random.pick([1, 5, 6, 7]) }
        if random.once(in: 4) { filter.userData32 = random.pick([1, 5, 6, 7]) }
        if random.once(in: 4) { filter.ledger = random.pick([1, 2]) }
        if random.once(in: 4) { filter.code = random.pick([1, 2]) }
        (filter.timestampMin, filter.timestampMax) = times(ledger)
        return filter
    }

    private mutating func limit() -> UInt32 {
        if random.once(in: 60) { return 0 }
        return random.pick([1, 2, 3, 10, 63, 64, 65, 200, 8_189, 8_190, .max])
    }

    private mutating func times(_ ledger: LedgerState) -> (Timestamp, Timestamp) {
        var ends = (Timestamp.zero, Timestamp.zero)
        if random.once(in: 2) { ends.0 = moment(ledger) }
        if random.once(in: 2) { ends.1 = moment(ledger) }
        if ends.0 > ends.1, ends.1 != .zero, !random.once(in: 10) { swap(&ends.0, &ends.1) }
        return ends
    }

    private mutating func moment(_ ledger: LedgerState) -> Timestamp {
        if random.once(in: 30) {
            return Timestamp(nanoseconds: random.pick([1, UInt64(Int64.max), 1 << 63, .max]))
        }
        let stored =
            random.once(in: 4)
            ? ledger.accounts.randomElement(using: &random)?.timestamp
            : ledger.transfers.randomElement(using: &random)?.timestamp
        let near = (stored ?? ledger.latest).nanoseconds
        return Timestamp(nanoseconds: near - 1 + random.pick([0, 1, 1, 1, 2]))
    }
}

extension LedgerUnderTest {
    /// Everything the four queries say about two filters, as one value to compare.
    public func answers(_ account: AccountFilter, _ any: QueryFilter) -> [QueryOutcome] {
        [
            QueryOutcome { () throws(QueryRefusal) in
                .transfers(try accountTransfers(account))
            },
            QueryOutcome { () throws(QueryRefusal) in
                .balances(try accountBalances(account))
            },
            QueryOutcome { () throws(QueryRefusal) in .accounts(try queryAccounts(any)) },
            QueryOutcome { () throws(QueryRefusal) in .transfers(try queryTransfers(any)) },
        ]
    }
}

/// What became of a query.
public enum QueryOutcome: Equatable, Sendable {
    case transfers(QueryAnswer<Transfer>)
    case accounts(QueryAnswer<Account>)
    case balances(QueryAnswer<AccountBalance>)
    case refused(QueryRefusal)

    /// What `query` answers.
    public init(_ query: () throws(QueryRefusal) -> QueryOutcome) {
        do throws(QueryRefusal) { self = try query() } catch { self = .refused(error) }
    }

    /// How many records were found.
    public var count: Int {
        switch self {
        case .transfers(let answer): answer.records.count
        case .accounts(let answer): answer.records.count
        case .balances(let answer): answer.records.count
        case .refused: 0
        }
    }
}
