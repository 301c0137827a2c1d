public import ArgumentParser
import Cryptography
import Foundation
import Primitives
import Service
import Storage

/// How a leader is told of its standby.
struct ReplicationArguments: ParsableArguments {
    @Option(help: "Where the standby listens: HOST:PORT, or PORT on this machine.")
    var replicateTo: Endpoint?
    @Option(help: "The standby's public key.", transform: MachineKey.publicKey)
    var standbyKey: PublicKey?
    @OptionGroup var own: MachineIdentity
    @Option(help: "When an answer is given: synced on both machines, or on this one.")
    var acknowledge = ReplicationOptions.Acknowledgement.sync
    @Flag(
        help: """
            Go on without a standby that does not answer for ten seconds, which then never takes \
            over by itself.
            """)
    var alone = false

    func validate() throws {
        guard let replicateTo else {
            if standbyKey != nil || own.identity != nil || alone || acknowledge != .sync {
                throw ValidationError(
                    "--standby-key, --identity, --acknowledge and --alone go with --replicate-to.")
            }
            return
        }
        guard standbyKey != nil, own.identity != nil else {
            throw ValidationError("--replicate-to goes with --standby-key and --identity.")
        }
        if replicateTo.port == 0 { throw ValidationError("--replicate-to wants a port above 0.") }
        if alone, acknowledge == .async {
            throw ValidationError("--alone goes with sync: an async leader waits for nobody.")
        }
    }

    /// What was asked for; `nil` if nothing was. A leader that is fenced ends its process.
    func options(for place: JournalPlace) throws -> ReplicationOptions? {
        guard let replicateTo, let standbyKey, own.identity != nil else { return nil }
        if case .postgres = place {
            throw ValidationError(
                "--replicate-to: a journal in PostgreSQL has no copy; its standby reads the same "
                    + "database.")
        }
        var options = ReplicationOptions(
            host: replicateTo.host, port: replicateTo.port,
            identity: try own.key(peer: standbyKey),
            standby: standbyKey, acknowledgement: acknowledge)
        options.alone = alone
        options.onFenced = Sequencer.endFencedProcess
        options.report = { Console.say("exchequer: \($0)") }
        return options
    }
}

extension ReplicationOptions.Acknowledgement: ExpressibleByArgument {}

/// An address: `HOST:PORT`, or `PORT` on this machine.
struct Endpoint: ExpressibleByArgument {
    let host: String
    let port: Int

    init?(argument: String) {
        let colon = argument.lastIndex(of: ":")
        let digits = colon.map { argument[argument.index(after: $0)...] } ?? argument[...]
        guard let port = UInt16(digits) else { return nil }
        self.port = Int(port)
        host = colon.map { String(argument[..<$0]) } ?? "127.0.0.1"
        if host.isEmpty { return nil }
    }
}

/// The keys by which a leader and its standby know each other.
enum MachineKey {
    /// Reads a public key as people write it.
    static func publicKey(_ text: String) throws -> PublicKey {
        guard let key = Digest(hex: text) else {
            throw ValidationError(
                "a public key is 64 hexadecimal digits, as `exchequer keys show` prints them")
        }
        return PublicKey(key)
    }
}
