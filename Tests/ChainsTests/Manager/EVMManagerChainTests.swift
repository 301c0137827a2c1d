import Chains
import Cryptography
import Primitives
import Testing

/// What the manager makes of what the chain says, and of its own end.
@Suite struct EVMManagerChainTests {
    // MARK: Depth

    @Test func onlyDepthSettles() throws {
        var bench = try ManagerBench()
        let id = bench.intent(1).id
        let hash = try bench.send(bench.intent(1))
        bench.count = 6
        bench.head = 101
        let inclusion = bench.include(hash, at: 101)
        for head: UInt64 in [101, 105, 109] {
            bench.head = head
            try bench.look()
            #expect(bench.manager.status(of: id) == .inFlight(nonce: 5, transactions: [hash]))
        }
        bench.head = 110
        _ = bench.done()
        try bench.look()
        #expect(bench.manager.status(of: id) == .closed(.settled(inclusion)))
        #expect(bench.done().contains(.report(id, .settled(inclusion))))
    }

    @Test func anUndoneTransactionFailsWhenItIsDeep() throws {
        var bench = try ManagerBench()
        let hash = try bench.send(bench.intent(1))
        bench.count = 6
        let inclusion = bench.include(hash, at: 91, succeeded: false)
        try bench.look()
        try bench.look()
        #expect(
            bench.manager.status(of: bench.intent(1).id) == .closed(.failed(.reverted(inclusion))))
    }

    @Test func aWeakerFinalityReportsEarlierAndFollowsOn() throws {
        var bench = try ManagerBench(ManagerBench.policy { $0.finality = .confirmed(2) })
        let id = bench.intent(1).id
        let hash = try bench.send(bench.intent(1))
        bench.count = 6
        bench.head = 101
        let first = bench.include(hash, at: 101)
        try bench.look()
        try bench.look()
        #expect(!bench.done().contains(.report(id, .settled(first))))
        bench.head = 102
        try bench.look()
        #expect(bench.done().contains(.report(id, .settled(first))))
        // It moves to another block and is undone there: the report is put right, with an alert.
        let second = bench.include(hash, at: 103, succeeded: false)
        bench.head = 104
        try bench.look()
        let actions = bench.done()
        #expect(actions.contains(.alert(.reportChanged(id))))
        #expect(actions.contains(.report(id, .failed(.reverted(second)))))
        bench.head = 120
        try bench.look()
        #expect(bench.manager.status(of: id) == .closed(.failed(.reverted(second))))
        #expect(!bench.done().contains { if case .report = $0 { true } else { false } })
    }

    @Test func whereTakenIsEnoughTheNodesWordIsReported() throws {
        var bench = try ManagerBench(ManagerBench.policy { $0.finality = .submitted })
        try bench.take(.submit(bench.intent(1)))
        let hash = try bench.sign(try #require(bench.drafts().first))
        _ = bench.done()
        try bench.take(.answered(transaction: hash, .alreadyKnown, ""))
        #expect(bench.done() == [.report(bench.intent(1).id, .submitted(hash))])
    }

    @Test func theNodesFinalizedBlockDecidesWhereThatIsAsked() throws {
        var bench = try ManagerBench(ManagerBench.policy { $0.usesFinalizedTag = true })
        let hash = try bench.send(bench.intent(1))
        bench.count = 6
        try bench.look()
        try bench.pass(12)
        let inclusion = bench.include(hash, at: 50)
        // A node that names none, as after a start, does not mean that depth will do.
        for (finalized, isClosed): (UInt64?, Bool) in [(nil, false), (49, false), (50, true)] {
            let question = EVMQuestion(
                finalHeight: nil, anchorHeight: nil, lanes: [bench.key.address],
                transactions: [hash])
            try bench.take(
                .observed(
                    EVMObservation(
                        question: question, head: 100, finalized: finalized, finalHash: nil,
                        anchorHash: nil, market: bench.market,
                        accounts: bench.observation(of: question).accounts,
                        receipts: [.included(inclusion, head: 100, finalized: finalized)])))
            let status = bench.manager.status(of: bench.intent(1).id)
            #expect((status == .closed(.settled(inclusion))) == isClosed)
        }
    }

    /// One endpoint leaves the fee out, and others are away now and then: what was told once
    /// counts, and nothing is reported as changed for it.
    @Test(arguments: [true, false])
    func aFeeThatIsLeftOutNowAndThenIsKept(_ succeeds: Bool) throws {
        var bench = try ManagerBench(ManagerBench.policy { $0.finality = .confirmed(2) })
        let id = bench.intent(1).id
        let hash = try bench.send(bench.intent(1))
        bench.count = 6
        var reports = 0
        for (look, fee) in ([0, 0, 70, 0, 70, 0, 0] as [UInt128]).enumerated() {
            var inclusion = bench.include(hash, at: 101, succeeded: succeeds)
            inclusion.rollupFee = fee
            bench.included[hash] = inclusion
            bench.head = look < 6 ? 104 : 150
            try bench.look()
            let actions = bench.done()
            for case .report in actions { reports += 1 }
            #expect(!actions.contains(.alert(.reportChanged(id))))
        }
        var told = bench.include(hash, at: 101, succeeded: succeeds)
        told.rollupFee = 70
        let outcome: EVMIntentOutcome = succeeds ? .settled(told) : .failed(.reverted(told))
        #expect(bench.manager.status(of: id) == .closed(outcome))
        #expect(reports == 2)
    }

    @Test func aFeeOfAnotherBlockIsNotKept() throws {
        var bench = try ManagerBench()
        let hash = try bench.send(bench.intent(1))
        bench.count = 6
        var told = bench.include(hash, at: 101)
        for (block, fee) in [(UInt64(101), UInt128(70)), (101, 70), (102, 40)] {
            told = bench.include(hash, at: block)
            told.rollupFee = fee
            bench.included[hash] = told
            bench.head = 104
            try bench.look()
        }
        bench.head = 150
        try bench.look()
        #expect(told.rollupFee == 40)
        #expect(bench.manager.status(of: bench.intent(1).id) == .closed(.settled(told)))
    }

    // MARK: Reorganisations

    @Test func whatWasReorganisedAwayIsSentAgain() throws {
        var bench = try ManagerBench()
        let hash = try bench.send(bench.intent(1))
        bench.count = 6
        bench.head = 101
        bench.include(hash, at: 101)
        try bench.look()
        try bench.look()
        _ = bench.done()
        bench.included = [:]
        bench.count = 5
        try bench.look()
        let actions = bench.done()
        #expect(actions.contains(.alert(.reorganised(hash))))
        #expect(
            actions.contains { action in
                if case .broadcast(hash, _) = action { true } else { false }
            })
    }

    /// The head moves on, but nobody confirms any more that the transaction is in its block.
    @Test func whatIsNotAgreedOnEndsNothing() throws {
        var bench = try ManagerBench()
        let hash = try bench.send(bench.intent(1))
        bench.count = 6
        bench.head = 101
        bench.include(hash, at: 101)
        try bench.look()
        try bench.look()
        bench.isAgreed = false
        bench.head = 150
        for _ in 0..<5 { try bench.look() }
        #expect(
            bench.manager.status(of: bench.intent(1).id)
                == .inFlight(nonce: 5, transactions: [hash]))
    }

    @Test func aLostFinalBlockHaltsUntilAPersonLooked() throws {
        var bench = try ManagerBench()
        for _ in 0..<3 { try bench.look() }
        _ = bench.done()
        bench.anchorHash = Digest(words: (6, 6, 6, 6))
        try bench.look()
        #expect(bench.done().contains(.alert(.opened(.deepReorg(91)))))
        try bench.take(.submit(bench.intent(1)))
        #expect(bench.drafts() == [])
        try bench.take(.resumed)
        #expect(bench.drafts().count == 1)
        try bench.look()
        #expect(bench.manager.openBreakers == [])
    }

    // MARK: Circuit breaker

    @Test func newIntentsWaitWhileNobodyAnswers() throws {
        var bench = try ManagerBench()
        for _ in 0..<3 { try bench.take(.unanswered) }
        #expect(bench.done() == [.alert(.opened(.nodesUnreachable))])
        try bench.take(.submit(bench.intent(1)))
        #expect(bench.drafts() == [])
        try bench.look()
        let actions = bench.done()
        #expect(actions.contains(.alert(.closed(.nodesUnreachable))))
        #expect(actions.contains { if case .sign = $0 { true } else { false } })
    }

    @Test func aFeeSpikeHoldsNewIntentsBackAndLetsOthersRun() throws {
        var bench = try ManagerBench(
            ManagerBench.policy { $0.maximumFeePerGas = 30_000_000_000 })
        let hash = try bench.send(bench.intent(1))
        bench.market = EVMFeeMarket(baseFee: 15_000_000_000, tip: 2_000_000_000)
        try bench.look()
        try bench.take(.submit(bench.intent(2)))
        try bench.pass(30)
        let actions = bench.done()
        #expect(actions.contains(.alert(.opened(.feeSpike))))
        #expect(actions.contains { if case .broadcast(hash, _) = $0 { true } else { false } })
        #expect(!actions.contains { if case .sign = $0 { true } else { false } })
        // It closes a tenth below where it opens.
        bench.market = EVMFeeMarket(baseFee: 13_000_000_000, tip: 2_000_000_000)
        try bench.look()
        #expect(bench.drafts() == [])
        bench.market = EVMFeeMarket(baseFee: 12_500_000_000, tip: 2_000_000_000)
        try bench.look()
        #expect(bench.drafts().map(\.nonce).contains(6))
    }

    @Test func anAccountThatCannotPayStartsNothing() throws {
        var bench = try ManagerBench()
        let low = EVMBreakerCause.lowBalance(bench.key.address)
        bench.balance = 21_000 * 22_000_000_000 + 999
        try bench.look()
        _ = bench.done()
        try bench.take(.submit(bench.intent(1)))
        #expect(bench.done() == [.alert(.opened(low))])
        try bench.look()
        #expect(bench.manager.openBreakers == [low])
        #expect(bench.drafts() == [])
        bench.balance += 1
        try bench.look()
        let actions = bench.done()
        #expect(actions.contains(.alert(.closed(low))))
        #expect(actions.contains { if case .sign = $0 { true } else { false } })
    }

    @Test func nothingStartsOnAnOldLook() throws {
        var bench = try ManagerBench()
        bench.now += 61
        try bench.take(.submit(bench.intent(1)))
        #expect(bench.drafts() == [])
    }

    // MARK: Unknown, and the end of the process

    @Test func longSilenceIsUnknownAndOnlyTheChainClosesIt() throws {
        var bench = try ManagerBench()
        let id = bench.intent(1).id
        let hash = try bench.send(bench.intent(1))
        for _ in 0..<60 { try bench.look() }
        #expect(bench.done().filter { $0 == .report(id, .unknown) }.count == 1)
        #expect(bench.manager.status(of: id) == .inFlight(nonce: 5, transactions: [hash]))
        bench.count = 6
        let inclusion = bench.include(hash, at: 91)
        try bench.look()
        try bench.look()
        #expect(bench.manager.status(of: id) == .closed(.settled(inclusion)))
        #expect(bench.done().contains(.report(id, .settled(inclusion))))
    }

    @Test func aManagerThatBeganAnewGoesOnWhereItWas() throws {
        var bench = try ManagerBench()
        let hash = try bench.send(bench.intent(1))
        let done = try bench.send(bench.intent(2))
        try bench.take(.submit(bench.intent(3)))
        let draft = try #require(bench.drafts().first)
        bench.count = 7
        bench.include(done, at: 91)
        try bench.look()
        try bench.look()
        let bytes = bench.manager.stateBytes
        var again = try EVMManager(policy: bench.manager.policy, stateBytes: bytes)
        #expect(again.stateBytes == bytes)
        let actions = try again.apply(.restarted, at: Timestamp(seconds: bench.now))
        #expect(actions.contains(.sign(draft, by: bench.key.address)))
        #expect(
            actions.contains { if case .report(bench.intent(2).id, _) = $0 { true } else { false } }
        )
        #expect(actions.contains { if case .ask = $0 { true } else { false } })
        #expect(
            again.status(of: bench.intent(1).id) == .inFlight(nonce: 5, transactions: [hash]))
        // What is written down is not reported again.
        guard case .closed(let outcome) = again.status(of: bench.intent(2).id) else {
            Issue.record("the payout did not end")
            return
        }
        _ = try again.apply(
            .acknowledged(bench.intent(2).id, outcome), at: Timestamp(seconds: bench.now))
        let later = try again.apply(.restarted, at: Timestamp(seconds: bench.now))
        #expect(!later.contains { if case .report = $0 { true } else { false } })
    }

    @Test func bytesThatAreNoStateAreRefused() throws {
        var bench = try ManagerBench()
        try bench.send(bench.intent(1))
        let bytes = bench.manager.stateBytes
        for count in stride(from: 0, to: bytes.count, by: 7) {
            #expect(throws: CodecError.self) {
                _ = try EVMManager(
                    policy: bench.manager.policy, stateBytes: Array(bytes[..<count]))
            }
        }
        #expect(throws: CodecError.trailingBytes) {
            _ = try EVMManager(policy: bench.manager.policy, stateBytes: bytes + [0])
        }
    }
}
