import Cryptography
import Primitives

/// Writes the sections of one snapshot file, a mebibyte at a time, and hashes them on the way. For
/// one thread.
final class SnapshotWriter: ByteSink, @unchecked Sendable {
    /// How much is written before it is made durable: whoever syncs the journal must not wait for
    /// a whole snapshot to go to the disk.
    private static let syncedTogether = 16 << 20

    private let file: any DiskFile
    private let disk: any Disk
    private let reserve: Int
    private let isCancelled: @Sendable () -> Bool
    private let buffer = DiskBuffer(1 << 20)
    private var filled = 0
    /// Where in the file the buffer goes.
    private var offset = SnapshotHeader.bytes
    private var hasher = SHA256()
    private var length: UInt64 = 0
    private var failure: SnapshotError?

    /// Writes to a new file on `disk`, of which `reserve` bytes are left free: zeros first, where
    /// the header will be.
    init(
        _ file: any DiskFile, on disk: any Disk, reserve: Int,
        isCancelled: @escaping @Sendable () -> Bool
    ) throws(SnapshotError) {
        self.file = file
        self.disk = disk
        self.reserve = reserve
        self.isCancelled = isCancelled
        do throws(DiskError) {
            try write(SnapshotHeader.bytes, at: 0)
        } catch {
            throw .disk(error)
        }
    }

    func take(_ bytes: [UInt8]) {
        if failure != nil { return }
        hasher.update(bytes)
        length += UInt64(bytes.count)
        var done = 0
        while done < bytes.count, failure == nil {
            let count = min(bytes.count - done, buffer.count - filled)
            buffer.copy(done..<done + count, of: bytes, to: filled)
            filled += count
            done += count
            if filled == buffer.count { flush() }
        }
    }

    /// Writes a section: whatever `encode` does.
    func section(
        _ tag: UInt32, _ encode: (inout ByteWriter) -> Void
    ) throws(SnapshotError) -> SnapshotHeader.Section {
        var writer = ByteWriter(into: self)
        encode(&writer)
        writer.finish()
        if let failure { throw failure }
        var ended = SHA256()
        swap(&ended, &hasher)
        defer { length = 0 }
        return .init(tag: tag, length: length, hash: ended.finish())
    }

    /// Writes the rest and the header, and makes all of it durable.
    func finish(_ header: SnapshotHeader) throws(SnapshotError) {
        if filled > 0 { flush() }
        if let failure { throw failure }
        do throws(DiskError) {
            header.encode(into: buffer)
            try file.write(buffer, count: SnapshotHeader.bytes, at: 0)
            try file.sync()
        } catch {
            throw .disk(error)
        }
    }

    private func flush() {
        if isCancelled() {
            failure = .cancelled
            return
        }
        let block = SnapshotHeader.bytes
        let count = (filled + block - 1) / block * block
        buffer.clear(filled..<count)
        do throws(DiskError) {
            try write(count, at: offset)
            offset += count
            if offset / Self.syncedTogether != (offset - count) / Self.syncedTogether {
                try file.sync()
            }
        } catch {
            failure = .disk(error)
        }
        filled = 0
    }

    /// Writes what is in the buffer, if enough is left free then.
    private func write(_ count: Int, at place: Int) throws(DiskError) {
        if reserve > 0, let free = try disk.free(), free < reserve + count {
            throw .full("\(free) bytes are free on the disk, and \(reserve) are to be left")
        }
        try file.write(buffer, count: count, at: place)
    }
}
