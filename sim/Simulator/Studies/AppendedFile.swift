import Foundation
import Synchronization

/// A file that grows while a study runs: one process at a time writes to it, a piece at a time, and
/// what a kill left in pieces is cut off before the next one writes.
final class AppendedFile: Sendable {
    private let handle: Mutex<FileHandle>
    private let path: String

    /// Opens the file and keeps others out.
    init(_ url: URL) throws(StudyFault) {
        path = url.path
        let descriptor = unsafe open(url.path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        if descriptor < 0 { throw StudyFault("\(url.path) cannot be written", .disk) }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        if flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            throw StudyFault("another process writes to \(url.path)", .results)
        }
        self.handle = Mutex(handle)
    }

    /// Keeps the first bytes, which were found whole; an empty file gets its header.
    func begin(at whole: Int, header: String) throws(StudyFault) {
        do {
            try handle.withLock { handle in
                try handle.truncate(atOffset: UInt64(whole))
                try handle.seekToEnd()
                if whole == 0 { try handle.write(contentsOf: Data((header + "\n").utf8)) }
            }
        } catch {
            throw StudyFault("\(path) cannot be written", .disk)
        }
    }

    /// Appends a piece at once.
    func append(_ bytes: [UInt8]) throws(StudyFault) {
        do {
            try handle.withLock { try $0.write(contentsOf: bytes) }
        } catch {
            throw StudyFault("\(path) cannot be written; is the disk full?", .disk)
        }
    }
}
