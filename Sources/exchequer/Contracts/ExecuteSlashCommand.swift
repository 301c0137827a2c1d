import ArgumentParser
import Chains
import Primitives

/// `exchequer contracts execute-slash`: carries out a requested slash.
struct ExecuteSlashCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "execute-slash",
        abstract: "Carry out a requested slash, once its veto window is over.",
        discussion: """
            Anyone may, in the 30 days after the window. A house does it by itself; this is for \
            when it is gone. The verdict's hash is in the contract's SlashRequested log.
            """)

    @OptionGroup var chain: ChainOptions
    @Option(help: "The settlement contract.") var contract: String
    @Option(help: "The hash of the verdict that ordered it.") var verdict: String

    func run() async throws {
        guard let verdict = Digest(hex: verdict) else {
            throw ValidationError("--verdict is a hash of 64 hexadecimal digits.")
        }
        let session = try await ChainSession(chain)
        let settlement = try session.settlement(contract)
        try session.require(
            "execute-slash", await settlement.executeSlash(verdict, from: session.sender))
    }
}
