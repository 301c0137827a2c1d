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
            when it is gone. exchequer contracts show lists the slashes that wait.

            EXAMPLES
              exchequer contracts execute-slash --rpc URL --contract 0x.. --key-file any.key \\
                  --verdict HASH
            """)

    @OptionGroup var options: ContractOptions
    @Option(help: "The hash of the verdict that ordered it.") var verdict: String

    func run() async throws {
        let verdict = try digest(verdict, "--verdict")
        let (session, settlement) = try await options.open()
        try session.finish(
            "execute-slash", await settlement.executeSlash(verdict, from: session.sender))
    }
}
