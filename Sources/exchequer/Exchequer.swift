import ArgumentParser

/// The one executable. Each command lives in its own file; this one only lists them.
@main
struct Exchequer: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exchequer",
        abstract: "The clearing house of decentralised inference.",
        discussion: """
            Data goes to standard output, everything else to standard error. Commands take --json \
            where a program may read them. Exit codes are listed in docs/reference/exit-codes.md.

            EXAMPLES
              exchequer demo                          run the whole house on this machine
              exchequer serve --data house --model M  run a house
              exchequer node --house URL --model M    serve a model to a house
              exchequer cluster run --route ...       run a model over machines of your own
              exchequer simulate --jobs 20000         ask whether cheating pays
              exchequer audit --data house            replay the journal and prove its state
              exchequer prove-balance --url URL ...   have a house prove that it owes you
            """,
        version: "0.1.0",
        subcommands: [
            DemoCommand.self, ServeCommand.self, NodeCommand.self, KeysCommand.self,
            SignerCommand.self,
            ContractsCommand.self, ChannelsCommand.self, PoolCommand.self, ModelCommand.self,
            SimulateCommand.self, AuditCommand.self,
            VerifyCommand.self, BisectCommand.self, ProveBalanceCommand.self,
            VerifyBalanceCommand.self, WithdrawCommand.self, PayoutCommand.self,
            DepositorCommand.self,
            ReconcileCommand.self, VaultCommand.self, ClaimableCommand.self,
            AutoClaimCommand.self, AppealCommand.self, ClusterGroup.self, LedgerGroup.self,
            JournalCommand.self, BenchCommand.self,
        ])
}
