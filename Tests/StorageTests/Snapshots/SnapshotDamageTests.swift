import Clearing
import Foundation
import Ledger
import Primitives
import SimulatedDisk
import Storage
import Testing

/// A snapshot is never the truth: whatever is wrong with one, an older one or the journal serves,
/// and nothing that it shows to be lost goes unnoticed.
@Suite struct SnapshotDamageTests {
    private func books() throws -> (SnapshotBooks, name: String) {
        let books = try SnapshotBooks(seed: 11, batches: 12)
        try books.take(8)
        return (books, try #require(try books.store.names().first))
    }

    @Test func everyByteCounts() throws {
        let (books, name) = try books()
        let bytes = books.disk.contents(of: name)
        #expect(bytes.count > 8_192)
        var numbers = Numbers(state: 1)
        for place in bytes.indices {
            let mask = UInt8.random(in: 1...255, using: &numbers)
            books.disk.flip(mask, in: name, at: place)
            let (snapshot, notices) = try books.newest()
            let isPassedOver = snapshot == nil && notices.count == 1 && notices[0].problem != nil
            if !isPassedOver { Issue.record("byte \(place) does not count") }
            books.disk.flip(mask, in: name, at: place)
        }
        #expect(try books.newest().snapshot != nil)
    }

    @Test func everyLengthCounts() throws {
        let (books, name) = try books()
        let bytes = books.disk.contents(of: name)
        for length in stride(from: 0, to: bytes.count, by: 512) {
            books.disk.replace(name, with: Array(bytes.prefix(length)))
            #expect(try books.newest().snapshot == nil)
        }
        books.disk.replace(name, with: bytes + [UInt8](repeating: 0, count: 4_096))
        #expect(try books.newest().notices.map(\.problem) == [.damaged("it has another length")])
        let recovery = try Recovery<LedgerMachine>(of: books.journal, snapshots: books.store)
        #expect(recovery.start == nil)
        #expect(recovery.machine == books.books.machine)
    }

    @Test func anOlderOneServes() throws {
        let (books, _) = try books()
        try books.take(12)
        let name = try #require(try books.store.names().first)
        books.disk.flip(1, in: name, at: 5_000)
        var notices: [SnapshotNotice] = []
        let recovery = try Recovery<LedgerMachine>(of: books.journal, snapshots: books.store) {
            notices.append($0)
        }
        #expect(recovery.start?.head == books.head(8))
        #expect(recovery.machine == books.books.machine)
        #expect(notices.count == 2)
        // The next one takes its place.
        try books.take(12)
        #expect(try books.newest().snapshot?.info.head == books.head(12))
    }

    @Test func anotherVersionIsPassedOver() throws {
        let (books, name) = try books()
        var bytes = books.disk.contents(of: name)
        bytes[8] = 2
        books.disk.replace(name, with: bytes)
        #expect(try books.newest().notices.map(\.problem) == [.unsupportedVersion(2)])
    }

    @Test func oneOfAnotherJournalIsPassedOver() throws {
        let (books, name) = try books()
        let other = try SnapshotBooks(seed: 12, batches: 20)
        #expect(try books.newest(of: other.journal).notices.map(\.problem) == [.otherJournal])
        // Also under a name that it has not.
        try other.take(8)
        let theirs = try #require(try other.store.names().first)
        books.disk.replace(theirs, with: books.disk.contents(of: name))
        books.disk.replace(name, with: nil)
        #expect(
            try books.newest(of: other.journal).notices.map(\.problem)
                == [.damaged("it has the name of another")])
    }

    @Test func oneOfAnotherHistoryIsPassedOver() throws {
        var (books, _) = try books()
        try books.take(12)
        // The first ten batches are the same.
        let fork = try SnapshotBooks.prefix(books.journal, 10)
        try books.books.write(8, to: fork)
        let (snapshot, notices) = try books.newest(of: fork)
        #expect(snapshot?.info.head == books.head(8))
        #expect(notices.map(\.problem) == [.otherHistory(12)])
    }

    @Test func aJournalThatEndsBeforeItHasLostItsEnd() throws {
        let (books, name) = try books()
        let shorter = try SnapshotBooks.prefix(books.journal, 7)
        let error = JournalError.missingBatches(head: 7, checkpoint: 8)
        #expect(throws: error) { try books.newest(of: shorter) }
        #expect(throws: error) {
            try Recovery<LedgerMachine>(of: shorter, snapshots: books.store)
        }
        #expect(throws: JournalError.missingBatches(head: 0, checkpoint: 8)) {
            try Recovery<LedgerMachine>(of: MemoryJournal(), snapshots: books.store)
        }
        // Just there is enough.
        let same = try SnapshotBooks.prefix(books.journal, 8)
        #expect(try Recovery<LedgerMachine>(of: same, snapshots: books.store).replayed == 0)
        // A damaged one proves nothing.
        books.disk.flip(4, in: name, at: 4_200)
        #expect(try books.newest(of: shorter).snapshot == nil)
        #expect(try books.newest(of: shorter).notices.count == 1)
    }

    @Test func aStateThatIsNotTheRecordedOneIsNotKept() throws {
        let (books, _) = try books()
        for sequence in [10, 12] {
            let wrong = StateCheckpoint(sequence: UInt64(sequence), stateHash: .zero)
            #expect(throws: SnapshotError.journal(.stateDiverged(UInt64(sequence)))) {
                try books.store.take(
                    of: books.journal, upTo: books.head(12), checkpoint: wrong,
                    empty: LedgerMachine())
            }
            #expect(books.disk.names.count == 1)
            let right = StateCheckpoint(
                sequence: UInt64(sequence), stateHash: try books.replayed(sequence).stateHash)
            let copy = SnapshotStore(disk: books.disk.copy().mount())
            let info = try copy.take(
                of: books.journal, upTo: books.head(12), checkpoint: right,
                empty: LedgerMachine())
            #expect(info?.head == books.head(12))
        }
        let recorded = StateCheckpoint(sequence: 8, stateHash: .zero)
        #expect(
            try books.newest(checkpoint: recorded).notices.map(\.problem) == [.diverged(8)])
    }

    @Test func whatIsNotASnapshotIsLeftAlone() throws {
        let (books, _) = try books()
        books.disk.replace("notes.txt", with: [1])
        books.disk.replace("snapshot-x", with: [2])
        books.disk.replace("snapshot.new", with: [3])
        try books.take(10)
        try books.take(12)
        #expect(books.disk.names.count == 4)
        #expect(books.disk.contents(of: "notes.txt") == [1])
        #expect(books.disk.contents(of: "snapshot-x") == [2])
    }
}
