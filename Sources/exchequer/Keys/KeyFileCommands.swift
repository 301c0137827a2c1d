import ArgumentParser
import Chains
import Cryptography
import Foundation
import Primitives
import Transport

/// The public half of a key file, as `new`, `show` and `rotate` print it.
struct KeyReport: Encodable {
    let file, address, node, solana: String
    let sealed: Bool

    init(_ file: String, _ key: SealedKey) {
        self.init(file, key.address, key.publicKey, isSealed: true)
    }

    init(_ file: String, _ address: EVMAddress, _ node: PublicKey, isSealed: Bool) {
        self.file = file
        self.address = address.checksummed
        self.node = node.hex
        solana = SolanaAddress(node).description
        sealed = isSealed
    }

    /// What a file holds; a sealed one is not opened for it.
    init(contentOf file: String, _ options: KeyOptions) throws {
        let content = try KeyOptions.orExit { () throws(SecretFileError) in
            try SecretFile.content(file)
        }
        if case .sealed(let key) = content {
            self.init(file, key)
            return
        }
        let account = try options.account(in: file)
        let node = try KeyOptions.orExit { () throws(SecretFileError) in
            try options.access.identity(in: file)
        }
        self.init(file, account.address, node.publicKey, isSealed: false)
    }

    func show(json: Bool) throws {
        if json { return try Console.put(json: self) }
        Console.put("as an EVM account          \(address)")
        Console.put("as a node, leader, standby \(node)")
        Console.put("as a Solana account        \(solana)")
        Console.put("sealed                     \(sealed ? "yes" : "no")")
    }
}

/// What trying one passphrase of a sealed file costs.
enum SealingCost: String, ExpressibleByArgument, CaseIterable {
    case interactive, moderate, sensitive

    var value: SealedKey.Cost {
        switch self {
        case .interactive: .interactive
        case .moderate: .moderate
        case .sensitive: .sensitive
        }
    }
}

/// How a key is sealed.
struct SealingOptions: ParsableArguments {
    @Option(
        help: """
            What trying a passphrase costs: interactive (64 MiB, a tenth of a second), moderate \
            (256 MiB, a second) or sensitive (1 GiB).
            """)
    var cost = SealingCost.moderate
}

/// `exchequer keys new`.
struct NewKeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new", abstract: "Make a new key file.")

    @Argument(help: "The file, which must not exist.", completion: .file()) var file: String
    @Flag(help: "Seal it under a passphrase.") var sealed = false
    @OptionGroup var sealing: SealingOptions
    @OptionGroup var keys: KeyOptions
    @Flag(help: "Print one JSON object.") var json = false

    func run() throws {
        let secret = Self.secret()
        try KeyOptions.orExit { () throws(SecretFileError) in
            let content: SecretFile.Content =
                sealed
                ? .sealed(try keys.access.seal(secret, as: file, cost: sealing.cost.value))
                : .plain(secret)
            try SecretFile.write(content, to: file, replacing: false)
        }
        try KeyReport(contentOf: file, keys).show(json: json)
    }

    /// A random key.
    static func secret() -> Secret {
        ProcessGuard.closeToDumps()
        // A random number that is no key has a chance of 2^-128.
        while true {
            let secret = Entropy.secret(32)
            if Secp256k1.PrivateKey(secret) != nil { return secret }
        }
    }
}

/// `exchequer keys show`.
struct ShowKeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show the public half of a key file.",
        discussion: "A sealed file shows it without its passphrase.")

    @Argument(help: "The file.", completion: .file()) var file: String
    @OptionGroup var keys: KeyOptions
    @Flag(help: "Print one JSON object.") var json = false

    func run() throws { try KeyReport(contentOf: file, keys).show(json: json) }
}

