import ArgumentParser
import Chains
import Cryptography
import Primitives

/// A sender and the settlement contract that it calls.
struct ContractOptions: ParsableArguments {
    @OptionGroup var chain: ChainOptions
    @Option(help: "The settlement contract.") var contract: String

    /// Reads the key, and where the contract is.
    func open() async throws -> (session: ChainSession, settlement: SettlementContract) {
        let session = try await ChainSession(chain)
        return (session, try session.settlement(contract))
    }
}

/// Reads a hash of 64 hexadecimal digits, with or without `0x`.
func digest(_ text: String, _ option: String) throws -> Digest {
    guard let digest = Digest(hex: text) else {
        throw ValidationError("\(option) is a hash of 64 hexadecimal digits.")
    }
    return digest
}

/// A hash as it is, or of a text: what contracts log as a reason.
private func logged(_ text: String?) -> Digest {
    guard let text else { return .zero }
    return (try? digest(text, "")) ?? Keccak256.hash(Array(text.utf8))
}

/// `exchequer contracts dispute`: a guardian's no to a root.
struct DisputeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dispute",
        abstract: "Drop a committed root before it pays, as a guardian.",
        discussion: """
            Within the contract's activation delay; the root of before goes on paying. About \
            33,000 gas. The batch's number is used up, and the house cuts no more batches until \
            its operator has looked (docs/operating/house.md). exchequer contracts show has the \
            batch that waits.

            EXAMPLES
              exchequer contracts dispute --rpc URL --contract 0x.. --key-file guardian.key \\
                  --batch 7 --reason 'the journal says otherwise from command 812 on'
            """)

    @OptionGroup var options: ContractOptions
    @Option(help: "The batch whose root waits.") var batch: UInt64
    @Option(help: "Why: a hash of 64 digits, or a text whose Keccak-256 is logged.")
    var reason: String?

    func run() async throws {
        let (session, settlement) = try await options.open()
        try session.finish(
            "dispute",
            await settlement.disputeRoot(
                batch: batch, reason: logged(reason), from: session.sender))
    }
}

/// `exchequer contracts veto`: an arbiter's no to a slash.
struct VetoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "veto",
        abstract: "Set a requested slash aside for good, as an arbiter.",
        discussion: """
            Before its window is over; an appeal makes the window longer. About 45,000 gas. The \
            bond is free again, in the house's books too. exchequer contracts show lists what waits.

            EXAMPLES
              exchequer contracts veto --rpc URL --contract 0x.. --key-file arbiter.key \\
                  --verdict HASH
            """)

    @OptionGroup var options: ContractOptions
    @Option(help: "The hash of the verdict that ordered it.") var verdict: String

    func run() async throws {
        let verdict = try digest(verdict, "--verdict")
        let (session, settlement) = try await options.open()
        try session.finish(
            "veto", await settlement.vetoSlash(verdict, from: session.sender))
    }
}

/// `exchequer contracts appeal-slash`: the accused objects on chain.
struct AppealSlashCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "appeal-slash",
        abstract: "Object to a requested slash of your own bond; the arbiters get another window.",
        discussion: """
            Once for each slash, before its window is over, with the key that bonded; about 58,000 \
            gas. It decides nothing: tell an arbiter why. The house hears appeals against its \
            verdicts by exchequer appeal, before there is a slash.

            EXAMPLES
              exchequer contracts appeal-slash --rpc URL --contract 0x.. --key-file provider.key \\
                  --verdict HASH --statement 'job 12 was served as paid, see evidence'
            """)

    @OptionGroup var options: ContractOptions
    @Option(help: "The hash of the verdict that ordered it.") var verdict: String
    @Option(help: "What you say: a hash of 64 digits, or a text whose Keccak-256 is logged.")
    var statement: String?

    func run() async throws {
        let verdict = try digest(verdict, "--verdict")
        let (session, settlement) = try await options.open()
        try session.finish(
            "appeal-slash",
            await settlement.appealSlash(
                verdict, statement: logged(statement), from: session.sender))
    }
}

/// `exchequer contracts lapse`: frees what an old request froze.
struct LapseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lapse",
        abstract: "Free what a requested slash froze, if nobody carried it out in time.",
        discussion: """
            Anyone may, from 30 days after the slash's window on, and at once when the house is \
            abandoned. About 42,000 gas.

            EXAMPLES
              exchequer contracts lapse --rpc URL --contract 0x.. --key-file any.key --verdict HASH
            """)

    @OptionGroup var options: ContractOptions
    @Option(help: "The hash of the verdict that ordered it.") var verdict: String

    func run() async throws {
        let verdict = try digest(verdict, "--verdict")
        let (session, settlement) = try await options.open()
        try session.finish(
            "lapse", await settlement.lapseSlash(verdict, from: session.sender))
    }
}

/// `exchequer contracts pause`: closes the entries.
struct PauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause",
        abstract: "Stop deposits, bonds and new roots, as a pauser.",
        discussion: """
            Claims, unbonding, withdrawals, slashes, and roots that were committed before go on. \
            About 30,000 gas. Only the owner ends a pause.

            EXAMPLES
              exchequer contracts pause --rpc URL --contract 0x.. --key-file pauser.key
            """)

    @OptionGroup var options: ContractOptions

    func run() async throws {
        let (session, settlement) = try await options.open()
        try session.finish("pause", await settlement.pause(from: session.sender))
    }
}

/// `exchequer contracts unpause`: opens the entries.
struct UnpauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unpause",
        abstract: "Open a paused contract again, as its owner.",
        discussion: """
            About 30,000 gas.

            EXAMPLES
              exchequer contracts unpause --rpc URL --contract 0x.. --key-file owner.key
            """)

    @OptionGroup var options: ContractOptions

    func run() async throws {
        let (session, settlement) = try await options.open()
        try session.finish("unpause", await settlement.unpause(from: session.sender))
    }
}

/// `exchequer contracts abandon`: the escape hatch.
struct AbandonCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "abandon",
        abstract: "Declare a house abandoned that gave no sign of life for so long.",
        discussion: """
            Anyone may, once no settler committed a root or sent a heartbeat for the contract's \
            escape delay; about 30,000 gas. It cannot be undone: deposits, bonds, roots and \
            slashes are over for good. Everybody leaves by claims on the last root (exchequer \
            contracts claim --claims FILE), and by unbonding.

            EXAMPLES
              exchequer contracts show --rpc URL --contract 0x..
              exchequer contracts abandon --rpc URL --contract 0x.. --key-file any.key
            """)

    @OptionGroup var options: ContractOptions

    func run() async throws {
        let (session, settlement) = try await options.open()
        let outcome = await settlement.declareAbandoned(from: session.sender)
        if case .failed = outcome, let now = try? await settlement.standing(), !now.isAbandoned {
            Console.say(
                "it can be declared abandoned after second \(now.abandonableFrom); it is second "
                    + "\(now.timestamp) there now")
        }
        try session.finish("abandon", outcome)
    }
}
