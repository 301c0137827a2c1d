public import Cryptography
import Foundation
import Primitives

/// How this process gets at key files, sealed ones and others. Before it reads the first one it
/// closes itself to core dumps.
public struct KeyAccess: Sendable {
    /// Where the passphrases of sealed ones come from.
    public var passphrases: PassphraseSource
    /// Takes what a person should know of a file, in one sentence without its full stop.
    public var warn: @Sendable (String) -> Void

    /// Access with passphrases from this source; warnings go to standard error unless told
    /// otherwise.
    public init(
        passphrases: PassphraseSource = PassphraseSource(),
        warn: (@Sendable (String) -> Void)? = nil
    ) {
        self.passphrases = passphrases
        self.warn =
            warn ?? { FileHandle.standardError.write(Data("exchequer: \($0)\n".utf8)) }
    }

    /// The secret in a file.
    public func secret(in path: String) throws(SecretFileError) -> Secret {
        if !ProcessGuard.closeToDumps() {
            warn("the system lets this process leave a core dump, with the secret of \(path) in it")
        }
        switch try SecretFile.content(path) {
        case .plain(let secret):
            if SecretFile.isWide(path) {
                warn("\(path) can be read by others than its owner: chmod 600 \(path)")
            }
            return secret
        case .sealed(let key):
            return try open(key, of: path)
        }
    }

    /// The secret in a file, which is made with a random one, not sealed, if it is not there.
    public func secretMaking(_ path: String) throws(SecretFileError) -> Secret {
        ProcessGuard.closeToDumps()
        if !FileManager.default.fileExists(atPath: path) {
            try SecretFile.write(.plain(Entropy.secret(32)), to: path, replacing: false)
        }
        return try secret(in: path)
    }

    /// An EVM account's key.
    public func account(in path: String) throws(SecretFileError) -> Secp256k1.PrivateKey {
        guard let key = Secp256k1.PrivateKey(try secret(in: path)) else {
            throw SecretFileError("\(path) does not hold a secp256k1 private key")
        }
        return key
    }

    /// A node's, a machine's or a Solana account's key.
    public func identity(in path: String) throws(SecretFileError) -> Ed25519.PrivateKey {
        try Self.identity(try secret(in: path), path)
    }

    /// As `identity`; a file that is not there is made.
    public func identityMaking(_ path: String) throws(SecretFileError) -> Ed25519.PrivateKey {
        try Self.identity(try secretMaking(path), path)
    }

    private static func identity(
        _ seed: Secret, _ path: String
    ) throws(SecretFileError) -> Ed25519.PrivateKey {
        guard let key = Ed25519.PrivateKey(seed: seed) else {
            throw SecretFileError("\(path) does not hold a seed of 32 bytes")
        }
        return key
    }

    /// Opens a sealed key with its passphrase.
    public func open(_ key: SealedKey, of path: String) throws(SecretFileError) -> Secret {
        let passphrase = try passphrases.passphrase(of: path)
        do throws(SealedKeyError) {
            return try key.open(with: passphrase)
        } catch {
            throw SecretFileError("\(path) cannot be opened: \(error)")
        }
    }

    /// Seals a secret under a passphrase that a person gives twice.
    public func seal(
        _ secret: Secret, as path: String, cost: SealedKey.Cost
    ) throws(SecretFileError) -> SealedKey {
        let passphrase = try passphrases.passphrase(of: path, isNew: true)
        do throws(SealedKeyError) {
            return try SealedKey(
                secret, with: passphrase, cost: cost,
                random: Entropy.bytes(SealedKey.randomBytes))
        } catch {
            throw SecretFileError("\(path) cannot be sealed: \(error)")
        }
    }
}
