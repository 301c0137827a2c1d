import Cryptography
import Primitives

/// One snapshot file that is there.
struct SnapshotFile {
    let header: SnapshotHeader
    let info: SnapshotInfo
    private let file: any DiskFile
    private let isCancelled: @Sendable () -> Bool

    /// Opens a file and reads its header.
    init(
        _ disk: any Disk, _ name: String, isCancelled: @escaping @Sendable () -> Bool
    ) throws(SnapshotProblem) {
        let size: Int
        let block = DiskBuffer(SnapshotHeader.bytes)
        do throws(DiskError) {
            file = try disk.open(name)
            size = try file.size()
            guard try file.fill(block, count: block.count, from: 0) else {
                throw .failed(0, "\(name) is shorter than its first block")
            }
        } catch {
            throw .unreadable(error.words)
        }
        header = try SnapshotHeader(in: block)
        guard size == header.fileBytes else { throw .damaged("it has another length") }
        guard let info = header.info else { throw .damaged("it holds no state") }
        guard SnapshotName(first: info.first, sequence: info.head.sequence).text == name else {
            throw .damaged("it has the name of another")
        }
        self.info = info
        self.isCancelled = isCancelled
    }

    /// Checks every byte behind the header.
    func verify() throws(SnapshotProblem) {
        for section in header.sections { try read(section.tag) { _ in } }
        try checkPadding()
    }

    /// The state, once every byte of the file was checked. `empty` is what it is read into.
    ///
    /// The bytes that are decoded are the ones that are hashed, and nothing is given out unless
    /// all hashes are right.
    func machine<Machine: JournaledMachine>(_ empty: Machine) throws(SnapshotProblem) -> Machine {
        var machine = empty
        try read(SnapshotHeader.Section.state) { (reader) throws(CodecError) in
            try machine.restore(from: &reader)
            try reader.finish()
        }
        try read(SnapshotHeader.Section.history) { (reader) throws(CodecError) in
            try machine.restoreHistory(from: &reader)
            try reader.finish()
        }
        for section in header.sections where !SnapshotHeader.Section.known.contains(section.tag) {
            try read(section.tag) { _ in }
        }
        try checkPadding()
        guard machine.now == info.head.time else {
            throw .damaged("its state is not of its batch's time")
        }
        return machine
    }

    /// Gives `body` a section's bytes, checks the rest of them as well, and says what is wrong.
    private func read(
        _ tag: UInt32, _ body: (inout ByteReader) throws(CodecError) -> Void
    ) throws(SnapshotProblem) {
        guard let (start, section) = header.section(tag) else {
            throw .damaged("section \(tag) is missing")
        }
        let source = SnapshotSource(file, start, section, isCancelled)
        var reader = ByteReader(from: source)
        var fault: CodecError?
        do throws(CodecError) { try body(&reader) } catch { fault = error }
        let hash = source.finish()
        if let words = source.failure { throw .unreadable(words) }
        guard hash == section.hash else { throw .damaged("the hash of section \(tag) differs") }
        if let fault { throw .damaged("section \(tag) cannot be decoded (\(fault))") }
    }

    private func checkPadding() throws(SnapshotProblem) {
        let padding = header.fileBytes - header.end
        let block = DiskBuffer(SnapshotHeader.bytes)
        do throws(DiskError) {
            guard try file.fill(block, count: padding, from: header.end) else {
                throw .failed(0, "it ends too early")
            }
        } catch {
            throw .unreadable(error.words)
        }
        guard block.isZero(0..<padding) else {
            throw .damaged("what fills its last block is not zero")
        }
    }
}

/// Gives the bytes of one section, a quarter of a mebibyte at a time, and has them hashed. For one
/// thread.
private final class SnapshotSource: ByteSource, @unchecked Sendable {
    private static let part = 256 << 10

    private let file: any DiskFile
    private let isCancelled: @Sendable () -> Bool
    private let buffer: DiskBuffer
    private let hash = TrailingHash()
    private var offset: Int
    private(set) var remaining: Int
    /// Why there is no more, if it could not be read.
    private(set) var failure: String?

    init(
        _ file: any DiskFile, _ start: Int, _ section: SnapshotHeader.Section,
        _ isCancelled: @escaping @Sendable () -> Bool
    ) {
        self.file = file
        self.isCancelled = isCancelled
        offset = start
        remaining = Int(section.length)
        buffer = DiskBuffer(min(max(remaining, 1), Self.part))
    }

    func next() -> [UInt8] {
        let count = min(remaining, buffer.count)
        if count == 0 || failure != nil { return [] }
        if isCancelled() {
            failure = "it was told to stop"
            return []
        }
        do throws(DiskError) {
            guard try file.fill(buffer, count: count, from: offset) else {
                throw .failed(0, "it ends too early")
            }
        } catch {
            failure = error.words
            return []
        }
        offset += count
        remaining -= count
        let bytes = buffer.bytes(0..<count)
        hash.update(bytes)
        return bytes
    }

    /// Reads what is left; gives the hash of the whole section, if it could be read.
    func finish() -> Digest {
        while !next().isEmpty {}
        return hash.finish()
    }
}

extension DiskFile {
    /// Reads `count` bytes into the start of `buffer`; false if there are fewer.
    fileprivate func fill(
        _ buffer: DiskBuffer, count: Int, from offset: Int
    ) throws(DiskError) -> Bool {
        var done = 0
        while done < count {
            let more = try read(into: buffer, at: done, count: count - done, from: offset + done)
            if more == 0 { return false }
            done += more
        }
        return true
    }
}
