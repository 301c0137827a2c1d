import Primitives

/// The balances of accounts with the `history` flag after each transfer that touched them.
///
/// Rows lie in order of their transfers; a transfer between two such accounts has two, the debit
/// account's first. 80 bytes a row. Not part of the state's encoding.
struct BalanceHistory: Sendable {
    /// An account's balances after one transfer.
    struct Row: Equatable, Sendable, BitwiseCopyable {
        let debitsPending: Amount
        let debitsPosted: Amount
        let creditsPending: Amount
        let creditsPosted: Amount
        /// The transfer's place, doubled, and the account's side of it.
        let key: UInt64

        init(_ account: Account, transfer: Int, side: TransferIndex.Side) {
            debitsPending = account.debitsPending
            debitsPosted = account.debitsPosted
            creditsPending = account.creditsPending
            creditsPosted = account.creditsPosted
            key = UInt64(transfer) << 1 | UInt64(side.rawValue)
        }
    }

    private(set) var rows = ChunkedArray<Row>()

    /// Notes an account after a transfer, if it keeps a history.
    @inline(__always)
    mutating func note(_ account: Account, transfer: Int, side: TransferIndex.Side) {
        guard account.flags.contains(.history) else { return }
        rows.append(Row(account, transfer: transfer, side: side))
    }

    /// Takes the newest rows off until so many are left.
    mutating func shrink(to count: Int) {
        while rows.count > count { rows.removeLast() }
    }

    /// The row of a transfer's account on one side. O(log n).
    func row(transfer: Int, side: TransferIndex.Side) -> Row? {
        let key = UInt64(transfer) << 1 | UInt64(side.rawValue)
        let place = rows.partitioningIndex { $0.key >= key }
        return place < rows.count && rows[place].key == key ? rows[place] : nil
    }
}

extension ChunkedArray {
    /// The first place whose element, and so every later one, is in the second part. O(log n).
    func partitioningIndex(where isInSecondPart: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if isInSecondPart(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
