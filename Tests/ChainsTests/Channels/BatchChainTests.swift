import Chains
import Cryptography
import Foundation
import LoopbackServer
import Primitives
import Testing

/// Batch channels on a real EVM (py-evm), against a counterpart of `x402BatchSettlement`
/// (`Tests/Harness/channels/BatchSettlement.vy`).
@Suite(.serialized, .house, .timeLimit(.minutes(10)))
struct BatchChainTests {
    private let house: House
    private let settlement: EVMAddress
    private let collector: EVMAddress
    private let authorizer: Secp256k1.PrivateKey
    private let receiver: EVMAddress
    private let liar: TCPServer

    init() async throws {
        house = try #require(House.current)
        try await house.node.calm()
        let contract = try await Contract.deploy(
            try Self.artifact("BatchSettlement"), [], from: house.owner)
        settlement = contract.address
        collector = try await Contract.deploy(
            try Self.artifact("DepositCollector"), [.address(settlement)], from: house.owner
        ).address
        authorizer = try house.node.freshKey()
        receiver = try house.node.freshKey().address
        liar = try LyingNode.evm()
    }

    private static func artifact(_ name: String) throws -> ContractArtifact {
        try ContractArtifact(
            contentsOf: Project.root.appendingPathComponent("Tests/Harness/channels/\(name).json"))
    }

    private var chain: EVMChain { house.node.chain() }

    /// Three nodes of which one lies.
    private var nodes: EVMNodes {
        EVMNodes([FakeNode.chain(of: liar), chain, chain], quorum: Quorum(needed: 2))
    }

    /// A payer with dollars, and its channel, not opened yet.
    private func payer(
        _ number: Int
    ) async throws -> (sender: EVMSender, key: Secp256k1.PrivateKey, channel: BatchChannel) {
        let key = try house.node.freshKey()
        let sender = EVMSender(chain: chain, key: key)
        try settled(await house.usd.transfer(10_000, to: key.address, from: house.owner))
        let channel = try BatchChannel(
            BatchChannel.Config(
                payer: key.address, receiver: receiver, receiverAuthorizer: authorizer.address,
                token: house.usd.address, withdrawDelay: 900,
                salt: ChannelWorld.seed("\(number)")),
            chainID: EVMNode.chainID, contract: settlement)
        return (sender, key, channel)
    }

    /// Escrows by the payer's authorization; anybody sends it, here the house.
    private func deposit(
        _ amount: UInt128, into channel: BatchChannel, by key: Secp256k1.PrivateKey, _ salt: String
    ) async throws {
        let salt = ChannelWorld.seed(salt)
        let digest = channel.depositDigest(
            amount, validAfter: 0, validBefore: 4_000_000_000, salt: salt, collector: collector,
            tokenName: "USD Coin", tokenVersion: "2")
        let data = BatchCall.deposit(
            amount, into: channel, collector: collector,
            collectorData: BatchCall.collectorData(
                validAfter: 0, validBefore: 4_000_000_000, salt: salt,
                signature: key.sign(digest)))
        try settled(await house.owner.send(to: settlement, data: data))
    }

    /// The contract's error for a call, by its selector.
    private func refusal(_ data: [UInt8], from: EVMAddress) async throws -> [UInt8]? {
        let fields: [String: JSONValue] = [
            "to": .data(settlement.bytes), "data": .data(data), "from": .data(from.bytes),
        ]
        do throws(RPCError) {
            let _: String = try await house.node.rpc.call(
                "eth_call", [.object(fields), "latest"])
            return nil
        } catch {
            guard case .server(_, _, let data?) = error else { throw error }
            return Array(data.prefix(4))
        }
    }

    private func selector(_ error: String) -> [UInt8] {
        Array(Keccak256.hash(Array("\(error)()".utf8)).bytes.prefix(4))
    }

