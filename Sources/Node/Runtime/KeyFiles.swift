public import Cryptography
public import Transport

/// Reads and makes the files that hold a node's keys. Error messages name files, never contents.
public enum KeyFiles {
    /// The node's identity; a new one is made, readable by its owner only, if there is no file.
    public static func identity(
        at path: String, _ access: KeyAccess = KeyAccess()
    ) throws(NodeError) -> Ed25519.PrivateKey {
        do throws(SecretFileError) {
            return try access.identityMaking(path)
        } catch {
            throw NodeError(.badKeyFile, "\(error)")
        }
    }

    /// The provider's EVM key.
    public static func account(
        at path: String, _ access: KeyAccess = KeyAccess()
    ) throws(NodeError) -> Secp256k1.PrivateKey {
        do throws(SecretFileError) {
            return try access.account(in: path)
        } catch {
            throw NodeError(.badKeyFile, "\(error)")
        }
    }
}
