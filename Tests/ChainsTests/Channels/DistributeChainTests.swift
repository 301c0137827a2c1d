import Chains
import Cryptography
import Foundation
import Primitives
import Testing

/// What the program's `distribute` cannot pay goes to the treasury, and nobody loses anything if
/// guards stand before it: on a real SVM, with SPL Token and Token-2022.
@Suite(.timeLimit(.minutes(10))) struct DistributeChainTests {
    enum Harm: CaseIterable {
        case frozen, closed, reassigned, extended
    }

    enum Victim: CaseIterable {
        case split, payee, payer
    }

    struct Row: CustomStringConvertible, Sendable {
        let token: SolanaAddress
        let victim: Victim
        let harm: Harm
        var description: String {
            "\(victim) \(harm)\(token == .token ? "" : " of Token-2022")"
        }
    }

    // Token-2022 makes accounts whose owner nobody can change.
    private static let rows = [SolanaAddress.token, .token2022].flatMap { token in
        Victim.allCases.flatMap { victim in
            Harm.allCases.map { Row(token: token, victim: victim, harm: $0) }
        }
    }.filter { $0.harm != ($0.token == .token ? .extended : .reassigned) }

    /// A channel of 1,000, of which 400 are settled: 100 for a split, 300 for the payee, and once
    /// it is sealed 600 for the payer.
    private struct Stage {
        let place: PaymentPlace
        let channel: PaymentChannel
        let victim: Ed25519.PrivateKey
        let share: UInt64

        var node: SVMNode { place.node }
        var owner: SolanaAddress { SolanaAddress(victim.publicKey) }
        var account: SolanaInstruction.Account {
            .init(channel.tokenAccount(of: owner), isWritable: true)
        }

        init(_ row: Row) async throws {
            place = try await PaymentPlace(payers: 1, token: row.token)
            let extra = try SVMNode.key("extra")
            let payer = place.payers[0]
            try await place.node.give(0, to: SolanaAddress(extra.publicKey))
            channel = try place.channel(
                0, splits: [.init(SolanaAddress(extra.publicKey), shareBps: 2_500)])
            try await place.run([channel.open(deposit: 1_000)], [payer])
            try await place.run(try #require(channel.settle(channel.voucher(400, by: payer))))
            switch row.victim {
            case .split: (victim, share) = (extra, 100)
            case .payee: (victim, share) = (place.payee, 300)
            case .payer:
                (victim, share) = (payer, 600)
                try await place.run(try #require(channel.settleAndSeal(nil)), [place.payee])
            }
            try await place.node.tick(2)
        }

        func plan() async throws -> DistributePlan {
            let nodes = SolanaNodes(node.chain)
            let sight = try await nodes.sight(
                for: channel, treasury: place.treasury, sender: node.address)
            let state = try #require(try await place.state(channel))
            return try DistributePlan(
                channel, state, treasury: place.treasury, sender: node.address, sight,
                makesMissing: false)
        }

        /// An instruction of the token program that the victim signs.
        func bySelf(
            _ data: [UInt8], _ more: [SolanaInstruction.Account] = []
        ) -> SolanaInstruction {
            SolanaInstruction(
                program: node.program,
                accounts: [account] + more + [.init(owner, isSigner: true)], data: data)
        }

        func harm(_ harm: Harm) async throws {
            switch harm {
            case .frozen: try await place.run([node.about(owner, 10)])
            case .closed:
                let rest = try #require(try await node.balance(owner))
                try await node.give(0, to: node.address)
                try await place.run(
                    [
                        .transfer(
                            rest, of: node.mint, decimals: 6, from: account.address,
                            to: channel.tokenAccount(of: node.address), authority: owner,
                            program: node.program),
                        bySelf([9], [.init(node.address, isWritable: true)]),
                    ], [victim])
            case .extended:
                // Room for a CPI guard, which is then turned on.
                let payer = SolanaInstruction.Account(
                    node.address, isSigner: true, isWritable: true)
                try await place.run(
                    [bySelf([29, 11, 0], [payer, .init(.system)]), bySelf([34, 0])], [victim])
            case .reassigned:
                let other = try SVMNode.owner("other")
                try await place.run([bySelf([6, 2, 1] + other.bytes)], [victim])
            }
        }

        func repair(_ harm: Harm) async throws {
            switch harm {
            case .frozen: try await place.run([node.about(owner, 11)])
            case .closed, .extended: break
            case .reassigned:
                let other = try SVMNode.key("other")
                try await place.run(
                    [
                        SolanaInstruction(
                            program: node.program,
                            accounts: [
                                account, .init(SolanaAddress(other.publicKey), isSigner: true),
                            ], data: [6, 2, 1] + owner.bytes)
                    ], [other])
            }
        }

        func holdings() async throws -> [UInt64?] {
            let parties = [
                channel.terms.splits[0].recipient, channel.terms.payee, channel.terms.payer,
                place.treasury, channel.address,
            ]
            var all: [UInt64?] = []
            for party in parties { all.append(try await node.balance(party)) }
            return all
        }
    }

    @Test(arguments: rows) func withoutGuardsTheTreasuryHasIt(_ row: Row) async throws {
        let stage = try await Stage(row)
        let before = try #require(try await stage.node.balance(stage.owner))
        try await stage.harm(row.harm)
        let channel = stage.channel
        try await stage.place.run([channel.distribute(treasury: stage.place.treasury)])
        #expect(try await stage.node.balance(stage.place.treasury) == stage.share)
        #expect(try #require(try await stage.place.state(channel)).settled == 400)
        // For good: what was settled counts as paid out.
        try await stage.repair(row.harm)
        let words = try await stage.place.refusal([
            channel.distribute(treasury: stage.place.treasury)
        ])
        #expect(words != nil)
        let now = try await stage.node.balance(stage.owner) ?? 0
        #expect(now == (row.harm == .closed ? 0 : before))
    }

    @Test(arguments: Victim.allCases)
    func whatTheProgramDoesNotPayIntoIsSeenAtTheLook(_ victim: Victim) async throws {
        let stage = try await Stage(Row(token: .token2022, victim: victim, harm: .extended))
        try await stage.harm(.extended)
        try await stage.node.tick(2)
        let sight = try await SolanaNodes(stage.node.chain).sight(
            for: stage.channel, treasury: stage.place.treasury, sender: stage.node.address)
        #expect(sight.extended == [stage.owner])
        let state = try #require(try await stage.place.state(stage.channel))
        do throws(DistributeHold) {
            _ = try DistributePlan(
                stage.channel, state, treasury: stage.place.treasury,
                sender: stage.node.address, sight, makesMissing: true)
            Issue.record("it would be paid")
        } catch {
            #expect(error == DistributeHold(stage.channel, owner: stage.owner, .extended))
            #expect("\(error)".contains("CPI guard"))
        }
    }

    @Test(arguments: rows.filter { $0.harm != .extended })
    func withGuardsNobodyLoses(_ row: Row) async throws {
        let stage = try await Stage(row)
        let plan = try await stage.plan()
        #expect(plan.guarded.contains(stage.owner))
        try await stage.harm(row.harm)
        let (before, state) = (
            try await stage.holdings(), try await stage.place.state(stage.channel)
        )
        if row.harm != .closed {
            let words = try #require(try await stage.place.refusal(plan.instructions))
            #expect(plan.culprit(in: words) == stage.owner, "\(words)")
            #expect(try await stage.holdings() == before)
            #expect(try await stage.place.state(stage.channel) == state)
            try await stage.repair(row.harm)
        }
        // An account that was closed is made again at the sender's cost, and paid.
        try await stage.place.run(plan.instructions)
        let hadBefore: UInt64 = row.victim == .payer && row.harm != .closed ? 9_000 : 0
        #expect(try await stage.node.balance(stage.owner) == hadBefore + stage.share)
        let isSealed = row.victim == .payer
        let rest: UInt64 = row.victim == .payer && row.harm == .closed ? 600 : 9_600
        #expect(
            try await stage.holdings() == [
                100, 300, isSealed ? rest : 9_000, 0, isSealed ? nil : 600,
            ])
        #expect(try await stage.node.balance(stage.node.address) != nil)
    }

    @Test func aSenderWhoIsPaidAndASplitOfThePayeeAreGuardedOnce() async throws {
        let place = try await PaymentPlace(payers: 1)
        let node = place.node
        let payee = SolanaAddress(place.payee.publicKey)
        let channel = try place.channel(
            0, splits: [.init(payee, shareBps: 1_000), .init(node.address, shareBps: 1_000)])
        try await place.run([channel.open(deposit: 1_000)], [place.payers[0]])
        try await place.run(
            try #require(channel.settle(channel.voucher(500, by: place.payers[0]))))
        try await node.tick(2)
        let sight = try await SolanaNodes(node.chain).sight(
            for: channel, treasury: place.treasury, sender: node.address)
        #expect(sight.accounts[node.address] == .missing && sight.decimals == 6)
        let plan = try DistributePlan(
            channel, try #require(try await place.state(channel)), treasury: place.treasury,
            sender: node.address, sight, makesMissing: true)
        #expect(plan.guarded == [node.address, payee, channel.terms.payer])
        try await place.run(plan.instructions)
        #expect(try await node.balance(payee) == 450)
        #expect(try await node.balance(node.address) == 50)
    }

    /// The nodes tell of an account as it was before it was frozen: the payout is undone in its
    /// block, the other channel is paid, and this one once its account is thawed.
    @Test func aRecipientFrozenBetweenTheLookAndTheBlockLosesNothing() async throws {
        let place = try await PaymentPlace(payers: 2)
        let node = place.node
        let extra = try SVMNode.owner("extra")
        try await node.give(0, to: extra)
        try await node.give(0, to: node.address)
        let channels = [
            try place.channel(0, splits: [.init(extra, shareBps: 5_000)]), try place.channel(1),
        ]
        let store = try ChannelDesk().store()
        let settler = PaymentSettler(
            store: store, nodes: SolanaNodes(node.chain), payer: node.payer)
        for (channel, payer) in zip(channels, place.payers) {
            try await place.run([channel.open(deposit: 1_000)], [payer])
            try await place.run(try #require(channel.settle(channel.voucher(200, by: payer))))
        }
        try await node.tick(2)
        try await running(store) {
            for channel in channels {
                let state = try #require(try await place.state(channel))
                try await store.take(
                    .opened(
                        .payment(channel), ChannelSighting(state, of: channel, slot: place.slot)))
            }
        }
        try await lie(about: channels[0], extra, place)
        try await place.run([node.about(extra, 10)])
        let treasury = place.treasury
        let sent = try await settler.distribute(treasury: treasury)
        #expect(sent.sent == 2 && sent.held.isEmpty && sent.pending.count == 2)
        // None is sent beside what is on its way.
        let waiting = try await settler.distribute(treasury: treasury, after: sent)
        #expect(waiting.sent == 0 && !waiting.pending.isEmpty)
        try await node.tick(33)
        var undone = try await settler.distribute(treasury: treasury, after: waiting)
        #expect(undone.sent == 0 && undone.pending.isEmpty && undone.held.count == 1)
        let hold = try #require(undone.held.first)
        #expect(hold.channel == channels[0] && hold.owner == extra && hold.isUndone)
        #expect("\(hold)".contains("code 17"), "\(hold)")
        #expect(try await node.balance(extra) == 0)
        #expect(try await node.balance(treasury) == 0)
        #expect(try await place.state(channels[0])?.paidOut == 0)
        #expect(try await node.balance(channels[1].terms.payee) == 200)
        // Not again in this run, though the nodes still lie.
        undone = try await settler.distribute(treasury: treasury, after: undone)
        #expect(undone.sent == 0 && undone.held == [hold])

        let _: Bool = try await node.rpc.call("test_clearFaults", [])
        let held = try await settler.distribute(treasury: treasury)
        #expect(held.held == [DistributeHold(channels[0], owner: extra, .unfit(.frozen))])
        try await place.run([node.about(extra, 11)])
        try await node.tick(2)
        #expect(try await settler.distribute(treasury: treasury).sent == 1)
        #expect(try await node.balance(extra) == 100)
        #expect(try await node.balance(channels[0].terms.payee) == 300)
        #expect(try await node.balance(treasury) == 0)
    }

    /// From now on the node tells of a channel's recipients, the last of whom is given, as now.
    private func lie(
        about channel: PaymentChannel, _ owner: SolanaAddress, _ place: PaymentPlace
    ) async throws {
        let node = place.node
        let owners = [channel.terms.payee, channel.terms.payer, place.treasury, node.address]
        let asked = (owners + [owner]).map { channel.tokenAccount(of: $0) } + [node.mint]
        let accounts = try await node.chain.accounts(asked).map { account -> JSONValue in
            guard let account else { return .null }
            return .object([
                "owner": .string("\(account.owner)"),
                "lamports": .integer(Int64(account.lamports)),
                "data": .array([.string(Data(account.data).base64EncodedString()), "base64"]),
            ])
        }
        let slot = Int64(try await node.chain.slot(.confirmed))
        let now = JSONValue.object([
            "context": .object(["slot": .integer(slot)]), "value": .array(accounts),
        ])
        let fault: [String: JSONValue] = [
            "method": "getMultipleAccounts", "kind": "lie", "count": .integer(1_000_000),
            // Asked for with the others, not alone.
            "contains": .string("\(channel.tokenAccount(of: owner))\", \"\(node.mint)"),
            "result": now,
        ]
        let _: Bool = try await node.rpc.call("test_fault", [.object(fault)])
    }
}
