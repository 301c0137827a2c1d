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
