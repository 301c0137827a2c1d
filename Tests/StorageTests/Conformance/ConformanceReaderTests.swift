import Foundation
import Primitives
import Storage
import Synchronization
import Testing

/// What readers of every journal see: what is durable, whole and in order, while it is written.
@Suite struct ConformanceReaderTests {
    @Test(arguments: JournalKind.all)
    func aReaderFollowsAWriter(_ kind: JournalKind) async throws {
        let home = try kind.makeHome()
        let journal = try home.open()
        _ = try journal.verify()
        let reader = try journal.reader()
        let count = 200
        let acknowledged = Mutex<UInt64>(0)
        async let seen = Task.detached {
            var verifier = ChainVerifier()
            var batches: [JournalBatch] = []
            while batches.count < count {
                let certain = acknowledged.withLock { $0 }
                let more = try reader.batches(after: verifier.head.sequence)
                for batch in more { _ = try verifier.accept(batch) }
                batches += more
                // Whatever was acknowledged before the look is seen by it, a page at a time.
                if more.isEmpty { #expect(verifier.head.sequence >= certain) }
            }
            return batches
        }.value
        var written: [JournalHead] = []
        for _ in 0..<count {
            try journal.append(entries(1 + journal.head.sequence % 5, after: journal.head))
            written.append(journal.head)
            acknowledged.withLock { $0 = journal.head.sequence }
        }
        #expect(try await seen.map(\.head) == written)
        #expect(try reader.batches(after: UInt64(count)) == [])
        reader.close()
        reader.close()
        try journal.close()
    }

    @Test(arguments: JournalKind.all)
    func readersTakeManyAndLargeBatchesInPages(_ kind: JournalKind) throws {
        let home = try kind.makeHome()
        let journal = try home.open()
        _ = try journal.verify()
        var written: [JournalHead] = []
        // Batches of half a megabyte, then so large ones that one is a page, then small ones.
        for size in Array(repeating: 1 << 19, count: 12) + [6 << 20, 6 << 20, 10, 10] {
            let pieces = (0..<max(size >> 19, 1)).map { place in
                JournalEntry(
                    time: journal.head.time + .init(nanoseconds: UInt64(place) + 1),
                    command: Array(repeating: UInt8(place), count: min(size, 1 << 19)))
            }
            try journal.append(pieces)
            written.append(journal.head)
        }
        let reader = try journal.reader()
        var verifier = ChainVerifier()
        var pages = 0
        while true {
            let page = try reader.batches(after: verifier.head.sequence)
            if page.isEmpty { break }
            pages += 1
            #expect(page.count == 1 || page.map(\.body.count).reduce(0, +) < 16 << 20)
            for batch in page {
                _ = try verifier.accept(batch)
                #expect(batch.head == written[Int(batch.sequence) - 1])
            }
        }
        #expect(verifier.head == written.last)
        #expect(pages > 1)
        reader.close()
        try journal.close()
        let again = try home.open()
        #expect(try again.verify() == written.last)
        try again.close()
    }

    @Test(arguments: JournalKind.all)
    func readersSeeWhatWasCommittedWhenTheyOpened(_ kind: JournalKind) throws {
        let home = try kind.makeHome()
        let writer = try home.open()
        _ = try writer.verify()
        try writer.fill(3)
        guard let reader = try home.openForReading() else { return }
        try writer.fill(2)
        #expect(try reader.verify().sequence == 3)
        #expect(throws: JournalError.readOnly) { try reader.fill(1) }
        #expect(throws: JournalError.readOnly) {
            try reader.record(StateCheckpoint(sequence: 1, stateHash: .zero))
        }
        let later = try #require(try home.openForReading())
        #expect(try later.verify() == writer.head)
        try later.close()
        try reader.close()
        try writer.close()
    }
}
