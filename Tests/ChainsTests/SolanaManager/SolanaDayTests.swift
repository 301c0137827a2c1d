import Chains
import Cryptography
import Primitives
import Testing

/// The day's limit, and policies that change while the log goes on.
@Suite struct SolanaDayTests {
    /// What a transaction of one payment costs: the signature, and 6,950 units at 1,000.
    private let payment: UInt64 = 5_000 + 7
    /// What one that makes an account costs: 40,450 units, besides what the account holds.
    private let making: UInt64 = 5_000 + 41
    private let rent: UInt64 = 2_074_080

    private func seen(_ slot: UInt64, failure: String? = nil) -> SolanaStatusAnswer {
        .present(SolanaSighting(slot: slot, failure: failure), .finalized)
    }

    // MARK: The day

    @Test func aboveTheDaysLimitPaymentsWaitForTheNextDayAndNoneIsLost() throws {
        var bench = try SolanaBench(dayLimit: payment * 3 - 1)
        let first = try bench.send()
        try bench.add(2)
        let second = try bench.sign()
        try bench.add(3)
        #expect(bench.drafts.isEmpty)
        #expect(bench.actions.contains(.alert(.opened(.dayLimit))))
        #expect(bench.manager.openBreakers == [.dayLimit])
        #expect(bench.manager.status(of: bench.payout(3).id) == .waiting)
        #expect(bench.manager.dayCost == payment * 2)
        try bench.take(.tick)
        #expect(!bench.actions.contains(.alert(.opened(.dayLimit))))

        // What is paid is spent.
        try bench.look { bench, _ in
            [bench.answer(1_001, [seen(77), .absent]), bench.answer(1_001, [seen(77), .absent])]
        }
        #expect(bench.drafts.isEmpty && bench.manager.dayCost == payment * 2)
        #expect(
            bench.manager.status(of: bench.payout(1).id) == .closed(.settled(first, slot: 77)))
        // What can no longer be carried out is not.
        try bench.look { bench, _ in
            [bench.answer(1_300, [.absent]), bench.answer(1_300, [.absent])]
        }
        #expect(bench.actions.contains(.alert(.expired(second))))
        #expect(bench.actions.contains(.alert(.closed(.dayLimit))))
        let third = try bench.sign()
        try bench.take(.looked([SolanaRecipient(bench.owner, .ready)]))
        #expect(bench.drafts.isEmpty && bench.manager.openBreakers == [.dayLimit])

