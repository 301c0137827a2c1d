public import Cryptography
import Foundation
import Primitives
import Transport

/// Reads and makes the files that hold a node's keys. Error messages name files, never contents.
public enum KeyFiles {
    /// The node's identity; a new one is made, readable by its owner only, if there is no file.
    public static func identity(at path: String) throws(NodeError) -> Ed25519.PrivateKey {
        if !FileManager.default.fileExists(atPath: path) {
            try create(path, text: Hex.encode(Entropy.bytes(32)) + "\n")
        }
        guard let key = Ed25519.PrivateKey(seed: try secret(at: path)) else {
            throw NodeError(.badKeyFile, "\(path) does not hold a seed of 32 bytes")
        }
        return key
    }

    /// The provider's EVM key.
    public static func account(at path: String) throws(NodeError) -> Secp256k1.PrivateKey {
        guard let key = Secp256k1.PrivateKey(try secret(at: path)) else {
            throw NodeError(.badKeyFile, "\(path) does not hold a secp256k1 private key")
        }
        return key
    }

    private static func secret(at path: String) throws(NodeError) -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw NodeError(.badKeyFile, "\(path) cannot be read")
        }
        let text = String(decoding: data.prefix(256), as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        guard let bytes = Hex.decode(text), bytes.count == 32 else {
            throw NodeError(.badKeyFile, "\(path) does not hold 64 hexadecimal digits")
        }
        return bytes
    }

    /// Writes a file that did not exist before, with access for the owner only from its first
    /// moment.
    private static func create(_ path: String, text: String) throws(NodeError) {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
        guard descriptor >= 0 else {
            throw NodeError(.badKeyFile, "\(path) cannot be made: is its folder there?")
        }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            try handle.write(contentsOf: Data(text.utf8))
            try handle.synchronize()
        } catch {
            throw NodeError(.badKeyFile, "\(path) cannot be written")
        }
    }
}
