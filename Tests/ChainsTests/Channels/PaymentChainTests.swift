import Chains
import Cryptography
import Foundation
import Primitives
import Testing

/// Payment channels on a real SVM (LiteSVM), against a counterpart of the `payment-channels`
/// program (`Tests/Harness/channels/payment_channels.c`).
@Suite(.timeLimit(.minutes(10))) struct PaymentChainTests {
    private func expect(
        _ fault: PaymentChannelFault, _ words: String?,
        _ location: SourceLocation = #_sourceLocation
    ) {
        let parts = (words ?? "").split { !$0.isLetter && !$0.isNumber }
        #expect(
            parts.contains("\(fault.rawValue)"), "\(fault): \(words ?? "taken")",
            sourceLocation: location)
    }

    @Test func aChannelsLifeWithSplits() async throws {
        let place = try await PaymentPlace(payers: 1)
        let node = place.node
        let extra = try SVMNode.owner("extra")
        try await node.give(0, to: extra)
        let channel = try place.channel(0, splits: [.init(extra, shareBps: 3_333)])
        let payer = place.payers[0]
        let owner = SolanaAddress(payer.publicKey)
        try await place.run([channel.open(deposit: 600)], [payer])
        try await place.run([channel.topUp(400)], [payer])
        let opened = try #require(try await place.state(channel))
        #expect(opened.status == .open && opened.deposit == 1_000 && opened.settled == 0)
        #expect(try await node.balance(owner) == 9_000)

        // Ten, then to a hundred and one: shares are of all that was ever settled.
        for amount: UInt128 in [10, 101] {
            try await place.run(
                try #require(channel.settle(channel.voucher(amount, by: payer))))
            try await place.run([channel.distribute(treasury: place.treasury)])
        }
        #expect(try await node.balance(extra) == 33)
        #expect(try await node.balance(channel.terms.payee) == 67)
        let paid = try #require(try await place.state(channel))
        #expect(paid.settled == 101 && paid.paidOut == 101)
        #expect(
            PaymentChannelState(
                SolanaAccount(owner: .token, lamports: 1, data: []), of: channel) == nil)

        // The payer closes; the payee seals with its last voucher in time.
        try await place.run([channel.requestClose()], [payer])
        let closing = try #require(try await place.state(channel))
        #expect(closing.status == .closing && closing.closureStartedAt == PaymentPlace.time)
        let last = try channel.voucher(300, by: payer)
        expect(.invalidChannelStatus, try await place.refusal(try #require(channel.settle(last))))
        expect(.sealGracePeriodNotElapsed, try await place.refusal([channel.seal()]))
        try await place.run(try #require(channel.settleAndSeal(last)), [place.payee])
        try await place.run([channel.withdrawPayer()], [payer])
        #expect(try await node.balance(owner) == 9_700)
        try await node.tick()
        expect(.payerAlreadyWithdrawn, try await place.refusal([channel.withdrawPayer()], [payer]))
        try await place.run([channel.distribute(treasury: place.treasury)])
        #expect(try await node.balance(extra) == 99)
        #expect(try await node.balance(channel.terms.payee) == 200)
        #expect(try await node.balance(place.treasury) == 1)
        #expect(try await place.state(channel)?.status == .distributed)
        expect(.channelCloseTooEarly, try await place.refusal([channel.reclaim()]))
        try await node.tick(1_500)
        try await place.run([channel.reclaim()])
        #expect(try await place.state(channel) == nil)
    }

    @Test func theProgramsOwnNumbers() async throws {
        let place = try await PaymentPlace(payers: 2)
        let (payer, other) = (place.payers[0], place.payers[1])
        let channel = try place.channel(0)
        try await place.run([channel.open(deposit: 500)], [payer])
        func settle(_ amount: UInt128, expires: Int64 = 0) throws -> [SolanaInstruction] {
            try #require(channel.settle(channel.voucher(amount, expiresAt: expires, by: payer)))
        }
        try await place.run(try settle(100))
        let good = try settle(200)
        // Another program's message in the check, or a check by another key.
        func checked(_ change: (inout [UInt8]) -> Void, by key: Ed25519.PrivateKey)
            -> [SolanaInstruction]
        {
            var payload = channel.payload(200) ?? []
            change(&payload)
            var data = Array(good[0].data[..<16]) + key.publicKey.bytes
            data += key.sign(payload).bytes + payload
            return [SolanaInstruction(program: .ed25519, accounts: [], data: data), good[1]]
        }
        let rows: [(PaymentChannelFault, [SolanaInstruction])] = [
            (.voucherWatermarkNotMonotonic, try settle(100)),
            (.voucherWatermarkNotMonotonic, try settle(99)),
            (.voucherOverDeposit, try settle(501)),
            (.voucherExpired, try settle(200, expires: PaymentPlace.time)),
            (.voucherExpired, try settle(200, expires: -1)),
            (.missingEd25519Verification, [good[1]]),
            (.missingEd25519Verification, [good[0], .computeLimit(50_000), good[1]]),
            (.voucherSignerMismatch, checked({ _ in }, by: other)),
            (.voucherBadMagic, checked({ $0[1] = 2 }, by: payer)),
            (.voucherChannelMismatch, checked({ $0[3] ^= 1 }, by: payer)),
            (.nothingToDistribute, [channel.distribute(treasury: place.treasury)]),
        ]
        for (index, row) in rows.enumerated() {
            // The last has something to distribute first.
            if index == rows.count - 1 {
                try await place.run([channel.distribute(treasury: place.treasury)])
                try await place.node.tick()
            }
            expect(row.0, try await place.refusal(row.1))
        }
        let late = try PaymentChannel(
            PaymentChannel.Terms(
                payer: SolanaAddress(other.publicKey), payee: channel.terms.payee,
                mint: place.node.mint, salt: 0, openSlot: place.slot + 10_000, gracePeriod: 1,
                rentPayer: place.node.address), program: place.program)
        expect(.openSlotOutOfWindow, try await place.refusal([late.open(deposit: 1)], [other]))
        expect(.depositMustBeNonZero, try await place.refusal([channel.topUp(0)], [payer]))
        // The grace period ends: anybody seals, and the payer has the rest.
        try await place.run([channel.requestClose()], [payer])
        try await place.time(PaymentPlace.time + 900)
        try await place.run([channel.seal()])
        try await place.run([channel.distribute(treasury: place.treasury)])
        #expect(try await place.node.balance(channel.terms.payer) == 9_900)
        #expect(try await place.node.balance(channel.terms.payee) == 100)
    }

    @Test func whatOneNodeMakesUpIsNotBelieved() async throws {
        let place = try await PaymentPlace(payers: 2)
        let node = place.node
        let (channel, unopened) = (try place.channel(0), try place.channel(1))
        try await place.run([channel.open(deposit: 500)], [place.payers[0]])
        try await node.tick(2)
        let truth = try #require(try await node.chain.accounts([channel.address])[0])
        // The deposit is the number at 12.
        var bytes = truth.data
        bytes.replaceSubrange(12..<20, with: [0, 0, 0, 1, 0, 0, 0, 0])
        let forged = JSONValue.object([
            "owner": .string("\(truth.owner)"), "lamports": .integer(Int64(truth.lamports)),
            "data": .array([.string(Data(bytes).base64EncodedString()), "base64"]),
        ])
        let server = try LyingNode.solana([channel.address: forged])
        let liar = SolanaChain(rpc: FakeNode.client(of: server))
        func states(_ nodes: [SolanaChain], _ needed: Int) async throws -> [PaymentChannelAnswer?] {
            try await SolanaNodes(nodes, quorum: Quorum(needed: needed))
                .states(of: [channel, unopened])
        }
        #expect(try await states([liar], 1)[0]?.state?.deposit == 1 << 24)
        let seen = try await states([liar, node.chain, node.chain], 2)
        #expect(seen[0]?.state?.deposit == 500)
        #expect(seen[1] != nil && seen[1]?.state == nil)
        // Nobody is believed alone; that there is no second channel both say.
        let divided = try await states([liar, node.chain], 2)
        #expect(divided[0] == nil && divided[1] != nil && divided[1]?.state == nil)
    }

    @Test func sevenChannelsAreSettledFiveAndTwoThoughOneIsBad() async throws {
        let place = try await PaymentPlace(payers: 7)
        let node = place.node
        let channels = try (0..<7).map { try place.channel($0) }
        for (number, channel) in channels.enumerated() {
            try await place.run([channel.open(deposit: 1_000)], [place.payers[number]])
        }
        let table = try await place.table(of: channels)
        let desk = ChannelDesk()
        let store = try desk.store()
        // One of three says that all is done and every channel gone.
        let liar = try LyingNode.solana()
        let nodes = SolanaNodes(
            [SolanaChain(rpc: FakeNode.client(of: liar)), node.chain, node.chain],
            quorum: Quorum(needed: 2))
        let settler = PaymentSettler(
            store: store, nodes: nodes, payer: node.payer, payee: place.payee,
            tables: [table])
        let payers = place.payers
        try await running(store) {
            for (number, channel) in channels.enumerated() {
                let state = try #require(try await place.state(channel))
                try await store.take(
                    .opened(
                        .payment(channel), ChannelSighting(state, of: channel, slot: place.slot)))
                let amount = UInt128(100 + number)
                try await store.take(
                    .accepted(channel.voucher(amount, by: payers[number]), spends: amount))
            }
            // The second closes without our knowing; the seventh with it.
            try await place.run([channels[1].requestClose()], [payers[1]])
            try await place.run([channels[6].requestClose()], [payers[6]])
            try await node.tick(2)
            try await settler.look([channels[6].address.value])
            var sent = 0
            for _ in 0..<12 {
                let round = try await settler.step(everything: true)
                sent += round.sent
                if round.open == 0, sent > 4 { break }
                // Final 31 slots on.
                try await node.tick(33)
                try await settler.look()
            }
        }
        // Who cannot be paid is waited for: what the program cannot pay it gives away.
        try await place.run([node.about(channels[0].terms.payee, 10)])
        try await node.tick(2)
        let waiting = try await settler.distribute(treasury: place.treasury)
        #expect(waiting.sent == 0 && waiting.held.count == 7)
        for hold in waiting.held {
            #expect(hold.owner == channels[0].terms.payee && hold.reason == .unfit(.frozen))
        }
        try await place.run([node.about(channels[0].terms.payee, 11)])
        try await node.tick(2)
        let paying = try await settler.distribute(treasury: place.treasury)
        #expect(paying.sent == 7 && paying.held.isEmpty && paying.pending.count == 7)
        try await node.tick(2)
        let after = try await settler.distribute(treasury: place.treasury, after: paying)
        #expect(after == DistributeRound())
        #expect(try await node.balance(channels[0].terms.payee) == 721)
        for (number, channel) in channels.enumerated() {
            let state = try #require(try await place.state(channel))
            #expect(state.settled == UInt64(100 + number), "channel \(number)")
            #expect(state.status == (number == 1 || number == 6 ? .distributed : .open))
        }
        #expect(store.look { $0.openClaims }.isEmpty)
        // A process that goes on from the log knows the same.
        let again = try desk.store()
        #expect(again.look { $0.stateBytes } == store.look { $0.stateBytes })
    }
}
