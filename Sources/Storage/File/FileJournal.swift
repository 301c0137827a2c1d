import Primitives
import Synchronization

/// A journal in a folder of append files: the fastest of the journals. Each batch is one write
/// into a segment that was reserved and filled with zeros before.
///
/// The format and what is told apart after a crash are in docs/internals/journal.md. One process
/// writes; readers in other processes are welcome while it does.
public final class FileJournal: Journal {
    /// What can be chosen.
    public struct Options: Sendable {
        /// Bytes of a segment. A batch that needs more gets a segment of its own size.
        public var segmentBytes = 64 << 20
        /// The most bytes that all segments together may have, or `nil` for no limit. When it is
        /// reached, `append` throws `diskFull`, as it does on a full disk.
        public var maximumBytes: Int?
        /// Whether commits go past the page cache where the file system allows it.
        public var usesDirectWrites = true
        /// Whether the next segment is made on a thread of its own. A simulation turns it off.
        public var preparesInBackground = true
        /// The least term to write with: what a standby that takes over has promised.
        public var leastTerm: UInt64 = 1

        /// Segments of 64 MiB, made in the background and written directly, no limit.
        public init() {}
    }

    /// What only the writing thread needs.
    struct Writer {
        /// The newest segment's file, once `recover` is through.
        var file: (any DiskFile)?
        /// Where in it the next record goes.
        var offset: Int
        /// Bytes of the newest segment.
        var bytes: Int
        /// Bytes of the segments before it.
        var olderBytes: Int
        var marks: JournalMarks
        /// What a record is put together in; replaced by a larger one when a batch needs it.
        var buffer = DiskBuffer(64 << 10)
        var failure: JournalError?
        var closed = false
    }

    /// The term that this opening writes with.
    public let term: UInt64
    /// It waits for this machine's disk only.
    public var isLocal: Bool { true }
    /// Where the files are.
    public let disk: any Disk
    /// The batch that was begun and never acknowledged, and which `recover` cuts off, if there is
    /// one.
    public var tornBatch: UInt64? { scan.torn?.sequence }

    let scan: JournalScan
    /// Whether this opening made the journal.
    let isNew: Bool
    let options: Options?
    let spare: SpareSegment
    let writer: Mutex<Writer>
    private let lock: Mutex<FileLock?>
    /// How far the journal goes, also for readers on other threads.
    private let published: Mutex<JournalHead>

    /// Opens the journal in the folder at `path` for writing and reading, and makes it if there is
    /// none.
    ///
    /// Throws `locked` if another process writes it, `notAJournal`, `unsupportedVersion`,
    /// `cannotOpen`, or what the newest segment shows to be wrong. The chain is verified, and what
    /// is left of an unfinished write is cut off, by `recover`, not here.
    public convenience init(path: String, options: Options = Options()) throws(JournalError) {
        let disk = try FileJournal.systemDisk(path, direct: options.usesDirectWrites)
        let lock = try FileLock(path: "\(path)/\(SegmentName.lock)", journal: path)
        try self.init(disk, path, options: options, lock: lock)
    }

    /// Opens the journal on a disk of any kind. Nobody else may write there.
    public convenience init(disk: any Disk, options: Options = Options()) throws(JournalError) {
        try self.init(disk, "the journal's folder", options: options, lock: nil)
    }

    /// Opens the journal in the folder at `path` for reading only, also while another process
    /// writes it. Sees the batches that are whole now, and makes the last of them durable first.
    public convenience init(readingOnly path: String) throws(JournalError) {
        guard SystemError.isFolder(path) else { throw .cannotOpen(path, "there is no such folder") }
        let disk = try FileJournal.systemDisk(path, direct: false)
        try self.init(disk, path, options: nil, lock: nil)
    }

    /// Opens the journal on a disk of any kind for reading only, as the one above does.
    public convenience init(readingOnly disk: any Disk) throws(JournalError) {
        try self.init(disk, "the journal's folder", options: nil, lock: nil)
    }

    private init(
        _ disk: any Disk, _ path: String, options: Options?, lock: consuming FileLock?
    ) throws(JournalError) {
        var scan: JournalScan
        if options == nil {
            scan = try FileJournal.scanWhileWritten(disk, path)
        } else {
            scan = try JournalScan(disk, folder: path)
        }
        let spare = SpareSegment(disk, inBackground: options?.preparesInBackground ?? false)
        isNew = scan.segments.isEmpty
        if let options, isNew {
            try FileJournal.makeFirst(disk, spare, options)
            scan = try JournalScan(disk, folder: path)
        }
        guard !scan.segments.isEmpty else { throw .notAJournal(path, "it is an empty folder") }
        if options == nil, let last = scan.last {
            // What another process wrote may not be durable yet: see `FileJournalReader`.
            try onDisk { () throws(DiskError) in
                try disk.open(SegmentName.of(last.segment)).sync()
            }
        }
        self.disk = disk
        self.scan = scan
        self.options = options
        self.spare = spare
        self.lock = Mutex(lock)
        term = max(scan.head.term + 1, options?.leastTerm ?? 1)
        published = Mutex(scan.head)
        writer = Mutex(
            Writer(
                offset: scan.offset, bytes: scan.newestBytes, olderBytes: scan.olderBytes,
                marks: scan.marks ?? JournalMarks()))
    }