/// `exchequer keys seal`.
struct SealKeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "seal", abstract: "Put a key file under a passphrase, in place.",
        discussion: """
            The digits that were in the file may still lie on the disk and in backups: a key that \
            is worth much is made sealed, or rotated.
            """)

    @Argument(help: "The file.", completion: .file()) var file: String
    @OptionGroup var sealing: SealingOptions
    @OptionGroup var keys: KeyOptions

    func run() throws {
        try KeyOptions.orExit { () throws(SecretFileError) in
            guard case .plain = try SecretFile.content(file) else {
                throw SecretFileError(
                    "\(file) is sealed already: `exchequer keys passphrase` changes its passphrase")
            }
            let secret = try keys.access.secret(in: file)
            let key = try keys.access.seal(secret, as: file, cost: sealing.cost.value)
            try SecretFile.write(.sealed(key), to: file, replacing: true)
        }
        Console.say("sealed \(file)")
    }
}

/// `exchequer keys unseal`.
struct UnsealKeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unseal", abstract: "Take the passphrase off a key file, in place.",
        discussion: "Whoever can read the file has the key then.")

    @Argument(help: "The file.", completion: .file()) var file: String
    @OptionGroup var keys: KeyOptions

    func run() throws {
        try KeyOptions.orExit { () throws(SecretFileError) in
            guard case .sealed = try SecretFile.content(file) else {
                throw SecretFileError("\(file) is not sealed")
            }
            let secret = try keys.access.secret(in: file)
            try SecretFile.write(.plain(secret), to: file, replacing: true)
        }
        Console.say("\(file) is no longer sealed: its owner alone may read it")
    }
}

/// `exchequer keys passphrase`.
struct ChangePassphraseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "passphrase", abstract: "Give a sealed key file another passphrase.",
        discussion: """
            Whoever has a copy of the file as it was and the old passphrase has the key: if either \
            may be in wrong hands, rotate the key.
            """)

    @Argument(help: "The file.", completion: .file()) var file: String
    @Option(
        help: """
            A file with the new passphrase; else EXCHEQUER_NEW_PASSPHRASE_FILE, \
            EXCHEQUER_NEW_PASSPHRASE or the terminal.
            """,
        completion: .file())
    var newPassphraseFile: String?
    @OptionGroup var sealing: SealingOptions
    @OptionGroup var keys: KeyOptions

    func run() throws {
        try KeyOptions.orExit { () throws(SecretFileError) in
            guard case .sealed = try SecretFile.content(file) else {
                throw SecretFileError("\(file) is not sealed: `exchequer keys seal` does that")
            }
            let secret = try keys.access.secret(in: file)
            var access = keys.access
            access.passphrases = PassphraseSource(
                file: newPassphraseFile, variable: "EXCHEQUER_NEW_PASSPHRASE")
            let key = try access.seal(secret, as: file, cost: sealing.cost.value)
            try SecretFile.write(.sealed(key), to: file, replacing: true)
        }
        Console.say("\(file) has another passphrase")
    }
}

/// `exchequer keys rotate`.
struct RotateKeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate",
        abstract: "Put a new key in a file's place, and keep the old one beside it.",
        discussion: """
            The old key goes to FILE.ADDRESS, as it was; the new one is sealed if the old one was. \
            A settlement key has roles on the contract and transactions under way: \
            docs/operating/keys.md says what comes before and after.
            """)

    @Argument(help: "The file.", completion: .file()) var file: String
    @OptionGroup var sealing: SealingOptions
    @OptionGroup var keys: KeyOptions
    @Flag(help: "Print one JSON object with the new key.") var json = false

    func run() throws {
        let old = try KeyReport(contentOf: file, keys)
        let kept = "\(file).\(old.address.lowercased())"
        let secret = NewKeyCommand.secret()
        try KeyOptions.orExit { () throws(SecretFileError) in
            let before = try SecretFile.content(file)
            let content: SecretFile.Content =
                old.sealed
                ? .sealed(try keys.access.seal(secret, as: file, cost: sealing.cost.value))
                : .plain(secret)
            // A copy of the old one comes first: a crash leaves at most both names for it.
            try SecretFile.write(before, to: kept, replacing: false)
            try SecretFile.write(content, to: file, replacing: true)
        }
        Console.say("the old key is in \(kept)")
        try KeyReport(contentOf: file, keys).show(json: json)
    }
}
