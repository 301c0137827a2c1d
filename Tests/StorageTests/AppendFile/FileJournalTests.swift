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

    @Test func everythingIsThereAfterOpeningAgain() throws {
        let scratch = try Scratch()
        let journal = try opened(scratch)
        #expect(journal.head == .empty)
        #expect(journal.term == 1)
        try journal.fill(60)
        let head = journal.head
        try journal.close()
        let again = try FileJournal(path: Self.path(scratch), options: small())
        #expect(again.term == 2)
        var sequence: UInt64 = 0
        var before = JournalHead.empty
        let end = try again.recover { (batch, commands) throws(JournalError) in
            sequence += 1
            #expect(batch.sequence == sequence)
            #expect(Array(commands) == entries(sequence, after: before))
            before = batch.head
        }
        #expect(end == head)
        #expect(sequence == 60)
        try again.fill(1)
        #expect(again.head.term == 2)
        try again.close()
        // Several segments were filled, and nothing else is left.
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

    @Test func aStartFromAnyBatchGivesTheRest() throws {
        let scratch = try Scratch()
        let journal = try opened(scratch)
        var heads = [JournalHead.empty]
        for _ in 0..<60 {
            try journal.fill(1)
            heads.append(journal.head)
        }
        for start in heads {
            var next = start.sequence
            let end = try journal.recover(after: start) { (batch, _) throws(JournalError) in
                next += 1
                #expect(batch.sequence == next)
            }
            #expect(end == journal.head)
            #expect(next == 60)
        }
        let other = JournalHead(
            sequence: 5, hash: .zero, time: heads[5].time, term: heads[5].term)
        #expect(throws: JournalError.unexpectedHash(other.point, found: heads[5].hash)) {
            try journal.recover(after: other) { (_, _) throws(JournalError) in }
        }
        let beyond = JournalHead(sequence: 99, hash: .zero, time: .zero, term: 1)
        #expect(throws: JournalError.missingBatches(head: 60, checkpoint: 99)) {
            try journal.recover(after: beyond) { (_, _) throws(JournalError) in }
        }
        try journal.close()
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

    @Test func callersErrorsHarmNothing() throws {
        let scratch = try Scratch()
        let journal = try FileJournal(path: Self.path(scratch), options: small())
        #expect(throws: JournalError.notRecovered) { try journal.fill(1) }
        _ = try journal.verify()
        try journal.fill(2)
        let again = try JournalBatch(following: .empty, term: 1, entries: entries(9, after: .empty))
        #expect(throws: JournalError.misplaced("it follows another batch")) {
            try journal.append(again)
        }
        let head = journal.head
        let large = JournalBatch(
            unchecked: 3, term: 1, time: head.time + .seconds(1), count: 1,
            previousHash: head.hash, hash: .zero,
            body: [UInt8](repeating: 1, count: JournalLimits.bodyBytes + 1))
        #expect(throws: JournalError.limitExceeded("bytes per batch")) {
            try journal.append(large)
        }
        #expect(throws: JournalError.misplaced("the checkpoint is beyond the head")) {
            try journal.record(StateCheckpoint(sequence: 3, stateHash: .zero))
        }
        try journal.fill(1)
        try journal.close()
        #expect(throws: JournalError.closed) { try journal.fill(1) }
        #expect(throws: JournalError.closed) { try journal.verify() }
        #expect(throws: JournalError.closed) { try journal.reader() }
        #expect(throws: Never.self) { try journal.close() }
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

    @Test func checkpointsAreKept() throws {
        let scratch = try Scratch()
        let journal = try opened(scratch)
        try journal.fill(3)
        let first = StateCheckpoint(sequence: 1, stateHash: Digest(words: (1, 2, 3, 4)))
        let second = StateCheckpoint(sequence: 2, stateHash: Digest(words: (5, 6, 7, 8)))
        try journal.record(second)
        try journal.record(StateCheckpoint(sequence: 1, stateHash: .zero))
        try journal.record(first)
        try journal.close()
        let again = try FileJournal(path: Self.path(scratch), options: small())
        #expect(try again.checkpoints() == [first, second])
        try again.close()
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

    /// On two threads at once: the reader sees batches in order and none twice.
    @Test func aReaderOnAnotherThreadSeesWholeBatchesOnly() throws {
        let scratch = try Scratch()
        let writer = try opened(scratch)
        let reader = try writer.reader()
        let thread = Thread {
            for _ in 0..<400 { try? writer.fill(1) }
        }
        // As many commands as the number of the batch would be too many after a while.
        thread.stackSize = 8 << 20
        thread.start()
        var seen = ChainVerifier()
        while seen.head.sequence < 400, writer.head.sequence <= 400 {
            let before = writer.head.sequence
            for batch in try reader.batches(after: seen.head.sequence) {
                _ = try seen.accept(batch)
            }
            #expect(seen.head.sequence >= before || before - seen.head.sequence < 400)
            if thread.isFinished, seen.head == writer.head { break }
        }
        #expect(seen.head.sequence == 400)
        try writer.close()
    }
}
