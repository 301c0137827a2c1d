/// Finds an account's transfers in either direction from any place.
///
/// Each transfer knows its predecessor on its debit account's debit side and on its credit
/// account's credit side. Every 64th of a side is marked, and marks have skip pointers, so any
/// place on a side is O(log n) away. Derived from the transfers: not part of the state's encoding.
/// Eight bytes a transfer and half a byte for marks; 24 bytes an account.
struct TransferIndex: Sendable {
    /// Which of an account's two columns a transfer stands in.
    enum Side: UInt32, Sendable {
        case debit = 0
        case credit = 1
    }

    /// One side of an account. References are places plus one; 0 is none.
    fileprivate struct Column: Equatable, Sendable, BitwiseCopyable {
        var newest: UInt32 = 0
        var count: UInt32 = 0
        var mark: UInt32 = 0
    }

    private struct Columns: Equatable, Sendable, BitwiseCopyable {
        var debit = Column()
        var credit = Column()
    }

    /// The ends of the two sides that a transfer is added to.
    struct Ends {
        fileprivate let debits: Column
        fileprivate let credits: Column
    }

    /// The transfers before one on its two sides. References are places plus one; 0 is none.
    private struct Link: Equatable, Sendable, BitwiseCopyable {
        var debit: UInt32
        var credit: UInt32
    }

    /// Transfer number `64 * number` of a side, which starts a block of 64.
    private struct Mark: Equatable, Sendable, BitwiseCopyable {
        let transfer: UInt32
        let number: UInt32
        /// The mark before this one, plus one.
        let previous: UInt32
        /// A mark far before this one, plus one: the skip pointers of E. W. Myers, "An applicative
        /// random-access stack" (1983).
        let skip: UInt32
    }

    /// How many transfers of a side make a block.
    static let blockSize = 64

    private var columns = ChunkedArray<Columns>()
    private var links = ChunkedArray<Link>()
    private var marks = ChunkedArray<Mark>()

    /// How many accounts and transfers are indexed.
    var counts: (accounts: Int, transfers: Int) { (columns.count, links.count) }

    mutating func addAccount() {
        columns.append(Columns())
    }

    /// Takes the newest account out, which has no transfers.
    mutating func removeAccount() {
        columns.removeLast()
    }

    /// Where a transfer between two accounts goes. Ask early: reading it takes as long as reading
    /// the accounts, and the two can happen at once.
    @inline(__always)
    func ends(debit: Int, credit: Int) -> Ends {
        Ends(debits: columns[debit].debit, credits: columns[credit].credit)
    }

    /// Adds the next transfer, by its accounts' places and the ends of their sides as they are now.
    @inline(__always)
    mutating func addTransfer(debit: Int, credit: Int, to ends: Ends) {
        let transfer = UInt32(links.count)
        var (debits, credits) = (ends.debits, ends.credits)
        links.append(Link(debit: debits.newest, credit: credits.newest))
        add(transfer, to: &debits)
        add(transfer, to: &credits)
        columns[debit].debit = debits
        columns[credit].credit = credits
    }

    /// Takes the newest transfer out.
    mutating func removeTransfer(debit: Int, credit: Int) {
        let link = links.removeLast()
        var debits = columns[debit].debit
        var credits = columns[credit].credit
        // The other way round than they were added, since marks lie in order.
        remove(from: &credits, newest: link.credit)
        remove(from: &debits, newest: link.debit)
        columns[debit].debit = debits
        columns[credit].credit = credits
    }

    @inline(__always)
    private mutating func add(_ transfer: UInt32, to column: inout Column) {
        if column.count > 0, Int(column.count) % TransferIndex.blockSize == 0 {
            mark(transfer, in: &column)
        }
        column.newest = transfer + 1
        column.count += 1
    }

    private mutating func remove(from column: inout Column, newest: UInt32) {
        column.newest = newest
        column.count -= 1
        if column.count > 0, Int(column.count) % TransferIndex.blockSize == 0 {
            column.mark = marks.removeLast().previous
        }
    }

    private mutating func mark(_ transfer: UInt32, in column: inout Column) {
        let previous = column.mark
        var skip = previous
        if let near = mark(previous), let far = mark(near.skip) {
            let further = mark(far.skip)?.number ?? 0
            if near.number - far.number == far.number - further { skip = far.skip }
        }
        marks.append(
            Mark(
                transfer: transfer, number: column.count / UInt32(TransferIndex.blockSize),
                previous: previous, skip: skip))
        column.mark = UInt32(marks.count)
    }

    private func mark(_ reference: UInt32) -> Mark? {
        reference == 0 ? nil : marks[Int(reference) - 1]
    }

    /// The newest mark of a side that is not past what is looked for. O(log n).
    private func findMark(from newest: UInt32, isPast: (Mark) -> Bool) -> Mark? {
        var found = mark(newest)
        while let current = found, isPast(current) {
            let skipped = mark(current.skip)
            found = skipped.map(isPast) == true ? skipped : mark(current.previous)
        }
        return found
    }

    private func column(_ side: Side, of account: Int) -> Column {
        side == .debit ? columns[account].debit : columns[account].credit
    }

    // MARK: Reading

    /// How many blocks an account's side has.
    func blockCount(_ side: Side, of account: Int) -> Int {
        (Int(column(side, of: account).count) + TransferIndex.blockSize - 1)
            / TransferIndex.blockSize
    }

    /// The block that a transfer is in, or would be in if it were of this side. O(log n).
    func block(containing transfer: Int, _ side: Side, of account: Int) -> Int {
        let newest = column(side, of: account).mark
        return Int(findMark(from: newest) { $0.transfer > transfer }?.number ?? 0)
    }

    /// The places of a block's transfers, oldest first. O(log n) and the block.
    func block(_ number: Int, _ side: Side, of account: Int) -> [Int] {
        let column = column(side, of: account)
        var newest = column.newest
        var count = Int(column.count) - number * TransferIndex.blockSize
        if let next = findMark(from: column.mark, isPast: { $0.number > number + 1 }),
            next.number == number + 1
        {
            newest = before(Int(next.transfer), side)
            count = TransferIndex.blockSize
        }
        var places = Array(repeating: 0, count: count)
        for index in places.indices.reversed() {
            places[index] = Int(newest) - 1
            newest = before(places[index], side)
        }
        return places
    }

    private func before(_ transfer: Int, _ side: Side) -> UInt32 {
        side == .debit ? links[transfer].debit : links[transfer].credit
    }
}

extension TransferIndex: Equatable {}
