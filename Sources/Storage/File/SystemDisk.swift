import Glibc

/// A real folder. Where the file system allows it, durable writes go past the page cache and are
/// synced by the write itself (`O_DIRECT` and `O_DSYNC`); elsewhere each is a write and an
/// `fdatasync`. Which of the two is found at opening, by trying. Large reads of what is not in the
/// page cache go past it too: filling it would take longer than reading.
public final class SystemDisk: Disk {
    /// Where the folder is.
    public let folder: String
    /// Whether durable writes go past the page cache.
    public let isDirect: Bool

    /// Opens `folder`, and makes it if it is not there; tries direct writes if it is to use them.
    /// Throws `failed` if it is not a folder or cannot be made.
    public init(folder: String, usingDirectWrites: Bool = true) throws(DiskError) {
        self.folder = folder
        if unsafe mkdir(folder, 0o700) == 0 {
            do { try SystemError.syncFolder(of: folder) } catch {
                throw .failed(EIO, "cannot make the name of \(folder) durable")
            }
        } else if errno != EEXIST {
            throw .last("make the folder \(folder)")
        }
        isDirect = usingDirectWrites && SystemDisk.canWriteDirectly(folder)
        // Fails here rather than later if it is not a folder.
        _ = try list()
    }

    /// Writes one block to a file without a name, past the page cache.
    private static func canWriteDirectly(_ folder: String) -> Bool {
        let flags = nameless | O_RDWR | direct | O_DSYNC | O_CLOEXEC
        let descriptor = openPath(folder, flags, 0o600)
        guard descriptor >= 0 else { return false }
        defer { _ = closeDescriptor(descriptor) }
        let block = DiskBuffer(DiskBuffer.alignment)
        let memory = unsafe block.slice(0..<block.count)
        return unsafe pwrite(descriptor, memory.baseAddress, block.count, 0) == block.count
    }

    /// The names of all files in the folder.
    public func list() throws(DiskError) -> [String] {
        guard let stream = unsafe opendir(folder) else { throw .last("list \(folder)") }
        defer { _ = unsafe closedir(stream) }
        var names: [String] = []
        errno = 0
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        guard errno == 0 else { throw .last("list \(folder)") }
        return names.sorted()
    }

    /// Makes a new empty file that only its owner may read.
    public func create(_ name: String) throws(DiskError) -> any DiskFile {
        try SystemFile(path(name), flags: O_RDWR | O_CREAT | O_EXCL, isDirect: isDirect)
    }

    /// Opens a file, for reading only if it may not be written.
    public func open(_ name: String) throws(DiskError) -> any DiskFile {
        let isWritable = unsafe access(path(name), W_OK) == 0
        return try SystemFile(
            path(name), flags: isWritable ? O_RDWR : O_RDONLY, isDirect: isDirect && isWritable)
    }

    /// Gives a file another name.
    public func rename(_ name: String, to newName: String) throws(DiskError) {
        guard renamePath(path(name), path(newName)) == 0 else {
            throw .last("rename \(path(name))")
        }
    }

    /// Removes a file's name.
    public func remove(_ name: String) throws(DiskError) {
        guard unsafe unlink(path(name)) == 0 else { throw .last("remove \(path(name))") }
    }

    /// Makes all names durable.
    public func syncFolder() throws(DiskError) {
        let descriptor = openPath(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .last("open \(folder)") }
        defer { _ = closeDescriptor(descriptor) }
        guard fsync(descriptor) == 0 else { throw .last("sync \(folder)") }
    }

    /// Bytes that whoever is not the superuser can still write.
    public func free() throws(DiskError) -> Int? {
        var status = statvfs()
        guard unsafe statvfs(folder, &status) == 0 else { throw .last("look at \(folder)") }
        let (bytes, isHuge) = Int(status.f_bavail)
            .multipliedReportingOverflow(by: Int(status.f_frsize))
        return isHuge ? .max : bytes
    }

    private func path(_ name: String) -> String { "\(folder)/\(name)" }
}

/// A file of a real folder.
private final class SystemFile: DiskFile {
    private let path: String
    /// For reading and for writes that are synced later.
    private let plain: CInt
    /// For writes that are durable when they return; the same as `plain` where they need a sync.
    private let durable: CInt
    /// For large reads past the page cache; -1 where the file system does not allow it.
    private let uncached: CInt

    init(_ path: String, flags: CInt, isDirect: Bool) throws(DiskError) {
        self.path = path
        plain = openPath(path, flags | O_CLOEXEC, 0o600)
        guard plain >= 0 else { throw .last("open \(path)") }
        durable = isDirect ? openPath(path, O_RDWR | direct | O_DSYNC | O_CLOEXEC) : plain
        guard durable >= 0 else { throw .last("open \(path)") }
        uncached = openPath(path, O_RDONLY | direct | O_CLOEXEC)
    }

