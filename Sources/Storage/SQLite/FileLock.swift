#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// An exclusive lock on a file beside the journal, held until it is released or the process ends,
/// however it ends. It keeps a second writer out; the chain's sequence numbers would catch one
/// that came in spite of it.
final class FileLock: Sendable {
    private let descriptor: CInt

    /// Takes the lock; throws `locked` at once if someone else holds it.
    init(path: String, journal: String) throws(JournalError) {
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .cannotOpen(path, SystemError.words(errno)) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let reason = errno
            let holder = FileLock.holder(descriptor)
            _ = closeDescriptor(descriptor)
            guard reason == EWOULDBLOCK else {
                throw .cannotOpen(path, SystemError.words(reason))
            }
            throw .locked(journal, holder: holder)
        }
        self.descriptor = descriptor
        writeHolder()
    }

    deinit {
        // Not by closing alone: a child that was forked a moment ago has the descriptor too, until
        // it becomes another program, and the lock would be held as long.
        _ = flock(descriptor, LOCK_UN)
        _ = closeDescriptor(descriptor)
    }

    /// Leaves the process id in the file, for the message that a second writer gets.
    private func writeHolder() {
        let text = Array("\(getpid())\n".utf8)
        guard ftruncate(descriptor, 0) == 0 else { return }
        _ = unsafe pwrite(descriptor, text, text.count, 0)
    }

    private static func holder(_ descriptor: CInt) -> Int32? {
        var buffer = [UInt8](repeating: 0, count: 16)
        let count = unsafe pread(descriptor, &buffer, buffer.count, 0)
        let digits = buffer.prefix(max(count, 0)).prefix { (0x30...0x39).contains($0) }
        return Int32(String(decoding: digits, as: UTF8.self))
    }
}

/// What the operating system says.
enum SystemError {
    /// The system's words for an error number.
    static func words(_ number: CInt) -> String {
        unsafe strerror(number).map { unsafe String(cString: $0) } ?? "error \(number)"
    }

    /// Waits longer than a write to a disk usually takes.
    static func pause() { usleep(25_000) }

    /// Whether there is a folder at `path`.
    static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Makes a new file's name durable: syncs the folder that it is in.
    static func syncFolder(of path: String) throws(JournalError) {
        let slash = path.lastIndex(of: "/")
        let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let descriptor = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .cannotOpen(folder, words(errno)) }
        defer { _ = closeDescriptor(descriptor) }
        guard fsync(descriptor) == 0 else { throw .cannotOpen(folder, words(errno)) }
    }
}

/// `close` of the C library, under a name that no method hides.
private func closeDescriptor(_ descriptor: CInt) -> CInt { close(descriptor) }
