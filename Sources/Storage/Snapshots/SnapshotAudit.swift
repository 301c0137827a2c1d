import Primitives

/// Compares the snapshots of a journal with what its commands lead to from the first one on: a
/// start from one proves only that it is as it was written.
struct SnapshotAudit<Machine: JournaledMachine> {
    private struct Expected {
        let name: String
        let info: SnapshotInfo
        let history: Digest?
    }

    /// Snapshots that hold what the replay led to.
    private(set) var agreeing = 0
    /// What is wrong with the others.
    private(set) var faults: [String] = []
    /// Those whose batch is still to come, the last one first.
    private var ahead: [Expected] = []

    /// Looks at every snapshot of the journal in the folder, if there is one, and checks its bytes.
    init(_ store: SnapshotStore?, of journal: any Journal) throws(JournalError) {
        guard let store else { return }
        let reader = try journal.reader()
        defer { reader.close() }
        let first = try reader.batches(after: 0).first?.hash
        for name in try store.snapshots() {
            do throws(SnapshotProblem) {
                let file = try store.open(name, first, Machine.kind) { false }
                try file.verify()
                let history = file.header.section(SnapshotHeader.Section.history)?.1.hash
                ahead.append(Expected(name: name.text, info: file.info, history: history))
            } catch .otherJournal {
                continue
            } catch {
                faults.append("snapshot \(name.text): \(error)")
            }
        }
    }

    /// Compares what is of this batch with the machine after it.
    mutating func note(_ batch: JournalBatch, _ machine: borrowing Machine) {
        while let next = ahead.last, next.info.head.sequence <= batch.sequence {
            ahead.removeLast()
            let (state, history) = (machine.stateHash, machine.historyHash)
            if next.info.head != batch.head {
                let problem = SnapshotProblem.otherHistory(batch.sequence)
                faults.append("snapshot \(next.name): \(problem)")
            } else if next.info.stateHash != state || next.history != history {
                faults.append("snapshot \(next.name): its state is not what the journal leads to")
            } else {
                agreeing += 1
            }
        }
    }

    /// Says what goes further than the journal.
    mutating func finish() {
        for one in ahead { faults.append("snapshot \(one.name): the journal ends before it") }
        ahead = []
    }
}