    deinit {
        for descriptor in Set([plain, durable, uncached]) where descriptor >= 0 {
            _ = closeDescriptor(descriptor)
        }
    }

    func size() throws(DiskError) -> Int {
        var status = stat()
        guard unsafe fstat(plain, &status) == 0 else { throw .last("look at \(path)") }
        return Int(status.st_size)
    }

    func allocate(_ bytes: Int) throws(DiskError) {
        let code = posix_fallocate(plain, 0, bytes)
        guard code == 0 else { throw .of(code, "reserve room for \(path)") }
    }

    func read(
        into buffer: DiskBuffer, at place: Int, count: Int, from offset: Int
    ) throws(DiskError) -> Int {
        let memory = unsafe buffer.slice(place..<place + count)
        let isAligned = (place | count | offset) % DiskBuffer.alignment == 0
        let isUncached = isAligned && count >= 64 << 10 && uncached >= 0 && !isCached(offset)
        let descriptor = isUncached ? uncached : plain
        while true {
            let done = unsafe pread(descriptor, memory.baseAddress, count, off_t(offset))
            if done >= 0 { return done }
            guard errno == EINTR else { throw .last("read \(path)") }
        }
    }

    /// Whether the page at `offset` is in the page cache; true where the kernel does not say.
    func isCached(_ offset: Int) -> Bool {
        let page = DiskBuffer.alignment
        let memory = unsafe mmap(nil, page, PROT_READ, MAP_SHARED, plain, off_t(offset))
        guard let memory = unsafe memory, unsafe memory != MAP_FAILED else { return true }
        defer { _ = unsafe munmap(memory, page) }
        var answer: UInt8 = 1
        return unsafe mincore(memory, page, &answer) != 0 || answer & 1 == 1
    }

    func write(_ buffer: DiskBuffer, count: Int, at offset: Int) throws(DiskError) {
        try write(to: plain, buffer, count: count, at: offset)
    }

    func writeDurably(_ buffer: DiskBuffer, count: Int, at offset: Int) throws(DiskError) {
        try write(to: durable, buffer, count: count, at: offset)
        guard durable == plain else { return }
        guard fdatasync(plain) == 0 else { throw .last("sync \(path)") }
    }

    func sync() throws(DiskError) {
        guard fsync(plain) == 0 else { throw .last("sync \(path)") }
        // A direct write has to drop the pages in its way; these are not needed any more.
        if durable != plain { _ = posix_fadvise(plain, 0, 0, POSIX_FADV_DONTNEED) }
    }

    /// A write that was cut short goes on where it stopped; one that failed is not repeated.
    private func write(
        to descriptor: CInt, _ buffer: DiskBuffer, count: Int, at offset: Int
    ) throws(DiskError) {
        var done = 0
        while done < count {
            let memory = unsafe buffer.slice(done..<count)
            let more = unsafe pwrite(
                descriptor, memory.baseAddress, memory.count, off_t(offset + done))
            if more > 0 {
                done += more
            } else if more == 0 || errno != EINTR {
                throw more == 0 ? .failed(EIO, "write \(path): nothing") : .last("write \(path)")
            }
        }
    }
}

extension DiskError {
    /// What the last system call says, with what it should have done.
    fileprivate static func last(_ action: String) -> DiskError { of(errno, action) }

    /// What an error number says, with what should have been done.
    fileprivate static func of(_ code: CInt, _ action: String) -> DiskError {
        let words = "\(action): \(SystemError.words(code))"
        return [ENOSPC, EDQUOT, EFBIG].contains(code) ? .full(words) : .failed(code, words)
    }
}

/// Linux's `O_DIRECT`, past the page cache: not among what Swift imports.
#if arch(arm64)
    private let direct: CInt = 0o200000
#else
    private let direct: CInt = 0o40000
#endif

/// Linux's `O_TMPFILE`, a file without a name: not among what Swift imports.
private let nameless: CInt = 0o20000000 | O_DIRECTORY

// Functions of the C library under names that no method hides.

private func closeDescriptor(_ descriptor: CInt) -> CInt { close(descriptor) }

private func openPath(_ path: String, _ flags: CInt, _ mode: mode_t = 0) -> CInt {
    unsafe open(path, flags, mode)
}

private func renamePath(_ path: String, _ newPath: String) -> CInt {
    unsafe rename(path, newPath)
}
