import Foundation
import Primitives

/// Why a file with a secret cannot be used. Names the file, never what is in it.
public struct SecretFileError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, in one sentence without its full stop.
    public let description: String
}

/// Files that hold one secret of 32 bytes as 64 hexadecimal digits, readable by their owner only.
public enum SecretFile {
    /// The secret in a file.
    public static func read(_ path: String) throws(SecretFileError) -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw SecretFileError(description: "\(path) cannot be read")
        }
        let text = String(decoding: data.prefix(256), as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        guard let bytes = Hex.decode(text), bytes.count == 32 else {
            throw SecretFileError(description: "\(path) does not hold 64 hexadecimal digits")
        }
        return bytes
    }

    /// Writes a file that did not exist before, closed to others from its first moment.
    public static func create(_ path: String, _ secret: [UInt8]) throws(SecretFileError) {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
        guard descriptor >= 0 else {
            throw SecretFileError(
                description: FileManager.default.fileExists(atPath: path)
                    ? "\(path) exists already" : "\(path) cannot be made: is its folder there?")
        }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            try handle.write(contentsOf: Data((Hex.encode(secret) + "\n").utf8))
            try handle.synchronize()
        } catch {
            throw SecretFileError(description: "\(path) cannot be written")
        }
    }

    /// The secret in a file, which is made with a random one if it is not there.
    public static func readOrCreate(_ path: String) throws(SecretFileError) -> [UInt8] {
        if !FileManager.default.fileExists(atPath: path) {
            try create(path, Entropy.bytes(32))
        }
        return try read(path)
    }
}
