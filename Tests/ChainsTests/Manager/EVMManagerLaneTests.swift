import Chains
import Cryptography
import Primitives
import Testing

/// Lanes that retire, the day's limit, and policies that change while the log goes on.
@Suite struct EVMManagerLaneTests {
    /// What a transaction of `ManagerBench` costs at worst: 21,000 gas at 22 gwei, and 1,000 wei.
    private let worst: UInt128 = 21_000 * 22_000_000_000 + 1_000
    /// What it costs in a block, at 12 gwei.
    private let actual: UInt128 = 21_000 * 12_000_000_000 + 1_000

    // MARK: The day

    /// Nodes' words were once cut by characters, of which one may have any number of bytes.
    @Test func longWordsOfBeforeAreReadAgain() throws {
        let words = String(repeating: "\u{1F468}\u{200D}\u{1F469}", count: 1_000)
        let input = EVMManagerInput.answered(transaction: .zero, .accepted, words)
        #expect(try EVMManagerInput(canonicalBytes: input.canonicalBytes()) == input)
    }

    @Test func aboveTheDaysLimitIntentsWaitForTheNextDayAndNoneIsLost() throws {
        let limit = actual * 2 + worst
        var bench = try ManagerBench(ManagerBench.policy { $0.dayLimit = limit })
        let cause = EVMBreakerCause.dayLimit(bench.key.address)
        for number: UInt64 in 1...4 { try bench.take(.submit(bench.intent(number))) }
        let actions = bench.done()
        let drafts = actions.compactMap { if case .sign(let draft, _) = $0 { draft } else { nil } }
        #expect(drafts.map(\.nonce) == [5, 6])
        #expect(actions.filter { $0 == .alert(.opened(cause)) }.count == 1)
        #expect(bench.manager.openBreakers == [cause])
        #expect(bench.manager.status(of: bench.intent(3).id) == .waiting)
        let hashes = try drafts.map { try bench.sign($0) }
        // In a block they cost less than at worst: one more fits, and then no other one.
        bench.count = 7
        for hash in hashes { bench.include(hash, at: 100) }
        try bench.look()
        try bench.look()
        let third = try #require(bench.drafts().first)
        #expect(third.nonce == 7)
        try bench.sign(third)
        bench.head += 20
        for _ in 0..<10 { try bench.look() }
        #expect(bench.drafts() == [])
        #expect(bench.manager.laneStatuses[0].dayCost == 2 * actual + worst)
        // Midnight: what is still under way counts on, the rest begins anew.
        bench.now = 86_400
        try bench.look()
        try bench.look()
        let later = bench.done()
        #expect(later.contains(.alert(.closed(cause))))
        #expect(
            later.contains { if case .sign(let next, _) = $0 { next.nonce == 8 } else { false } })
        #expect(bench.manager.openBreakers == [])
    }

    @Test func aReplacementStaysWithinTheDayToo() throws {
        let limit = worst + worst / 10
        var bench = try ManagerBench(ManagerBench.policy { $0.dayLimit = limit })
        let hash = try bench.send(bench.intent(1))
        bench.market = EVMFeeMarket(baseFee: 30_000_000_000, tip: 2_000_000_000)
        for _ in 0..<10 { try bench.look() }
        let actions = bench.done()
        #expect(actions.contains(.alert(.stuck(bench.key.address, nonce: 5))))
        #expect(!actions.contains { if case .sign = $0 { true } else { false } })
        #expect(
            bench.manager.status(of: bench.intent(1).id)
                == .inFlight(nonce: 5, transactions: [hash]))
        var wider = bench.manager.policy
        wider.dayLimit = .max
        try bench.take(.configured(wider))
        for _ in 0..<10 { try bench.look() }
        #expect(Set(bench.drafts().map(\.nonce)) == [5])
    }

    // MARK: The policy

    @Test func theLogIsReadUnderThePolicyOfThen() throws {
        let first = ManagerBench.policy()
        let second = ManagerBench.policy {
            $0.maximumFeePerGas = 1
            $0.dayLimit = 7
        }
        var bench = try ManagerBench(first)
        try bench.send(bench.intent(1))
        try bench.take(.configured(second))
        try bench.take(.submit(bench.intent(2)))
        try bench.look()
        #expect(bench.drafts() == [])
        let state = bench.manager.stateBytes
        // Whatever the process that reads it was started with.
        let again = try EVMManager(policy: first, stateBytes: state)
        #expect(again.stateBytes == state && again.policy == second)
        let input = EVMManagerInput.configured(second)
        #expect(try EVMManagerInput(canonicalBytes: input.canonicalBytes()) == input)
        #expect(
            try EVMManagerPolicy(canonicalBytes: second.canonicalBytes()) == second)
    }

    @Test func aStateOfBeforeIsReadUnderThePolicyGiven() throws {
        var bench = try ManagerBench()
        try bench.send(bench.intent(1))
        try bench.take(.submit(bench.intent(2)))
        let state = bench.manager.stateBytes
        let policy = bench.manager.policy
        // Version 1 ended with the lanes: no flag, day, sum and day of the one lane; no policy. And
        // version 2 with the policy: no list of empty transactions.
        let ending = policy.canonicalBytes().count + 1 + 8 + 16 + 1 + 4
        let old = [1] + state.dropFirst().dropLast(ending)
        var again = try EVMManager(policy: policy, stateBytes: Array(old))
        #expect(again.stateBytes == state)
        let second = [2] + state.dropFirst().dropLast(4)
        #expect(try EVMManager(policy: policy, stateBytes: Array(second)).stateBytes == state)
        let actions = try again.apply(.restarted, at: Timestamp(seconds: bench.now))
        #expect(
            actions.contains {
                if case .sign(let draft, _) = $0 { draft.nonce == 6 } else { false }
            })
    }

    // MARK: Retirement

    @Test func aRetiredLaneEndsWhatItBeganAndCallsOffTheRest() throws {
        var bench = try ManagerBench(ManagerBench.policy { $0.inFlight = 3 })
        for number: UInt64 in 1...5 { try bench.take(.submit(bench.intent(number))) }
        let drafts = bench.drafts()
        #expect(drafts.map(\.nonce) == [5, 6, 7])
        // The second is signed; the third only has a nonce, and so has the first.
        let hash = try bench.sign(drafts[1])
        try bench.take(.retireLane(bench.key.address))
        let actions = bench.done()
        for number: UInt64 in [3, 4, 5] {
            #expect(actions.contains(.report(bench.intent(number).id, .failed(.cancelled))))
        }
        #expect(bench.manager.laneStatuses.map(\.open) == [2])
        #expect(bench.manager.laneStatuses[0].isRetiring)
        #expect(throws: EVMManagerRejection.noSuchLane) {
            try bench.take(.submit(bench.intent(6)))
        }
        // A signature that comes now is given to nobody.
        try bench.sign(drafts[2])
        #expect(bench.done().allSatisfy { if case .broadcast = $0 { false } else { true } })
        // The first nonce is filled by nothing, so that the second can be used.
        let filler = try #require(
            actions.compactMap { if case .sign(let draft, _) = $0 { draft } else { nil } }.last)
        #expect(filler.nonce == 5 && filler.to == bench.key.address && filler.data.isEmpty)
        let empty = try bench.sign(filler)
        bench.count = 7
        bench.include(empty, at: 90)
        let inclusion = bench.include(hash, at: 90)
        try bench.look()
        try bench.look()
        let ends = bench.done()
        #expect(ends.contains(.report(bench.intent(1).id, .failed(.cancelled))))
        #expect(ends.contains(.report(bench.intent(2).id, .settled(inclusion))))
        #expect(ends.contains(.alert(.laneDrained(bench.key.address))))
        #expect(bench.manager.laneStatuses == [] && bench.manager.openIntents == 0)
        // What it did is not forgotten.
        try bench.take(.submit(bench.intent(2)))
        #expect(bench.done() == [.report(bench.intent(2).id, .settled(inclusion))])
        let state = bench.manager.stateBytes
        #expect(
            try EVMManager(policy: bench.manager.policy, stateBytes: state).stateBytes == state)
    }

    @Test func aLaneThatIsOpenedAgainGoesOn() throws {
        var bench = try ManagerBench()
        let hash = try bench.send(bench.intent(1))
        try bench.take(.retireLane(bench.key.address))
        try bench.take(.retireLane(.zero))
        #expect(bench.done() == [])
        try bench.take(.openLane(bench.key.address))
        try bench.take(.submit(bench.intent(2)))
        #expect(bench.drafts().map(\.nonce) == [6])
        #expect(
            bench.manager.status(of: bench.intent(1).id)
                == .inFlight(nonce: 5, transactions: [hash]))
        // An idle one is gone at once, and learns its nonce anew when it comes back.
        var idle = try ManagerBench()
        try idle.take(.retireLane(idle.key.address))
        #expect(idle.done() == [.alert(.laneDrained(idle.key.address))])
        #expect(idle.manager.laneStatuses == [])
        idle.count = 9
        try idle.take(.openLane(idle.key.address))
        try idle.look()
        _ = idle.done()
        try idle.take(.submit(idle.intent(1)))
        #expect(idle.drafts().map(\.nonce) == [9])
    }
}
