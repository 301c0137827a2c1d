import Cryptography
import Foundation
import Primitives
import Storage
import Testing

/// The append file in a real folder: opening, appending, segments, limits and who may do what.
@Suite struct FileJournalTests {
    private static func path(_ scratch: Scratch) -> String { scratch.folder + "/journal" }

    private func small(_ bytes: Int = 64 << 10) -> FileJournal.Options {
        var options = FileJournal.Options()
        options.segmentBytes = bytes
        return options
    }

    private func opened(_ scratch: Scratch, _ bytes: Int = 64 << 10) throws -> FileJournal {
        let journal = try FileJournal(path: Self.path(scratch), options: small(bytes))
        _ = try journal.verify()
        return journal
    }

    private func openError(_ path: String) -> JournalError? {
        FileJournal.error { () throws(JournalError) in
            try FileJournal(path: path, options: small()).close()
        }
    }

    private func names(_ scratch: Scratch) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: Self.path(scratch)).sorted()
    }

    private func append(_ bytes: Int, to journal: FileJournal) throws(JournalError) {
        try journal.append([
            JournalEntry(
                time: journal.head.time + .seconds(1),
                command: [UInt8](repeating: 7, count: bytes))
        ])
    }

    @Test func segmentsFollowEachOtherAndNothingElseIsLeft() throws {
        let scratch = try Scratch()
        let journal = try opened(scratch)
        try journal.fill(60)
        try journal.close()
        let found = try names(scratch)
        #expect(found.count { $0.hasSuffix(".segment") } > 2)
        #expect(found.filter { !$0.hasSuffix(".segment") } == ["lock", "marks"])
    }

    /// Computed with another program: Python's struct and hashlib over docs/internals/journal.md.
    @Test func theFormatIsTheDocumentedOne() throws {
        let scratch = try Scratch()
        let journal = try opened(scratch, 16 << 10)
        func entry(_ time: UInt64, _ command: [UInt8]) -> JournalEntry {
            JournalEntry(time: Timestamp(nanoseconds: time), command: command)
        }
        try journal.append([entry(1_000, [1, 2, 3]), entry(1_001, [])])
        try journal.append([entry(2_000, [UInt8](repeating: 0xAB, count: 5_000))])
        let hash = try #require(Digest(Array(0..<32)))
        try journal.record(StateCheckpoint(sequence: 1, stateHash: hash))
        try journal.close()
        for (name, expected) in [
            (
                "00000000000000000001.segment",
                "0381d2fb87a0abfcccaff8edfb3db91ceacf9e61026d7389ad5304bf3d822a9b"
            ),
            (
                "00000000000000000002.segment",
                "6cb7ae6d62bf8a42f47dd911cf49c9ec2d03deff0c20bc6ae7a30833906f8226"
            ),
            ("marks", "113439df49398d2ad02bbe38ab0fd90fa5f4b33c5ed5f62b2d2f24a20c2bfb69"),
        ] {
            let path = "\(Self.path(scratch))/\(name)"
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            #expect(SHA256.hash(bytes).hex == expected, "\(name)")
        }
    }

    @Test func commitsGoPastThePageCacheHereAndWorkWithoutThat() throws {
        let scratch = try Scratch()
        let journal = try opened(scratch)
        let path = Self.path(scratch)
        #expect(journal.writesDirectly)
        try journal.fill(10)
        try journal.close()
        var options = small()
        options.usesDirectWrites = false
        let buffered = try FileJournal(path: path, options: options)
        #expect(!buffered.writesDirectly)
        #expect(try buffered.verify().sequence == 10)
        try buffered.fill(60)
        try buffered.close()
        let again = try opened(scratch)
        #expect(again.head.sequence == 70)
        try again.close()
    }

    /// The first batch needs more than a segment; a zero body leaves sectors of zeros.
    @Test func batchesOfAnySizeAreKept() throws {
        let scratch = try Scratch()
        let journal = try opened(scratch, 16 << 10)
        var sizes = [600_000, 0, 1]
        // Around the edges of sectors, blocks and segments.
        for edge in [364, 3_892, 3_924, 7_924] { sizes += (edge - 2...edge + 2) }
        for size in sizes { try append(size, to: journal) }
        let zeros = [UInt8](repeating: 0, count: JournalLimits.commandBytes)
        try journal.append(
            (1...31).map { JournalEntry(time: journal.head.time + .seconds($0), command: zeros) })
        let head = journal.head
        try journal.close()
        let again = try FileJournal(path: Self.path(scratch), options: small(16 << 10))
        var found: [Int] = []
        let end = try again.recover { (_, entries) throws(JournalError) in
            found += entries.map(\.command.count).prefix(1)
        }
        #expect(end == head)
        #expect(found == sizes + [JournalLimits.commandBytes])
        try again.close()
    }

    @Test func aBodyOverTheLimitHarmsNothing() throws {
        let scratch = try Scratch()
        let journal = try opened(scratch)
        try journal.fill(2)
        let head = journal.head
        let large = JournalBatch(
            unchecked: 3, term: 1, time: head.time + .seconds(1), count: 1,
            previousHash: head.hash, hash: .zero,
            body: [UInt8](repeating: 1, count: JournalLimits.bodyBytes + 1))
        #expect(throws: JournalError.limitExceeded("bytes per batch")) {
            try journal.append(large)
        }
        try journal.fill(1)
        try journal.close()
        #expect(throws: JournalError.closed) { try journal.reader() }
    }

    @Test func aSecondWriterIsRefused() throws {
        let scratch = try Scratch()
        let journal = try opened(scratch)
        let path = Self.path(scratch)
        #expect(
            openError(path)
                == .locked(path, holder: ProcessInfo.processInfo.processIdentifier))
        try journal.fill(1)
        try journal.close()
        #expect(openError(path) == nil)
    }

    @Test func aFullJournalIsFinalAndLosesNothing() throws {
        let scratch = try Scratch()
        var options = small()
        options.maximumBytes = 200 << 10
        let journal = try FileJournal(path: Self.path(scratch), options: options)
        _ = try journal.verify()
        var kept: UInt64 = 0
        let failure = FileJournal.error { () throws(JournalError) in
            while kept < 100 {
                try append(20 << 10, to: journal)
                kept += 1
            }
        }
        guard case .diskFull = failure else {
            Issue.record("expected a full disk, not \(String(describing: failure))")
            return
        }
        #expect(kept > 3)
        #expect(throws: JournalError.failedBefore) { try journal.fill(1) }
        #expect(throws: JournalError.failedBefore) {
            try journal.record(StateCheckpoint(sequence: 1, stateHash: .zero))
        }
        try journal.close()
        let again = try opened(scratch)
        #expect(again.head.sequence == kept)
        try again.fill(3)
        try again.close()
    }

    @Test func otherFoldersAreRefusedAndLeftAlone() throws {
        let scratch = try Scratch()
        try Data("x".utf8).write(to: URL(fileURLWithPath: scratch.folder + "/recipes"))
        #expect(
            openError(scratch.folder)
                == .notAJournal(
                    scratch.folder, "it holds recipes, which is no file of a journal"))
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: scratch.folder) == ["recipes"])
        guard case .cannotOpen = openError(scratch.folder + "/recipes"),
            case .cannotOpen = openError(scratch.folder + "/no/such/folder")
        else {
            Issue.record("a file or a missing folder was not refused")
            return
        }
        #expect(throws: JournalError.cannotOpen("/none", "there is no such folder")) {
            try FileJournal(readingOnly: "/none")
        }
    }

    @Test func readersFollowTheWriterFromSegmentToSegment() throws {
        let scratch = try Scratch()
        let writer = try opened(scratch)
        let reader = try writer.reader()
        #expect(try reader.batches(after: 0).isEmpty)
        var seen = ChainVerifier()
        for _ in 0..<60 {
            try writer.fill(1)
            for batch in try reader.batches(after: seen.head.sequence) {
                _ = try seen.accept(batch)
            }
            #expect(seen.head == writer.head)
        }
        // From the middle, beyond the segments that were there at opening.
        #expect(try reader.batches(after: 41).first?.sequence == 42)
        #expect(try writer.reader().batches(after: 59).map(\.sequence) == [60])
        #expect(try reader.batches(after: 60).isEmpty)
        reader.close()
        #expect(throws: JournalError.closed) { try reader.batches(after: 0) }
        try writer.close()
    }

    @Test func otherProcessesReadWhileAWriterWrites() throws {
        let scratch = try Scratch()
        let writer = try opened(scratch)
        try writer.fill(40)
        let outsider = try FileJournal(readingOnly: Self.path(scratch))
        try writer.fill(20)
        #expect(try outsider.verify().sequence == 40)
        #expect(throws: JournalError.readOnly) { try outsider.fill(1) }
        let follower = try outsider.reader()
        var seen = ChainVerifier()
        while true {
            let batches = try follower.batches(after: seen.head.sequence)
            if batches.isEmpty { break }
            for batch in batches { _ = try seen.accept(batch) }
        }
        #expect(seen.head == writer.head)
        try outsider.close()
        try writer.close()
    }
}
