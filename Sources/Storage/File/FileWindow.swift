import Dispatch
import Synchronization

/// The part of a file that is in memory, while the file is read from front to back. With reading
/// ahead another thread brings the next part meanwhile, if it is not in the page cache, so that
/// the disk never waits for what is done with the last one. Offsets and counts are multiples of
/// 4,096 bytes.
final class FileWindow {
    /// Bytes that are read where there is no reading ahead: few enough to be in the processor's
    /// cache when they are looked at.
    private static let part = 512 << 10
    /// Bytes that are read ahead: the most that a disk takes as one request.
    private static let partAhead = 4 << 20
    /// Bytes before a part that was read ahead, for what is left of the one before it: enough for
    /// the largest request of a ledger's client.
    private static let room = 2 << 20

    /// Where the bytes are; another one after each `load`.
    private(set) var buffer: DiskBuffer
    /// Which bytes of the file are in the buffer.
    private var loaded = 0..<0
    /// Where in the buffer the first of them is.
    private var start = 0
    private let file: any DiskFile
    private let name: String
    private let size: Int
    /// Bytes that are read at once; more where a record was larger.
    private var part = FileWindow.part
    private let ahead: PartAhead?

    /// Nothing of a file of `size` bytes.
    init(_ file: any DiskFile, _ name: String, size: Int, readsAhead: Bool) {
        self.file = file
        self.name = name
        self.size = size
        buffer = DiskBuffer(min(FileWindow.part, size))
        ahead = readsAhead ? PartAhead(file) : nil
    }

    /// Forgets what was read.
    func forget() {
        loaded = 0..<0
        ahead?.forget()
    }

    /// Brings bytes of the file into the buffer; gives their place in it.
    ///
    /// Throws `inputOutput`, and `damagedFile` if the file ends before them.
    func load(_ offset: Int, _ count: Int) throws(JournalError) -> Int {
        if offset < loaded.lowerBound || offset + count > loaded.upperBound {
            if !advance(to: offset, count) { try read(offset, count) }
            readAhead()
        }
        return start + offset - loaded.lowerBound
    }

    /// Goes on to the part that was read ahead; whether everything is there then.
    private func advance(to offset: Int, _ count: Int) -> Bool {
        guard let ahead, loaded.contains(offset) || offset == loaded.upperBound,
            loaded.upperBound - offset <= FileWindow.room,
            // Where it could not be read, reading it again says why.
            let next = ahead.finish(), next.range.lowerBound == loaded.upperBound,
            offset + count <= next.range.upperBound
        else { return false }
        let left = loaded.upperBound - offset
        let place = start + offset - loaded.lowerBound
        next.buffer.copy(place..<place + left, of: buffer, to: FileWindow.room - left)
        ahead.spare = buffer
        buffer = next.buffer
        loaded = offset..<next.range.upperBound
        start = FileWindow.room - left
        return true
    }

    private func read(_ offset: Int, _ count: Int) throws(JournalError) {
        forget()
        part = max(part, count)
        let bytes = min(part, size - offset)
        if bytes > buffer.count { buffer = DiskBuffer(bytes) }
        guard offset + count <= size,
            try onDisk({ () throws(DiskError) in
                try file.fill(buffer, at: 0, from: offset, count: bytes)
            })
        else { throw .damagedFile("\(name) ends too early") }
        loaded = offset..<offset + bytes
        start = 0
    }

    private func readAhead() {
        let next = loaded.upperBound..<min(loaded.upperBound + FileWindow.partAhead, size)
        guard let ahead, !next.isEmpty, !file.isCached(next.lowerBound) else { return }
        ahead.start(next, behind: FileWindow.room)
    }
}

/// Reads one part of a file on a thread of its own.
private final class PartAhead {
    private final class Part: Sendable {
        let buffer: DiskBuffer
        let range: Range<Int>
        let isRead = Mutex(false)

        init(_ buffer: DiskBuffer, _ range: Range<Int>) {
            self.buffer = buffer
            self.range = range
        }
    }

    /// A buffer that nobody needs any more.
    var spare: DiskBuffer?
    private let file: any DiskFile
    private let queue = DispatchQueue(label: "exchequer.journal.ahead")
    /// What is being read, or was.
    private var part: Part?

    init(_ file: any DiskFile) {
        self.file = file
    }

    deinit { forget() }

    /// Begins to read a part, behind some room in its buffer.
    func start(_ range: Range<Int>, behind room: Int) {
        forget()
        let bytes = room + range.count
        let buffer = spare.flatMap { $0.count >= bytes ? $0 : nil } ?? DiskBuffer(bytes)
        spare = nil
        let part = Part(buffer, range)
        self.part = part
        queue.async { [file] in
            let isRead = try? file.fill(
                part.buffer, at: room, from: range.lowerBound, count: range.count)
            part.isRead.withLock { $0 = isRead ?? false }
        }
    }

    /// Waits for the part; `nil` if there is none or it cannot be read.
    func finish() -> (buffer: DiskBuffer, range: Range<Int>)? {
        queue.sync {}
        defer { part = nil }
        guard let part, part.isRead.withLock({ $0 }) else { return nil }
        return (part.buffer, part.range)
    }

    /// Waits for what is being read and forgets it.
    func forget() { _ = finish() }
}

extension DiskFile {
    /// Reads `count` bytes from `offset` on into `buffer`, from `place` on; whether there were so
    /// many.
    fileprivate func fill(
        _ buffer: DiskBuffer, at place: Int, from offset: Int, count: Int
    ) throws(DiskError) -> Bool {
        var done = 0
        while done < count {
            let more = try read(
                into: buffer, at: place + done, count: count - done, from: offset + done)
            if more == 0 { return false }
            done += more
        }
        return true
    }
}
