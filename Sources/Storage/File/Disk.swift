/// One folder of files, with the few operations that an append file needs: what `FileJournal`
/// writes to. `SystemDisk` is a real folder; tests have one that fails, tears and forgets.
///
/// Nothing is durable before a call says so: bytes of `DiskFile.write` and sizes after
/// `DiskFile.sync`, bytes of `DiskFile.writeDurably` when it returns, names after `syncFolder`.
/// Any error means that what the call should have done may have been done, or a part of it.
public protocol Disk: AnyObject, Sendable {
    /// The names of all files in the folder, in ascending order.
    func list() throws(DiskError) -> [String]

    /// Makes a new empty file. There must be none of that name.
    func create(_ name: String) throws(DiskError) -> any DiskFile

    /// Opens a file that is there.
    func open(_ name: String) throws(DiskError) -> any DiskFile

    /// Gives a file another name; what had that name before is gone. Open files stay open.
    func rename(_ name: String, to newName: String) throws(DiskError)

    /// Removes a file's name.
    func remove(_ name: String) throws(DiskError)

    /// Makes all names durable: files created, renamed and removed.
    func syncFolder() throws(DiskError)

    /// Bytes that can still be written; `nil` if that is not known.
    func free() throws(DiskError) -> Int?
}

extension Disk {
    /// Not known.
    public func free() throws(DiskError) -> Int? { nil }
}

/// An open file of a `Disk`. For one thread at a time. Closed when it is released.
///
/// Offsets, counts and the buffer's places are multiples of 4,096 bytes for writes.
public protocol DiskFile: AnyObject, Sendable {
    /// Bytes in the file.
    func size() throws(DiskError) -> Int

    /// Makes the file at least `bytes` long, reserving room for it; what is new reads as zeros.
    func allocate(_ bytes: Int) throws(DiskError)

    /// Reads up to `count` bytes from `offset` on into `buffer`, from `place` on. Gives how many:
    /// at least one, except at the end of the file.
    func read(
        into buffer: DiskBuffer, at place: Int, count: Int, from offset: Int
    ) throws(DiskError) -> Int

    /// Whether reading at `offset` need not wait for the disk, as far as one can tell.
    func isCached(_ offset: Int) -> Bool

    /// Writes the first `count` bytes of `buffer` at `offset`; durable after `sync`.
    func write(_ buffer: DiskBuffer, count: Int, at offset: Int) throws(DiskError)

    /// Writes the first `count` bytes of `buffer` at `offset`, inside the file's size; they are
    /// durable when it returns. If the power fails meanwhile, each sector of 512 bytes is as it
    /// was or as it should be.
    func writeDurably(_ buffer: DiskBuffer, count: Int, at offset: Int) throws(DiskError)

    /// Makes the file's size and everything written to it durable.
    func sync() throws(DiskError)
}

extension DiskFile {
    /// True: nothing is gained by reading ahead.
    public func isCached(_ offset: Int) -> Bool { true }
}

/// Why a disk did not do what it was told.
public enum DiskError: Error, Equatable, Sendable {
    /// There is no room; carries what was done to which file.
    case full(String)
    /// Anything else; carries the system's error number and what was done to which file.
    case failed(Int32, String)
}

extension DiskError {
    /// What was done to which file, and what the system says.
    var words: String {
        switch self {
        case .full(let words), .failed(_, let words): words
        }
    }
}

extension JournalError {
    /// A disk's error as the journal's. Both are final.
    init(_ error: DiskError) {
        switch error {
        case .full(let words): self = .diskFull(words)
        case .failed(let code, let words): self = .inputOutput(code, words)
        }
    }
}

/// Runs `body` with the disk's errors as the journal's.
func onDisk<Value>(
    _ body: () throws(DiskError) -> Value
) throws(JournalError) -> Value {
    do throws(DiskError) { return try body() } catch { throw JournalError(error) }
}
