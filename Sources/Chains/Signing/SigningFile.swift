import Cryptography
import Foundation
import Glibc
import Primitives
public import Transport

/// Why a signer's book cannot be used.
public struct SigningFileError: Error, Hashable, Sendable, CustomStringConvertible {
    /// One sentence without its full stop.
    public let description: String
}

/// A signer's book in a file, which one process at a time has.
public final class SigningFile: Sendable {
    private let path: String
    private let lock: Int32

    /// Takes the file at `path`, which need not be there yet.
    public init(path: String) throws(SigningFileError) {
        self.path = path
        lock = try SigningFile.lock(path)
    }

    /// A value that is whole is ended by `deinit` also where its `init` throws, so whoever closes
    /// the descriptor there closes it twice, the second time perhaps another's.
    private static func lock(_ path: String) throws(SigningFileError) -> Int32 {
        let lock = unsafe open(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else {
            throw SigningFileError(description: "\(path) cannot be made: is its folder there?")
        }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            close(lock)
            throw SigningFileError(description: "\(path) belongs to another signer that runs")
        }
        return lock
    }

    deinit { close(lock) }

    /// The book; an empty one if the file is not there. A damaged file is an error: an empty book
    /// in its place would begin the day anew.
    public func load() throws(SigningFileError) -> SigningBook {
        guard FileManager.default.fileExists(atPath: path) else { return SigningBook() }
        guard let data = FileManager.default.contents(atPath: path), data.count > 32 else {
            throw SigningFileError(description: "\(path) cannot be read, or is damaged")
        }
        let body = [UInt8](data.dropLast(32))
        guard SHA256.hash(body).bytes == [UInt8](data.suffix(32)),
            let book = try? SigningBook(canonicalBytes: body)
        else { throw SigningFileError(description: "\(path) is damaged") }
        return book
    }

    /// Puts a book in the place of the one before, durably and whole.
    public func save(_ book: SigningBook) throws(SecretFileError) {
        let body = book.canonicalBytes()
        try SecretFile.write(
            bytes: Secret(body + SHA256.hash(body).bytes), to: path, replacing: true)
    }
}
