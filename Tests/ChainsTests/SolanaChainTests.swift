import Chains
import Cryptography
import Primitives
import Testing

/// Payouts on a real SVM: what is settled, undone, expired and unknown, and who is not paid.
@Suite(.timeLimit(.minutes(10))) struct SolanaChainTests {
    /// A signed payment of `amount` to `owner`.
    private func payment(
        _ node: SVMNode, _ amount: UInt64, to owner: SolanaAddress
    ) async throws -> (transaction: SolanaTransaction, lastValidHeight: UInt64) {
        let (hash, height) = try await node.chain.latestBlockhash()
        let plan = TokenPayoutPlan(mint: node.mint, decimals: 6, payer: node.address)
        let (message, _) = try plan.message(
            for: [TokenPayout(to: owner, amount: amount)], blockhash: hash)
        return (try SolanaTransaction(message, signedBy: [node.payer]), height)
    }

    @Test func manyPayoutsInFewTransactions() async throws {
        let node = try await SVMNode()
        try await node.give(1_000_000, to: node.address)
        let payouts = try (1...40).map {
            TokenPayout(to: try SVMNode.owner("payee \($0)"), amount: UInt64($0))
        }
        var plan = TokenPayoutPlan(mint: node.mint, decimals: 6, payer: node.address)
        plan.computePrice = 1_000
        let before = try await plan.preflight(payouts, on: node.chain)
        #expect(before.missing == payouts && before.ready.isEmpty && before.quarantined.isEmpty)
        var transactions = 0
        var owners = payouts.map(\.owner)[...]
        while !owners.isEmpty {
            let hash = try await node.chain.latestBlockhash().hash
            let (message, count) = try plan.makingAccounts(for: owners, blockhash: hash)
            let transaction = try SolanaTransaction(message, signedBy: [node.payer])
            #expect(await node.chain.broadcast(transaction) == nil)
            owners = owners.dropFirst(count)
            transactions += 1
        }
        #expect(transactions == 4)
        let after = try await plan.preflight(payouts, on: node.chain)
        #expect(after.ready == payouts)
        var rest = payouts[...]
        while !rest.isEmpty {
            let (hash, height) = try await node.chain.latestBlockhash()
            let (message, count) = try plan.message(for: rest, blockhash: hash)
            let transaction = try SolanaTransaction(message, signedBy: [node.payer])
            #expect(await node.chain.broadcast(transaction) == nil)
            #expect(
                await node.chain.resolve(transaction.id, lastValidHeight: height)
                    == .unknown(.timedOut))
            try await node.tick(32)
            guard
                case .settled = await node.chain.resolve(
                    transaction.id, lastValidHeight: height)
            else {
                Issue.record("it was not settled")
                return
            }
            rest = rest.dropFirst(count)
            transactions += 1
        }
        #expect(transactions == 4 + 3)
        for payout in payouts { #expect(try await node.balance(payout.owner) == payout.amount) }
        #expect(try await node.balance(node.address) == 1_000_000 - 820)
    }

    @Test func aDroppedPaymentIsUnknownUntilItHasExpired() async throws {
        let node = try await SVMNode()
        let payee = try SVMNode.owner("payee")
        try await node.give(100, to: node.address)
        try await node.give(0, to: payee)
        let (transaction, height) = try await payment(node, 7, to: payee)
        let _: Int = try await node.rpc.call("test_drop", [.integer(1)])
        #expect(await node.chain.broadcast(transaction) == nil)
        #expect(
            await node.chain.resolve(transaction.id, lastValidHeight: height) == .unknown(.timedOut)
        )
        // Out of the window, but blocks that could hold it are not final yet.
        try await node.tick(151)
        #expect(
            await node.chain.resolve(transaction.id, lastValidHeight: height) == .unknown(.timedOut)
        )
        try await node.tick(32)
        #expect(await node.chain.resolve(transaction.id, lastValidHeight: height) == .expired)
        guard case .refused = await node.chain.broadcast(transaction) else {
            Issue.record("an expired payment was taken")
            return
        }
        #expect(try await node.balance(payee) == 0)
    }

    @Test func aSecondBroadcastPaysOnce() async throws {
        let node = try await SVMNode()
        let payee = try SVMNode.owner("payee")
        try await node.give(100, to: node.address)
        try await node.give(0, to: payee)
        let (transaction, _) = try await payment(node, 60, to: payee)
        #expect(await node.chain.broadcast(transaction) == nil)
        #expect(await node.chain.broadcast(transaction) == nil)
        #expect(try await node.balance(payee) == 60)
        // The answer is lost, the payment is not.
        let (other, height) = try await payment(node, 5, to: payee)
        let _: Bool = try await node.rpc.call(
            "test_fault",
            [.object(["method": "sendTransaction", "kind": "lost", "count": .integer(2)])])
        #expect(await node.chain.broadcast(other) == nil)
        try await node.tick(32)
        guard case .settled = await node.chain.resolve(other.id, lastValidHeight: height) else {
            Issue.record("it was not settled")
            return
        }
        #expect(try await node.balance(payee) == 65)
    }

    @Test(arguments: [true, false]) func aForkTakesAConfirmedPaymentBack(keep: Bool) async throws {
        let node = try await SVMNode()
        let payee = try SVMNode.owner("payee")
        try await node.give(100, to: node.address)
        try await node.give(0, to: payee)
        // A blockhash that the fork shares.
        let (transaction, height) = try await payment(node, 7, to: payee)
        try await node.tick(3)
        #expect(await node.chain.broadcast(transaction) == nil)
        try await node.tick(2)
        #expect(try await node.chain.statuses([transaction.id]).all[0]?.commitment == .confirmed)
        #expect(
            await node.chain.resolve(transaction.id, lastValidHeight: height) == .unknown(.timedOut)
        )
        let _: Int = try await node.rpc.call("test_rollback", [.integer(4), .bool(keep)])
        #expect(try await node.balance(payee) == (keep ? 7 : 0))
        #expect(await node.chain.broadcast(transaction) == nil)
        try await node.tick(32)
        guard case .settled = await node.chain.resolve(transaction.id, lastValidHeight: height)
        else {
            Issue.record("it was not settled")
            return
        }
        #expect(try await node.balance(payee) == 7)
    }

    @Test func whoseAccountIsFrozenOrGivenAwayWaits() async throws {
        let node = try await SVMNode()
        let payees = try ["good", "frozen", "given away", "closed"].map(SVMNode.owner)
        try await node.give(100, to: node.address)
        for payee in payees { try await node.give(0, to: payee) }
        try await node.run([node.about(payees[1], 10)])
        // The account of another mint's or owner's content at the place of this one.
        var moved = ByteWriter()
        moved.write(UInt8(6))
        moved.write(UInt8(2))
        moved.write(UInt8(1))
        moved.write(node.address.value)
        try await node.run(
            [
                SolanaInstruction(
                    program: .token,
                    accounts: [
                        .init(
                            .tokenAccount(of: payees[2], mint: node.mint), isWritable: true),
                        .init(payees[2], isSigner: true),
                    ], data: moved.bytes)
            ], signers: [try SVMNode.key("given away")])
        try await node.run(
            [
                SolanaInstruction(
                    program: .token,
                    accounts: [
                        .init(
                            .tokenAccount(of: payees[3], mint: node.mint), isWritable: true),
                        .init(node.address, isWritable: true), .init(payees[3], isSigner: true),
                    ], data: [9])
            ], signers: [try SVMNode.key("closed")])
        try await node.tick()
        let payouts = payees.map { TokenPayout(to: $0, amount: 5) }
        let plan = TokenPayoutPlan(mint: node.mint, decimals: 6, payer: node.address)
        let found = try await plan.preflight(payouts, on: node.chain)
        #expect(found.ready == [payouts[0]])
        #expect(found.missing == [payouts[3]])
        #expect(found.quarantined.map(\.payout) == [payouts[1], payouts[2]])
        #expect(found.quarantined.map(\.reason) == [.frozen, .foreignOwner])
        // Without that look the whole transaction would be undone.
        let hash = try await node.chain.latestBlockhash().hash
        let (message, _) = try plan.message(for: payouts[...], blockhash: hash)
        let transaction = try SolanaTransaction(message, signedBy: [node.payer])
        guard case .refused = await node.chain.broadcast(transaction) else {
            Issue.record("a transfer to a frozen account was taken")
            return
        }
        #expect(try await node.balance(payees[0]) == 0)
    }

    @Test func whatAnAccountSaysIsNotTrusted() throws {
        let (owner, mint) = (try SVMNode.owner("payee"), try SVMNode.owner("mint"))
        func say(_ change: (inout [UInt8]) -> Void, owner program: SolanaAddress = .token)
            -> TokenRecipient
        {
            var data = mint.bytes + owner.bytes + [UInt8](repeating: 0, count: 101)
            data[108] = 1
            change(&data)
            return TokenRecipient(
                SolanaAccount(owner: program, lamports: 1, data: data), owner: owner, mint: mint)
        }
        #expect(say { _ in } == .ready)
        #expect(say { $0.append(1) } == .ready)
        #expect(say { $0.removeLast() } == .quarantined(.notATokenAccount))
        #expect(say { $0[0] ^= 1 } == .quarantined(.notATokenAccount))
        #expect(say { $0[40] ^= 1 } == .quarantined(.foreignOwner))
        #expect(say { $0[108] = 0 } == .quarantined(.uninitialised))
        #expect(say { $0[108] = 2 } == .quarantined(.frozen))
        #expect(say { $0[108] = 3 } == .quarantined(.notATokenAccount))
        #expect(say({ _ in }, owner: .token2022) == .quarantined(.notATokenAccount))
        #expect(say({ $0 = [] }, owner: .system) == .missing)
        #expect(say({ $0 = [1] }, owner: .system) == .quarantined(.notATokenAccount))
        #expect(TokenRecipient(nil, owner: owner, mint: mint) == .missing)
    }

    @Test func aNodeThatLiesSettlesNothing() async throws {
        let node = try await SVMNode()
        let id = try #require(Signature([UInt8](repeating: 7, count: 64)))
        let lies: [JSONValue] = [
            .object(["context": .object(["slot": .integer(0)]), "value": .array([.null])]),
            .object(["context": .object(["slot": .integer(1 << 40)]), "value": .array([])]),
            .object([
                "context": .object(["slot": .integer(1 << 40)]),
                "value": .array([
                    .object([
                        "slot": .integer(1), "confirmationStatus": "certain", "err": .null,
                    ])
                ]),
            ]),
            .string("yes"),
        ]
        for lie in lies {
            let _: Bool = try await node.rpc.call(
                "test_fault",
                [
                    .object([
                        "method": "getSignatureStatuses", "kind": "lie", "count": .integer(1),
                        "result": lie,
                    ])
                ])
            guard case .unknown = await node.chain.resolve(id, lastValidHeight: 0) else {
                Issue.record("\(lie) was believed")
                return
            }
        }
    }

    /// What a node tells of its blocks, and whether those are all from slot 20 to height 15.
    struct Ledger: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let slots: [UInt64]
        /// Parent slot and height, by slot.
        let blocks: [UInt64: (UInt64, UInt64?)]
        let isWhole: Bool
    }

    private static func ledger(
        _ name: String, _ slots: [UInt64], _ isWhole: Bool = false, parent: UInt64 = 19,
        from low: UInt64? = 10, to high: UInt64? = 15
    ) -> Ledger {
        var blocks: [UInt64: (UInt64, UInt64?)] = [:]
        if let first = slots.first { blocks[first] = (parent, low) }
        if let last = slots.last { blocks[last] = (25, high) }
        return Ledger(testDescription: name, slots: slots, blocks: blocks, isWhole: isWhole)
    }

    static let ledgers = [
        ledger("all", [20, 21, 22, 23, 24, 26], true),
        ledger("skipped slots", [22, 23, 25, 26, 28, 30], true),
        ledger("the first slot's, after whatever", [20, 21, 22, 23, 24, 26], true, parent: 20),
        ledger("a hole", [20, 21, 22, 25, 26]),
        ledger("a hole at the beginning", [22, 23, 24, 25, 26], parent: 21, from: 11),
        ledger("not so high", [20, 21, 22, 23, 24], to: 14),
        ledger("twice the same", [20, 21, 21, 23, 24, 26]),
        ledger("one of before", [19, 20, 21, 22, 23, 26]),
        ledger("one of after", [20, 21, 22, 23, 24, 31]),
        ledger("no height", [20, 21, 22, 23, 24, 26], to: nil),
        ledger("nothing", []),
    ]

    /// Heights tell a slot that was skipped from one whose block the node has not.
    @Test(arguments: ledgers) func onlyAWholeHistoryIsOne(_ row: Ledger) async throws {
        let server = try FakeNode.results { call in
            switch call.method {
            case "getSlot": return "30"
            case "getBlocks": return "\(row.slots)"
            default:
                guard case .integer(let slot)? = call.params.first?.value,
                    let (parent, height) = row.blocks[UInt64(slot)]
                else { return "null" }
                let text = height.map { "\($0)" } ?? "null"
                return #"{"parentSlot":\#(parent),"blockHeight":\#(text)}"#
            }
        }
        let node = SolanaChain(rpc: FakeNode.client(of: server))
        let isWhole = try? await node.hasEveryBlock(from: 20, to: 15)
        #expect((isWhole ?? false) == row.isWhole)
        // Nor is what is still to come.
        #expect(try await !node.hasEveryBlock(from: 31, to: 15))
    }
}