    @Test func theContractsOwnWords() async throws {
        let one = try await payer(1)
        let channel = one.channel
        try await deposit(600, into: channel, by: one.key, "a")
        try await deposit(400, into: channel, by: one.key, "b")
        let state = try await chain.state(of: channel)
        #expect(state.balance == 1_000 && state.totalClaimed == 0 && state.withdrawStarted == 0)
        func claim(_ voucher: Voucher, total: UInt128) throws -> [UInt8] {
            try BatchClaim([BatchClaim.Row(channel, voucher, total: total)]).callData()
        }
        let good = try channel.voucher(1_000, by: one.key)
        let over = try channel.voucher(1_001, by: one.key)
        var signature = good.signature
        signature[40] ^= 1
        let forged = Voucher(channel: channel.id, cumulative: 1_000, signature: signature)
        let rows: [(String, [UInt8], EVMAddress)] = [
            ("ClaimExceedsBalance", try claim(over, total: 1_001), authorizer.address),
            ("InvalidSignature", try claim(forged, total: 1), authorizer.address),
            ("NotAuthorizedToClaim", try claim(good, total: 1), one.key.address),
            ("NothingToWithdraw", BatchCall.initiateWithdraw(channel, amount: 0), one.key.address),
            (
                "WithdrawAmountExceedsAvailable",
                BatchCall.initiateWithdraw(channel, amount: 1_001), one.key.address
            ),
            ("InvalidChannel", BatchCall.initiateWithdraw(channel, amount: 1), receiver),
            ("WithdrawalNotPending", BatchCall.finalizeWithdraw(channel), one.key.address),
            ("NotAuthorizedToRefund", BatchCall.refund(channel, amount: 1), one.key.address),
            ("ZeroRefund", BatchCall.refund(channel, amount: 0), receiver),
        ]
        for (name, data, sender) in rows {
            #expect(try await refusal(data, from: sender) == selector(name), "\(name)")
        }
        // An authorizer's signature of another batch.
        let signed = try BatchClaim([BatchClaim.Row(channel, good, total: 1)])
            .callData(authorizer: authorizer)
        var broken = signed
        broken[broken.count - 60] ^= 1
        #expect(try await refusal(broken, from: one.key.address) == selector("InvalidSignature"))
        #expect(try await refusal(signed, from: one.key.address) == nil)
    }

