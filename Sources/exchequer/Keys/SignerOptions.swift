import ArgumentParser
import Chains
import Foundation

/// A signer in a process of its own, in a key file's place.
struct SignerOptions: ParsableArguments {
    @Option(help: "The socket of a signer that holds the key (docs/reference/signer.md).")
    var signer: String?
    @Option(help: "The account of the signer's that signs.") var signerKey: String?
    @Option(help: "The number of the user whose process the signer is; this one's if left out.")
    var signerUser: UInt32?

    /// The signer's account; `nil` if none was asked for.
    func account() throws -> ExternalEVMSigner? {
        guard let socket = socket else {
            guard signerKey == nil, signerUser == nil else {
                throw ValidationError("--signer-key and --signer-user go with --signer.")
            }
            return nil
        }
        guard let signerKey else { throw ValidationError("--signer goes with --signer-key.") }
        return ExternalEVMSigner(address: try evmAddress(signerKey), socket: socket)
    }

    /// The signer; `nil` if none was asked for.
    var socket: SignerSocket? {
        signer.map { path in
            var socket = SignerSocket(path: path)
            if let signerUser { socket.users = [signerUser] }
            return socket
        }
    }

    /// Whoever signs: the key of a file, or the signer, of which one must be given.
    ///
    /// - Parameter isShared: whether the signer is there for other keys, so that a file may be
    ///   given beside it.
    func signer(
        _ file: String?, _ option: String, _ keys: KeyOptions, isShared: Bool = false
    ) throws -> any EVMSigner {
        if let file, isShared, signerKey == nil { return try keys.account(in: file) }
        let external = try account()
        switch (file, external) {
        case (let file?, nil): return try keys.account(in: file)
        case (nil, let external?): return external
        default: throw ValidationError("\(option) or --signer is wanted, and not both.")
        }
    }
}
