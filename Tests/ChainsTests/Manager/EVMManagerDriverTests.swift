import Chains
import Cryptography
import Foundation
import LoopbackServer
import Primitives
import Synchronization
import Testing
import Transport

/// What a driver wrote down and told.
private final class Desk: Sendable {
    private struct State {
        var records: [[UInt8]] = []
        var outcomes: [Digest: [EVMIntentOutcome]] = [:]
        var failsAt: Int?
    }
    struct Full: Error {}

    private let state = Mutex(State())

    var records: [[UInt8]] { state.withLock { $0.records } }

    func outcomes(of id: Digest) -> [EVMIntentOutcome] { state.withLock { $0.outcomes[id] ?? [] } }

    func fail(at count: Int) { state.withLock { $0.failsAt = count } }

    var hooks: EVMManagerHooks {
        EVMManagerHooks(
            durable: { records in
                try self.state.withLock { state throws(Full) in
                    if let limit = state.failsAt, state.records.count >= limit { throw Full() }
                    state.records += records
                }
            },
            report: { id, outcome in
                self.state.withLock { $0.outcomes[id, default: []].append(outcome) }
                return true
            },
            alert: { _ in })
    }
}

/// The driver on a real chain (py-evm), seen through two good endpoints and one that is not there.
@Suite(.serialized, .house, .timeLimit(.minutes(10)))
struct EVMManagerDriverTests {
    private let node: EVMNode
    private let key: Secp256k1.PrivateKey
    private let desk = Desk()

    init() async throws {
        node = try #require(House.current).node
        key = try node.freshKey()
        try await node.calm()
    }

    private var policy: EVMManagerPolicy {
        var policy = EVMManagerPolicy(chainID: EVMNode.chainID)
        policy.finalDepth = 3
        policy.pollInterval = .milliseconds(40)
        policy.rebroadcastAfter = .milliseconds(200)
        policy.resubmitAfter = .milliseconds(400)
        policy.retryAfter = .milliseconds(500)
        return policy
    }

    private func driver(
        state: [UInt8]? = nil, records: [[UInt8]] = [], maximumIntents: Int = 1_000,
        beside third: EVMChain? = nil, timeout: Duration = .seconds(60)
    ) throws -> EVMManagerDriver {
        var policy = policy
        policy.maximumIntents = maximumIntents
        let gone = EVMChain(
            rpc: JSONRPC(url: "http://127.0.0.1:\(try TCPServer.closedPort())"),
            chainID: EVMNode.chainID, confirmations: 1)
        return try EVMManagerDriver(
            nodes: [node.chain(timeout: timeout), third ?? gone, node.chain(timeout: timeout)],
            quorum: Quorum(needed: 2), policy: policy,
            keys: [key], state: state, records: records, hooks: desk.hooks,
            clock: { Timestamp(nanoseconds: UInt64(Date().timeIntervalSince1970 * 1e9)) },
            tick: .milliseconds(40))
    }

    private func intent(_ number: UInt64, to: EVMAddress, data: [UInt8] = []) -> EVMIntent {
        EVMIntent(
            id: Digest(words: (1, 1, 1, number)), from: key.address, to: to,
            value: data.isEmpty ? UInt128(number) : 0, data: data, gasLimit: 0,
            feeLimit: 1_000_000_000_000_000_000)
    }

    /// Runs a driver until a condition holds, mining as time passes.
    private func run(
        _ driver: EVMManagerDriver, mining: Bool = true,
        _ work: @Sendable () async throws -> Void,
        until isDone: @Sendable () async throws -> Bool
    ) async throws {
        let running = Task { try await driver.run() }
        try await work()
        while try await !isDone() {
            if mining { try await node.mine() }
            try await Task.sleep(for: .milliseconds(20))
        }
        running.cancel()
        _ = await running.result
    }

    private func payee(_ number: UInt8) throws -> EVMAddress {
        try address(0xA0 + number)
    }

