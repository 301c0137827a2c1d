import Clearing
import Primitives

/// Compares what a journal says was owed at each settlement, at each run of dispersals and at each
/// round of vouchers with what its commands lead to.
struct LiabilityAudit {
    /// Commitments whose totals and head are those of the books.
    private(set) var agreeing = 0
    /// What is wrong with the others.
    private(set) var faults: [String] = []
    private var batches = Moments()
    private var dispersals = Moments()
    private var vouchers = Moments()
    /// What is promised without books yet; `nil` if a command may have changed it since. Moments
    /// share it: a journal of before there were such books would have a copy for each batch.
    private var promised: [VoucherSum]?

    /// The newest batches of the journal since something waits to be sealed, oldest first.
    private struct Moments {
        /// How far behind the head a commitment may be: the house takes the sums right before it
        /// seals.
        static let memory = 4_096

        var all: [Moment] = []

        mutating func note(_ moment: Moment, if isWaiting: Bool) {
            guard isWaiting else { return }
            if all.count == 2 * Self.memory { all.removeFirst(Self.memory) }
            all.append(moment)
        }

        /// The moment of a commitment; earlier ones are no longer needed.
        mutating func take(_ books: LiabilityCommitment) -> Moment? {
            defer { all.removeAll { $0.point.sequence < books.sequence } }
            return all.first { $0.point.sequence == books.sequence }
        }
    }

    private struct Moment {
        let point: ChainPoint
        let totals: AssetSums
        /// How many dispersals had been decided.
        let dispersals: UInt64
        /// What had been promised without books yet.
        let promised: [VoucherSum]

        /// Whether so much had been promised through its channel.
        func has(_ sum: VoucherSum) -> Bool {
            promised.contains { $0.channel == sum.channel && $0.cumulative >= sum.cumulative }
        }
    }

    /// Looks at a command that was accepted.
    mutating func check(_ command: Command, sequence: UInt64) {
        switch command {
        case .settle: promised = nil
        case .sealBatch(_, _, let books?):
            compare(
                books, batches.take(books), since: "between its cut and its seal",
                "batch \(sequence): the liabilities of settlement \(books.batch)")
        case .sealDispersals(let first, let last, let books):
            let subject = "batch \(sequence): the liabilities of dispersals \(first) to \(last)"
            let found = dispersals.take(books)
            if let found, found.dispersals < last.rawValue {
                return faults.append("\(subject) are of a moment before these were decided")
            }
            compare(books, found, since: "between their making and their seal", subject)
        case .sealVouchers(let sums, let books):
            promised = nil
            let subject = "batch \(sequence): the liabilities of \(sums.count) vouchers"
            let found = vouchers.take(books)
            if let found, !sums.allSatisfy({ found.has($0) }) {
                return faults.append("\(subject) are of a moment before these were promised")
            }
            compare(books, found, since: "between their promise and their seal", subject)
        default: return
        }
    }

    private mutating func compare(
        _ books: LiabilityCommitment, _ found: Moment?, since span: String, _ subject: String
    ) {
        guard let found else { return faults.append("\(subject) are of no moment \(span)") }
        if found.point.hash != books.head {
            faults.append("\(subject) are of another journal")
        } else if found.totals != books.totals {
            faults.append("\(subject) are not what the books owe after \(books.sequence)")
        } else {
            agreeing += 1
        }
    }

    /// Remembers what is owed after a batch, while something waits to be sealed. O(vouchers that
    /// wait) after a settlement or a seal, otherwise O(1).
    mutating func note(_ batch: JournalBatch, _ house: borrowing ClearingHouse) {
        let isCut = house.batches.last?.state == .cut
        let made = UInt64(house.dispersals.count)
        let isUnsealed = made > house.lastSealedDispersal
        let isPromised = house.hasUnsealedVouchers
        guard isCut || isUnsealed || isPromised else { return }
        let totals = AssetSums(usd: house.owed(.usd), tly: house.owed(.tly))
        let waiting = promised ?? house.unsealedVouchers
        promised = waiting
        let moment = Moment(
            point: batch.head.point, totals: totals, dispersals: made, promised: waiting)
        batches.note(moment, if: isCut)
        dispersals.note(moment, if: isUnsealed)
        vouchers.note(moment, if: isPromised)
    }
}
