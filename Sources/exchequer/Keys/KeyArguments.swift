import ArgumentParser
import Cryptography
import Foundation
import Primitives
import Transport

/// Where passphrases of sealed key files come from; an option of each command that reads one.
struct KeyOptions: ParsableArguments {
    @Option(
        help: """
            A file with the passphrase of sealed key files; else EXCHEQUER_PASSPHRASE_FILE, \
            EXCHEQUER_PASSPHRASE or the terminal.
            """,
        completion: .file())
    var passphraseFile: String?

    var access: KeyAccess {
        KeyAccess(
            passphrases: PassphraseSource(file: passphraseFile),
            warn: { Console.say("exchequer: \($0)") })
    }

    /// Reads an EVM private key, or says what is wrong with its file.
    func account(in path: String) throws -> Secp256k1.PrivateKey {
        try Self.orExit { () throws(SecretFileError) in try access.account(in: path) }
    }

    /// Runs what reads or writes key files, or says what is wrong with one.
    static func orExit<Value>(_ body: () throws(SecretFileError) -> Value) throws -> Value {
        do throws(SecretFileError) {
            return try body()
        } catch {
            Console.say("exchequer: \(error)")
            throw Exit.configuration
        }
    }
}

/// The node's own key, which the node made.
struct NodeIdentity: ParsableArguments {
    @Option(help: "The file with the node's own key.", completion: .file()) var identity: String
    @OptionGroup var keys: KeyOptions
}

/// The key that a machine shows to another one, where it may need none.
struct MachineIdentity: ParsableArguments {
    @Option(
        help: "The file with this machine's own key; made if it is not there.",
        completion: .file())
    var identity: String?
    @OptionGroup var keys: KeyOptions

    /// The key, which is made if it is not there, and is not the other machine's.
    func key(peer: PublicKey) throws -> Ed25519.PrivateKey {
        guard let identity else { throw ValidationError("--identity is wanted.") }
        let isNew = !FileManager.default.fileExists(atPath: identity)
        let key = try KeyOptions.orExit { () throws(SecretFileError) in
            try keys.access.identityMaking(identity)
        }
        if isNew {
            Console.say("exchequer: made \(identity); its public key is \(key.publicKey.hex)")
        }
        if key.publicKey == peer {
            Console.say(
                "exchequer: \(identity) is the key that the other machine must show: each has its "
                    + "own")
            throw Exit.configuration
        }
        return key
    }
}
