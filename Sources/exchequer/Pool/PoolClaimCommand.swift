import ArgumentParser
import Chains
import Cryptography
import Foundation
import Primitives
import Transport

/// `exchequer pool proof`: one payee's part of a file of leaves.
struct PoolProofCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "proof",
        abstract: "Print an owner's leaf and proof out of a file of leaves, as JSON.",
        discussion: """
            Give it to the payee, who needs no more to claim, however long the pool's operator is \
            gone. It counts while this file's root pays.

            EXAMPLES
              exchequer pool proof --rpc URL --pool POOL --leaves owed.csv --owner ADDRESS > me.json
            """)

    @Option(help: "The cluster's JSON-RPC endpoint.") var rpc: String
    @Option(help: "The pool.") var pool: String
    @Option(help: "The file of leaves.", completion: .file()) var leaves: String
    @Option(help: "Whose.") var owner: String

    func run() async throws {
        let leaves = try PayoutLeaves(contentsOf: leaves)
        let state = try await PoolSession.state(
            of: ChannelFiles.solanaAddress(pool), on: SolanaChain(rpc: JSONRPC(url: rpc)), rpc)
        let proof = try leaves.proof(
            of: try ChannelFiles.solanaAddress(owner), in: state.pool)
        try Console.put(json: proof)
    }
}

extension PayoutLeaves {
    /// An owner's leaf and proof. Ends the command if it has none.
    func proof(of owner: SolanaAddress, in pool: PayoutPool) throws -> PayoutProof {
        guard let leaf = owed.first(where: { $0.owner == owner }),
            let path = tree(of: pool).proof(
                of: pool.leaf(of: owner, cumulative: leaf.cumulative))
        else {
            Console.say("the leaves have nothing for \(owner)")
            throw ExitCode.failure
        }
        return PayoutProof(pool, owner, leaf.cumulative, path)
    }
}

/// `exchequer pool claim`: has a payee paid.
struct PoolClaimCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "claim",
        abstract: "Have a payee paid what the root that pays says, less what it had.",
        discussion: """
            Anyone may, for anybody: the tokens go to the payee's own token account, which is made \
            if it is missing, as is the program's record of the payee. Their rent, about 0.003 \
            SOL, is the sender's, once. Out of the payee's proof, out of what a house told \
            exchequer claimable, or out of the whole file of leaves, then for the sender itself \
            unless --owner says whom.

            EXAMPLES
              exchequer pool claim --rpc URL --key-file me.key --pool POOL --proof me.json
              exchequer claimable --house URL --address 0x.. --json > mine.json
              exchequer pool claim --rpc URL --key-file me.key --pool POOL --proof mine.json
              exchequer pool claim --rpc URL --key-file any.key --pool POOL --leaves owed.csv \\
                  --owner ADDRESS
            """)

    @OptionGroup var options: PoolOptions
    @Option(
        help: "File of exchequer pool proof, or of exchequer claimable --json.",
        completion: .file())
    var proof: String?
    @Option(help: "The file of leaves, in its place.", completion: .file()) var leaves: String?
    @Option(help: "Who is paid, where the file has more than one.") var owner: String?

    func validate() throws {
        guard (proof == nil) != (leaves == nil) else {
            throw ValidationError("Give either --proof or --leaves.")
        }
    }

    func run() async throws {
        let session = try await options.open()
        let pool = session.pool
        let known: PayoutProof
        if let proof {
            known = try PayoutProof(contentsOf: proof, owner: owner, in: pool)
        } else {
            known = try PayoutLeaves(contentsOf: leaves ?? "").proof(
                of: try owner.map(ChannelFiles.solanaAddress) ?? session.sender, in: pool)
        }
        let (owner, cumulative, path) = try known.parts(of: pool)
        let tokens = SolanaAddress.tokenAccount(of: owner, mint: pool.mint, program: pool.token)
        let found = try await session.ask { chain throws(ChainError) in
            try await chain.accounts([tokens, pool.record(of: owner)])
        }
        var missing: [SolanaInstruction] = []
        switch TokenRecipient(found[0], owner: owner, mint: pool.mint, program: pool.token) {
        case .ready: break
        case .missing:
            missing.append(
                .makeTokenAccount(
                    of: owner, mint: pool.mint, payer: session.sender, program: pool.token))
        case .quarantined(let reason):
            Console.say("\(tokens) cannot be paid into: \(reason.rawValue)")
            throw Exit.checkFailed
        }
        if found[1].flatMap({ PayoutRecord($0, program: pool.program) }) == nil {
            missing.append(pool.enrol(owner, payer: session.sender))
        }
        // In a transaction of their own: a long proof leaves no room beside it.
        if !missing.isEmpty { try await session.send(missing, "making the payee's accounts") }
        try await session.finish(
            [pool.claim(owner, cumulative: cumulative, proof: path)], "claim")
    }
}

