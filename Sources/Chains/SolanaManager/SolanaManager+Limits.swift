import Primitives

/// What a batch may cost: the most of one transaction, and what the payer has.
extension SolanaManager {
    /// A draft with as many of its payouts as fit, at its price or the highest below that may be
    /// paid for so many. If not even what others pay may be, it has half of them, and half again;
    /// `nil` if that is too dear for one alone.
    ///
    /// A price rises with each expiry. Were it not lowered here, nothing could be paid any more
    /// after some of them, whatever others pay.
    func withinFeeLimit(_ wanted: SolanaDraft, _ market: Market) -> SolanaDraft? {
        let least = policy.bounded(market.price)
        // How many fit does not depend on the price.
        var free = policy
        free.feeLimit = .max
        let cheap = wanted.prefix(wanted.payouts.count, price: least)
        guard var count = try? cheap.fitting(free).count, count > 0 else { return nil }
        while true {
            if let price = policy.price(wanted.kind, count, from: least, to: wanted.price) {
                return wanted.prefix(count, price: price)
            }
            guard count > 1 else { return nil }
            count /= 2
        }
    }

    /// With how many of its payouts, of the first `count`, a draft costs no more than the payer has
    /// of `lamports` beside what others on their way may cost. Accounts leave the least that the
    /// payer must hold as well, so that payments go on.
    ///
    /// - Parameter isSeenGone: whether what others cost that the last look saw in a block is gone
    ///   from `lamports`. It may be or not: they are asked for at another moment.
    func countWithinLamports(
        _ count: Int, _ draft: SolanaDraft, of lamports: UInt64, isSeenGone: Bool
    ) -> Int {
        var others = draft.kind == .makeAccounts ? policy.minimumLamports : 0
        for batch in batches where !(isSeenGone && batch.isSeen) {
            others = others.saturatingSum(batch.cost(policy))
        }
        var count = count
        while count > 0,
            others.saturatingSum(policy.cost(draft.kind, count, price: draft.price)) > lamports
        { count -= 1 }
        return count
    }
}
