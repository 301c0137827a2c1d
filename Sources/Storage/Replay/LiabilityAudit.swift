import Clearing
import Primitives

/// Compares what a journal says was owed at each settlement with what its commands lead to.
struct LiabilityAudit {
    /// Commitments whose totals and head are those of the books.
    private(set) var agreeing = 0
    /// What is wrong with the others.
    private(set) var faults: [String] = []
    /// The newest batches since one was cut, oldest first.
    private var recent: [Moment] = []

    /// How far behind the head a commitment may be: the house takes the sums right before it seals.
    private static let memory = 4_096

    private struct Moment {
        let point: ChainPoint
        let totals: AssetSums
    }

    /// Looks at a command that was accepted.
    mutating func check(_ command: Command, sequence: UInt64) {
        guard case .sealBatch(_, _, let liabilities?) = command else { return }
        let found = recent.first { $0.point.sequence == liabilities.sequence }
        recent = []
        let subject = "batch \(sequence): the liabilities of settlement \(liabilities.batch)"
        guard let found else {
            return faults.append("\(subject) are of no moment between its cut and its seal")
        }
        if found.point.hash != liabilities.head {
            faults.append("\(subject) are of another journal")
        } else if found.totals != liabilities.totals {
            faults.append("\(subject) are not what the books owe after \(liabilities.sequence)")
        } else {
            agreeing += 1
        }
    }

    /// Remembers what is owed after a batch, while a settlement waits to be sealed. O(1).
    mutating func note(_ batch: JournalBatch, _ house: borrowing ClearingHouse) {
        guard house.batches.last?.state == .cut else { return }
        if recent.count == 2 * Self.memory { recent.removeFirst(Self.memory) }
        let totals = AssetSums(usd: house.owed(.usd), tly: house.owed(.tly))
        recent.append(Moment(point: batch.head.point, totals: totals))
    }
}
