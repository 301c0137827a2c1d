public import Primitives

/// What a provider could take out of its bond, and since when.
public struct LeavingBond: Hashable, Sendable {
    /// A part of a bond on its way out.
    public struct Entry: Hashable, Sendable {
        /// How much, in chain units.
        public let units: UInt128
        /// From when on it can be taken out, in Unix seconds.
        public let unlocksAt: UInt64

        /// A part of this size and date.
        public init(_ units: UInt128, unlocksAt: UInt64) {
            self.units = units
            self.unlocksAt = unlocksAt
        }
    }

    /// What the contract would pay, in chain units: what is unlocked, and not frozen by a slash.
    public let withdrawable: UInt128
    /// All that is on its way out; nothing if nothing could be taken out.
    public let entries: [Entry]

    /// What the contract tells of a provider.
    public init(withdrawable: UInt128, entries: [Entry]) {
        self.withdrawable = withdrawable
        self.entries = entries
    }

    /// What could be taken out for so many seconds and was not, and since when; `nil` if nothing.
    public func left(
        for seconds: UInt64, at now: UInt64
    ) -> (units: UInt128, since: UInt64)? {
        let due = entries.filter { $0.units > 0 && $0.unlocksAt.saturatingSum(seconds) <= now }
        let units = min(withdrawable, due.reduce(0) { $0.saturatingSum($1.units) })
        guard units > 0, let since = due.map(\.unlocksAt).min() else { return nil }
        return (units, since)
    }
}

extension SettlementReader {
    /// What providers could take out of their bonds at the end of a block, in their order. The
    /// entries of those who could take nothing are not asked for. One call for each provider, and
    /// one more for each of the others.
    public func leavingBonds(
        _ providers: [EVMAddress], at block: UInt64
    ) async throws(ChainError) -> [LeavingBond] {
        let sums = try await withdrawable(providers, at: block)
        let asked = try abi { () throws(ABIError) in
            var all: [Question] = []
            for (provider, sum) in zip(providers, sums) where sum > 0 {
                all.append(try question("unbondingEntries", [.address(provider)]))
            }
            return all
        }
        let told = try await ask(asked, at: block)
        return try abi { () throws(ABIError) in
            var all: [LeavingBond] = []
            var values = told.values[...]
            for sum in sums {
                let entries = sum > 0 ? try values.popFirst().map(Self.entries) ?? [] : []
                all.append(LeavingBond(withdrawable: sum, entries: entries))
            }
            return all
        }
    }

    private static func entries(_ value: ABIValue) throws(ABIError) -> [LeavingBond.Entry] {
        let view = "unbondingEntries"
        guard case .array(let values) = value else { throw .badArgument(view) }
        var entries: [LeavingBond.Entry] = []
        for value in values {
            guard case .tuple(let fields) = value, fields.count == 2 else {
                throw .badArgument(view)
            }
            entries.append(
                LeavingBond.Entry(
                    try fields[0].uint128(view), unlocksAt: try fields[1].uint64(view)))
        }
        return entries
    }
}
