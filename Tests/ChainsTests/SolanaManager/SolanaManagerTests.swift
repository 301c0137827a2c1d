import Chains
import Cryptography
import Primitives
import Testing

@Suite struct SolanaManagerTests {
    private let nonce = SolanaAddress(Digest(words: (6, 6, 6, 6)))
    private let value = Digest(words: (7, 7, 7, 1))
    private let later = Digest(words: (7, 7, 7, 2))

    @Test func anIdIsOnePayout() throws {
        var bench = try SolanaBench()
        try bench.take(.submit(bench.payout(1)))
        try bench.take(.submit(bench.payout(1)))
        #expect(bench.manager.openPayouts == 1)
        #expect(throws: SolanaManagerRejection.otherContent) {
            try bench.take(.submit(bench.payout(1, 6)))
        }
        #expect(throws: SolanaManagerRejection.invalidPayout) {
            try bench.take(.submit(bench.payout(2, 0)))
        }
        #expect(throws: SolanaManagerRejection.noSuchPayout) {
            try bench.take(.cancel(.zero))
        }
        try bench.take(.cancel(bench.payout(1).id))
        #expect(bench.actions == [.report(bench.payout(1).id, .cancelled)])
        #expect(throws: SolanaManagerRejection.alreadyClosed) {
            try bench.take(.cancel(bench.payout(1).id))
        }
    }

    @Test func whatIsOnItsWayCannotBeCalledOffAndASignatureOfAnotherThingIsRefused() throws {
        var bench = try SolanaBench()
        try bench.take(.submit(bench.payout(1)))
        try bench.look { bench, _ in [bench.answer(1_000, []), bench.answer(1_000, [])] }
        try bench.take(.looked([SolanaRecipient(bench.owner, .ready)]))
        let draft = try #require(bench.drafts.first)
        #expect(draft.payouts == [TokenPayout(to: bench.owner, amount: 5)])
        #expect(throws: SolanaManagerRejection.onItsWay) {
            try bench.take(.cancel(bench.payout(1).id))
        }
        let other = try SolanaTransaction(
            SolanaMessage(
                [.memo([1], signer: bench.manager.policy.payer)],
                payer: bench.manager.policy.payer, blockhash: .zero), signedBy: [bench.key])
        try bench.take(.signed(batch: draft.batch, other.id, other.bytes))
        #expect(bench.actions == [.alert(.wrongSignature(batch: draft.batch))])
    }

    /// Two of three have no trace of it; only one of them has finalized what comes after.
    @Test func onlyEnoughFinalHeightsMakeABlockhashOld() throws {
        var bench = try SolanaBench()
        let id = try bench.send()
        // Its last height is 1,150, and 8 more for safety.
        for heights: [UInt64] in [[1_158, 1_158], [9_000, 1_100], [9_000, 1_158]] {
            try bench.look { bench, _ in heights.map { bench.answer($0, [.absent]) } + [nil] }
            #expect(bench.manager.status(of: bench.payout(1).id) == .inFlight([id]))
            #expect(bench.drafts.isEmpty)
        }
        try bench.look { bench, _ in
            [bench.answer(9_000, [.absent]), bench.answer(1_247, [.absent]), nil]
        }
        #expect(bench.actions.contains(.alert(.expired(id))))
        // It is looked at again, and costs more.
        try bench.take(.looked([SolanaRecipient(bench.owner, .ready)]))
        #expect(bench.drafts.map(\.price) == [1_150])
        let second = try bench.sign()
        #expect(second != id)
        let seen = SolanaSighting(slot: 77, failure: nil)
        for (commitment, isOver) in [(SolanaCommitment.confirmed, false), (.finalized, true)] {
            try bench.look { bench, _ in
                [
                    bench.answer(1_300, [.present(seen, commitment)]),
                    bench.answer(1_300, [.present(seen, .finalized)]), nil,
                ]
            }
            let settled = SolanaPayoutOutcome.settled(second, slot: 77)
            #expect((bench.manager.status(of: bench.payout(1).id) == .closed(settled)) == isOver)
        }
    }

    /// The same to the same owner on the same blockhash would be one transaction, and pay once.
    @Test func aPaymentLikeAnotherIsATransactionOfItsOwn() throws {
        var bench = try SolanaBench()
        let first = try bench.send()
        try bench.add(2, 5)
        #expect(bench.drafts.map(\.price) == [1_001])
        let second = try bench.sign()
        #expect(first != second)
        let seen = SolanaStatusAnswer.present(SolanaSighting(slot: 9, failure: nil), .finalized)
        try bench.look { bench, _ in
            [bench.answer(1_050, [seen, .absent]), bench.answer(1_050, [seen, .absent])]
        }
        #expect(
            bench.manager.status(of: bench.payout(1).id) == .closed(.settled(first, slot: 9)))
        #expect(bench.manager.status(of: bench.payout(2).id) == .inFlight([second]))
        // The first is over, and its transaction would still be taken for another's.
        let state = bench.manager.stateBytes
        bench.manager = try SolanaManager(policy: bench.manager.policy, stateBytes: state)
        try bench.add(3, 5)
        #expect(bench.drafts.map(\.price) == [1_002])
        // What is dear does not become dearer.
        bench.price = 10_000_000
        try bench.look { bench, _ in
            [bench.answer(1_050, [.absent]), bench.answer(1_050, [.absent])]
        }
        try bench.add(4, 5)
        #expect(bench.drafts.map(\.price) == [10_000_000])
        try bench.add(5, 5)
        #expect(bench.drafts.map(\.price) == [9_999_999])
    }

    /// Machines that began after the transaction know nothing of it, however young it is.
    @Test func absenceIsNoEvidenceOfWhoLacksTheHistory() throws {
        var bench = try SolanaBench()
        let id = try bench.send()
        func look(_ histories: [UInt64?]) throws {
            try bench.look { bench, question in
                #expect(question.transactions.map(\.since) == [6_001])
                return histories.map { bench.answer(1_300, [.absent], history: $0) }
            }
        }
        for histories: [UInt64?] in [[nil, nil], [6_002, 6_002], [6_001, 6_002]] {
            try look(histories)
            #expect(bench.manager.status(of: bench.payout(1).id) == .inFlight([id]))
        }
        #expect(bench.manager.stuckBatches.isEmpty)
        bench.now += 300
        try look([6_001, 6_002])
        #expect(bench.actions.contains(.alert(.tooOld(id))))
        #expect(bench.manager.stuckBatches.map(\.history) == [6_001])
        try look([6_001, 0])
        #expect(bench.actions.contains(.alert(.expired(id))))
    }

    @Test func oldAbsenceIsNoEvidence() throws {
        var bench = try SolanaBench()
        let id = try bench.send()
        bench.now += 13 * 3_600
        try bench.look { bench, _ in
            (0..<2).map { _ in bench.answer(99_000, [.absent], history: nil) }
        }
        #expect(bench.actions.contains(.alert(.tooOld(id))))
        #expect(bench.actions.contains(.report(bench.payout(1).id, .unknown)))
        #expect(bench.manager.status(of: bench.payout(1).id) == .inFlight([id]))
    }

    /// One who lies and one who lags together must not make it dead.
    @Test func aNonceIsUsedUpOnlyWhereThatIsSeen() throws {
        var bench = try SolanaBench(nonces: [nonce])
        let first = try bench.send(nonces: [value])
        // Long in no block: a second transaction for the same value of the nonce, at once.
        bench.now += 60
        try bench.take(.tick)
        let second = try bench.sign()
        try bench.look { bench, _ in
            [
                bench.answer(2_000, [.absent, .absent], nonces: [later]),
                bench.answer(1_900, [.absent, .absent], nonces: [value]),
                bench.answer(2_000, [.unknown, .unknown], nonces: [later]),
            ]
        }
        #expect(bench.manager.status(of: bench.payout(1).id) == .inFlight([first, second]))
        try bench.look { bench, _ in
            [
                bench.answer(2_000, [.absent, .absent], nonces: [later]),
                bench.answer(2_000, [.absent, .absent], nonces: [later]), nil,
            ]
        }
        #expect(bench.actions.contains(.alert(.expired(second))))
    }

    /// Two that lag know an earlier value and not the transaction: that is no end of it.
    @Test func anEarlierValueOfANonceIsNoEvidence() throws {
        var bench = try SolanaBench(nonces: [nonce])
        let id = try bench.send(nonces: [value])
        let earlier = Digest(words: (7, 7, 7, 0))
        for (height, value) in [(UInt64(900), earlier), (1_007, later)] {
            try bench.look { bench, _ in
                [
                    bench.answer(height, [.absent], nonces: [value]),
                    bench.answer(height, [.absent], nonces: [value]), nil,
                ]
            }
            #expect(!bench.actions.contains(.alert(.expired(id))), "\(height)")
        }
    }

    @Test func aForkThatTakesBackWhatWasToldIsTold() throws {
        var bench = try SolanaBench(finality: .confirmed)
        let id = try bench.send()
        let payout = bench.payout(1).id
        let seen = SolanaStatusAnswer.present(SolanaSighting(slot: 9, failure: nil), .confirmed)
        try bench.look { bench, _ in [bench.answer(1_050, [seen]), bench.answer(1_050, [seen])] }
        #expect(bench.actions.contains(.report(payout, .settled(id, slot: 9))))
        #expect(bench.manager.status(of: payout) == .inFlight([id]))
        try bench.look { bench, _ in
            [bench.answer(1_300, [.absent]), bench.answer(1_300, [.absent])]
        }
        #expect(bench.actions.contains(.alert(.reportChanged(payout))))
        #expect(bench.actions.contains(.report(payout, .unknown)))
        #expect(bench.manager.status(of: payout) == .waiting)
    }

    /// One of two who hold a hash recent is honest, and its height bounds the hash's.
    @Test func aBlockhashIsOfEnoughEndpointsAndNoYoungerThanTheySay() throws {
        let bench = try SolanaBench()
        let question = SolanaQuestion(transactions: [], nonces: [])
        let (old, young, forged) = (
            Digest(words: (1, 1, 1, 1)), Digest(words: (2, 2, 2, 2)), Digest(words: (3, 3, 3, 3))
        )
        func recent(_ liar: SolanaEndpointAnswer) -> SolanaRecentHash? {
            Quorum(needed: 2).merge(
                [
                    bench.answer(1_000, [], recent: [old]),
                    bench.answer(1_020, [], recent: [old, young]), liar,
                ], to: question)?.recent
        }
        for height: UInt64 in [1, 9_000] {
            let liar = bench.answer(height, [], recent: [forged])
            #expect(recent(liar) == SolanaRecentHash(old, height: 1_020))
        }
        for height: UInt64 in [1, 1_010] {
            let liar = bench.answer(height, [], recent: [young])
            #expect(recent(liar)?.height == 1_020)
        }
        let liar = bench.answer(9_000, [], recent: [old])
        #expect(recent(liar) == SolanaRecentHash(old, height: 1_020))
        let merged = Quorum(needed: 2).merge(
            [bench.answer(5, [], recent: [old]), bench.answer(5, [], recent: [young])],
            to: question)
        #expect(merged != nil && merged?.recent == nil)
    }
}
