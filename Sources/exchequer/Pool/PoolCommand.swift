import ArgumentParser

/// `exchequer pool`: pools of the payout program on Solana.
struct PoolCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool",
        abstract: "Run and claim from a pool of the payout program on Solana.",
        discussion: """
            A pool holds one token. Its settler commits a Merkle root of what everybody was ever \
            owed, out of a file of leaves (OWNER,UNITS a line), under the head of the journal and \
            the root of all liabilities that it is of; after the pool's delay, in which its \
            guardian can dispute it, anybody can have anybody paid by proof. Tokens leave a pool \
            by claims only: nobody can withdraw them. Amounts are in the token's smallest \
            unit. A refusal of the program is told with its number \
            (docs/reference/solana-payout-program.md).

            EXAMPLES
              exchequer pool open --rpc URL --key-file op.key --program P --mint M --guardian G
              exchequer pool fund --rpc URL --key-file op.key --pool POOL --amount 5000000
              exchequer pool commit --rpc URL --key-file settler.key --pool POOL \\
                  --leaves owed.csv --journal-head 4f.. --liabilities-root 9a..
              exchequer pool activate --rpc URL --key-file any.key --pool POOL
              exchequer pool proof --rpc URL --pool POOL --leaves owed.csv --owner ADDRESS
              exchequer pool claim --rpc URL --key-file me.key --pool POOL --proof proof.json
            """,
        subcommands: [
            PoolOpenCommand.self, PoolFundCommand.self, PoolCommitCommand.self,
            PoolActivateCommand.self, PoolDisputeCommand.self, PoolLeavesCommand.self,
            PoolProofCommand.self, PoolClaimCommand.self, PoolShowCommand.self,
            PoolRolesCommand.self,
        ])
}
