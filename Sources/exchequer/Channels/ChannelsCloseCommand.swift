import ArgumentParser
import Chains
import Cryptography
import Foundation
import Primitives
import Service
import Transport

/// `exchequer channels close`: the next step towards a channel's end, by whose key it is.
struct ChannelsCloseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "close",
        abstract: "Take the next step towards a channel's end.",
        discussion: """
            As the payer: starts taking the deposit back, and once the delay is over takes it. As \
            the receiver: gives back what is not claimed, so claim first; with --store it is \
            refused while a voucher kept there says more than was claimed. On Solana the payer \
            asks to close, and after the grace period anybody seals and distributes; the payee \
            seals at once. Nothing is distributed while somebody's token account cannot be paid, \
            which the same transaction sees: the program would give it away. Accounts that are \
            missing are made at the sender's cost. Repeat it until the channel is closed.

            EXAMPLES
              exchequer channels close --channel channel.json --rpc URL --key-file my.key
              exchequer channels close --channel channel.json --store shop --rpc URL \\
                  --key-file shop.key
            """)

    @OptionGroup var chain: ChainOptions
    @Option(help: "File with the channel's terms.", completion: .file()) var channel: String
    @Option(help: "Receiver: the folder with the vouchers kept.", completion: .directory)
    var store: String?
    @Option(help: "EVM: how much; all that is not claimed unless told otherwise.")
    var amount: String?
    @Option(help: "Solana: the owner that the program sends rounding to.")
    var treasury = PaymentChannel.standardTreasury.description
    @Option(help: "Solana: a lookup table for many splits, if not the store's own.")
    var lookupTable: String?

    private struct Step: Encodable {
        let channel, step: String
        let deadline: Int64?
    }

    func run() async throws {
        let terms = try ChannelFiles.terms(channel)
        switch terms {
        case .batch(let channel): try await closeOnEVM(channel, terms)
        case .payment(let channel): try await closeOnSolana(channel, terms)
        }
    }

    private func say(_ terms: ChannelTerms, _ step: String, _ deadline: Int64? = nil) throws {
        if chain.json {
            try Console.put(json: Step(channel: terms.name, step: step, deadline: deadline))
        } else {
            Console.put(deadline.map { "\(step) until second \($0)" } ?? step)
        }
    }

    private func closeOnEVM(_ channel: BatchChannel, _ terms: ChannelTerms) async throws {
        let session = try await ChainSession(chain)
        guard session.chain.chainID == channel.chainID else {
            throw ChannelFiles.refuse(chain.rpc, .wrongDomain)
        }
        let state: BatchChannelState
        do throws(ChainError) {
            state = try await session.chain.state(of: channel)
        } catch {
            Console.say("\(chain.rpc) does not say how the channel is: \(error)")
            throw Exit.network
        }
        let free = state.balance > state.totalClaimed ? state.balance - state.totalClaimed : 0
        let wanted = try amount.map(ChannelFiles.amount) ?? free
        let own = session.sender.address
        let config = channel.config
        if own == config.receiver || own == config.receiverAuthorizer {
            guard free > 0 else { return try say(terms, "closed") }
            try await requireClaimed(terms, UInt128(state.totalClaimed))
            let data = BatchCall.refund(channel, amount: wanted)
            try session.require(
                "refund", await session.sender.send(to: channel.contract, data: data))
            return try say(terms, "refunded")
        }
        guard own == config.payer || own == config.payerAuthorizer else {
            throw ChannelFiles.refuse(try ChannelFiles.keyFile(chain), .wrongSigner)
        }
        if state.withdrawStarted == 0 {
            guard free > 0 else { return try say(terms, "closed") }
            let data = BatchCall.initiateWithdraw(channel, amount: wanted)
            try session.require(
                "initiateWithdraw", await session.sender.send(to: channel.contract, data: data))
            let begun = try await session.chain.state(of: channel)
            return try say(terms, "closing", Int64(begun.withdrawStarted + config.withdrawDelay))
        }
        let end = Int64(state.withdrawStarted + config.withdrawDelay)
        let head = try await session.chain.head()
        if Int64(head.timestamp) < end { return try say(terms, "closing", end) }
        let data = BatchCall.finalizeWithdraw(channel)
        try session.require(
            "finalizeWithdraw", await session.sender.send(to: channel.contract, data: data))
        try say(terms, "closed")
    }

    private func closeOnSolana(_ channel: PaymentChannel, _ terms: ChannelTerms) async throws {
        let key = try ChannelFiles.solanaKey(ChannelFiles.keyFile(chain), chain.keys)
        let own = SolanaAddress(key.publicKey)
        let nodes = SolanaNodes(SolanaChain(rpc: JSONRPC(url: chain.rpc)))
        guard let found = try await ChannelChain.payment(channel, nodes) else {
            return try say(terms, "closed")
        }
        let state = found.state
        func send(_ instructions: [SolanaInstruction], _ what: String) async throws {
            try await ChannelChain.send(instructions, what, rpc: chain.rpc, payer: key)
        }
        func distribute(after first: [SolanaInstruction], _ what: String) async throws {
            let tables = try await ChannelTable.usable(lookupTable, in: store, nodes)
            let plan = try await self.plan(
                for: channel, state, nodes, sender: own, after: first)
            try require(plan, tables)
            try await ChannelChain.send(
                plan.instructions, what, rpc: chain.rpc, payer: key, units: nil, tables: tables,
                explain: { words in
                    plan.culprit(in: words) == nil ? words : plan.hold(after: words).description
                })
        }
        switch state.status {
        case .open,
            .closing where own == channel.terms.payee:
            if own == channel.terms.payee, let seal = channel.settleAndSeal(nil) {
                try await requireClaimed(terms, UInt128(state.settled))
                try await distribute(after: seal, "seal and distribute")
                return try say(terms, "distributed")
            }
            guard own == channel.terms.payer else {
                throw ChannelFiles.refuse(try ChannelFiles.keyFile(chain), .wrongSigner)
            }
            try await send([channel.requestClose()], "requestClose")
            let now = try await ChannelChain.payment(channel, nodes)
            let start = now?.state.closureStartedAt ?? 0
            try say(terms, "closing", start + Int64(channel.terms.gracePeriod))
        case .closing:
            let end = state.closureStartedAt + Int64(channel.terms.gracePeriod)
            let now = Int64(Timestamp.systemNow.nanoseconds / 1_000_000_000)
            if now < end { return try say(terms, "closing", end) }
            try await distribute(after: [channel.seal()], "seal and distribute")
            try say(terms, "distributed")
        case .sealed:
            try await distribute(after: [], "distribute")
            try say(terms, "distributed")
        case .distributed:
            guard found.slot > channel.terms.openSlot + PaymentChannel.openWindow else {
                return try say(terms, "distributed")
            }
            try await send([channel.reclaim()], "reclaim")
            try say(terms, "closed")
        }
    }

    /// How the channel is paid out, with a guard for each recipient. Ends the command if somebody's
    /// account cannot be paid now.
    private func plan(
        for channel: PaymentChannel, _ state: PaymentChannelState, _ nodes: SolanaNodes,
        sender: SolanaAddress, after first: [SolanaInstruction]
    ) async throws -> DistributePlan {
        let treasury = try ChannelFiles.solanaAddress(treasury)
        let sight: DistributeSight
        do throws(ChainError) {
            sight = try await nodes.sight(for: channel, treasury: treasury, sender: sender)
        } catch {
            Console.say("\(chain.rpc) does not say how the recipients' accounts are: \(error)")
            throw Exit.network
        }
        do throws(DistributeHold) {
            var plan = try DistributePlan(
                channel, state, isSealing: !first.isEmpty, treasury: treasury, sender: sender,
                sight, makesMissing: true)
            plan.first = first
            return plan
        } catch {
            Console.say(error.description)
            throw Exit.checkFailed
        }
    }

    /// Ends the command if a payout does not fit a transaction.
    private func require(_ plan: DistributePlan, _ tables: [SolanaLookupTable]) throws {
        do throws(SolanaError) {
            _ = try plan.message(blockhash: .zero, tables: tables)
        } catch {
            Console.say(plan.hold(error).description)
            throw Exit.checkFailed
        }
    }

    /// Ends the command if a voucher that is kept says more than was claimed: whoever closes gives
    /// the rest back.
    private func requireClaimed(_ terms: ChannelTerms, _ claimed: UInt128) async throws {
        guard let store else { return }
        let now = Int64(Timestamp.systemNow.nanoseconds / 1_000_000_000)
        try await ChannelFolder(store).use { kept in
            let voucher = kept.look { $0.entry(terms.id)?.claimable(at: now) }
            guard let voucher, voucher.cumulative > claimed else { return }
            Console.say(
                "a voucher over \(voucher.cumulative) units is kept, and \(claimed) are claimed: "
                    + "exchequer channels claim --store \(store) first, or close without --store "
                    + "to give the rest back; nothing was sent")
            throw Exit.checkFailed
        }
    }
}
