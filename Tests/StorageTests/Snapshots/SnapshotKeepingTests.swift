import Clearing
import Ledger
import Primitives
import SimulatedDisk
import Storage
import Testing

/// Which snapshots are kept, how much room they may take, and what an audit says about them.
@Suite struct SnapshotKeepingTests {
    /// The one before the newest is a valid one, not the next by number.
    @Test func theValidOneIsKeptAndNotTheDamagedOne() throws {
        let books = try SnapshotBooks(seed: 41, batches: 30)
        try books.take(10)
        try books.take(20)
        let damaged = try #require(try books.store.names().first)
        books.disk.flip(1, in: damaged, at: 5_000)
        try books.take(30)
        let names = try books.store.names()
        #expect(names.map { $0.suffix(2) } == ["30", "10"])
        // So there is still one to begin with when the newest is lost.
        books.disk.flip(1, in: names[0], at: 5_000)
        #expect(try books.newest().snapshot?.info.head == books.head(10))
    }

    /// Nor is one of a history that the journal left.
    @Test func oneOfAnotherHistoryGoes() throws {
        var books = try SnapshotBooks(seed: 42, batches: 12)
        try books.take(8)
        try books.take(12)
        let fork = try SnapshotBooks.prefix(books.journal, 10)
        try books.books.write(8, to: fork)
        let store = books.store
        let info = try store.take(
            of: fork, upTo: fork.head, checkpoint: nil, empty: LedgerMachine())
        #expect(info?.head == fork.head)
        #expect(try store.names().map { $0.suffix(2) } == ["18", "08"])
        let quick = try Recovery<LedgerMachine>(of: fork, snapshots: store)
        #expect(quick.start?.head == fork.head)
        #expect(quick.machine == (try fork.recovered()))
    }

    /// A name that only looks like a snapshot's is nobody's business.
    @Test func namesAreExact() throws {
        let books = try SnapshotBooks(seed: 43, batches: 30)
        try books.take(10)
        let name = try #require(try books.store.names().first)
        let others = [
            String(name.dropLast(20)) + "+0000000000000000007",
            "snapshot-gggggggggggggggg-00000000000000000007", name + "-", name.uppercased(),
        ]
        for other in others { books.disk.replace(other, with: [1]) }
        try books.take(20)
        try books.take(30)
        #expect(try books.store.names().count == 2)
        for other in others { #expect(books.disk.names.contains(other)) }
        #expect(try books.newest().notices.isEmpty)
    }

    @Test func roomIsLeftForTheJournal() throws {
        let books = try SnapshotBooks(seed: 44, batches: 30)
        books.disk.capacity = 1 << 20
        func take(_ reserve: Int) throws -> SnapshotInfo? {
            try SnapshotStore(disk: books.disk.mount(), reserve: reserve).take(
                of: books.journal, upTo: books.head(30), checkpoint: nil, empty: LedgerMachine())
        }
        do {
            _ = try take((1 << 20) - 12_288)
            Issue.record("it was written")
        } catch SnapshotError.disk(.full) {
        }
        #expect(books.disk.names.isEmpty)
        #expect(try take(1 << 19)?.head == books.head(30))
    }

    /// A shorter journal halts the start, and it is said which folder shows that.
    @Test func aLostEndIsExplained() throws {
        let books = try SnapshotBooks(seed: 45, batches: 12)
        try books.take(12)
        let shorter = try SnapshotBooks.prefix(books.journal, 11)
        var notices: [SnapshotNotice] = []
        #expect(throws: JournalError.missingBatches(head: 11, checkpoint: 12)) {
            try Recovery<LedgerMachine>(of: shorter, snapshots: books.store) { notices.append($0) }
        }
        #expect(notices.count == 1 && notices[0].isWarning)
        #expect(notices[0].description.contains("move the folder of snapshots away"))
    }

    @Test func anAuditComparesThemWithTheWholeJournal() throws {
        let books = try SnapshotBooks(seed: 46, batches: 30)
        try books.take(10)
        try books.take(20)
        let other = try SnapshotBooks(seed: 47, batches: 9, disk: books.disk)
        try other.take(9)
        func audit(_ journal: MemoryJournal) throws -> LedgerAuditReport {
            try auditLedger(journal, snapshots: books.store)
        }
        var report = try audit(books.journal)
        #expect(report.isSound && report.snapshots == 2)
        #expect(try auditLedger(books.journal).snapshots == 0)
        // A state that is valid by itself, with right hashes, and was never reached: the first
        // account has another note.
        let name = try #require(try books.store.names().first)
        let right = books.disk.contents(of: name)
        var image = try SnapshotImage(right)
        let note = 20 + 96
        SnapshotImage.set(99, in: &image.sections[0].bytes, at: note)
        books.disk.replace(name, with: image.file())
        #expect(try books.newest().snapshot?.info.head == books.head(20))
        report = try audit(books.journal)
        #expect(!report.isSound && report.snapshots == 1)
        #expect(
            report.snapshotFaults == [
                "snapshot \(name): its state is not what the journal leads to"
            ])
        // The history beside the state.
        image = try SnapshotImage(right)
        image.sections[1].bytes[8] ^= 1
        books.disk.replace(name, with: image.file())
        #expect(try audit(books.journal).snapshotFaults.count == 1)
        // Damage, another history, a journal that ends before it.
        books.disk.replace(name, with: right)
        books.disk.flip(1, in: name, at: 5_000)
        #expect(try audit(books.journal).snapshotFaults.count == 1)
        books.disk.replace(name, with: right)
        let fork = try SnapshotBooks.prefix(books.journal, 15)
        #expect(
            try audit(fork).snapshotFaults == ["snapshot \(name): the journal ends before it"])
        var writer = books.books
        try writer.write(10, to: fork)
        #expect(
            try audit(fork).snapshotFaults
                == ["snapshot \(name): \(SnapshotProblem.otherHistory(20))"])
    }

    @Test func aHousesAuditDoesSoToo() throws {
        let journal = MemoryJournal()
        for (place, command) in try History().commands.enumerated() {
            try journal.append([
                JournalEntry(
                    time: Timestamp(seconds: UInt64(place + 1)), command: command.canonicalBytes())
            ])
        }
        let disk = SimulatedDisk(seed: 1)
        let store = SnapshotStore(disk: disk.mount())
        _ = try store.take(
            of: journal, upTo: journal.head, checkpoint: nil, empty: ClearingHouse())
        var report = try auditJournal(journal, snapshots: store)
        #expect(report.isSound && report.snapshots == 1)
        disk.flip(1, in: try #require(try store.names().first), at: 4_200)
        report = try auditJournal(journal, snapshots: store)
        #expect(!report.isSound && report.snapshots == 0 && report.snapshotFaults.count == 1)
    }
}
