import ArgumentParser
import Chains
import Cryptography
import Foundation
import Logging
import Primitives
import Service
import Transport

/// `exchequer signer`: holds keys for a house, in a process of its own.
struct SignerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "signer",
        abstract: "Hold settlement keys in a process of its own, and sign what a policy allows.",
        discussion: """
            A house asks it over a Unix socket (docs/reference/signer.md). What it may sign, and \
            how much in a day, is in --policy; what was signed for is in --state, which is written \
            before a signature is given. Run it as another user than the house. When it listens it \
            prints one JSON line. Ctrl-C ends it.

            EXAMPLES
              exchequer signer --socket /run/exchequer/signer --key settler.key \\
                  --policy policy.json --state signer.state --allow-user 1001
              exchequer serve ... --signer /run/exchequer/signer --signer-key 0x.. \\
                  --signer-user 1002
            """)

    @Option(help: "Where it listens.") var socket: String
    @Option(
        help: "A key file; may be repeated. It stands for an EVM and for a Solana account.",
        completion: .file())
    var key: [String]
    @Option(help: "The policies (docs/reference/signer.md).", completion: .file()) var policy:
        String
    @Option(help: "What was signed for; made if it is not there.", completion: .file())
    var state: String
    @Option(help: "The number of a user who may ask, beside this one; may be repeated.")
    var allowUser: [UInt32] = []
    @OptionGroup var keys: KeyOptions
    @Option(help: "What to log: trace, debug, info, notice, warning, error or critical.")
    var logLevel = "info"

    private struct Ready: Encodable {
        let socket: String
        let keys: [String]
        let pid = ProcessInfo.processInfo.processIdentifier
    }

    func run() async throws {
        guard let level = Logger.Level(rawValue: logLevel) else {
            throw ValidationError("--log-level \(logLevel): write info, warning, ...")
        }
        var log = Logger(label: "signer") { StreamLogHandler.standardError(label: $0) }
        log.logLevel = level
        let desk = try desk(log)
        let (stops, stopping) = AsyncStream.makeStream(of: Void.self)
        let signals = StopSignals { _ in stopping.yield() }
        let listener: UnixListener
        do throws(UnixSocketError) {
            listener = try UnixListener(path: socket, users: Set(allowUser + [getuid()]))
        } catch {
            Console.say("exchequer: \(error)")
            throw Exit.network
        }
        listener.serve { desk.answer($0) }
        try Console.put(json: Ready(socket: socket, keys: desk.names))
        for await _ in stops { break }
        listener.stop()
        if let signal = signals.received { throw ExitCode(128 + signal) }
    }

    private func desk(_ log: Logger) throws -> SignerDesk {
        var held: [SignerDesk.Key] = []
        for file in key {
            let secret = try KeyOptions.orExit { () throws(SecretFileError) in
                try keys.access.secret(in: file)
            }
            if let key = Secp256k1.PrivateKey(secret) { held.append(.evm(key)) }
            if let key = Ed25519.PrivateKey(seed: secret) { held.append(.solana(key)) }
        }
        do {
            guard let json = FileManager.default.contents(atPath: policy) else {
                throw SecretFileError("\(policy) cannot be read")
            }
            let policies = try SigningPolicies(json: [UInt8](json))
            let file = try SigningFile(path: state)
            let book = try file.load()
            let desk = SignerDesk(
                keys: held, policies: policies, book: book, durable: { try file.save($0) },
                decided: { Self.note($0, log) }, clock: { .systemNow })
            for name in Set(policies.byKey.keys).subtracting(desk.names).sorted() {
                log.warning("a policy's key is not here", metadata: ["key": "\(name)"])
            }
            for name in desk.names {
                if policies.byKey[name]?.lacksTokens == true {
                    log.warning(
                        """
                        the policy has disperse() and no "tokens" (docs/reference/signer.md): \
                        until it says which count as usd and as tly, no dispersal is signed
                        """, metadata: ["key": "\(name)"])
                }
                let spent = book.spent(by: name, at: .systemNow)
                log.info("a key is ready", metadata: Self.amounts(spent, ["key": "\(name)"]))
            }
            guard !desk.names.isEmpty else {
                throw SecretFileError("\(policy) has a policy for none of the keys")
            }
            return desk
        } catch let error as SigningPolicyError {
            Console.say("exchequer: \(policy): \(error)")
        } catch {
            Console.say("exchequer: \(error)")
        }
        throw Exit.configuration
    }

    private static func note(_ decision: SignerDesk.Decision, _ log: Logger) {
        var fields: Logger.Metadata = ["key": "\(decision.key)"]
        if let digest = decision.digest { fields["digest"] = "0x\(digest.hex)" }
        if let refusal = decision.refusal {
            fields["code"] = "\(refusal.code)"
            log.warning("refused: \(refusal.message)", metadata: fields)
        } else {
            log.info("signed \(decision.name)", metadata: amounts(decision.added, fields))
        }
    }

    private static func amounts(
        _ cost: SigningCost, _ fields: Logger.Metadata
    ) -> Logger.Metadata {
        var fields = fields
        fields["coin_units"] = "\(cost.coin)"
        for (asset, units) in [(Asset.usd, cost.usd), (.tly, cost.tly)] {
            if let amount = asset.amount(chainUnits: units) {
                fields[asset.code.lowercased()] = "\(asset.format(amount))"
            }
        }
        return fields
    }
}
