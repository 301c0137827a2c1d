import Chains
import Cryptography
import Primitives
import Testing

/// What tells the newest record from an older one, what may be forgotten, and what ends a batch
/// that nodes may have forgotten.
@Suite struct SolanaMarkTests {
    private func seen(_ slot: UInt64) -> SolanaStatusAnswer {
        .present(SolanaSighting(slot: slot, failure: nil), .finalized)
    }

    private func chained(_ names: [Signature]) -> Digest {
        names.reduce(.zero) { SHA256.hash($0.bytes + $1.bytes) }
    }

    // MARK: Marks

    @Test func everySignatureIsCountedAndNothingElse() throws {
        var bench = try SolanaBench()
        #expect(bench.manager.mark == SolanaMark())
        let first = try bench.send()
        try bench.add(2)
        let second = try bench.sign()
        let mark = bench.manager.mark
        #expect(mark.count == 2 && mark.hash == chained([first, second]))
        #expect(mark.previous == chained([first]) && mark.base == .zero && mark.forgettings == 0)
        // Once more, and one that nobody asked for.
        try bench.take(.signed(batch: 1, first, []))
        try bench.take(.signed(batch: 77, second, []))
        #expect(bench.manager.mark == mark)
        let again = try SolanaManager(
            policy: bench.manager.policy, stateBytes: bench.manager.stateBytes)
        #expect(again.mark == mark)
        #expect(try bench.replayed(bench.manager.policy).mark == mark)
    }

    @Test func aNewRecordGoesOnAfterTheOldOnesMark() throws {
        var bench = try SolanaBench()
        let old = SolanaMark(
            base: Digest(words: (1, 2, 3, 4)), count: 41, hash: Digest(words: (5, 6, 7, 8)),
            forgettings: 3)
        try bench.take(.began(old))
        let id = try bench.send()
        let mark = bench.manager.mark
        #expect(mark.count == 42 && mark.base == old.base && mark.forgettings == 3)
        #expect(mark.previous == old.hash)
        #expect(mark.hash == SHA256.hash(old.hash.bytes + id.bytes))
        // Only what is new begins.
        try bench.take(.began(old))
        #expect(bench.manager.mark == mark)
        #expect(try bench.replayed(bench.manager.policy).mark == mark)
    }

    // MARK: Forgetting

