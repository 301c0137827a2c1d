import Chains
import Cryptography
import Foundation
import LoopbackServer
import Primitives
import Synchronization
import Testing
import Transport

/// The driver on a real SVM, seen through two good endpoints and one that is not there. The node
/// drops what it acknowledges, loses answers and rolls confirmed slots back, and the process ends
/// three times. `EXCHEQUER_CHAOS=N` makes N payouts.
@Suite(.serialized, .timeLimit(.minutes(10))) struct SolanaDriverTests {
    /// What a driver wrote down and told.
    private final class Desk: Sendable {
        private struct State {
            var records: [[UInt8]] = []
            var outcomes: [Digest: SolanaPayoutOutcome] = [:]
            var changed = 0
            var frozen: Set<Digest> = []
        }
        private let state = Mutex(State())

        var records: [[UInt8]] { state.withLock { $0.records } }
        var settled: Int {
            state.withLock { state in
                state.outcomes.values.count { if case .settled = $0 { true } else { false } }
            }
        }
        var changed: Int { state.withLock { $0.changed } }
        /// Those that were put aside because of a frozen account.
        var frozen: Set<Digest> { state.withLock { $0.frozen } }

        var hooks: SolanaManagerHooks {
            SolanaManagerHooks(
                durable: { records in self.state.withLock { $0.records += records } },
                report: { id, outcome in
                    self.state.withLock { state in
                        state.outcomes[id] = outcome
                        if outcome == .quarantined("frozen") { state.frozen.insert(id) }
                    }
                    return true
                },
                alert: { alert in
                    guard case .reportChanged = alert else { return }
                    self.state.withLock { $0.changed += 1 }
                })
        }
    }

    private static let count: Int = {
        let given = ProcessInfo.processInfo.environment["EXCHEQUER_CHAOS"]
        return given.flatMap(Int.init) ?? 240
    }()

    private let desk = Desk()

    private func driver(
        _ node: SVMNode, beside third: SolanaChain? = nil
    ) throws -> SolanaManagerDriver {
        var policy = SolanaManagerPolicy(mint: node.mint, decimals: 6, payer: node.address)
        policy.program = node.program
        policy.pollInterval = .milliseconds(30)
        policy.rebroadcastAfter = .milliseconds(150)
        policy.retryAfter = .milliseconds(300)
        policy.recheckAfter = .milliseconds(200)
        policy.expiryMargin = 8
        let gone = SolanaChain(
            rpc: JSONRPC(url: "http://127.0.0.1:\(try TCPServer.closedPort())"))
        return try SolanaManagerDriver(
            nodes: [node.chain, third ?? gone, node.chain], quorum: Quorum(needed: 2),
            policy: policy, key: node.payer, records: desk.records, hooks: desk.hooks,
            clock: { Timestamp(nanoseconds: UInt64(Date().timeIntervalSince1970 * 1e9)) },
            tick: .milliseconds(10))
    }

    private func fault(_ node: SVMNode, _ method: String, _ kind: String) async throws {
        let _: Bool = try await node.rpc.call(
            "test_fault",
            [.object(["method": .string(method), "kind": .string(kind), "count": .integer(2)])])
    }

    private func disturb(_ node: SVMNode, _ round: Int) async throws {
        switch round % 12 {
        case 1: let _: Int = try await node.rpc.call("test_drop", [.integer(4)])
        case 3: try await fault(node, "sendTransaction", "lost")
        case 5: let _: Int = try await node.rpc.call("test_rollback", [.integer(6), false])
        case 7: try await fault(node, "getSignatureStatuses", "error")
        case 9: let _: Int = try await node.rpc.call("test_rollback", [.integer(4), true])
        default: return
        }
    }

    /// Thaws an account, unless that is lost as well.
    private func thaw(_ owner: SolanaAddress, _ node: SVMNode) async {
        guard let hash = try? await node.chain.latestBlockhash(.processed).hash,
            let message = try? SolanaMessage(
                [node.about(owner, 11)], payer: node.address, blockhash: hash),
            let transaction = try? SolanaTransaction(message, signedBy: [node.payer])
        else { return }
        _ = await node.chain.broadcast(transaction)
    }

    @Test(arguments: [SolanaAddress.token, .token2022])
    func everyoneIsPaidOnceThoughTheNodeMisbehavesAndTheProcessEnds(
        _ program: SolanaAddress
    ) async throws {
        let node = try await SVMNode(program: program)
        let count = program == .token ? Self.count : Self.count / 2
        let owners = try (0..<min(48, count)).map { try SVMNode.owner("payee \($0)") }
        let payouts = (0..<count).map { number in
            SolanaPayout(
                id: Digest(words: (2, 2, 2, UInt64(number))), to: owners[number % owners.count],
                amount: UInt64(number) + 1)
        }
        let sum = payouts.reduce(0) { $0 + $1.amount }
        try await node.give(sum + 5, to: node.address)
        // One account is there and frozen; the others are to be made.
        try await node.give(0, to: owners[0])
        try await node.run([node.about(owners[0], 10)])
        var rounds = 0
        for part in 1...4 {
            let one = try driver(node)
            let running = Task { try await one.run() }
            for payout in payouts.prefix(count * part / 4) { try await one.submit(payout) }
            let target = part < 4 ? count * part / 8 : count
            while desk.settled < target {
                rounds += 1
                try await disturb(node, rounds)
                try await node.tick(4)
                try await Task.sleep(for: .milliseconds(10))
                if rounds % 10 == 0, desk.frozen.contains(payouts[0].id) {
                    await thaw(owners[0], node)
                }
                try #require(rounds < 5_000, "\(one.openPayouts) payouts do not end")
            }
            if part == 4 { #expect(one.openPayouts == 0) }
            running.cancel()
            _ = await running.result
        }
        var due: [SolanaAddress: UInt64] = [:]
        for payout in payouts { due[payout.owner, default: 0] += payout.amount }
        for owner in owners { #expect(try await node.balance(owner) == due[owner]) }
        #expect(try await node.balance(node.address) == 5)
        #expect(desk.settled == count && desk.changed == 0)
        #expect(desk.frozen.contains(payouts[0].id))
        print("\(count) payouts on the SVM, \(rounds) rounds, \(desk.records.count) records")
    }

    /// What is asked every moment does not pile up at a node that takes longer than that, and does
    /// not wait for it: neither where hashes are asked for nor where the rest is.
    @Test(arguments: [
        ("getLatestBlockhash", #"{"context":{"slot":1},"value":null}"#), ("isBlockhashValid", "0"),
    ])
    func questionsDoNotPileUpAtASlowNode(_ method: String, _ result: String) async throws {
        let node = try await SVMNode(program: .token)
        let calls = FakeNode.Calls()
        let server = try FakeNode.slow(at: method, result: result, calls)
        let owner = try SVMNode.owner("a payee")
        try await node.give(7, to: node.address)
        try await node.give(0, to: owner)
        let one = try driver(node, beside: SolanaChain(rpc: FakeNode.client(of: server)))
        let running = Task { try await one.run() }
        defer { running.cancel() }
        try await one.submit(SolanaPayout(id: Digest(words: (2, 2, 3, 1)), to: owner, amount: 7))
        while calls.all < 9 || desk.settled == 0 {
            try await node.tick(4)
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(try await node.balance(owner) == 7)
        #expect(calls.atOnce <= NodeTurns<SolanaChain>.mostAtOnce)
    }

    /// A node that was down when a payment landed, and went on from a snapshot, has the history of
    /// before and not of then: it is not believed that nothing was paid.
    @Test func nobodyIsPaidTwiceForAHoleInANodesHistory() async throws {
        let node = try await SVMNode(program: .token)
        let owner = try SVMNode.owner("a payee")
        try await node.give(21, to: node.address)
        try await node.give(0, to: owner)
        try await node.tick(100)
        let slot = try await node.chain.slot(.processed)
        try await setHole(node, from: slot + 1, count: 10_000)
        let one = try driver(node)
        let running = Task { try await one.run() }
        defer { running.cancel() }
        try await one.submit(SolanaPayout(id: Digest(words: (2, 2, 4, 1)), to: owner, amount: 7))
        while try await node.balance(owner) == 0 {
            try await node.tick()
            try await Task.sleep(for: .milliseconds(10))
        }
        for _ in 0..<60 {
            try await node.tick(10)
            try await Task.sleep(for: .milliseconds(30))
        }
        #expect(try await node.balance(owner) == 7)
        #expect(desk.settled == 0 && one.openPayouts == 1)
        try await setHole(node, from: 0, count: 0)
        while desk.settled == 0 {
            try await node.tick(4)
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(try await node.balance(owner) == 7)
        #expect(one.openPayouts == 0)
    }

    private func setHole(_ node: SVMNode, from slot: UInt64, count: Int64) async throws {
        let _: Bool = try await node.rpc.call(
            "test_hole", [.integer(Int64(slot)), .integer(count)])
    }

    @Test func aLogBeginsWithItsPolicyAndIsReadUnderIt() async throws {
        let key = try SVMNode.key("a payer")
        var policy = SolanaManagerPolicy(
            mint: try SVMNode.owner("a mint"), decimals: 6, payer: SolanaAddress(key.publicKey))
        let chain = SolanaChain(rpc: JSONRPC(url: "http://127.0.0.1:\(try TCPServer.closedPort())"))
        func driver(
            _ policy: SolanaManagerPolicy, _ key: Ed25519.PrivateKey
        ) throws -> SolanaManagerDriver {
            try SolanaManagerDriver(
                nodes: [chain], quorum: Quorum(needed: 1), policy: policy, key: key,
                records: desk.records, hooks: desk.hooks, clock: { Timestamp(seconds: 1) })
        }
        let one = try driver(policy, key)
        let running = Task { try await one.run() }
        defer { running.cancel() }
        let payout = SolanaPayout(
            id: .zero, to: try SVMNode.owner("a payee"), amount: 1)
        try await one.submit(payout)
        let first = try #require(desk.records.first)
        #expect(
            try SolanaManagerInput(canonicalBytes: Array(first.dropFirst(8)))
                == .configured(policy))
        // Under the new one that payout would have been refused.
        policy.maximumPayouts = 0
        #expect(try driver(policy, key).openPayouts == 1)
        let other = try SVMNode.key("another payer")
        policy.payer = SolanaAddress(other.publicKey)
        #expect(throws: SolanaManagerDriverError.damaged(.invalidValue("payer"))) {
            _ = try driver(policy, other)
        }
    }

    @Test func whatCannotBeReadIsNotGoneOnWith() async throws {
        let key = try SVMNode.key("a payer")
        let policy = SolanaManagerPolicy(
            mint: try SVMNode.owner("a mint"), decimals: 6, payer: SolanaAddress(key.publicKey))
        let chain = SolanaChain(rpc: JSONRPC(url: "http://127.0.0.1:\(try TCPServer.closedPort())"))
        #expect(throws: SolanaManagerDriverError.damaged(.truncated)) {
            _ = try SolanaManagerDriver(
                nodes: [chain], quorum: Quorum(needed: 1), policy: policy, key: key,
                records: [[1, 2]], hooks: desk.hooks, clock: { .zero })
        }
    }
}
