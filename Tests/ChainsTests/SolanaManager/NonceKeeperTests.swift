import Chains
import Cryptography
import Foundation
import Primitives
import Synchronization
import Testing
import Transport

/// Durable nonces on a real SVM: made, used through an outage, ended; and payouts whose
/// transactions the nodes have forgotten.
@Suite(.serialized, .timeLimit(.minutes(10))) struct NonceKeeperTests {
    private func lamports(_ node: SVMNode) async throws -> UInt64 {
        try #require(try await node.chain.accounts([node.address], .processed)[0]).lamports
    }

    /// Looks until all is as it should be, each time by a process of its own.
    private func settle(
        _ node: SVMNode, _ count: Int, inUse: [SolanaAddress] = []
    ) async throws -> (usable: [SolanaAddress], sent: Int) {
        let nodes = SolanaNodes([node.chain, node.chain], quorum: Quorum(needed: 2))
        var sent = 0
        for _ in 0..<30 {
            let keeper = NonceKeeper(nodes, key: node.payer, count: count)
            let round = try await keeper.look(inUse: inUse)
            guard round.sent != nil else { return (round.usable, sent) }
            sent += 1
            try await node.tick(40)
        }
        throw ChainError.inconsistentNode("the nonces are never ready")
    }

    @Test func theyAreMadeFoundAgainAndEndedForTheirRent() async throws {
        let node = try await SVMNode()
        try await node.tick(40)
        let names = (0..<6).map { NonceKeeper.address($0, of: node.address) }
        // A stranger has sent something to one of the addresses.
        let _: Bool = try await node.rpc.call(
            "test_setAccount",
            [
                .string(names[1].description), .integer(1_000_000),
                .string(SolanaAddress.system.description), .string(""),
            ])
        let before = try await lamports(node)
        let made = try await settle(node, 6)
        #expect(made.usable == names && made.sent == 2)
        let rent = before - (try await lamports(node))
        #expect(rent > 6 * 1_447_680 && rent < 6 * 1_447_680 + 50_000)
        for account in try await node.chain.accounts(names, .finalized) {
            let nonce = try #require(account?.durableNonce)
            #expect(nonce.authority == node.address && nonce.value != .zero)
            #expect(account?.data.count == 80)
        }
        // Nothing more is to be done, and another keeper finds them.
        let again = try await settle(node, 6)
        #expect(again.usable == names && again.sent == 0)
        // Fewer: those that a payment uses are left until it is over.
        let fewer = try await settle(node, 1, inUse: [names[3]])
        #expect(fewer.usable == [names[0]])
        let left = try await node.chain.accounts(names, .finalized).map { $0 != nil }
        #expect(left == [true, false, false, true, false, false])
        let none = try await settle(node, 0)
        #expect(none.usable.isEmpty)
        #expect(try await node.chain.accounts(names, .finalized).allSatisfy { $0 == nil })
        // All of the rent is back, with what the stranger sent; the rest are fees.
        #expect(before + 1_000_000 - (try await lamports(node)) < 100_000)
    }

    // MARK: What nodes forget

    private final class Desk: Sendable {
        private let state = Mutex<([[UInt8]], [SolanaMark], [SolanaManagerAlert])>(([], [], []))
        var records: [[UInt8]] { state.withLock { $0.0 } }
        var pins: [SolanaMark] { state.withLock { $0.1 } }
        var alerts: [SolanaManagerAlert] { state.withLock { $0.2 } }
        var hooks: SolanaManagerHooks {
            SolanaManagerHooks(
                durable: { records in self.state.withLock { $0.0 += records } },
                report: { _, _ in true },
                alert: { alert in self.state.withLock { $0.2.append(alert) } },
                pin: { mark in
                    self.state.withLock { if $0.1.last != mark { $0.1.append(mark) } }
                })
        }
    }

    private func driver(
        _ node: SVMNode, _ desk: Desk, after mark: SolanaMark? = nil, endpoints: Int = 2
    ) throws -> SolanaManagerDriver {
        var policy = SolanaManagerPolicy(mint: node.mint, decimals: 6, payer: node.address)
        policy.pollInterval = .milliseconds(400)
        policy.rebroadcastAfter = .seconds(1)
        policy.retryAfter = .seconds(1)
        // Everything is old at once.
        policy.historyKept = .milliseconds(1)
        return try SolanaManagerDriver(
            nodes: Array(repeating: node.chain, count: endpoints),
            quorum: Quorum(needed: endpoints), policy: policy,
            key: node.payer, records: desk.records, after: mark, hooks: desk.hooks,
            clock: { Timestamp(nanoseconds: UInt64(Date().timeIntervalSince1970 * 1e9)) },
            tick: .milliseconds(100))
    }

    private func wait(_ what: Comment, _ condition: () async throws -> Bool) async throws {
        for _ in 0..<3_000 {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        Issue.record(what)
    }

    /// A node that gets its history back between what it says of a transaction and how far back it
    /// knows: it knew nothing of the transaction, and nothing is paid again for that.
    @Test func whatANodeLearnsWhileItIsAskedItDidNotKnow() async throws {
        let node = try await SVMNode()
        let owner = try SVMNode.owner("one")
        try await node.give(0, to: owner)
        try await node.give(1_000, to: node.address)
        try await node.tick(40)
        let desk = Desk()
        let driver = try driver(
            node, desk, after: SolanaMark(base: .zero, count: 5, hash: .zero, forgettings: 0),
            endpoints: 1)
        let running = Task { try await driver.run() }
        defer { running.cancel() }
        try await driver.submit(
            SolanaPayout(id: Digest(words: (3, 3, 3, 9)), to: owner, amount: 7))
        try await wait("it is carried out") { try await node.balance(owner) == 7 }
        let _: UInt64 = try await node.rpc.call("test_forget", [.integer(1 << 40)])
        try await node.tick(400)
        try await wait("it is stuck") { driver.stuckBatches.count == 1 }
        let _: UInt64 = try await node.rpc.call("test_forget", [.integer(1 << 40), .integer(1)])
        try await wait("it ends") {
            try await node.tick(3)
            return driver.openPayouts == 0
        }
        #expect(try await node.balance(owner) == 7)
        #expect(desk.pins.map(\.count) == [5, 6])
    }

    /// One payout never lands and one does, and the nodes forget the time of both: nothing is paid
    /// again, over restarts, until nodes with the history are there.
    @Test func whatNodesHaveForgottenWaitsForThoseWhoHaveNot() async throws {
        let node = try await SVMNode()
        let owners = [try SVMNode.owner("one"), try SVMNode.owner("two")]
        for owner in owners { try await node.give(0, to: owner) }
        try await node.give(1_000, to: node.address)
        try await node.tick(40)
        let payouts = owners.enumerated().map {
            SolanaPayout(id: Digest(words: (3, 3, 3, UInt64($0))), to: $1, amount: UInt64($0) + 7)
        }
        let desk = Desk()
        let first = try driver(
            node, desk, after: SolanaMark(base: .zero, count: 5, hash: .zero, forgettings: 0))
        var running = Task { try await first.run() }
        func isSigned(_ driver: SolanaManagerDriver, _ place: Int) -> Bool {
            if case .inFlight(let all) = driver.status(of: payouts[place].id) {
                !all.isEmpty
            } else {
                false
            }
        }
        // The second lands, and the nodes hide it.
        try await first.submit(payouts[1])
        try await wait("it is signed") { isSigned(first, 1) }
        try await wait("it is carried out") { try await node.balance(owners[1]) == 8 }
        let _: UInt64 = try await node.rpc.call("test_forget", [.integer(1 << 40)])
        // The first does not land.
        let _: Int = try await node.rpc.call("test_drop", [.integer(1_000_000)])
        try await first.submit(payouts[0])
        try await wait("it is signed too") { isSigned(first, 0) }
        try await node.tick(400)
        try await wait("both are stuck") { first.stuckBatches.count == 2 }
        running.cancel()
        _ = await running.result

        let second = try driver(node, desk)
        running = Task { try await second.run() }
        try await wait("they are stuck again") { second.stuckBatches.count == 2 }
        let _: Int = try await node.rpc.call("test_drop", [.integer(0)])
        try await Task.sleep(for: .milliseconds(500))
        #expect(second.stuckBatches.count == 2 && second.openPayouts == 2)
        #expect(desk.alerts.contains { if case .tooOld = $0 { true } else { false } })
        // Nodes with the whole history: one is paid anew, the other was paid.
        let _: UInt64 = try await node.rpc.call("test_forget", [.integer(0)])
        try await wait("both end") {
            try await node.tick(3)
            return second.openPayouts == 0
        }
        let held = [
            try await node.balance(owners[0]), try await node.balance(owners[1]),
            try await node.balance(node.address),
        ]
        #expect(held == [7, 8, 985], "of \(desk.pins.map(\.count)) signed")
        // What was signed was pinned, one by one and in order, after what was there before.
        #expect(desk.pins.map(\.count) == [5, 6, 7, 8])
        #expect(second.mark == desk.pins.last)
        // What is over is forgotten; the log is read back to the same.
        try await second.forget(payouts.map(\.id), in: 1)
        #expect(second.status(of: payouts[0].id) == .absent)
        running.cancel()
        _ = await running.result
        let third = try driver(node, desk)
        #expect(third.mark == second.mark && third.mark.forgettings == 1)
        #expect(third.openPayouts == 0 && third.status(of: payouts[1].id) == .absent)
    }

    /// Nothing is given to a node before what was signed is pinned.
    @Test func whatCannotBePinnedIsNotSent() async throws {
        let node = try await SVMNode()
        let owner = try SVMNode.owner("one")
        try await node.give(0, to: owner)
        try await node.give(1_000, to: node.address)
        try await node.tick(40)
        struct Full: Error {}
        let desk = Desk()
        let hooks = SolanaManagerHooks(
            durable: desk.hooks.durable, report: { _, _ in true }, alert: { _ in },
            pin: { if $0.count > 0 { throw Full() } })
        var policy = SolanaManagerPolicy(mint: node.mint, decimals: 6, payer: node.address)
        policy.pollInterval = .milliseconds(30)
        let one = try SolanaManagerDriver(
            nodes: [node.chain], quorum: Quorum(needed: 1), policy: policy, key: node.payer,
            hooks: hooks,
            clock: { Timestamp(nanoseconds: UInt64(Date().timeIntervalSince1970 * 1e9)) },
            tick: .milliseconds(10))
        let running = Task { try await one.run() }
        try await one.submit(SolanaPayout(id: .zero, to: owner, amount: 7))
        await #expect(throws: SolanaManagerDriverError.self) { try await running.value }
        try await node.tick(3)
        #expect(try await node.balance(owner) == 0 && one.mark.count == 1)
        // The next process sends it.
        let again = try driver(node, desk)
        let next = Task { try await again.run() }
        try await wait("it is sent") { try await node.balance(owner) == 7 }
        #expect(desk.pins.map(\.count) == [1])
        next.cancel()
        _ = await next.result
    }
}
