import ArgumentParser
import Chains
import Cryptography
import Foundation
import Primitives
import Transport

/// `exchequer pool open`: makes a pool and its vault.
struct PoolOpenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "open",
        abstract: "Open a pool for a token, and print its address.",
        discussion: """
            The key opens it, pays the rent of pool and vault, and administers it. There is one \
            pool for each program, opener and mint. A guardian that is not the settler is what the \
            delay is for.

            EXAMPLES
              exchequer pool open --rpc URL --key-file op.key --program P --mint M --settler S \\
                  --guardian G --delay 216000
            """)

    @Option(help: "The cluster's JSON-RPC endpoint.") var rpc: String
    @Option(help: "File with the opener's key, which pays.", completion: .file())
    var keyFile: String
    @OptionGroup var keys: KeyOptions
    @Option(help: "The payout program, where it is deployed.") var program: String
    @Option(help: "The token's mint.") var mint: String
    @Option(help: "Whose key commits roots; the opener's unless told otherwise.")
    var settler: String?
    @Option(help: "Whose key disputes them; the opener's unless told otherwise.")
    var guardian: String?
    @Option(help: "Slots from a root's commit until it can pay: a day is about 216,000.")
    var delay: UInt64 = 216_000
    @Flag(help: "The mint is of Token-2022.") var token2022 = false
    @Flag(help: "Print one JSON object.") var json = false

    private struct Opened: Encodable {
        let pool, vault: String
    }

    func validate() throws {
        guard delay <= PayoutPool.delayLimit else {
            throw ValidationError("--delay is at most \(PayoutPool.delayLimit) slots.")
        }
    }

    func run() async throws {
        let key = try ChannelFiles.solanaKey(keyFile, keys)
        let opener = SolanaAddress(key.publicKey)
        let settler = try settler.map(ChannelFiles.solanaAddress) ?? opener
        let guardian = try guardian.map(ChannelFiles.solanaAddress) ?? opener
        if guardian == settler {
            Console.say("settler and guardian are one key: nobody else can dispute a wrong root")
        }
        let cluster: Digest
        do throws(ChainError) {
            cluster = try await SolanaChain(rpc: JSONRPC(url: rpc)).genesis()
        } catch {
            throw PoolSession.fail(error, rpc)
        }
        let pool = PayoutPool(
            program: try ChannelFiles.solanaAddress(program), opener: opener,
            mint: try ChannelFiles.solanaAddress(mint), cluster: cluster,
            token: token2022 ? .token2022 : .token)
        try await ChannelChain.send(
            [
                .makeTokenAccount(
                    of: pool.address, mint: pool.mint, payer: opener, program: pool.token),
                pool.open(settler: settler, guardian: guardian, delay: delay),
            ], "open", rpc: rpc, payer: key, units: nil, explain: PayoutRefusal.explain)
        if json {
            try Console.put(
                json: Opened(
                    pool: pool.address.description, vault: pool.vault.description))
        } else {
            Console.put("\(pool.address)")
        }
    }
}

/// `exchequer pool fund`: pays into a vault.
struct PoolFundCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fund",
        abstract: "Pay tokens into a pool's vault, out of the sender's token account.",
        discussion: """
            They leave it by claims only. A memo says whom they are for, which exchequer vault \
            lists otherwise as nobody's.

            EXAMPLES
              exchequer pool fund --rpc URL --key-file op.key --pool POOL --amount 5000000
            """)

    @OptionGroup var options: PoolOptions
    @Option(help: "How much.") var amount: String
    @Option(help: "A text that goes into the chain beside it.") var memo: String?

    func run() async throws {
        let session = try await options.open()
        let pool = session.pool
        let mint = try await session.ask { chain throws(ChainError) in
            try await chain.accounts([pool.mint])[0]
        }
        // `spl_token::state::Mint`: authority, supply, then the decimals at 44.
        guard let mint, mint.owner == pool.token, mint.data.count > 44 else {
            Console.say("\(pool.mint) is no mint")
            throw Exit.configuration
        }
        let source = SolanaAddress.tokenAccount(
            of: session.sender, mint: pool.mint, program: pool.token)
        let transfer = SolanaInstruction.transfer(
            try ChannelFiles.amount64(amount), of: pool.mint, decimals: mint.data[44],
            from: source, to: pool.vault, authority: session.sender, program: pool.token)
        let memos = memo.map {
            [SolanaInstruction.memo(Array($0.utf8), signer: session.sender)]
        }
        try await session.finish([transfer] + (memos ?? []), "fund")
    }
}
