import Foundation
import Glibc
import Ledger
import Primitives
import Storage
import Testing

/// Recovery of append files of many megabytes, which one thread reads ahead of the one that hashes
/// and that ahead of the one that decides: the same batches and the same first fault, whatever is
/// in the page cache.
@Suite struct FileReadAheadTests {
    /// The sizes make records straddle what is read at once, and some are larger than that.
    private static let sizes =
        (0..<90).map { 4_000 + $0 * 2_711 % 190_000 } + [1_000_000, 1, 1_040_000, 70_000]
        + Array(repeating: 100, count: 1_500) + [900_000, 3_000]

    private func write(_ scratch: Scratch) throws -> [JournalHead] {
        var options = FileJournal.Options()
        options.segmentBytes = 24 << 20
        let journal = try FileJournal(path: scratch.folder + "/books", options: options)
        _ = try journal.verify()
        var heads: [JournalHead] = []
        for (place, size) in FileReadAheadTests.sizes.enumerated() {
            try journal.append([
                JournalEntry(
                    time: Timestamp(nanoseconds: UInt64(place) + 1),
                    command: Array(repeating: UInt8(truncatingIfNeeded: place), count: size))
            ])
            heads.append(journal.head)
        }
        try journal.close()
        return heads
    }

    /// Takes the segments out of the page cache, or brings them there.
    private func warm(_ isWarm: Bool, _ scratch: Scratch) throws {
        let folder = scratch.folder + "/books"
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
            let file = try #require(FileHandle(forReadingAtPath: "\(folder)/\(name)"))
            if isWarm {
                _ = try file.readToEnd()
            } else {
                fsync(file.fileDescriptor)
                posix_fadvise(file.fileDescriptor, 0, 0, POSIX_FADV_DONTNEED)
            }
            try file.close()
        }
    }

    private func recovered(_ scratch: Scratch) throws -> ([JournalHead], JournalError?) {
        var heads: [JournalHead] = []
        do throws(JournalError) {
            let journal = try FileJournal(readingOnly: scratch.folder + "/books")
            _ = try journal.recover { (batch, entries) throws(JournalError) in
                heads.append(batch.head)
                let command = entries.map(\.command)
                let place = Int(batch.sequence) - 1
                let value = UInt8(truncatingIfNeeded: place)
                let isRight =
                    command.count == 1 && command[0].count == FileReadAheadTests.sizes[place]
                    && command[0].allSatisfy { $0 == value }
                #expect(isRight, "batch \(batch.sequence)")
            }
            return (heads, nil)
        } catch {
            return (heads, error)
        }
    }

    @Test(arguments: [true, false])
    func whatWasWrittenIsRead(isWarm: Bool) throws {
        let scratch = try Scratch()
        let written = try write(scratch)
        try warm(isWarm, scratch)
        let (found, error) = try recovered(scratch)
        #expect(found == written && error == nil)
    }

    @Test func theFirstFaultIsFoundWhereverItIs() throws {
        let scratch = try Scratch()
        let written = try write(scratch)
        let first = scratch.folder + "/books/00000000000000000001.segment"
        // A byte of a body in the first megabyte, one beyond what is read at once, and one in the
        // midst of small batches; each found before the ones behind it.
        for offset in [(12 << 20) + 1_001, (7 << 20) + 3, (1 << 20) + 200] {
            let file = try #require(FileHandle(forUpdatingAtPath: first))
            try file.seek(toOffset: UInt64(offset))
            let byte = try #require(try file.read(upToCount: 1)?.first)
            try file.seek(toOffset: UInt64(offset))
            try file.write(contentsOf: [byte ^ 0x10])
            try file.close()
            for isWarm in [true, false] {
                try warm(isWarm, scratch)
                let (found, error) = try recovered(scratch)
                #expect(found == Array(written.prefix(found.count)))
                let next = UInt64(found.count) + 1
                #expect(next < UInt64(written.count))
                let faults = [JournalDamage.hashMismatch, .incomplete, .malformedRecord]
                #expect(
                    faults.contains { error == .damaged(next, $0) }, "\(String(describing: error))")
            }
        }
    }
}
