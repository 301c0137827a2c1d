import Primitives

/// One of the two ways to pay whoever chose Solana: transfers, or leaves of a pool's root.
struct SolanaDraft {
    /// What becomes of the positions there, by their places among all.
    private(set) var choices: [Int: SettlementPlan.Choice] = [:]
    /// What counts, in lamports.
    private(set) var lamports: UInt64 = 0

    /// The cheaper way, transfers if they cost the same; `nil` if the house does not pay there.
    /// O(positions).
    static func best(
        _ positions: [SettlementPlan.Position], _ quotes: SettlementQuotes, isPoolFree: Bool
    ) -> SolanaDraft? {
        guard quotes.solanaFloat != nil else { return nil }
        let transfers = SolanaDraft(positions, quotes, pool: nil)
        guard isPoolFree, let pool = quotes.pool else { return transfers }
        let leaves = SolanaDraft(positions, quotes, pool: pool)
        return leaves.lamports < transfers.lamports ? leaves : transfers
    }

    private init(
        _ positions: [SettlementPlan.Position], _ quotes: SettlementQuotes, pool: PoolQuote?
    ) {
        var held = quotes.solanaFloat ?? .zero
        var dust: [Int] = []
        var paid: [Int] = []
        for (place, position) in positions.enumerated() where position.isOnSolana {
            let amount = position.amount
            if amount < quotes.minimum[.usd] {
                dust.append(place)
                choices[place] = .carried(.belowMinimum)
            } else if held < amount {
                choices[place] = .carried(.noFloat)
            } else {
                held = held - amount
                paid.append(place)
            }
        }
        if pool != nil, !paid.isEmpty {
            // If there is a root anyway, it takes all the dust along.
            for place in dust where held >= positions[place].amount {
                held = held - positions[place].amount
                paid.append(place)
            }
        }
        for place in paid { choices[place] = .paid(pool == nil ? .solana : .pool) }
        if let pool {
            lamports = Self.cost(of: paid.map { positions[$0] }, in: pool, quotes)
        } else {
            // The last transaction offers for what it has.
            let (count, size) = (UInt64(paid.count), UInt64(SettlementPlan.payeesPerTransaction))
            lamports.add(count.parts(of: size), times: quotes.signatureLamports)
            lamports.add(count / size, times: quotes.priorityLamports)
            var rest: UInt64 = 0
            rest.add(count % size, times: quotes.priorityLamports)
            lamports.add(rest.parts(of: size), times: 1)
        }
    }

    private static func cost(
        of leaves: [SettlementPlan.Position], in pool: PoolQuote, _ quotes: SettlementQuotes
    ) -> UInt64 {
        var sum: UInt64 = 0
        if leaves.isEmpty { return sum }
        sum.add(1, times: pool.commit)
        sum.add(1, times: pool.activate)
        guard quotes.bearing == .everyone else { return sum }
        var claims: UInt64 = 0
        claims.add(UInt64(leaves.count), times: pool.claim)
        sum.add(claims.parts(of: UInt64(max(quotes.batchesPerClaim, 1))), times: 1)
        sum.add(UInt64(leaves.count { !$0.hasRecord }), times: pool.record)
        return sum
    }
}