/// `exchequer pool show`: what a pool's account says.
struct PoolShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show a pool: its roots, totals and keys, and what a payee had of it.",
        discussion: """
            Wants no key. exchequer vault compares the vault with its history.

            EXAMPLES
              exchequer pool show --rpc URL --pool POOL
              exchequer pool show --rpc URL --pool POOL --owner ADDRESS --json
            """)

    @Option(help: "The cluster's JSON-RPC endpoint.") var rpc: String
    @Option(help: "The pool.") var pool: String
    @Option(help: "A payee.") var owner: String?
    @Flag(help: "Print one JSON object.") var json = false

    private struct Report: Encodable {
        struct Root: Encodable {
            let epoch: UInt64
            let root, total, journal_head, liabilities_root: String

            init(_ root: PayoutRoot) {
                epoch = root.epoch
                self.root = root.root.hex
                total = "\(root.total)"
                journal_head = root.journalHead.hex
                liabilities_root = root.liabilities.hex
            }
        }

        let pool, program, mint, vault, claimed_total: String
        let epoch, delay, active_from: UInt64
        let active, waiting: Root?
        let admin, settler, guardian: String
        let roles_from: UInt64?
        let claimed: String?
    }

    func run() async throws {
        let chain = SolanaChain(rpc: JSONRPC(url: rpc))
        let state = try await PoolSession.state(
            of: ChannelFiles.solanaAddress(pool), on: chain, rpc)
        var claimed: String?
        if let owner {
            let place = state.pool.record(of: try ChannelFiles.solanaAddress(owner))
            do throws(ChainError) {
                let record = try await chain.accounts([place])[0].flatMap {
                    PayoutRecord($0, program: state.pool.program)
                }
                claimed = "\(record?.cumulative ?? 0)"
            } catch {
                throw PoolSession.fail(error, rpc)
            }
        }
        let report = Report(
            pool: state.pool.address.description, program: state.pool.program.description,
            mint: state.pool.mint.description, vault: state.pool.vault.description,
            claimed_total: "\(state.claimedTotal)", epoch: state.epoch, delay: state.delay,
            active_from: state.activeFrom, active: state.active.map(Report.Root.init),
            waiting: state.waiting.map(Report.Root.init), admin: "\(state.roles.admin)",
            settler: "\(state.roles.settler)", guardian: "\(state.roles.guardian)",
            roles_from: state.nextRoles == nil ? nil : state.rolesFrom, claimed: claimed)
        if json { try Console.put(json: report) } else { Console.put(Self.text(report)) }
    }

    private static func text(_ report: Report) -> String {
        var lines = [
            "pool     \(report.pool)", "vault    \(report.vault)", "mint     \(report.mint)",
        ]
        if let active = report.active {
            lines.append("pays     epoch \(active.epoch), \(active.total) in all: \(active.root)")
            lines += books(of: active)
        } else {
            lines.append("pays     nothing yet")
        }
        lines.append("claimed  \(report.claimed_total)")
        if let waiting = report.waiting {
            lines.append(
                "waits    epoch \(waiting.epoch), \(waiting.total) in all, until slot "
                    + "\(report.active_from): \(waiting.root)")
            lines += books(of: waiting)
        }
        lines += [
            "admin    \(report.admin)", "settler  \(report.settler)",
            "guardian \(report.guardian)",
        ]
        if let slot = report.roles_from { lines.append("other keys count from slot \(slot)") }
        if let claimed = report.claimed { lines.append("the payee had \(claimed)") }
        return lines.joined(separator: "\n")
    }

    private static func books(of root: Report.Root) -> [String] {
        ["  journal head     \(root.journal_head)", "  liabilities root \(root.liabilities_root)"]
    }
}