    @Test func aDepositThatOneNodeMakesUpIsNone() async throws {
        let one = try await payer(1)
        let channel = one.channel
        let lying = FakeNode.chain(of: liar)
        #expect(try await lying.state(of: channel).balance == LyingNode.deposit)
        #expect(try await nodes.state(of: channel).balance == 0)
        await #expect(throws: ChainError.inconsistentNode("the nodes do not agree")) {
            _ = try await EVMNodes([lying, chain], quorum: Quorum(needed: 2))
                .state(of: channel)
        }
        let desk = ChannelDesk()
        let store = try desk.store()
        let driver = try manager(ChannelDesk(), house.node.freshKey())
        let claimer = BatchClaimer(
            store: store, driver: driver, nodes: nodes, sender: authorizer.address)
        let opened = ChannelSighting(try await nodes.state(of: channel), of: channel)
        let voucher = try channel.voucher(1, by: one.key)
        try await running(store) {
            try await store.take(.opened(.batch(channel), opened))
            try await claimer.look()
            await #expect(throws: VoucherStoreError.refused(.overDeposit)) {
                try await store.take(.accepted(voucher, spends: 1))
            }
        }
    }

    private func policy() -> EVMManagerPolicy {
        var policy = EVMManagerPolicy(chainID: EVMNode.chainID)
        policy.finalDepth = 2
        policy.pollInterval = .milliseconds(40)
        policy.rebroadcastAfter = .milliseconds(200)
        policy.resubmitAfter = .milliseconds(400)
        policy.retryAfter = .milliseconds(500)
        return policy
    }

    private func manager(_ desk: ChannelDesk, _ key: Secp256k1.PrivateKey) throws
        -> EVMManagerDriver
    {
        try EVMManagerDriver(
            nodes: nodes.all, quorum: nodes.quorum, policy: policy(), keys: [key],
            records: desk.records,
            hooks: EVMManagerHooks(
                durable: { try desk.write($0) }, report: { _, _ in true }, alert: { _ in }),
            clock: { Timestamp(nanoseconds: UInt64(Date().timeIntervalSince1970 * 1e9)) },
            tick: .milliseconds(40))
    }

    /// Runs store, manager and claimer until a condition holds, mining as time passes; then all of
    /// it ends, as a process would.
    private func claiming(
        _ books: ChannelDesk, _ intents: ChannelDesk, _ key: Secp256k1.PrivateKey,
        rounds: Int? = nil,
        until isDone:
            @Sendable (ClaimRound, VoucherStore, EVMManagerDriver) async throws
            -> Bool
    ) async throws {
        let store = try books.store()
        let driver = try manager(intents, key)
        let claimer = BatchClaimer(
            store: store, driver: driver, nodes: nodes, sender: key.address,
            authorizer: authorizer)
        let tasks = [Task { try? await store.run() }, Task { try? await driver.run() }]
        defer { for task in tasks { task.cancel() } }
        for _ in 0..<(rounds ?? 400) {
            let round: ClaimRound
            do {
                round = try await claimer.step(everything: true)
            } catch {
                // The disk is full: the process ends.
                return
            }
            if try await isDone(round, store, driver) { return }
            try await house.node.mine()
            try await Task.sleep(for: .milliseconds(15))
        }
        if rounds == nil { Issue.record("it does not end") }
    }

    @Test func manyVouchersAreClaimedAndPaidByOneTransferThoughOneIsBadAndTheProcessEnds()
        async throws
    {
        let sender = try house.node.freshKey()
        let books = ChannelDesk()
        var channels: [BatchChannel] = []
        var inputs: [VoucherInput] = []
        var wanted: UInt128 = 0
        for number in 0..<6 {
            let one = try await payer(number)
            let channel = one.channel
            channels.append(channel)
            try await deposit(1_000, into: channel, by: one.key, "\(number)")
            let best = try channel.voucher(UInt128(100 + number), by: one.key)
            let state = try await chain.state(of: channel)
            inputs += [
                .opened(.batch(channel), ChannelSighting(state, of: channel)),
                .accepted(best, spends: best.cumulative),
            ]
            // The fourth takes its deposit back behind our back.
            if number == 3 {
                let take = BatchCall.initiateWithdraw(channel, amount: 1_000)
                try settled(await one.sender.send(to: settlement, data: take))
                try await house.node.pass(seconds: 901)
                let final = BatchCall.finalizeWithdraw(channel)
                try settled(await one.sender.send(to: settlement, data: final))
            } else {
                wanted += UInt128(100 + number)
            }
        }
        let setup = try books.store()
        let all = inputs
        try await running(setup) {
            for input in all { try await setup.take(input) }
        }
        let before = try await house.usd.balance(of: receiver)
        let intents = ChannelDesk()
        // The process ends at several writes of either log, and goes on from what was written.
        for cut in [1, 3, 6] {
            books.fail(at: books.records.count + cut)
            intents.fail(at: intents.records.count + 2 * cut)
            try await claiming(books, intents, sender, rounds: 30) { _, _, _ in false }
            books.fail(at: .max)
            intents.fail(at: .max)
        }
        try await claiming(books, intents, sender) { round, store, driver in
            let open = store.look { book in
                book.channels.filter { (book.entry($0)?.unclaimed(at: 0) ?? 0) > 0 }
            }
            return open.count == 1 && round.open == 0 && driver.openIntents == 0
        }
        #expect(try await house.usd.balance(of: receiver) == before + wanted)
        for (number, channel) in channels.enumerated() {
            let state = try await chain.state(of: channel)
            #expect(state.totalClaimed == (number == 3 ? 0 : UInt128(100 + number)))
        }
    }

    @Test func thePayerTakesBackWhatIsNotClaimed() async throws {
        let one = try await payer(1)
        let channel = one.channel
        try await deposit(1_000, into: channel, by: one.key, "a")
        let desk = ChannelDesk()
        let store = try desk.store()
        let best = try channel.voucher(250, by: one.key)
        let opened = ChannelSighting(try await chain.state(of: channel), of: channel)
        let take = BatchCall.initiateWithdraw(channel, amount: 1_000)
        let sender = one.sender
        let driver = try manager(ChannelDesk(), house.node.freshKey())
        let claimer = BatchClaimer(
            store: store, driver: driver, nodes: nodes, sender: authorizer.address)
        let settlement = settlement
        try await running(store) {
            try await store.take(.opened(.batch(channel), opened))
            try await store.take(.accepted(best, spends: 250))
            try settled(await sender.send(to: settlement, data: take))
            try await claimer.look()
        }
        let entry = try #require(store.look { $0.entry(channel.id) })
        let state = try await chain.state(of: channel)
        let deadline = Int64(state.withdrawStarted) + 900
        #expect(entry.sighting.phase == .closing(deadline: deadline))
        #expect(desk.alerts.contains(.closing(channel.id, deadline: deadline, unclaimed: 250)))
        #expect(store.look { $0.due(at: store.now) } == [channel.id])
        let early = try await refusal(BatchCall.finalizeWithdraw(channel), from: one.key.address)
        #expect(early == selector("WithdrawDelayNotElapsed"))
        let claim = try BatchClaim([BatchClaim.Row(channel, best, total: 250)])
        let data = try claim.callData(authorizer: authorizer)
        try settled(await house.owner.send(to: settlement, data: data))
        try await house.node.pass(seconds: 901)
        try settled(
            await one.sender.send(to: settlement, data: BatchCall.finalizeWithdraw(channel)))
        #expect(try await house.usd.balance(of: one.key.address) == 9_750)
        let after = try await chain.state(of: channel)
        #expect(after.balance == 250 && after.totalClaimed == 250 && after.withdrawStarted == 0)
        // The same claim once more is skipped by the contract without a word.
        try settled(await house.owner.send(to: settlement, data: data))
        let sweep = try #require(claim.sweeps.first)
        let before = try await house.usd.balance(of: receiver)
        for _ in 0..<2 {
            try settled(
                await house.owner.send(
                    to: settlement,
                    data: BatchCall.settle(receiver: sweep.receiver, token: sweep.token)))
        }
        #expect(try await house.usd.balance(of: receiver) == before + 250)
    }
}
