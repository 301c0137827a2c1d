import Chains
import Cryptography
import Primitives
import Testing

/// The manager's rules, one by one.
@Suite struct EVMManagerTests {
    // MARK: Intents

    @Test func aNonceIsReservedBeforeAnythingIsSigned() throws {
        var bench = try ManagerBench()
        try bench.take(.submit(bench.intent(1)))
        let draft = try #require(bench.drafts().first)
        #expect(draft.nonce == 5)
        #expect(draft.maxPriorityFeePerGas == 2_000_000_000)
        #expect(draft.maxFeePerGas == 22_000_000_000)
        #expect(
            bench.manager.status(of: bench.intent(1).id) == .inFlight(nonce: 5, transactions: []))
        let hash = try bench.sign(draft)
        #expect(
            bench.done() == [.broadcast(transaction: hash, raw: draft.signed(by: bench.key).raw)])
    }

    @Test func theSameIntentIsOneAndAnotherOfItsIdIsRefused() throws {
        var bench = try ManagerBench()
        let hash = try bench.send(bench.intent(1))
        try bench.take(.submit(bench.intent(1)))
        #expect(bench.done() == [])
        for other in [bench.intent(1, value: 999), bench.intent(1, gas: 22_000)] {
            #expect(throws: EVMManagerRejection.otherContent) {
                try bench.take(.submit(other))
            }
        }
        bench.count = 6
        let inclusion = bench.include(hash, at: 90)
        try bench.look()
        try bench.look()
        #expect(bench.manager.status(of: bench.intent(1).id) == .closed(.settled(inclusion)))
        _ = bench.done()
        try bench.take(.submit(bench.intent(1)))
        #expect(bench.done() == [.report(bench.intent(1).id, .settled(inclusion))])
    }

    @Test func whatIsRefusedChangesNothing() throws {
        var bench = try ManagerBench(ManagerBench.policy { $0.maximumIntents = 1 })
        let before = bench.manager.stateBytes
        let stranger = EVMIntent(
            id: .zero, from: .zero, to: .zero, gasLimit: 1, feeLimit: 1)
        let wrong: [(EVMIntent, EVMManagerRejection)] = [
            (stranger, .noSuchLane),
            (bench.intent(1, gas: 1 << 24 + 1), .invalidIntent),
            (bench.intent(1, feeLimit: 0), .invalidIntent),
            (
                EVMIntent(
                    id: .zero, from: bench.key.address, to: .zero,
                    data: [UInt8](repeating: 0, count: EVMIntent.maximumData + 1),
                    gasLimit: 1, feeLimit: 1), .invalidIntent
            ),
        ]
        for (intent, reason) in wrong {
            #expect(throws: reason) { try bench.take(.submit(intent)) }
        }
        #expect(throws: EVMManagerRejection.noSuchIntent) { try bench.take(.cancel(.zero)) }
        #expect(bench.manager.stateBytes == before)
        try bench.take(.submit(bench.intent(1)))
        #expect(throws: EVMManagerRejection.tooManyIntents) {
            try bench.take(.submit(bench.intent(2)))
        }
        #expect(EVMManagerRejection.allCases.map(\.rawValue) == Array(1...7))
    }

    @Test func gasIsEstimatedWhenItIsNotGiven() throws {
        var bench = try ManagerBench()
        let id = bench.intent(1).id
        try bench.take(.submit(bench.intent(1, gas: 0)))
        #expect(bench.done() == [.estimate(bench.intent(1, gas: 0))])
        try bench.pass(9)
        #expect(bench.done().allSatisfy { $0 != .estimate(bench.intent(1, gas: 0)) })
        try bench.pass(2)
        #expect(bench.done().contains(.estimate(bench.intent(1, gas: 0))))
        try bench.take(.estimated(id, gas: 50_000))
        #expect(bench.drafts().map(\.gasLimit) == [60_000])
        try bench.take(.submit(bench.intent(2, gas: 0)))
        _ = bench.done()
        try bench.take(.estimateReverted(bench.intent(2).id, "no bond"))
        #expect(bench.done() == [.report(bench.intent(2).id, .failed(.wouldRevert("no bond")))])
    }

    @Test func aLaneHasSoManyInFlightAndNoMore() throws {
        var bench = try ManagerBench(ManagerBench.policy { $0.inFlight = 3 })
        for number: UInt64 in 1...5 { try bench.take(.submit(bench.intent(number))) }
        let drafts = bench.drafts()
        #expect(drafts.map(\.nonce) == [5, 6, 7])
        let hashes = try drafts.map { try bench.sign($0) }
        bench.count = 7
        bench.include(hashes[0], at: 99)
        bench.include(hashes[1], at: 99)
        try bench.look()
        _ = bench.done()
        try bench.look()
        #expect(bench.drafts().map(\.nonce) == [8, 9])
    }

    // MARK: Signatures

    @Test func aSignerCannotSlipInAnotherTransaction() throws {
        var bench = try ManagerBench()
        try bench.take(.submit(bench.intent(1)))
        let draft = try #require(bench.drafts().first)
        var other = draft
        other.value += 1
        try bench.sign(other)
        #expect(bench.done() == [.alert(.wrongSignature(bench.key.address, nonce: 5))])
        try bench.pass(11)
        #expect(bench.drafts() == [draft])
        let hash = try bench.sign(draft)
        try bench.sign(draft)
        #expect(bench.done().count == 1)
        #expect(
            bench.manager.status(of: bench.intent(1).id)
                == .inFlight(nonce: 5, transactions: [hash]))
    }

    // MARK: Prices

    @Test func aTransactionThatWaitsIsReplacedWhenTheMarketRose() throws {
        var bench = try ManagerBench()
        let first = try bench.send(bench.intent(1))
        try bench.look(after: 50)
        #expect(bench.drafts() == [])
        bench.market = EVMFeeMarket(baseFee: 20_000_000_000, tip: 2_000_000_000)
        try bench.look(after: 50)
        try bench.pass(50)
        let draft = try #require(bench.drafts().first)
        #expect(draft.nonce == 5)
        #expect(draft.maxPriorityFeePerGas == 2_300_000_000)
        #expect(draft.maxFeePerGas == 42_300_000_000)
        let second = try bench.sign(draft)
        #expect(
            bench.manager.status(of: bench.intent(1).id)
                == .inFlight(nonce: 5, transactions: [first, second]))
        // The old one may still be the one that is mined.
        bench.count = 6
        let inclusion = bench.include(first, at: 101)
        bench.head = 110
        try bench.look()
        try bench.look()
        #expect(bench.manager.status(of: bench.intent(1).id) == .closed(.settled(inclusion)))
    }

    @Test func aPoolThatWantsMoreGetsTheThreshold() throws {
        var bench = try ManagerBench()
        let first = try bench.send(bench.intent(1))
        try bench.take(.answered(transaction: first, .replacementUnderpriced, ""))
        try bench.pass(1)
        let draft = try #require(bench.drafts().first)
        #expect(draft.maxPriorityFeePerGas == 2_300_000_000)
        #expect(draft.maxFeePerGas == 25_300_000_000)
    }

    @Test func overALimitItWaitsAndSaysSo() throws {
        var bench = try ManagerBench()
        // 21,000 gas at 22 gwei fit, at 15 % more they do not.
        let intent = bench.intent(1, feeLimit: 470_000_000_000_000)
        let hash = try bench.send(intent)
        try bench.take(.answered(transaction: hash, .underpriced, ""))
        try bench.pass(1)
        try bench.pass(1)
        #expect(bench.done() == [.alert(.stuck(bench.key.address, nonce: 5))])
        let dear = bench.intent(2, feeLimit: 461_999_999_999_999)
        try bench.take(.submit(dear))
        try bench.pass(1)
        #expect(bench.done().filter { $0 == .alert(.feeLimit(dear.id)) }.count == 1)
        #expect(bench.manager.status(of: dear.id) == .waiting)
        bench.market = EVMFeeMarket(baseFee: 9_000_000_000, tip: 2_000_000_000)
        try bench.look()
        #expect(bench.drafts().map(\.nonce) == [6])
    }

    // MARK: Nonces

    @Test func aCancelledNonceIsFilledAndTheChainDecides() throws {
        for winner in [0, 1] {
            var bench = try ManagerBench()
            let id = bench.intent(1).id
            let own = try bench.send(bench.intent(1))
            try bench.take(.cancel(id))
            let filler = try #require(bench.drafts().first)
            #expect(filler.to == bench.key.address && filler.value == 0 && filler.nonce == 5)
            #expect(filler.maxFeePerGas == 25_300_000_000)
            let empty = try bench.sign(filler)
            bench.count = 6
            let inclusion = bench.include(winner == 0 ? own : empty, at: 91)
            try bench.look()
            try bench.look()
            #expect(
                bench.manager.status(of: id)
                    == .closed(winner == 0 ? .settled(inclusion) : .failed(.cancelled)))
            #expect(throws: EVMManagerRejection.alreadyClosed) { try bench.take(.cancel(id)) }
        }
    }

    @Test func anIntentThatWaitsIsCancelledAtOnce() throws {
        var bench = try ManagerBench(ManagerBench.policy { $0.inFlight = 1 })
        try bench.send(bench.intent(1))
        try bench.take(.submit(bench.intent(2)))
        try bench.take(.cancel(bench.intent(2).id))
        #expect(bench.done() == [.report(bench.intent(2).id, .failed(.cancelled))])
        #expect(bench.manager.openIntents == 1)
    }

    @Test func aNonceWhoseTransactionIsRefusedIsFilled() throws {
        var bench = try ManagerBench()
        let hash = try bench.send(bench.intent(1))
        for _ in 0..<2 { try bench.take(.answered(transaction: hash, .refused, "rlp")) }
        #expect(bench.done() == [])
        try bench.take(.answered(transaction: hash, .refused, "rlp"))
        let actions = bench.done()
        #expect(actions.first == .alert(.refused(hash, "rlp")))
        guard case .sign(let filler, _)? = actions.last else {
            Issue.record("nothing fills the nonce")
            return
        }
        bench.count = 6
        bench.include(try bench.sign(filler), at: 91)
        try bench.look()
        try bench.look()
        #expect(
            bench.manager.status(of: bench.intent(1).id) == .closed(.failed(.refused("rlp"))))
    }

    @Test func aNonceThatAnotherProgramLeftOpenIsFilled() throws {
        var bench = try ManagerBench(isOpen: false)
        bench.pendingCount = 7
        try bench.take(.openLane(bench.key.address))
        try bench.look()
        try bench.take(.submit(bench.intent(1)))
        #expect(bench.drafts().map(\.nonce) == [7])
        try bench.look(after: 100)
        #expect(bench.drafts().filter { $0.value == 0 } == [])
        try bench.pass(30)
        let actions = bench.done()
        #expect(actions.contains(.alert(.foreignNonce(bench.key.address, nonce: 5))))
        let fillers = actions.compactMap { action -> EVMTransaction? in
            if case .sign(let draft, _) = action, draft.value == 0 { draft } else { nil }
        }
        #expect(fillers.map(\.nonce) == [5, 6])
        #expect(fillers.allSatisfy { $0.to == bench.key.address })
    }

    @Test func aNonceUsedByAStrangerClosesTheIntentAndHaltsTheKey() throws {
        var bench = try ManagerBench()
        try bench.send(bench.intent(1))
        bench.count = 6
        try bench.look()
        bench.finalCount = 6
        bench.isAgreed = false
        for _ in 0..<9 { try bench.look() }
        bench.isAgreed = true
        _ = bench.done()
        for _ in 0..<2 { try bench.look() }
        #expect(!bench.done().contains { if case .report = $0 { true } else { false } })
        try bench.look()
        #expect(bench.done().contains(.report(bench.intent(1).id, .failed(.replaced))))
        #expect(bench.manager.openBreakers == [.keyUsedElsewhere(bench.key.address)])
        try bench.take(.submit(bench.intent(2)))
        #expect(bench.drafts() == [])
        try bench.take(.resumed)
        #expect(bench.drafts().map(\.nonce) == [6])
    }
}
