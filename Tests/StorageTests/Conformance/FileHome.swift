import Cryptography
import Foundation
import Primitives
import Service
import Storage

/// A journal in append files, with segments so small that a few batches fill one.
final class FileHome: JournalHome {
    private let scratch: Scratch
    private var folder: String { scratch.folder + "/journal" }

    init() throws {
        scratch = try Scratch()
    }

    func open() throws(JournalError) -> any Journal { try open(direct: true) }

    private func open(direct: Bool) throws(JournalError) -> FileJournal {
        var options = FileJournal.Options()
        options.segmentBytes = 32 << 10
        options.usesDirectWrites = direct
        return try FileJournal(path: folder, options: options)
    }

    /// To try whether direct writes work is a sync, which would be all that takes time.
    func recoveryError() -> JournalError? {
        FileJournal.error { () throws(JournalError) in
            let journal = try open(direct: false)
            _ = try journal.verify()
            try journal.close()
        }
    }

    func openForReading() throws(JournalError) -> (any Journal)? {
        try FileJournal(readingOnly: folder)
    }

    /// A gap in the numbers begins another segment: in one segment it would be no gap, but bytes
    /// that belong to no record. How far the journal went at its last closing is forgotten.
    func rewrite(_ batches: [JournalBatch]) throws {
        let disk = try SystemDisk(folder: folder, usingDirectWrites: false)
        for name in try disk.list() where name.hasSuffix(".segment") { try disk.remove(name) }
        var runs: [[JournalBatch]] = batches.isEmpty ? [[]] : []
        for batch in batches {
            if let last = runs.last?.last, last.sequence &+ 1 == batch.sequence {
                runs[runs.count - 1].append(batch)
            } else {
                runs.append([batch])
            }
        }
        var before = Digest.zero
        for (place, run) in runs.enumerated() {
            let first = run.first?.sequence ?? 1
            let bytes = SegmentBytes.segment(
                first, after: before, run, isEnded: place < runs.count - 1)
            let digits = String(first)
            let name = String(repeating: "0", count: 20 - digits.count) + digits + ".segment"
            try write(bytes, to: name, on: disk)
            before = run.last?.hash ?? .zero
        }
        let marks = try Data(contentsOf: URL(filePath: "\(folder)/marks"))
        try disk.remove("marks")
        try write(SegmentBytes.withoutClosing(marks: Array(marks)), to: "marks", on: disk)
    }

    /// Without a sync, which would be all that takes time.
    private func write(_ bytes: [UInt8], to name: String, on disk: SystemDisk) throws {
        let buffer = DiskBuffer(bytes.count)
        buffer.copy(0..<bytes.count, of: bytes, to: 0)
        try disk.create(name).write(buffer, count: bytes.count, at: 0)
    }
}

/// Append files whose copy goes to a standby that is never there: what a leader in `async` does.
final class ReplicatedHome: JournalHome {
    private let files: FileHome
    private let options: ReplicationOptions

    init() throws {
        files = try FileHome()
        guard let own = Ed25519.PrivateKey(seed: Array(repeating: 1, count: 32)),
            let other = Ed25519.PrivateKey(seed: Array(repeating: 2, count: 32))
        else { throw CocoaError(.featureUnsupported) }
        options = ReplicationOptions(
            host: "127.0.0.1", port: 1, identity: own, standby: other.publicKey,
            acknowledgement: .async)
    }

    func open() throws(JournalError) -> any Journal {
        try ReplicatedJournal(files.open(), options: options)
    }

    func openForReading() throws(JournalError) -> (any Journal)? { try files.openForReading() }

    func rewrite(_ batches: [JournalBatch]) throws { throw CocoaError(.featureUnsupported) }
}
