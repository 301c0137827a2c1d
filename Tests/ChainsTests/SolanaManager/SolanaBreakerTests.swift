import Chains
import Primitives
import Testing

/// What new batches wait for, one cause after the other: it opens, nothing new is signed, what is
/// on its way goes on, and it closes.
@Suite struct SolanaBreakerTests {
    private func agreed(_ bench: SolanaBench, _ question: SolanaQuestion) -> [SolanaEndpointAnswer?]
    {
        let statuses = question.transactions.map { _ in SolanaStatusAnswer.absent }
        return [bench.answer(1_000, statuses), bench.answer(1_000, statuses), nil]
    }

    @Test func withoutEnoughNodesNothingNewIsSigned() throws {
        var bench = try SolanaBench()
        let first = try bench.send()
        // One node alone is no answer. Three times in a row it is a cause.
        for round in 1...3 {
            try bench.look { bench, _ in [bench.answer(1_000, [.absent]), nil, nil] }
            let opened = bench.actions.contains(.alert(.opened(.nodesUnreachable)))
            #expect(opened == (round == 3))
        }
        #expect(bench.manager.openBreakers == [.nodesUnreachable])
        try bench.add(2)
        #expect(bench.drafts.isEmpty)
        #expect(bench.manager.status(of: bench.payout(1).id) == .inFlight([first]))
        try bench.look(agreed)
        #expect(bench.actions.contains(.alert(.closed(.nodesUnreachable))))
        #expect(bench.drafts.map { $0.payouts.map(\.amount) } == [[bench.payout(2).amount]])
    }

    @Test func whoHoldsTooFewLamportsSignsNothing() throws {
        var bench = try SolanaBench()
        bench.lamports = bench.manager.policy.minimumLamports - 1
        try bench.take(.submit(bench.payout(1)))
        try bench.look(agreed)
        #expect(bench.actions.contains(.alert(.opened(.lowLamports))))
        try bench.take(.looked([SolanaRecipient(bench.owner, .ready)]))
        #expect(bench.drafts.isEmpty && bench.manager.openBreakers == [.lowLamports])
        bench.lamports += 1
        try bench.look(agreed)
        #expect(bench.actions.contains(.alert(.closed(.lowLamports))))
        #expect(bench.drafts.count == 1 && bench.manager.openBreakers.isEmpty)
    }

    /// The payer has enough for two accounts of three and for payments: the third account waits,
    /// nobody is blamed for that, and it is said once, until there is enough.
    @Test func whoHoldsTooFewLamportsForAllAccountsMakesFewerAndPaysOn() throws {
        var bench = try SolanaBench()
        let policy = bench.manager.policy
        // 80,450 units for two are 81 lamports.
        bench.lamports = policy.minimumLamports + 2 * policy.accountRent + 5_081
        let others = (0..<3).map { SolanaAddress(Digest(words: (2, 2, 2, UInt64($0)))) }
        let payouts = others.map { SolanaPayout(id: $0.value, to: $0, amount: 3) }
        for payout in payouts { try bench.take(.submit(payout)) }
        try bench.take(.submit(bench.payout(1)))
        try bench.look(agreed)
        try bench.take(
            .looked(
                others.map { SolanaRecipient($0, .missing) }
                    + [SolanaRecipient(bench.owner, .ready)]))
        let drafts = bench.drafts
        #expect(
            drafts.map { $0.payouts.map(\.owner) } == [Array(others.prefix(2)), [bench.owner]])
        #expect(drafts.map(\.kind) == [.makeAccounts, .pay])
        #expect(bench.actions.count { $0 == .alert(.opened(.lowLamports)) } == 1)
        for draft in drafts {
            let signed = try SolanaTransaction(draft.message(policy), signedBy: [bench.key])
            try bench.take(.signed(batch: draft.batch, signed.id, signed.bytes))
        }
        try bench.take(.tick)
        #expect(bench.actions.isEmpty)