    @Test func onlyWhatIsOverIsForgotten() throws {
        var bench = try SolanaBench()
        let first = try bench.send()
        try bench.add(2)
        _ = try bench.sign()
        let ids = [bench.payout(1).id, bench.payout(2).id]
        try bench.look { bench, _ in
            [bench.answer(1_001, [seen(77), .absent]), bench.answer(1_001, [seen(77), .absent])]
        }
        #expect(bench.manager.status(of: ids[0]) == .closed(.settled(first, slot: 77)))
        let before = bench.manager.stateBytes
        #expect(throws: SolanaManagerRejection.notClosed) {
            try bench.take(.forget(ids, round: 1))
        }
        let isSame = bench.manager.stateBytes == before
        #expect(isSame)
        try bench.take(.forget([ids[0], .zero], round: 4))
        #expect(bench.manager.status(of: ids[0]) == .absent && bench.manager.remembered == 1)
        #expect(bench.manager.mark.forgettings == 4 && bench.manager.mark.count == 2)
        #expect(bench.manager.lastForgottenSlot == 77)
        #expect(bench.manager.stateBytes.count < before.count)
        // A report that nobody acknowledged is not told again.
        try bench.take(.restarted)
        #expect(!bench.actions.contains(.report(ids[0], .settled(first, slot: 77))))
        let policy = bench.manager.policy
        let again = try SolanaManager(policy: policy, stateBytes: bench.manager.stateBytes)
        #expect(again.stateBytes == bench.manager.stateBytes && again.lastForgottenSlot == 77)
        #expect(again.status(of: ids[0]) == .absent && again.openPayouts == 1)
        #expect(try bench.replayed(policy).stateBytes == bench.manager.stateBytes)
        // What is not known is not forgotten, and no round.
        try bench.take(.forget([ids[0]], round: 9))
        #expect(bench.manager.mark.forgettings == 4)
    }

    /// Called off while it stood in a queue, forgotten and submitted again by whoever should not:
    /// it stands there once.
    @Test func whatIsForgottenLeavesEveryQueue() throws {
        var bench = try SolanaBench()
        let payout = bench.payout(1)
        for _ in 0..<2 {
            // Nothing is formed before there was a look at the chain.
            try bench.take(.submit(payout))
            try bench.take(.tick)
            try bench.take(.looked([SolanaRecipient(bench.owner, .ready)]))
            if bench.manager.mark.forgettings == 0 {
                try bench.take(.cancel(payout.id))
                try bench.take(.forget([payout.id], round: 1))
            }
        }
        try bench.look { bench, _ in [bench.answer(1_000, []), bench.answer(1_000, [])] }
        #expect(bench.drafts.map { $0.payouts.map(\.amount) } == [[payout.amount]])
    }

    // MARK: Old batches

    /// Signed after slot 6,000 was final. Two who have the history since slot 6,001 and know
    /// nothing of it end it; whoever has less, or is not so far, does not count.
    @Test func whatIsOldEndsByThoseWhoHaveTheHistory() throws {
        var bench = try SolanaBench()
        let id = try bench.send()
        let payout = bench.payout(1).id
        bench.now += 13 * 3_600
        func answers(
            _ bench: SolanaBench, _ histories: [UInt64?],
            heights: [UInt64] = [99_000, 99_000, 99_000]
        ) -> [SolanaEndpointAnswer?] {
            zip(histories, heights).map { bench.answer($1, [.absent], history: $0) }
        }
        try bench.look { bench, question in
            #expect(question.transactions.map(\.since) == [6_001])
            return answers(bench, [6_002, 6_001, nil])
        }
        #expect(bench.actions.contains(.alert(.tooOld(id))))
        #expect(bench.manager.status(of: payout) == .inFlight([id]))
        let stuck = try #require(bench.manager.stuckBatches.first)
        #expect(stuck.transactions == [id] && stuck.payouts == [payout])
        #expect(
            stuck.history == 6_001 && stuck.tokens == 5 && bench.manager.stuckBatches.count == 1)
        // One of two with the history is not beyond its end.
        try bench.look { bench, _ in
            answers(bench, [0, 6_001, nil], heights: [1_158, 99_000, 99_000])
        }
        #expect(bench.manager.status(of: payout) == .inFlight([id]))
        #expect(!bench.actions.contains(.alert(.tooOld(id))), "said once")
        try bench.look { bench, _ in answers(bench, [0, 6_001, 70_000]) }
        #expect(bench.actions.contains(.alert(.expired(id))))
        #expect(bench.manager.stuckBatches.isEmpty)
        // It is paid anew.
        try bench.take(.looked([SolanaRecipient(bench.owner, .ready)]))
        #expect(bench.drafts.count == 1)
        #expect(try bench.replayed(bench.manager.policy).stateBytes == bench.manager.stateBytes)
    }

    @Test func whatIsOldAndKnownToOneWithTheHistoryIsPaid() throws {
        var bench = try SolanaBench()
        let id = try bench.send()
        bench.now += 13 * 3_600
        try bench.look { bench, _ in
            [
                bench.answer(99_000, [seen(6_007)], history: 0),
                bench.answer(99_000, [.absent], history: 70_000),
                bench.answer(99_000, [seen(6_007)], history: 0),
            ]
        }
        #expect(
            bench.manager.status(of: bench.payout(1).id) == .closed(.settled(id, slot: 6_007)))
    }

    /// A nonce's other value, and the history, must be seen by the same who know nothing of it.
    @Test func anOldOneOnANonceEndsByThoseWhoSeeBoth() throws {
        let nonce = SolanaAddress(Digest(words: (6, 6, 6, 6)))
        let (value, later) = (Digest(words: (7, 7, 7, 1)), Digest(words: (7, 7, 7, 2)))
        var bench = try SolanaBench(nonces: [nonce])
        let id = try bench.send(nonces: [value])
        // The nonce is given up; it is followed all the same.
        var without = bench.manager.policy
        without.nonces = []
        without.maximumAttempts = 1
        try bench.take(.configured(without))
        #expect(bench.manager.noncesInUse == [nonce])
        bench.now += 13 * 3_600
        func look(_ values: [Digest], _ histories: [UInt64]) throws {
            try bench.look { bench, question in
                #expect(question.nonces == [nonce])
                return zip(values, histories).map {
                    bench.answer(99_000, [.absent], nonces: [$0], history: $1)
                }
            }
        }
        for (values, histories): ([Digest], [UInt64]) in [
            ([later, later, value], [0, 70_000, 0]), ([value, value, value], [0, 0, 0]),
        ] {
            try look(values, histories)
            #expect(!bench.actions.contains(.alert(.expired(id))))
        }
        try look([later, later, value], [0, 0, 0])
        #expect(bench.actions.contains(.alert(.expired(id))))
        // What follows uses a blockhash.
        try bench.take(.looked([SolanaRecipient(bench.owner, .ready)]))
        #expect(bench.drafts.map(\.nonce) == [nil] && bench.drafts[0].lastValidHeight < .max)
    }

    /// Making accounts twice makes them once: nothing of it has to be proved.
    @Test func oldAccountsAreMadeAnew() throws {
        var bench = try SolanaBench()
        try bench.take(.submit(bench.payout(1)))
        try bench.look { bench, _ in [bench.answer(1_000, []), bench.answer(1_000, [])] }
        try bench.take(.looked([SolanaRecipient(bench.owner, .missing)]))
        let id = try bench.sign()
        bench.now += 13 * 3_600
        try bench.look { bench, _ in
            (0..<2).map { _ in bench.answer(99_000, [.absent], history: nil) }
        }
        #expect(bench.actions.contains(.alert(.expired(id))))
        #expect(bench.manager.stuckBatches.isEmpty)
    }

    /// What one node has in a final block, no other's absence speaks against.
    @Test func whatIsFinalSomewhereIsNotAbsent() throws {
        var bench = try SolanaBench()
        _ = try bench.send()
        let question = SolanaQuestion(
            transactions: [.init(id: try bench.nameOfNothing(), since: 7)], nonces: [])
        let absent = bench.answer(99_000, [.absent], history: 7)
        for (commitment, view) in [
            (SolanaCommitment.finalized, SolanaStatusView.unknown),
            (.confirmed, .absentThroughout(height: 99_000)),
        ] {
            let sighting = SolanaSighting(slot: 9, failure: nil)
            let other = bench.answer(99_000, [.present(sighting, commitment)], history: 7)
            let merged = Quorum(needed: 2).merge([absent, other, absent], to: question)
            #expect(merged?.statuses == [view])
        }
    }

    // MARK: Forms

    @Test func inputsHaveOneEncodingEach() throws {
        var bench = try SolanaBench()
        _ = try bench.send()
        let question = SolanaQuestion(
            transactions: [.init(id: try bench.nameOfNothing(), since: 7)], nonces: [])
        func observed(_ slot: UInt64?) throws -> SolanaManagerInput {
            var answer = bench.answer(99_000, [.absent], history: 7)
            answer.slot = slot
            let merged = Quorum(needed: 1).merge([answer], to: question)
            return .observed(try #require(merged))
        }
        let inputs: [SolanaManagerInput] = [
            try observed(nil), try observed(8), .began(bench.manager.mark),
            .forget([.zero, Digest(words: (1, 2, 3, 4))], round: 5),
        ]
        for (input, tag) in zip(inputs, [6, 13, 14, 15] as [UInt8]) {
            let bytes = input.canonicalBytes()
            #expect(bytes[0] == tag)
            #expect(try SolanaManagerInput(canonicalBytes: bytes) == input)
            #expect(throws: CodecError.self) {
                _ = try SolanaManagerInput(canonicalBytes: Array(bytes.dropLast()))
            }
        }
        guard case .observed(let observation) = inputs[1] else { return }
        #expect(observation.statuses == [.absentThroughout(height: 99_000)])
    }

    /// A tick of an idle manager changes nothing, which is why it need not be written down.
    @Test func whoIsIdleLosesNothingByATickThatIsLeftOut() throws {
        var bench = try SolanaBench(dayLimit: 5_007)
        var idle = 0
        func step(_ body: (inout SolanaBench) throws -> Void) throws {
            try body(&bench)
            for seconds: UInt64 in [0, 1, 3, 700] {
                var other = bench
                other.now += seconds
                guard other.manager.isIdle(at: Timestamp(seconds: other.now)) else { continue }
                idle += 1
                try other.take(.tick)
                #expect(other.actions.isEmpty)
                let isSame = other.manager.stateBytes == bench.manager.stateBytes
                #expect(isSame)
            }
        }
        try step { try $0.take(.tick) }
        try step { try $0.take(.submit($0.payout(1))) }
        try step {
            try $0.look { bench, _ in [bench.answer(1_000, []), bench.answer(1_000, [])] }
        }
        try step { try $0.take(.looked([SolanaRecipient($0.owner, .quarantined(.frozen))])) }
        try step { try $0.take(.submit($0.payout(2))) }
        try step { try $0.take(.tick) }
        try step { try $0.take(.looked([SolanaRecipient($0.owner, .ready)])) }
        try step { _ = try $0.sign() }
        try step { bench in
            let answer = bench.answer(1_001, [seen(9)])
            try bench.look { _, _ in [answer, answer] }
        }
        #expect(idle > 3)
    }
}

extension SolanaBench {
    /// A signature that is of nothing.
    func nameOfNothing() throws -> Signature {
        try #require(Signature([UInt8](repeating: 5, count: 64)))
    }
}
