import Chains
import Cryptography
import Foundation
import Primitives
import Synchronization
import Testing

/// What lookup tables are made, used and ended, as a plan and on a real SVM.
@Suite(.serialized, .timeLimit(.minutes(10))) struct LookupTableTests {
    private let common: [SolanaAddress]
    private let payees: [SolanaAddress]

    init() throws {
        common = [try SVMNode.owner("mint"), try SVMNode.owner("source")]
        payees = try (0..<300).map { try SVMNode.owner("account \($0)") }
    }

    private func table(
        _ name: String, _ entries: [SolanaAddress], extendedAt: UInt64 = 5,
        deactivatedAt: UInt64? = nil
    ) throws -> LookupTableAccount {
        LookupTableAccount(
            try SVMNode.owner(name), deactivatedAt: deactivatedAt, extendedAt: extendedAt,
            entries: entries)
    }

    private func plan(
        _ tables: [LookupTableAccount], due: Int, wanted: Int = 300, slot: UInt64 = 100
    ) -> LookupTablePlan {
        LookupTablePlan(
            tables, common: common, wanted: Array(payees.prefix(wanted)),
            due: Array(payees.prefix(due)), slot: slot, threshold: 20)
    }

    @Test func aTableIsMadeForTwentyAndFilledInSteps() throws {
        #expect(plan([], due: 19).step == nil)
        #expect(plan([], due: 20).step == .make)
        let empty = try table("one", [])
        let name = empty.address
        let first = plan([empty], due: 30)
        #expect(first.usable.isEmpty)
        #expect(first.step == .extend(name, by: common + payees.prefix(18)))
        let begun = try table("one", common + payees.prefix(18))
        let second = plan([begun], due: 30)
        #expect(second.usable == [SolanaLookupTable(name, begun.entries)])
        #expect(second.step == .extend(name, by: Array(payees[18..<30])))
        // A few more are not worth a transaction; four are.
        #expect(plan([begun], due: 21).step == nil)
        #expect(plan([begun], due: 22).step == .extend(name, by: Array(payees[18..<22])))
    }

    @Test func aTableIsUsedFromTheSlotAfter() throws {
        let fresh = try table("one", common + payees.prefix(3), extendedAt: 100)
        #expect(plan([fresh], due: 3, slot: 100).usable.isEmpty)
        #expect(plan([fresh], due: 3, slot: 101).usable.count == 1)
    }

    @Test func aFullTableIsFollowedByAnother() throws {
        let full = try table("one", common + payees.prefix(252))
        #expect(plan([full], due: 252).step == nil)
        #expect(plan([full], due: 271).step == nil)
        #expect(plan([full], due: 272).step == .make)
    }

    @Test func whatNobodyWantsIsEndedAfterItsTime() throws {
        let old = try table("one", common + payees[200..<203])
        #expect(plan([old], due: 0, wanted: 201).step == nil)
        #expect(plan([old], due: 0, wanted: 200).step == .deactivate(old.address))
        // One that was made and never filled goes when nobody is paid here any more.
        let empty = try table("two", [])
        #expect(plan([empty], due: 0, wanted: 1).step == nil)
        #expect(plan([empty], due: 0, wanted: 0).step == .deactivate(empty.address))
        let ending = try table("one", old.entries, deactivatedAt: 40)
        #expect(plan([ending], due: 0, wanted: 200).usable.isEmpty)
        #expect(plan([ending], due: 0, wanted: 200, slot: 40 + 513).step == nil)
        #expect(plan([ending], due: 0, wanted: 200, slot: 40 + 514).step == .close(ending.address))
    }

    /// What a keeper wrote down.
    private final class Notes: Sendable {
        private let known = Mutex<[SolanaAddress]>([])
        var all: [SolanaAddress] { known.withLock { $0 } }
        func set(_ addresses: [SolanaAddress]) { known.withLock { $0 = addresses } }
    }

    /// Without and with the mint named by the messages themselves, as a signer wants it.
    @Test(arguments: [false, true])
    func onAChainTheTableIsMadeUsedAndClosedForItsRent(_ hidesMint: Bool) async throws {
        let (entries, paid) = hidesMint ? (55, 52) : (56, 54)
        let node = try await SVMNode()
        let notes = Notes()
        let nodes = SolanaNodes([node.chain, node.chain], quorum: Quorum(needed: 2))
        func keeper(hidesMint: Bool) -> LookupTableKeeper {
            LookupTableKeeper(
                nodes, key: node.payer, mint: node.mint, hidesMint: hidesMint, known: notes.all,
                remember: { notes.set($0) })
        }
        let owners = try (0..<54).map { try SVMNode.owner("payee \($0)") }
        for part in stride(from: 0, to: 54, by: 9) {
            try await node.run(
                owners[part..<part + 9].map {
                    .makeTokenAccount(of: $0, mint: node.mint, payer: node.address)
                })
        }
        try await node.give(1_000, to: node.address)
        try await node.tick(40)
        let before = try await lamports(node)
        let accounts = owners.map { SolanaAddress.tokenAccount(of: $0, mint: node.mint) }
        // The process ends after each step: a new keeper goes on with what is written down.
        var usable: [SolanaLookupTable] = []
        for round in 0..<30 where usable.first?.entries.count != entries {
            let one = keeper(hidesMint: hidesMint)
            usable = try await one.look(wanted: accounts, due: accounts).usable
            try await node.tick(round % 3 == 0 ? 40 : 7)
        }
        #expect(notes.all.count == 1)
        let table = try #require(usable.first)
        #expect(table.entries.count == entries && table.address == notes.all[0])
        #expect(table.entries.contains(node.mint) != hidesMint)
        // One of before, which holds the mint, is not asked for it.
        let later = try await keeper(hidesMint: true).look(wanted: accounts, due: accounts).usable
        #expect(
            later.first?.entries == table.entries.map { $0 == node.mint ? table.address : $0 })
        // All of them are paid in one transaction, whose cost the chain tells.
        let payouts = owners.map { TokenPayout(to: $0, amount: 3) }
        let recent = try await node.chain.latestBlockhash(.processed).hash
        var payment = TokenPayoutPlan(mint: node.mint, decimals: 6, payer: node.address)
        payment.computePrice = 1_000
        let (message, count) = try payment.message(
            for: payouts[...], blockhash: recent, tables: usable)
        #expect(count == paid)
        let named = message.bytes.indices.contains { place in
            message.bytes[place...].starts(with: node.mint.bytes)
        }
        #expect(named == hidesMint)
        let transaction = try SolanaTransaction(message, signedBy: [node.payer])
        #expect(await node.chain.broadcast(transaction) == nil)
        #expect(try await node.chain.charge(of: transaction.id) == nil)
        try await node.tick(40)
        for (place, owner) in owners.enumerated() {
            #expect(try await node.balance(owner) == (place < paid ? 3 : 0))
        }
        let charge = try #require(try await node.chain.charge(of: transaction.id))
        let fee = try payment.fee(transfers: paid)
        #expect(charge.fee == fee && charge.spent == fee)
        let rent = before - (try await lamports(node))
        #expect(rent > 10_000_000)
        // Nobody wants them any more: out of use, and then gone.
        let last = keeper(hidesMint: hidesMint)
        for _ in 0..<40 where !notes.all.isEmpty {
            _ = try await last.look(wanted: [], due: [])
            try await node.tick(80)
        }
        #expect(notes.all.isEmpty)
        #expect(before - (try await lamports(node)) < 200_000)
    }

    private func lamports(_ node: SVMNode) async throws -> UInt64 {
        try #require(try await node.chain.accounts([node.address], .processed)[0]).lamports
    }
}