    @Test func everyoneIsPaidOnceThoughAnswersAreLostAndTheProcessEnds() async throws {
        try await node.automine(false)
        let before = try await node.chain().balance(of: payee(1))
        for after: Int64 in [0, 3, 5, 9] {
            try await node.fault("eth_sendRawTransaction", .lost, after: after)
            try await node.fault("eth_sendRawTransaction", .error, after: after + 1)
            try await node.fault("eth_getTransactionReceipt", .error, after: after)
        }
        let first = try driver()
        try await run(first, mining: false) {
            for number: UInt64 in 1...8 {
                try await first.submit(intent(number, to: payee(1)))
            }
        } until: {
            // The end comes while all of it waits in the pool.
            try await node.chain().transactionCount(of: key.address, pending: true) == 8
        }
        #expect((1...8).allSatisfy { desk.outcomes(of: Digest(words: (1, 1, 1, $0))).isEmpty })
        try await node.automine(true)
        let second = try driver(records: desk.records)
        try await run(second) {
            for number: UInt64 in 1...9 {
                try await second.submit(intent(number, to: payee(1)))
            }
        } until: {
            (1...9).allSatisfy { !desk.outcomes(of: Digest(words: (1, 1, 1, $0))).isEmpty }
        }
        for number: UInt64 in 1...9 {
            let outcomes = Set(desk.outcomes(of: Digest(words: (1, 1, 1, number))))
            guard outcomes.count == 1, case .settled(let inclusion)? = outcomes.first else {
                Issue.record("\(number) ended as \(outcomes)")
                continue
            }
            let receipt = try await node.chain().uncheckedReceipt(of: inclusion.transaction)
            #expect(receipt?.blockHash == inclusion.blockHash)
        }
        #expect(try await node.chain().balance(of: payee(1)) == before + 45)
        #expect(try await node.chain().transactionCount(of: key.address) == 9)
    }

    @Test func aReorganisationThatDropsThePaymentIsPutRight() async throws {
        let before = try await node.chain().balance(of: payee(2))
        let one = try driver()
        let id = intent(7, to: try payee(2)).id
        let dropped = Mutex(false)
        try await run(one) {
            try await one.submit(intent(7, to: payee(2)))
        } until: {
            let isPaid = try await node.chain().balance(of: payee(2)) == before + 7
            if isPaid, !dropped.withLock({ $0 }) {
                dropped.withLock { $0 = true }
                try await node.reorganise(2, keep: false, blocks: 2)
            }
            return !desk.outcomes(of: id).isEmpty
        }
        guard case .settled(let inclusion)? = desk.outcomes(of: id).first else {
            Issue.record("\(desk.outcomes(of: id))")
            return
        }
        #expect(dropped.withLock { $0 })
        let block = try await node.chain().block(inclusion.blockNumber)
        #expect(block?.hash == inclusion.blockHash)
        #expect(try await node.chain().balance(of: payee(2)) == before + 7)
    }

    @Test func aCallThatTheContractRefusesFailsWithoutASignature() async throws {
        let house = try #require(House.current)
        let data: [UInt8] = [0xa9, 0x05, 0x9c, 0xbb] + word(1) + word(10)
        let one = try driver()
        let refused = intent(1, to: house.usd.address, data: data)
        try await run(one) {
            try await one.submit(refused)
        } until: {
            !desk.outcomes(of: refused.id).isEmpty
        }
        guard case .failed(.wouldRevert)? = desk.outcomes(of: refused.id).first else {
            Issue.record("\(desk.outcomes(of: refused.id))")
            return
        }
        #expect(try await node.chain().transactionCount(of: key.address) == 0)
        #expect(one.status(of: refused.id) == .closed(desk.outcomes(of: refused.id)[0]))
    }

    /// What one node says a contract's words are is not told on as the contract's.
    @Test func oneNodesWordsAreNotTheContracts() async throws {
        let house = try #require(House.current)
        let data: [UInt8] = [0xa9, 0x05, 0x9c, 0xbb] + word(1) + word(10)
        let one = try driver()
        let refused = intent(1, to: house.usd.address, data: data)
        try await node.fault(
            "eth_estimateGas", .error, message: "execution reverted: no bond")
        try await run(one) {
            try await one.submit(refused)
        } until: {
            !desk.outcomes(of: refused.id).isEmpty
        }
        #expect(desk.outcomes(of: refused.id) == [.failed(.wouldRevert(""))])
    }

    /// A pool that takes nothing so cheap gets nothing twice, and is paid what it wants or waited
    /// for.
    @Test func aPoolThatWantsMoreIsPaidOnce() async throws {
        let before = try await node.chain().balance(of: payee(7))
        let one = try driver()
        let id = intent(5, to: try payee(7)).id
        try await node.minimumTip(50_000_000_000_000)
        let refusals = Mutex(0)
        try await run(one) {
            try await one.submit(intent(5, to: payee(7)))
        } until: {
            let count = refusals.withLock { count in
                count += 1
                return count
            }
            if count == 20 {
                #expect(try await node.chain().balance(of: payee(7)) == before)
                try await node.minimumTip(0)
            }
            return !desk.outcomes(of: id).isEmpty
        }
        guard case .settled? = desk.outcomes(of: id).first else {
            Issue.record("\(desk.outcomes(of: id))")
            return
        }
        #expect(try await node.chain().balance(of: payee(7)) == before + 5)
        #expect(try await node.chain().transactionCount(of: key.address) == 1)
    }