        // What is in a block may be gone from what the payer has already, or not.
        for lamports in [bench.lamports, policy.minimumLamports + 100] {
            bench.lamports = lamports
            try look(&bench, .confirmed)
            #expect(bench.drafts.isEmpty && bench.manager.openBreakers == [.lowLamports])
            #expect(!bench.actions.contains { if case .alert = $0 { true } else { false } })
        }
        bench.lamports = policy.minimumLamports + policy.accountRent + 5_041
        try look(&bench, .finalized)
        #expect(bench.actions.contains(.alert(.closed(.lowLamports))))
        #expect(bench.drafts.map { $0.payouts.map(\.owner) } == [[others[2]]])
        for payout in payouts.prefix(2) {
            #expect(bench.manager.status(of: payout.id) == .waiting)
        }
        #expect(try bench.replayed(policy).stateBytes == bench.manager.stateBytes)
    }

    /// Everything that was signed is in a block that is so sure.
    private func look(_ bench: inout SolanaBench, _ commitment: SolanaCommitment) throws {
        let seen = SolanaStatusAnswer.present(SolanaSighting(slot: 9, failure: nil), commitment)
        try bench.look { bench, question in
            let statuses = question.transactions.map { _ in seen }
            return [bench.answer(1_001, statuses), bench.answer(1_001, statuses), nil]
        }
    }

    /// What is on its way is not paid for with the same lamports twice.
    @Test func aPaymentLeavesWhatOthersOnTheirWayCost() throws {
        var bench = try SolanaBench()
        var poor = bench.manager.policy
        poor.minimumLamports = 5_007
        try bench.take(.configured(poor))
        bench.lamports = 2 * 5_007 - 1
        _ = try bench.send()
        try bench.add(2)
        #expect(bench.drafts.isEmpty && bench.manager.openBreakers == [.lowLamports])
        #expect(bench.actions.contains(.alert(.opened(.lowLamports))))
        for hasCome in [false, true] {
            if hasCome { bench.lamports += 1 }
            try bench.look(agreed)
            #expect(bench.actions.contains(.alert(.closed(.lowLamports))) == hasCome)
            #expect(!bench.actions.contains(.alert(.opened(.lowLamports))))
            #expect(bench.drafts.count == (hasCome ? 1 : 0))
        }
    }

    @Test func aPaymentBeyondWhatThePayerHoldsWaits() throws {
        var bench = try SolanaBench()
        bench.tokens = 99
        try bench.take(.submit(bench.payout(1, 100)))
        try bench.look(agreed)
        try bench.take(.looked([SolanaRecipient(bench.owner, .ready)]))
        #expect(bench.actions.contains(.alert(.opened(.lowTokens))))
        #expect(bench.drafts.isEmpty && bench.manager.openBreakers == [.lowTokens])
        bench.tokens = 100
        try bench.look(agreed)
        #expect(bench.actions.contains(.alert(.closed(.lowTokens))))
        #expect(bench.drafts.map { $0.payouts.map(\.amount) } == [[100]])
    }

    @Test func whatIsTooDearWaitsAndSaysSo() throws {
        var bench = try SolanaBench()
        var frugal = bench.manager.policy
        frugal.feeLimit = 5_006
        try bench.take(.configured(frugal))
        try bench.take(.submit(bench.payout(1)))
        try bench.look(agreed)
        // 6,950 units at 1,000 millionths of a lamport are seven lamports beside the signature.
        try bench.take(.looked([SolanaRecipient(bench.owner, .ready)]))
        #expect(bench.actions.contains(.alert(.feeLimit)))
        #expect(bench.drafts.isEmpty && bench.manager.isOverFeeLimit)
        frugal.feeLimit = 5_007
        try bench.take(.configured(frugal))
        #expect(bench.drafts.count == 1 && !bench.manager.isOverFeeLimit)
    }

    /// Each expiry makes the next offer dearer, up to what one may cost and no further: after a
    /// long congestion nothing could be paid any more.
    @Test func aPriceRisesNoFurtherThanATransactionMayCost() throws {
        var bench = try SolanaBench()
        var frugal = bench.manager.policy
        // 6,950 units at 1,151 are eight lamports beside the signature, at 1,152 they are nine.
        frugal.feeLimit = 5_008
        try bench.take(.configured(frugal))
        _ = try bench.send()
        for (round, price) in ([1_150, 1_151, 1_151] as [UInt64]).enumerated() {
            let height = 1_200 + 200 * UInt64(round)
            let hash = Digest(words: (8, 8, 8, UInt64(round)))
            // Once for the height, and once for who has the history.
            for _ in 0..<2 {
                try bench.look { bench, question in
                    let statuses = question.transactions.map { _ in SolanaStatusAnswer.absent }
                    return (0..<2).map { _ in bench.answer(height, statuses, recent: [hash]) }
                }
            }
            try bench.take(.looked([SolanaRecipient(bench.owner, .ready)]))
            #expect(bench.drafts.map(\.price) == [price])
            #expect(!bench.manager.isOverFeeLimit)
            _ = try bench.sign()
        }
    }

    /// What is too dear together is paid in smaller batches; where a second one like the first can
    /// offer no more than that, it offers less.
    @Test func atADearMarketFewerArePaidTogether() throws {
        var bench = try SolanaBench()
        bench.price = 1_040
        var frugal = bench.manager.policy
        // For two it is 14 lamports, at 1,041 it is 15, and for four 28.
        frugal.feeLimit = 5_014
        try bench.take(.configured(frugal))
        for number: UInt64 in 1...4 { try bench.take(.submit(bench.payout(number, 5))) }
        try bench.look(agreed)
        try bench.take(.looked([SolanaRecipient(bench.owner, .ready)]))
        #expect(bench.drafts.map { $0.payouts.map(\.amount) } == [[5, 5], [5, 5]])
        #expect(bench.drafts.map(\.price) == [1_040, 1_039])
        #expect(!bench.manager.isOverFeeLimit)
    }

    /// An account costs more than a payment, which does not wait for it.
    @Test func accountsThatAreTooDearHoldNoPaymentUp() throws {
        var bench = try SolanaBench()
        var frugal = bench.manager.policy
        frugal.feeLimit = 5_007
        try bench.take(.configured(frugal))
        let other = SolanaAddress(Digest(words: (2, 2, 2, 2)))
        try bench.take(.submit(SolanaPayout(id: .zero, to: other, amount: 3)))
        try bench.take(.submit(bench.payout(1)))
        try bench.look(agreed)
        try bench.take(
            .looked([SolanaRecipient(other, .missing), SolanaRecipient(bench.owner, .ready)]))
        #expect(bench.drafts.map(\.kind) == [.pay])
        #expect(bench.actions.count { $0 == .alert(.feeLimit) } == 1)
        _ = try bench.sign()
        try bench.take(.tick)
        #expect(!bench.actions.contains(.alert(.feeLimit)) && bench.manager.isOverFeeLimit)
        frugal.feeLimit = 5_041
        try bench.take(.configured(frugal))
        #expect(bench.drafts.map(\.kind) == [.makeAccounts] && !bench.manager.isOverFeeLimit)
    }

    /// With nothing left to send nothing waits.
    @Test func whatIsCalledOffIsNotTooDear() throws {
        var bench = try SolanaBench()
        var frugal = bench.manager.policy
        frugal.feeLimit = 1
        try bench.take(.configured(frugal))
        try bench.take(.submit(bench.payout(1)))
        try bench.look(agreed)
        try bench.take(.looked([SolanaRecipient(bench.owner, .ready)]))
        #expect(bench.manager.isOverFeeLimit)
        try bench.take(.cancel(bench.payout(1).id))
        #expect(!bench.manager.isOverFeeLimit)
    }
}
