public import Cryptography
import Transport

/// Reads and makes the files that hold a node's keys. Error messages name files, never contents.
public enum KeyFiles {
    /// The node's identity; a new one is made, readable by its owner only, if there is no file.
    public static func identity(at path: String) throws(NodeError) -> Ed25519.PrivateKey {
        do throws(SecretFileError) {
            let seed = try SecretFile.readOrCreate(path)
            if let key = Ed25519.PrivateKey(seed: seed) { return key }
        } catch {
            throw NodeError(.badKeyFile, "\(error)")
        }
        throw NodeError(.badKeyFile, "\(path) does not hold a seed of 32 bytes")
    }

    /// The provider's EVM key.
    public static func account(at path: String) throws(NodeError) -> Secp256k1.PrivateKey {
        do throws(SecretFileError) {
            if let key = Secp256k1.PrivateKey(try SecretFile.read(path)) { return key }
        } catch {
            throw NodeError(.badKeyFile, "\(error)")
        }
        throw NodeError(.badKeyFile, "\(path) does not hold a secp256k1 private key")
    }
}
