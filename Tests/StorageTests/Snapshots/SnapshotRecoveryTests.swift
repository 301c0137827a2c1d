import Clearing
import Ledger
import Primitives
import SimulatedDisk
import Storage
import Testing

/// A start from a snapshot and the rest of the journal is a start from the whole journal.
@Suite struct SnapshotRecoveryTests {
    @Test(arguments: UInt64(1)...8)
    func aLedgerIsTheSameWithAndWithout(_ seed: UInt64) throws {
        var books = try SnapshotBooks(seed: seed, batches: 20)
        var numbers = Numbers(state: seed)
        for _ in 0..<6 {
            let count = books.journal.batches.count
            let point = Int.random(in: max(count - 15, 1)...count, using: &numbers)
            let info = try books.take(point)
            let machine = try books.replayed(point)
            if let info {
                #expect(info.head == books.head(point))
                #expect(info.stateHash == machine.stateHash)
                let commands = books.journal.batches.prefix(point).reduce(0) { $0 + $1.count }
                #expect(info.commands == UInt64(commands))
            }
            let snapshot = try #require(try books.newest().snapshot)
            let start = Int(snapshot.info.head.sequence)
            #expect(snapshot.machine == (try books.replayed(start)))
            for readsAhead in [true, false] {
                let plain = try Recovery<LedgerMachine>(of: books.journal, readsAhead: readsAhead)
                let quick = try Recovery<LedgerMachine>(
                    of: books.journal, snapshots: books.store, readsAhead: readsAhead)
                #expect(quick.start == snapshot.info)
                #expect(quick.replayed < plain.replayed)
                #expect(quick.head == plain.head)
                #expect(quick.machine == plain.machine)
                #expect(quick.machine.stateHash == plain.machine.stateHash)
                #expect(quick.machine.ledger.checkInvariants().isEmpty)
                #expect(quick.machine.historyBytes == plain.machine.historyBytes)
                #expect(plain.machine.historyBytes.count > 8)
            }
            try books.books.write(10, to: books.journal)
        }
    }

    @Test func aHouseIsTheSameWithAndWithout() throws {
        let history = try History()
        let journal = MemoryJournal()
        for (place, command) in history.commands.enumerated() {
            try journal.append([
                JournalEntry(
                    time: Timestamp(seconds: UInt64(place + 1)), command: command.canonicalBytes())
            ])
        }
        let whole = try Recovery<ClearingHouse>(of: journal)
        for batch in journal.batches {
            let store = SnapshotStore(disk: SimulatedDisk(seed: 1).mount())
            _ = try store.take(
                of: journal, upTo: batch.head, checkpoint: nil, empty: ClearingHouse())
            let quick = try Recovery<ClearingHouse>(of: journal, snapshots: store)
            #expect(quick.start?.head == batch.head)
            #expect(quick.machine.stateHash == whole.machine.stateHash)
            #expect(quick.machine.ledger.checkInvariants().isEmpty)
        }
        // A house's snapshot is none of a ledger.
        let store = SnapshotStore(disk: SimulatedDisk(seed: 1).mount())
        _ = try store.take(
            of: journal, upTo: journal.head, checkpoint: nil, empty: ClearingHouse())
        var problems: [SnapshotProblem?] = []
        let found = try store.newest(of: journal, checkpoint: nil, empty: LedgerMachine()) {
            problems.append($0.problem)
        }
        #expect(found == nil)
        #expect(problems == [.otherMachine(1)])
    }

    /// For each kind of journal: the start reads nothing before the snapshot's batch.
    @Test(arguments: ["sqlite", "file", "postgres"])
    func aStartAfterTheSnapshotOnDisk(_ kind: String) throws {
        let scratch = try Scratch()
        let home = try kind == "postgres" ? PostgresHome() : nil
        let place = try JournalPlace(
            home.map { "postgres:\($0.conninfo)#\($0.schema)" }
                ?? "\(kind):\(scratch.folder)/books")
        // Beside a journal in a database there is no folder.
        #expect((place.snapshotFolder == nil) == (home != nil))
        let folder = place.snapshotFolder ?? "\(scratch.folder)/snapshots"
        var books = LedgerBooks(seed: 5)
        do {
            let journal = try place.openForWriting()
            _ = try journal.verify()
            try books.write(30, to: journal)
            let store = try SnapshotStore(folder: folder)
            let info = try store.take(
                of: journal, upTo: journal.head, checkpoint: nil, empty: LedgerMachine())
            #expect(info?.head.sequence == 30)
            try books.write(5, to: journal)
            try journal.close()
        }
        let journal = try place.openForWriting()
        let recovery = try Recovery<LedgerMachine>(
            of: journal, snapshots: try SnapshotStore(folder: folder))
        #expect(recovery.start?.head.sequence == 30)
        #expect(recovery.machine == books.machine)
        #expect(recovery.machine.historyBytes == books.machine.historyBytes)
        // And the journal can be written from there.
        try books.write(1, to: journal)
        #expect(journal.head.sequence == 36)
        // The next one begins where that one ended, and is taken beside the writer.
        let beside = try place.openForReading()
        let info = try SnapshotStore(folder: folder).take(ofWhole: beside)
        #expect(info?.head.sequence == 36)
        try beside.close()
        try journal.close()
    }

    @Test func theNewestTwoAreKept() throws {
        let books = try SnapshotBooks(seed: 3, batches: 40)
        // One of another journal is nobody's business.
        let other = try SnapshotBooks(seed: 4, batches: 9, disk: books.disk)
        try other.take(9)
        for point in [5, 10, 20, 40] { try books.take(point) }
        #expect(try books.take(40) == nil)
        #expect(try books.take(20) == nil)
        let names = try books.store.names()
        #expect(names.map { $0.suffix(2) } == ["40", "20", "09"])
        #expect(try books.newest().notices.isEmpty)
        #expect(try books.newest().snapshot?.info.head == books.head(40))
        #expect(try other.newest().snapshot?.info.head == other.head(9))
        #expect(try other.newest().notices.map(\.problem) == [.otherJournal, .otherJournal])
    }

    @Test func onlyOneProcessWritesThere() throws {
        let scratch = try Scratch()
        let books = try SnapshotBooks(seed: 3, batches: 4)
        let store = try SnapshotStore(folder: scratch.folder)
        let held = try FileHandleLock("\(scratch.folder)/lock")
        #expect(throws: SnapshotError.self) {
            try store.take(
                of: books.journal, upTo: books.head(4), checkpoint: nil, empty: LedgerMachine())
        }
        held.release()
        let info = try store.take(
            of: books.journal, upTo: books.head(4), checkpoint: nil, empty: LedgerMachine())
        #expect(info?.head == books.head(4))
    }
}
