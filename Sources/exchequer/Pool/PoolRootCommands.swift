import ArgumentParser
import Chains
import Cryptography
import Foundation
import Primitives

/// `exchequer pool commit`: puts a root in waiting.
struct PoolCommitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "commit",
        abstract: "Commit the root of a file of leaves, as the settler.",
        discussion: """
            The file says what each owner was ever owed, in lines OWNER,UNITS or JSON, everybody \
            of before included: nothing is sent if it leaves out somebody who was paid, or says \
            less than was paid, since the last to claim would then find nothing. The vault has to \
            hold the sum less what was claimed. If this very root waits or pays already, nothing \
            is sent.

            Each root names the books that it is of: the journal's head hash, with which anybody \
            can replay how it came about, and the liabilities root, in which each holder finds \
            its own balance. A house has both of its last sealed batch at GET /v1/liabilities \
            (head, root).

            EXAMPLES
              curl -s https://HOUSE/v1/liabilities    # "head": "4f..", "root": "9a.."
              exchequer pool commit --rpc URL --key-file settler.key --pool POOL \\
                  --leaves owed.csv --journal-head 4f.. --liabilities-root 9a..
            """)

    @OptionGroup var options: PoolOptions
    @Option(help: "The file of leaves.", completion: .file()) var leaves: String
    @Option(help: "The journal's head hash, 32 bytes in hex: head of GET /v1/liabilities.")
    var journalHead: String
    @Option(help: "The root of all that is owed, 32 bytes in hex: root of GET /v1/liabilities.")
    var liabilitiesRoot: String

    func run() async throws {
        let leaves = try PayoutLeaves(contentsOf: leaves)
        let head = try digest(journalHead, "--journal-head")
        let owed = try digest(liabilitiesRoot, "--liabilities-root")
        let session = try await options.open()
        let root = PayoutRoot(
            epoch: session.state.epoch + 1, root: leaves.tree(of: session.pool).root,
            total: leaves.total, journalHead: head, liabilities: owed)
        if let waiting = session.state.waiting, waiting.root == root.root {
            return Console.say(
                "this root waits already, as epoch \(waiting.epoch), until slot "
                    + "\(session.state.activeFrom)\(Self.otherBooks(waiting, root))")
        }
        if let active = session.state.active, active.root == root.root {
            return Console.say(
                "this root pays already, as epoch \(active.epoch)\(Self.otherBooks(active, root))")
        }
        try await check(leaves, session)
        try await session.finish(
            [session.pool.commit(root, settler: session.sender)], "commit")
    }

    /// What to add if the chain has the root with other books than were given now.
    private static func otherBooks(_ there: PayoutRoot, _ given: PayoutRoot) -> String {
        there.journalHead == given.journalHead && there.liabilities == given.liabilities
            ? ""
            : ", and stays with the books it was committed with: journal head "
                + "\(there.journalHead.hex), liabilities root \(there.liabilities.hex)"
    }

    /// Whether the leaves repeat everybody who was paid. The pool's total counts what was claimed
    /// by whomever, so a leaf that is missing would be taken out of what others are owed. A call
    /// for each hundred leaves.
    private func check(_ leaves: PayoutLeaves, _ session: PoolSession) async throws {
        let pool = session.pool
        guard session.state.claimedTotal > 0 else { return }
        let records = try await session.ask { chain throws(ChainError) in
            try await chain.accounts(leaves.owed.map { pool.record(of: $0.owner) })
        }
        var paid: UInt64 = 0
        for (leaf, account) in zip(leaves.owed, records) {
            let record = account.flatMap { PayoutRecord($0, program: pool.program) }
            let had = record?.cumulative ?? 0
            guard had <= leaf.cumulative else {
                Console.say(
                    "\(leaf.owner) was paid \(had), and its leaf says \(leaf.cumulative): leaves "
                        + "are all that was ever owed")
                throw Exit.checkFailed
            }
            paid += had
        }
        guard paid >= session.state.claimedTotal else {
            Console.say(
                "the leaves leave out payees who were paid "
                    + "\(session.state.claimedTotal - paid): each root has to repeat everybody")
            throw Exit.checkFailed
        }
    }
}

/// `exchequer pool activate`: makes the waiting root pay.
struct PoolActivateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "activate",
        abstract: "Make the waiting root the one that pays, once its delay is over. Anyone may.",
        discussion: """
            EXAMPLES
              exchequer pool activate --rpc URL --key-file any.key --pool POOL
            """)

    @OptionGroup var options: PoolOptions

    func run() async throws {
        let session = try await options.open()
        try await session.finish([session.pool.activate()], "activate")
    }
}

/// `exchequer pool dispute`: a guardian's no to a root.
struct PoolDisputeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dispute",
        abstract: "Drop the waiting root, as the guardian; the one of before goes on paying.",
        discussion: """
            exchequer pool show has the epoch that waits. Its number is used up.

            EXAMPLES
              exchequer pool dispute --rpc URL --key-file guardian.key --pool POOL --epoch 3
            """)

    @OptionGroup var options: PoolOptions
    @Option(help: "The epoch whose root waits.") var epoch: UInt64

    func run() async throws {
        let session = try await options.open()
        try await session.finish(
            [session.pool.dispute(epoch: epoch, guardian: session.sender)], "dispute")
    }
}

/// `exchequer pool roles`: who decides about a pool.
struct PoolRolesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "roles",
        abstract: "Change a pool's keys, after its delay.",
        subcommands: [Propose.self, Take.self])

    struct Propose: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "propose",
            abstract: "Put a change of keys in waiting, as the admin.",
            discussion: """
                What is left out stays. The pool's delay begins; then anybody has the keys taken.

                EXAMPLES
                  exchequer pool roles propose --rpc URL --key-file admin.key --pool POOL \\
                      --settler NEW
                """)

        @OptionGroup var options: PoolOptions
        @Option(help: "Who changes keys from then on.") var admin: String?
        @Option(help: "Who commits roots from then on.") var settler: String?
        @Option(help: "Who disputes them from then on.") var guardian: String?

        func run() async throws {
            let session = try await options.open()
            let now = session.state.roles
            let roles = PayoutRoles(
                admin: try admin.map(ChannelFiles.solanaAddress) ?? now.admin,
                settler: try settler.map(ChannelFiles.solanaAddress) ?? now.settler,
                guardian: try guardian.map(ChannelFiles.solanaAddress) ?? now.guardian)
            try await session.finish(
                [session.pool.propose(roles, admin: session.sender)], "propose")
        }
    }

    struct Take: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "take",
            abstract: "Make the waiting keys count, once the delay is over. Anyone may.",
            discussion: """
                EXAMPLES
                  exchequer pool roles take --rpc URL --key-file any.key --pool POOL
                """)

        @OptionGroup var options: PoolOptions

        func run() async throws {
            let session = try await options.open()
            try await session.finish([session.pool.takeRoles()], "take")
        }
    }
}
