import ArgumentParser

/// `exchequer contracts`: what an operator, provider or payee does on chain.
struct ContractsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "contracts",
        abstract: "Deploy, fund, bond, deposit, claim, guard and grant roles on an EVM chain.",
        discussion: """
            Every transaction is waited for. Its outcome is settled, failed or unknown; an unknown \
            one (exit code 6) may still happen, so look at its hash before you send it again.

            EXAMPLES
              exchequer contracts deploy --rpc URL --key-file op.key --out contracts.json
              exchequer contracts bond --rpc URL --contract 0x.. --key-file my.key --amount 100
              exchequer contracts claim --rpc URL --contract 0x.. --key-file my.key --house URL
              exchequer contracts show --rpc URL --contract 0x..
              exchequer contracts dispute --rpc URL --contract 0x.. --key-file g.key --batch 7
            """,
        subcommands: [
            DeployCommand.self, SendCommand.self, BondCommand.self, UnbondCommand.self,
            WithdrawBondCommand.self, DepositCommand.self, AuthorizeDepositCommand.self,
            ShowContractCommand.self, ActivateCommand.self, DisputeCommand.self,
            ExecuteSlashCommand.self, VetoCommand.self, AppealSlashCommand.self,
            LapseCommand.self, PauseCommand.self, UnpauseCommand.self, AbandonCommand.self,
            ClaimCommand.self, RolesCommand.self,
        ])
}