        // What ends after midnight counts on the new day, which has room for what waited.
        bench.now = 86_400
        try bench.look { bench, _ in
            [bench.answer(1_301, [seen(99)]), bench.answer(1_301, [seen(99)])]
        }
        #expect(
            bench.manager.status(of: bench.payout(3).id) == .closed(.settled(third, slot: 99)))
        #expect(bench.actions.contains(.alert(.closed(.dayLimit))))
        #expect(bench.drafts.map(\.price) == [1_150])
        let last = try bench.sign()
        #expect(bench.manager.status(of: bench.payout(2).id) == .inFlight([last]))
        #expect(bench.manager.dayCost == payment * 2 + 1)
        // A process that was started with other numbers comes to the same.
        var other = bench.manager.policy
        other.dayLimit = 1
        #expect(try bench.replayed(other).stateBytes == bench.manager.stateBytes)
    }

    @Test func makingAccountsCountsWhatTheyHoldAndHoldsNoPaymentUp() throws {
        var bench = try SolanaBench(dayLimit: payment + making * 2 + rent)
        let others = (0..<2).map { SolanaAddress(Digest(words: (2, 2, 2, UInt64($0)))) }
        try bench.take(.submit(bench.payout(1)))
        for (number, owner) in others.enumerated() {
            let id = Digest(words: (1, 1, 2, UInt64(number)))
            try bench.take(.submit(SolanaPayout(id: id, to: owner, amount: 5)))
        }
        try bench.look { bench, _ in [bench.answer(1_000, []), bench.answer(1_000, [])] }
        try bench.take(
            .looked([
                SolanaRecipient(others[0], .missing), SolanaRecipient(others[1], .missing),
                SolanaRecipient(bench.owner, .ready),
            ]))
        // There is room for one account, and for the payment beside it.
        #expect(bench.drafts.map(\.kind) == [.makeAccounts, .pay])
        #expect(bench.drafts.map { $0.payouts.map(\.owner) } == [[others[0]], [bench.owner]])
        #expect(bench.actions.contains(.alert(.opened(.dayLimit))))
        #expect(bench.manager.dayCost == payment + making + rent)
        let undone = try bench.sign()
        // Undone, it left nothing in an account: its fee is spent, and there is room for the next.
        let no = seen(77, failure: "no")
        try bench.look { bench, _ in [bench.answer(1_001, [no]), bench.answer(1_001, [no])] }
        #expect(bench.actions.contains(.alert(.undone(undone, "no"))))
        #expect(bench.manager.dayCost == payment + making * 2 + rent)
        let policy = bench.manager.policy
        try bench.take(.tick)
        let again = try SolanaManager(policy: policy, stateBytes: bench.manager.stateBytes)
        #expect(again.dayCost == bench.manager.dayCost)
    }

    /// 450 payees without an account, for which the day has nothing left, stand before one who has
    /// an account: it is paid all the same. For those who are too many it is looked again later.
    @Test func thoseWhoseAccountsCannotBeMadeKeepNobodyFromBeingPaid() throws {
        var bench = try SolanaBench(dayLimit: payment)
        let others = (0..<450).map { SolanaAddress(Digest(words: (2, 2, 2, UInt64($0)))) }
        for owner in others {
            try bench.take(.submit(SolanaPayout(id: owner.value, to: owner, amount: 5)))
        }
        try bench.take(.submit(bench.payout(1)))
        try bench.look { bench, _ in [bench.answer(1_000, []), bench.answer(1_000, [])] }
        let states =
            others.map { SolanaRecipient($0, .missing) }
            + [SolanaRecipient(bench.owner, .ready)]
        // A hundred at a time.
        for _ in 0..<5 { try bench.take(.looked(states)) }
        #expect(bench.drafts.map { $0.payouts.map(\.owner) } == [[bench.owner]])
        _ = try bench.sign()
        #expect(
            others.allSatisfy { bench.manager.status(of: $0.value) == .waiting },
            "nobody is blamed")
        try bench.take(.cancel(others[300].value))

        let policy = bench.manager.policy
        bench.manager = try SolanaManager(policy: policy, stateBytes: bench.manager.stateBytes)
        try bench.take(.tick)
        #expect(!bench.actions.contains { if case .look = $0 { true } else { false } })
        bench.now += 600
        try bench.take(.tick)
        #expect(bench.actions.contains(.look(Array(others[301..<401]))))
        #expect(try bench.replayed(policy).stateBytes == bench.manager.stateBytes)
    }

    /// As long as the account is not made there is nothing new to see.
    @Test func whoIsOwedTwiceIsNotLookedAtAgainAndAgain() throws {
        var bench = try SolanaBench(dayLimit: payment)
        for number: UInt64 in 1...2 { try bench.take(.submit(bench.payout(number))) }
        try bench.look { bench, _ in [bench.answer(1_000, []), bench.answer(1_000, [])] }
        try bench.take(.looked([SolanaRecipient(bench.owner, .missing)]))
        #expect(bench.manager.openBreakers == [.dayLimit])
        try bench.take(.tick)
        #expect(bench.actions.isEmpty)
        var wider = bench.manager.policy
        wider.dayLimit = .max
        try bench.take(.configured(wider))
        #expect(bench.drafts.map { $0.payouts.count } == [1])
        try bench.take(.tick)
        #expect(bench.actions == [.look([bench.owner])])
    }

    @Test func aReplacementStaysWithinTheDayToo() throws {
        let nonce = SolanaAddress(Digest(words: (6, 6, 6, 6)))
        let value = Digest(words: (7, 7, 7, 1))
        var bench = try SolanaBench(nonces: [nonce], dayLimit: payment)
        let id = try bench.send(nonces: [value])
        bench.now += 60
        try bench.take(.tick)
        #expect(bench.drafts.isEmpty)
        #expect(bench.manager.status(of: bench.payout(1).id) == .inFlight([id]))
        var wider = bench.manager.policy
        wider.dayLimit = payment + 1
        try bench.take(.configured(wider))
        #expect(bench.drafts.map(\.price) == [1_150])
        #expect(bench.manager.dayCost == payment + 1)
    }

    // MARK: The policy

    /// Read under the other policy the log would have no first transaction, and the payout would
    /// be made again.
    @Test func theLogIsReadUnderThePolicyOfThen() throws {
        var bench = try SolanaBench()
        let first = bench.manager.policy
        let id = try bench.send()
        var second = first
        second.feeLimit = 1
        second.dayLimit = 7
        try bench.take(.configured(second))
        try bench.add(2)
        #expect(bench.drafts.isEmpty)
        let state = bench.manager.stateBytes
        for flags in [first, second] {
            let replayed = try bench.replayed(flags)
            #expect(replayed.status(of: bench.payout(1).id) == .inFlight([id]))
            #expect(replayed.stateBytes == state && replayed.policy == second)
            let again = try SolanaManager(policy: flags, stateBytes: state)
            #expect(again.stateBytes == state && again.policy == second)
        }
    }

    @Test func aPolicyHasOneEncoding() throws {
        var policy = SolanaManagerPolicy(
            mint: SolanaAddress(Digest(words: (1, 1, 1, 1))), decimals: 9,
            payer: SolanaAddress(Digest(words: (2, 2, 2, 2))))
        policy.program = .token2022
        policy.finality = .confirmed
        policy.reportsSubmission = true
        policy.nonces = [SolanaAddress(Digest(words: (3, 3, 3, 3)))]
        let amounts: [WritableKeyPath<SolanaManagerPolicy, UInt64>] = [
            \.minimumPrice, \.maximumPrice, \.bumpPercent, \.feeLimit, \.minimumLamports,
            \.dayLimit, \.accountRent, \.blockhashLifetime, \.expiryMargin,
        ]
        for (number, field) in amounts.enumerated() {
            policy[keyPath: field] = UInt64(number) + 50
        }
        let counts: [WritableKeyPath<SolanaManagerPolicy, Int>] = [
            \.maximumAttempts, \.inFlight, \.maximumPayouts,
        ]
        for (number, field) in counts.enumerated() { policy[keyPath: field] = number + 70 }
        let spans: [WritableKeyPath<SolanaManagerPolicy, Timestamp.Span>] = [
            \.pollInterval, \.rebroadcastAfter, \.resubmitAfter, \.retryAfter, \.recheckAfter,
            \.unknownAfter, \.staleAfter, \.historyKept,
        ]
        for (number, field) in spans.enumerated() {
            policy[keyPath: field] = .seconds(UInt64(number) + 90)
        }
        policy.failuresAllowed = 111
        let input = SolanaManagerInput.configured(policy)
        #expect(try SolanaManagerInput(canonicalBytes: input.canonicalBytes()) == input)
        #expect(throws: CodecError.self) {
            _ = try SolanaManagerPolicy(canonicalBytes: Array(policy.canonicalBytes().dropLast()))
        }
    }

    @Test func whatWasWrittenBeforeIsReadUnderThePolicyGiven() throws {
        var bench = try SolanaBench()
        let id = try bench.send()
        try bench.add(2)
        let policy = bench.manager.policy
        // Version 1 ended with the reports; a log had no policy. Version 2 ended with it.
        let state = bench.manager.stateBytes
        let news = bench.manager.mark.canonicalBytes().count + 8 + 8 + 2 * 8
        let ending = 4 + 2 * 48 + 8 + 8 + policy.canonicalBytes().count + news
        let old = [1] + state.dropFirst().dropLast(ending)
        let again = try SolanaManager(policy: policy, stateBytes: Array(old))
        let second = [2] + state.dropFirst().dropLast(news)
        let later = try SolanaManager(policy: policy, stateBytes: Array(second))
        #expect(later.stateBytes.dropLast(news) == state.dropLast(news))
        #expect(later.mark.count == 0 && later.mark.base == SHA256.hash(Array(second)))
        #expect(again.mark.base == SHA256.hash(Array(old)))
        #expect(again.stateBytes.count == state.count - 2 * 48)
        #expect(again.status(of: bench.payout(1).id) == .inFlight([id]))
        #expect(again.status(of: bench.payout(2).id) == .inFlight([]))
        #expect(try bench.replayed(from: 1, policy).stateBytes == state)
        #expect(throws: CodecError.invalidValue("version")) {
            _ = try SolanaManager(policy: policy, stateBytes: [4] + state.dropFirst())
        }
    }
}
