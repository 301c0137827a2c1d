import Chains
import Cryptography
import Foundation
import LoopbackServer
import Primitives
import Testing
import Transport

/// The house's settlement on a real chain (py-evm): whenever its process ends, a slash is taken
/// once, and a root is committed once.
@Suite(.serialized, .house, .timeLimit(.minutes(10)))
struct SettlementCrashTests {
    private let house: House
    private var vault: SettlementContract { house.vault }

    init() async throws {
        house = try #require(House.current)
        try await house.node.calm()
    }

    /// Two good nodes and one that is not there, of which two must agree.
    private func nodes() throws -> EVMNodes {
        let gone = EVMChain(
            rpc: JSONRPC(url: "http://127.0.0.1:\(try TCPServer.closedPort())"),
            chainID: EVMNode.chainID, confirmations: 2)
        let good = house.node.chain(confirmations: 2)
        return EVMNodes([good, gone, good], quorum: Quorum(needed: 2))
    }

    private func orders(_ number: UInt64, of provider: EVMAddress) async throws -> [SettlementOrder]
    {
        let verdict = Digest(words: (7, 7, 7, number))
        return [
            .slash(provider: provider, amount: 2, burned: 1, verdict: verdict),
            .commitRoot(
                batch: try await vault.batch() + 1, root: Digest(words: (8, 8, 8, number)),
                totalUSD: 0, totalTLY: 0, journalHead: verdict, liabilities: verdict),
        ]
    }

    @Test func wheneverTheProcessEndsEachOrderIsCarriedOutOnce() async throws {
        let provider = try await house.guest(dollars: 100)
        try settled(await vault.bond(50 * House.million, from: provider))
        let nodes = EVMNodes(house.node.chain(confirmations: 2))
        let run = try SettlementRun(house, nodes: nodes, depth: 2)
        let sender = house.owner.address
        let start = try await house.node.chain().transactionCount(of: sender)
        var bond = try await vault.slashable(provider.address)
        var rounds: UInt64 = 0
        // The first writes are the submission and the signature of the slash, then its end, and
        // then the same of the root; every single step is tried in `SettlementChaosTests`.
        for write in 1...7 {
            rounds += 1
            let orders = try await orders(rounds, of: provider.address)
            let crash = SettlementRun.Crash(write: write, keepsRecords: write % 3 != 0)
            #expect(try await run.carryOut(orders, crash: crash), "\(crash) did not come")
            bond -= 2
            #expect(try await vault.slashable(provider.address) == bond, "\(crash)")
            #expect(try await vault.root() == Digest(words: (8, 8, 8, rounds)), "\(crash)")
            // Nothing was sent for nothing: two transactions a round, none undone, no filler.
            let count = try await house.node.chain().transactionCount(of: sender)
            #expect(count == start + 2 * rounds, "\(crash)")
        }
    }

    /// Leave to disperse, and then payees who hold nothing yet: each is paid once.
    @Test func wheneverTheProcessEndsEveryPayeeIsSentItsMoneyOnce() async throws {
        let run = try SettlementRun(
            house, nodes: EVMNodes(house.node.chain(confirmations: 2)), depth: 2)
        let payments = try (UInt8(1)...9).map { number in
            let bytes = [0xD1] + [UInt8](repeating: number, count: 19)
            return EVMPayment(to: try #require(EVMAddress(bytes)), units: UInt128(number))
        }
        let approval = SettlementOrder.approve(
            token: house.usd.address, spender: vault.address, owner: house.owner.address)
        _ = try await run.carryOut([approval], crash: nil)
        let before = try await house.usd.balance(of: house.owner.address)
        func order(_ number: Int) -> SettlementOrder {
            .disperse(
                token: house.usd.address, name: Digest(words: (6, 6, 6, UInt64(number))),
                payments: payments,
                books: PushedBooks(
                    journalHead: Digest(words: (1, 2, 3, UInt64(number))),
                    liabilities: Digest(words: (4, 5, 6, UInt64(number)))))
        }
        for write in 1...3 {
            let crash = SettlementRun.Crash(write: write, keepsRecords: write == 2)
            #expect(try await run.carryOut([order(write)], crash: crash), "\(crash) did not come")
            for payment in payments {
                let held = try await house.usd.balance(of: payment.account)
                #expect(held == payment.units * UInt128(write), "\(crash)")
            }
        }
        let spent = try await before - house.usd.balance(of: house.owner.address)
        #expect(spent == 3 * 45)
        // The name is used up: the contract refuses what would be sent again.
        guard case .failed(.notSent) = await vault.carryOut(order(1), from: house.owner) else {
            Issue.record("a name counted twice")
            return
        }
    }

    @Test func whatWasReorganisedAwayIsSentAgain() async throws {
        let provider = try await house.guest(dollars: 100)
        try settled(await vault.bond(50 * House.million, from: provider))
        let run = try SettlementRun(house, nodes: try nodes(), depth: 8)
        try await house.node.automine(false)
        let list = try await orders(1_000, of: provider.address)
        let node = house.node
        let sender = house.owner.address
        let start = try await node.chain().transactionCount(of: sender)
        let reorganising = Task {
            // As soon as each is in a block, and not yet deep enough, that block goes with it.
            for number: UInt64 in 1...2 {
                while try await node.chain().transactionCount(of: sender) < start + number {
                    try await Task.sleep(for: .milliseconds(20))
                }
                let head = try await node.chain().head()
                try await node.reorganise(5, keep: false, blocks: 5)
                #expect(try await node.chain().block(head.number)?.hash != head.hash)
            }
        }
        _ = try await run.carryOut(list, crash: nil)
        try await reorganising.value
        #expect(try await vault.slashable(provider.address) == 50 * House.million - 2)
        #expect(try await vault.root() == Digest(words: (8, 8, 8, 1_000)))
        #expect(try await node.chain().transactionCount(of: sender) == start + 2)
    }
}
