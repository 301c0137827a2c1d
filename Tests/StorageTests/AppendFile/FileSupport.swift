import Primitives
import SimulatedDisk
import Storage
import Testing

/// A journal on a simulated disk, and what is known of it.
struct SimulatedHouse {
    let disk: SimulatedDisk
    /// What was acknowledged.
    var acknowledged: [JournalBatch] = []
    /// What was begun when something failed: it may be there.
    var begun: JournalBatch?
    /// The last state hash that was recorded.
    var recorded: StateCheckpoint?
    var journal: FileJournal?

    init(_ disk: SimulatedDisk) {
        self.disk = disk
    }

    static var options: FileJournal.Options {
        var options = FileJournal.Options()
        options.segmentBytes = 32 << 10
        options.preparesInBackground = false
        return options
    }

    /// Opens and recovers the journal. What it holds must be what was acknowledged, and whole or
    /// not at all what was begun.
    mutating func open(_ place: String) throws(JournalError) {
        let opened = try FileJournal(disk: disk.mount(), options: SimulatedHouse.options)
        let found = try SimulatedHouse.batches(opened)
        check(found, place)
        acknowledged = found
        begun = nil
        journal = opened
    }

    /// Records an issue unless `found` is what may be there.
    func check(_ found: [JournalBatch], _ place: String) {
        var possible = [acknowledged]
        if let begun { possible.append(acknowledged + [begun]) }
        let isRight = possible.contains(found)
        #expect(isRight, "\(place): \(found.count) batches, \(acknowledged.count) acknowledged")
    }

    /// Appends a batch with a body of about `bytes`.
    mutating func append(_ bytes: Int, _ value: UInt8) throws(JournalError) {
        guard let journal else { throw .notRecovered }
        let batch = try JournalBatch(
            following: journal.head, term: journal.term,
            entries: [
                JournalEntry(
                    time: Timestamp(nanoseconds: journal.head.time.nanoseconds + 7),
                    command: Array(repeating: value, count: bytes))
            ])
        begun = batch
        try journal.append(batch)
        begun = nil
        acknowledged.append(batch)
        disk.note("\(batch.sequence)")
    }

    mutating func record() throws(JournalError) {
        guard let journal else { throw .notRecovered }
        try journal.record(StateCheckpoint(sequence: journal.head.sequence, stateHash: .zero))
        recorded = StateCheckpoint(sequence: journal.head.sequence, stateHash: .zero)
    }

    mutating func close() throws(JournalError) {
        try journal?.close()
        journal = nil
    }

    /// Ends the process.
    mutating func kill() {
        disk.kill()
        journal = nil
    }

    static func batches(_ journal: FileJournal) throws(JournalError) -> [JournalBatch] {
        var found: [JournalBatch] = []
        _ = try journal.recover { (batch, _) throws(JournalError) in found.append(batch) }
        return found
    }

    /// What a start says about a disk: its batches, or why it halts.
    static func contents(_ disk: SimulatedDisk) -> Result<[JournalBatch], JournalError> {
        do throws(JournalError) {
            let journal = try FileJournal(disk: disk.mount(), options: options)
            let found = try batches(journal)
            disk.kill()
            return .success(found)
        } catch {
            disk.kill()
            return .failure(error)
        }
    }

    /// Why a start halts; `nil` if it does not.
    static func refusal(_ disk: SimulatedDisk) -> JournalError? {
        if case .failure(let error) = contents(disk) { return error }
        return nil
    }

    /// A house with batches of these sizes, closed or killed.
    static func written(
        _ sizes: [Int], closing: Bool, seed: UInt64 = 1
    ) throws(JournalError) -> SimulatedHouse {
        var house = SimulatedHouse(SimulatedDisk(seed: seed))
        try house.open("new")
        for (place, size) in sizes.enumerated() {
            try house.append(size, UInt8(truncatingIfNeeded: place + 1))
        }
        if closing { try house.close() } else { house.kill() }
        return house
    }
}

extension Journal {
    /// The error of `body`, or `nil`.
    static func error(_ body: () throws(JournalError) -> Void) -> JournalError? {
        do throws(JournalError) {
            try body()
            return nil
        } catch {
            return error
        }
    }
}