    /// What is asked every moment does not pile up at a node that takes longer than that, and does
    /// not wait for it.
    @Test func questionsDoNotPileUpAtASlowNode() async throws {
        let calls = FakeNode.Calls()
        let server = try FakeNode.slow(at: "eth_chainId", result: "\"0x7a69\"", calls)
        let before = try await node.chain().balance(of: payee(8))
        let one = try driver(beside: FakeNode.chain(of: server))
        let id = intent(6, to: try payee(8)).id
        try await run(one) {
            try await one.submit(intent(6, to: payee(8)))
        } until: {
            calls.all > 8 && !desk.outcomes(of: id).isEmpty
        }
        #expect(try await node.chain().balance(of: payee(8)) == before + 6)
        #expect(calls.atOnce <= NodeTurns<EVMChain>.mostAtOnce)
    }

    /// Two of three must agree, one is gone, and another does not answer what it was asked first.
    @Test func whoDoesNotAnswerIsAskedAnew() async throws {
        let before = try await node.chain().balance(of: payee(9))
        let hour: Int64 = 3_600
        try await node.fault("eth_chainId", .hang, seconds: hour)
        let one = try driver(timeout: .seconds(hour))
        let id = intent(7, to: try payee(9)).id
        try await run(one) {
            try await one.submit(intent(7, to: payee(9)))
        } until: {
            !desk.outcomes(of: id).isEmpty
        }
        #expect(try await node.chain().balance(of: payee(9)) == before + 7)
    }

    @Test func whatCannotBeWrittenDownIsNotDone() async throws {
        // The submission is written and the signature is not, so it reaches no node.
        desk.fail(at: 1)
        let one = try driver()
        let running = Task { try await one.run() }
        try await one.submit(intent(1, to: .zero))
        let outcome = await running.result
        #expect(throws: EVMManagerDriverError.notDurable("Full()")) { try outcome.get() }
        await #expect(throws: EVMManagerDriverError.stopped) {
            try await one.submit(intent(2, to: .zero))
        }
        #expect(desk.records.count > 1)
        #expect(try await node.chain().transactionCount(of: key.address, pending: true) == 0)
    }

    @Test func aLogBeginsWithItsPolicyAndIsReadUnderIt() async throws {
        let one = try driver()
        let running = Task { try await one.run() }
        defer { running.cancel() }
        try await one.submit(intent(1, to: .zero))
        // Under the new one the intent would have been refused.
        let again = try driver(records: desk.records, maximumIntents: 0)
        #expect(again.openIntents == 1)
    }

    @Test func aStateStandsForTheRecordsBeforeIt() async throws {
        let one = try driver()
        let kept = Mutex<(bytes: [UInt8], records: Int)>(([], 0))
        try await run(one) {
            try await one.submit(intent(3, to: payee(3)))
            let state = try await one.state()
            kept.withLock { $0 = state }
        } until: {
            !desk.outcomes(of: intent(3, to: try payee(3)).id).isEmpty
        }
        let (state, count) = kept.withLock { $0 }
        #expect(count > 0)
        let again = try driver(state: state, records: Array(desk.records[count...]))
        try await run(again) {
            try await again.submit(intent(3, to: payee(3)))
        } until: {
            desk.outcomes(of: intent(3, to: try payee(3)).id).count >= 2
        }
        #expect(try await node.chain().balance(of: payee(3)) == 3)
        #expect(throws: EVMManagerDriverError.damaged(.truncated)) {
            _ = try driver(records: [[1, 2, 3]])
        }
    }

    /// Who ended in order leaves a state in which all is that was durable; who could not write has
    /// none.
    @Test func atRestNoRecordIsNeeded() async throws {
        let id = intent(4, to: try payee(4)).id
        let one = try driver()
        #expect(one.stateAtRest() == nil)
        try await run(one, mining: false) {
            try await one.submit(intent(4, to: payee(4)))
        } until: {
            try await node.chain().transactionCount(of: key.address, pending: true) == 1
        }
        let rest = try #require(one.stateAtRest())
        #expect(rest.records == desk.records.count)
        desk.fail(at: desk.records.count)
        let again = try driver(state: rest.bytes)
        #expect(again.openIntents == 1 && again.status(of: id) == one.status(of: id))
        await #expect(throws: EVMManagerDriverError.notDurable("Full()")) {
            try await again.run()
        }
        #expect(again.stateAtRest() == nil)
        desk.fail(at: .max)
        let last = try driver(state: rest.bytes)
        try await run(last) {
        } until: {
            !desk.outcomes(of: id).isEmpty
        }
        #expect(try await node.chain().balance(of: payee(4)) == 4)
    }
}
