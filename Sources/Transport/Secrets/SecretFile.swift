public import Cryptography
import Foundation
import Glibc
import Primitives

/// Why a file with a secret cannot be used. Names the file, never what is in it.
public struct SecretFileError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, in one sentence without its full stop.
    public let description: String

    /// An error that says this.
    public init(_ description: String) { self.description = description }
}

/// Files that hold one secret of 32 bytes as 64 hexadecimal digits, or a sealed one, readable by
/// their owner only. `KeyAccess` opens both.
public enum SecretFile {
    /// The most bytes of such a file that are looked at.
    private static let maximumBytes = 4_096

    /// What a file holds.
    public enum Content: Sendable {
        /// The secret itself.
        case plain(Secret)
        /// A key under a passphrase.
        case sealed(SealedKey)
    }

    /// What is in a file.
    public static func content(_ path: String) throws(SecretFileError) -> Content {
        let raw = try bytes(path)
        if raw.count >= SealedKey.mark.utf8.count, raw.hasPrefix(SealedKey.mark) {
            do throws(SealedKeyError) {
                return .sealed(try SealedKey(text: String(decoding: raw.bytes, as: UTF8.self)))
            } catch {
                throw SecretFileError("\(path) is sealed: \(error)")
            }
        }
        guard let secret = Secret(hex: raw.trimmed), secret.count == 32 else {
            throw SecretFileError("\(path) does not hold 64 hexadecimal digits")
        }
        return .plain(secret)
    }

    /// The secret in a file that is not sealed, in an array that nobody zeroes.
    public static func read(_ path: String) throws(SecretFileError) -> [UInt8] {
        guard case .plain(let secret) = try content(path) else {
            throw SecretFileError("\(path) does not hold 64 hexadecimal digits")
        }
        return secret.bytes
    }

    /// Whether others than its owner may read a file.
    public static func isWide(_ path: String) -> Bool {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return false }
        return status.st_mode & 0o077 != 0
    }

    /// The bytes of a file, which are never in memory that is not theirs alone.
    static func bytes(_ path: String) throws(SecretFileError) -> Secret {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw SecretFileError("\(path) cannot be read")
        }
        defer { close(descriptor) }
        var count = 0
        let buffer = unsafe Secret(count: maximumBytes) { buffer in
            while count < maximumBytes {
                let more = unsafe Glibc.read(
                    descriptor, buffer.baseAddress?.advanced(by: count), maximumBytes - count)
                if more < 0, errno == EINTR { continue }
                if more <= 0 { return }
                count += more
            }
        }
        return buffer[0..<count]
    }

    // MARK: Writing

    /// Writes a file that did not exist before, closed to others from its first moment.
    public static func create(_ path: String, _ secret: [UInt8]) throws(SecretFileError) {
        try write(bytes: Secret(secret).hexLine, to: path, replacing: false)
    }

    /// Writes a secret's digits, or the text of a sealed key. The file is whole or not there, also
    /// after a crash.
    public static func write(
        _ content: Content, to path: String, replacing: Bool
    ) throws(SecretFileError) {
        switch content {
        case .plain(let secret):
            try write(bytes: secret.hexLine, to: path, replacing: replacing)
        case .sealed(let key):
            try write(bytes: Secret(Array(key.text.utf8)), to: path, replacing: replacing)
        }
    }

    /// Writes a file of these bytes, readable by its owner only: whole or not there, and durable.
    public static func write(
        bytes text: Secret, to path: String, replacing: Bool
    ) throws(SecretFileError) {
        let folder = (path as NSString).deletingLastPathComponent
        let temporary = "\(path).\(getpid()).new"
        let descriptor = unsafe open(
            temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw SecretFileError("\(path) cannot be made: is its folder there?")
        }
        defer { unsafe unlink(temporary) }
        let isWritten = unsafe text.withBytes { bytes in
            unsafe writeAll(bytes, text.count, to: descriptor) && fsync(descriptor) == 0
        }
        close(descriptor)
        guard isWritten else { throw SecretFileError("\(path) cannot be written") }
        let isPlaced =
            replacing ? unsafe rename(temporary, path) == 0 : unsafe link(temporary, path) == 0
        guard isPlaced else {
            throw SecretFileError(
                errno == EEXIST
                    ? "\(path) exists already" : "\(path) cannot be written")
        }
        let place = unsafe open(folder.isEmpty ? "." : folder, O_RDONLY | O_CLOEXEC)
        guard place >= 0 else { return }
        fsync(place)
        close(place)
    }

    @unsafe
    private static func writeAll(
        _ bytes: UnsafePointer<UInt8>, _ count: Int, to descriptor: Int32
    ) -> Bool {
        var done = 0
        while done < count {
            let more = unsafe Glibc.write(descriptor, bytes.advanced(by: done), count - done)
            if more < 0, errno == EINTR { continue }
            if more <= 0 { return false }
            done += more
        }
        return true
    }

    /// The secret in a file that is not sealed, which is made with a random one if it is not there.
    public static func readOrCreate(_ path: String) throws(SecretFileError) -> [UInt8] {
        if !FileManager.default.fileExists(atPath: path) {
            try create(path, Entropy.bytes(32))
        }
        return try read(path)
    }
}

extension Secret {
    /// Whether the first bytes are those of a text.
    fileprivate func hasPrefix(_ text: String) -> Bool {
        let wanted = Array(text.utf8)
        guard count >= wanted.count else { return false }
        return unsafe withBytes { bytes in
            wanted.indices.allSatisfy { unsafe bytes[$0] == wanted[$0] }
        }
    }

    /// Without blanks and line ends before and behind.
    fileprivate var trimmed: Secret {
        let range = unsafe withBytes { bytes in
            func isBlank(_ place: Int) -> Bool {
                [0x20, 0x09, 0x0A, 0x0D].contains(unsafe bytes[place])
            }
            var start = 0
            var end = count
            while start < end, isBlank(start) { start += 1 }
            while end > start, isBlank(end - 1) { end -= 1 }
            return start..<end
        }
        return self[range]
    }
}