    deinit { try? close() }

    /// How far the journal goes. Before `recover`, what its last whole record says.
    public var head: JournalHead { published.withLock { $0 } }

    /// Whether a commit is one write past the page cache that syncs itself; otherwise it is a
    /// write and a sync. `false` on a disk that is not the system's.
    public var writesDirectly: Bool { (disk as? SystemDisk)?.isDirect ?? false }

    /// Notes how far the journal went, so that a later opening misses whatever is gone, and lets
    /// other writers in.
    public func close() throws(JournalError) {
        defer { lock.withLock { $0 = nil } }
        let head = head
        try writer.withLock { (writer) throws(JournalError) in
            if writer.closed { return }
            writer.closed = true
            let isClean = writer.file != nil && writer.failure == nil
            writer.file = nil
            spare.close()
            guard isClean, writer.marks.closed.sequence < head.sequence else { return }
            writer.marks.closed = head.point
            try writer.marks.write(to: disk)
        }
    }

    func publish(_ head: JournalHead) {
        published.withLock { $0 = head }
    }
}

// MARK: - Opening

extension FileJournal {
    /// The folder at `path`, made if it is not there. Nothing in a folder of something else is
    /// changed.
    private static func systemDisk(
        _ path: String, direct: Bool
    ) throws(JournalError) -> SystemDisk {
        let disk: SystemDisk
        let names: [String]
        do throws(DiskError) {
            disk = try SystemDisk(folder: path, usingDirectWrites: direct)
            names = try disk.list()
        } catch {
            throw .cannotOpen(path, error.words)
        }
        _ = try SegmentName.segments(among: names, folder: path)
        return disk
    }

    /// A scan of a journal that another process may be writing: what looks damaged may be a write
    /// that is half done, so it is looked at again before that is said.
    private static func scanWhileWritten(
        _ disk: any Disk, _ path: String
    ) throws(JournalError) -> JournalScan {
        for _ in 0..<4 {
            if let scan = try? JournalScan(disk, folder: path) { return scan }
            SystemError.pause()
        }
        return try JournalScan(disk, folder: path)
    }

    /// Makes the first segment of a new journal.
    private static func makeFirst(
        _ disk: any Disk, _ spare: SpareSegment, _ options: Options
    ) throws(JournalError) {
        let leftovers = try onDisk { () throws(DiskError) in try disk.list() }
        if leftovers.contains(SegmentName.spare) {
            // Durably: or a power cut could give the segment's name to what is removed here.
            try onDisk { () throws(DiskError) in
                try disk.remove(SegmentName.spare)
                try disk.syncFolder()
            }
        }
        let bytes = try options.bytesOfSegment(used: 0, holding: RecordFormat.block)
        try makeSegment(after: .empty, bytes: bytes, disk, spare)
    }

    /// Turns the spare into the segment that follows `head`; its name is durable afterwards.
    @discardableResult
    static func makeSegment(
        after head: JournalHead, bytes: Int, _ disk: any Disk, _ spare: SpareSegment
    ) throws(JournalError) -> (file: any DiskFile, bytes: Int) {
        try onDisk { () throws(DiskError) in
            let taken = try spare.take(bytes)
            let header = SegmentHeader(after: head, bytes: taken.bytes)
            let block = DiskBuffer(RecordFormat.block)
            header.encode(into: block)
            try taken.file.writeDurably(block, count: block.count, at: 0)
            try disk.rename(SegmentName.spare, to: SegmentName.of(header.first))
            try disk.syncFolder()
            return taken
        }
    }
}

extension FileJournal.Options {
    /// Bytes of a new segment that has room for a record of `record` bytes beside its own header
    /// and end, where the others have `used`. Throws `diskFull` at the limit.
    func bytesOfSegment(used: Int, holding record: Int) throws(JournalError) -> Int {
        let block = RecordFormat.block
        let least = record + 2 * block
        let wanted = max((segmentBytes + block - 1) / block * block, least)
        guard let maximumBytes else { return wanted }
        let allowed = (maximumBytes - used) / block * block
        guard allowed >= least else {
            throw .diskFull("the limit of \(maximumBytes) bytes is reached")
        }
        return min(wanted, allowed)
    }
}
