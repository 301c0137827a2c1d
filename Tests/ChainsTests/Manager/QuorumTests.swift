import Chains
import Primitives
import Testing

/// Two of three must agree.
@Suite struct QuorumTests {
    private let quorum = Quorum(needed: 2)
    private let hash = Digest(words: (7, 7, 7, 7))
    private let lane = EVMAddress.zero
    private var question: EVMQuestion {
        EVMQuestion(finalHeight: 90, anchorHeight: 80, lanes: [lane], transactions: [hash])
    }

    private func inclusion(
        block: UInt64 = 95, succeeded: Bool = true, fee: UInt128 = 0
    ) -> EVMInclusion {
        EVMInclusion(
            transaction: hash, blockNumber: block, blockHash: Digest(words: (block, 0, 0, 1)),
            index: 3, succeeded: succeeded, gasUsed: 21_000, gasPrice: 9, rollupFee: fee)
    }

    private func present(_ inclusion: EVMInclusion) -> EVMReceiptAnswer {
        .present(
            EVMReceiptClaim(
                inclusion: inclusion, blockHash: inclusion.blockHash, transaction: hash))
    }

    private func answer(
        head: UInt64 = 100, count: UInt64 = 5, base: UInt128 = 10, tip: UInt128 = 1,
        final: Digest? = .zero,
        _ receipt: EVMReceiptAnswer = .absent
    ) -> EVMEndpointAnswer {
        EVMEndpointAnswer(
            head: head, finalHash: final, anchorHash: .zero,
            market: EVMFeeMarket(baseFee: base, tip: tip),
            accounts: [
                EVMAccountAnswer(
                    count: count, pendingCount: count + 1, finalCount: count, balance: 100)
            ], receipts: [receipt])
    }

    private func receipt(_ answers: [EVMEndpointAnswer?]) -> EVMReceiptView? {
        quorum.merge(answers, to: question)?.receipts.first
    }

    @Test func tooFewAnswersAreNone() {
        #expect(quorum.merge([answer(), nil, nil], to: question) == nil)
        var short = answer()
        short.receipts = []
        #expect(quorum.merge([answer(), short, nil], to: question) == nil)
        #expect(quorum.merge([answer(), answer(), nil], to: question) != nil)
    }

    @Test func aReceiptNeedsTwoThatAgreeOnAllOfIt() {
        let good = present(inclusion())
        let seen = EVMReceiptView.included(inclusion(), head: 100, finalized: nil)
        #expect(receipt([answer(good), answer(good), answer()]) == seen)
        #expect(receipt([answer(good), nil, answer(good)]) == seen)
        #expect(receipt([answer(good), answer(.unknown), nil]) == .unknown)
        #expect(receipt([answer(good), answer(), nil]) == .unknown)
        for other in [inclusion(block: 96), inclusion(succeeded: false)] {
            #expect(receipt([answer(good), answer(present(other)), nil]) == .unknown)
        }
        #expect(receipt([answer(), answer(), answer(good)]) == .absent)
    }

    /// A gateway that leaves out what the rollup charged holds nothing back, and one that makes it
    /// up is not believed.
    @Test func whatARollupChargedIsAgreedOnByItself() {
        func told(_ fees: UInt128...) -> UInt128? {
            let answers = fees.map { answer(present(inclusion(fee: $0))) }
            guard case .included(let found, 100, nil)? = receipt(answers) else { return nil }
            #expect(found.blockNumber == 95 && found.succeeded && found.gasUsed == 21_000)
            return found.rollupFee
        }
        #expect(told(70, 70, 70) == 70)
        #expect(told(0, 70, 70) == 70)
        #expect(told(.max, 70, 70) == 70)
        #expect(told(0, 70) == 0)
        #expect(told(0, 0, .max) == 0)
        #expect(told(70) == nil)
        // Whoever says that it is elsewhere has no vote on it.
        let other = answer(present(inclusion(block: 96, fee: 80)))
        let answers = [other, answer(present(inclusion(fee: 70))), answer(present(inclusion()))]
        let seen = EVMReceiptView.included(inclusion(), head: 100, finalized: nil)
        #expect(receipt(answers) == seen)
    }

    @Test func depthIsWhatTheWitnessesOfAReceiptHaveReached() {
        let good = present(inclusion())
        let seen = EVMReceiptView.included(inclusion(), head: 96, finalized: nil)
        #expect(receipt([answer(head: 96, good), answer(good), answer(head: 100)]) == seen)
    }

    /// A node may still serve the receipt of a block that was reorganised away.
    @Test func aReceiptThatIsNotInItsBlockIsNone() {
        let stale = inclusion()
        let claims = [
            EVMReceiptClaim(inclusion: stale, blockHash: .zero, transaction: hash),
            EVMReceiptClaim(inclusion: stale, blockHash: nil, transaction: nil),
            EVMReceiptClaim(inclusion: stale, blockHash: stale.blockHash, transaction: .zero),
            EVMReceiptClaim(inclusion: stale, blockHash: stale.blockHash, transaction: nil),
        ]
        for claim in claims {
            #expect(!claim.isConsistent(for: hash))
            #expect(receipt([answer(.present(claim)), answer(.present(claim))]) == .unknown)
        }
        let of = EVMReceiptClaim(
            inclusion: stale, blockHash: stale.blockHash, transaction: hash)
        #expect(of.isConsistent(for: hash))
        #expect(!of.isConsistent(for: .zero))
    }

    @Test func oneThatLagsBehindHasNoVoteOnAbsence() {
        let late = answer(head: 89)
        #expect(receipt([late, late, nil]) == .unknown)
        #expect(receipt([late, answer(), answer()]) == .absent)
    }

    @Test func countsAndHeightsAreWhatTwoHaveReached() throws {
        let answers = [answer(head: 1_000, count: 99), answer(), answer(head: 98, count: 4)]
        let merged = try #require(quorum.merge(answers, to: question))
        #expect(merged.head == 100)
        #expect(merged.accounts[0].count == 5)
        #expect(merged.accounts[0].finalCount == 5)
        #expect(merged.accounts[0].pendingCount == 6)
    }

    /// One endpoint that lies does not say what is paid, also when another gives no answer.
    @Test func pricesAreWhatTwoHaveReachedAndHashesAgreed() throws {
        let lie = answer(base: .max, tip: .max, final: hash)
        let merged = try #require(
            quorum.merge([lie, answer(base: 11), answer(base: 10)], to: question))
        #expect(merged.market == EVMFeeMarket(baseFee: 11, tip: 1))
        #expect(merged.finalHash == .zero)
        let split = try #require(quorum.merge([lie, answer(), nil], to: question))
        #expect(split.finalHash == nil)
        #expect(split.market == EVMFeeMarket(baseFee: 10, tip: 1))
    }

    @Test func aLiarDoesNotSayWhatSolanaCosts() throws {
        let question = SolanaQuestion(transactions: [], nonces: [])
        func answer(_ price: UInt64) -> SolanaEndpointAnswer {
            SolanaEndpointAnswer(
                recent: [], height: 9, price: price, lamports: 1, tokens: 1, nonces: [],
                statuses: [])
        }
        for answers in [
            [answer(.max), answer(70), nil], [answer(70), answer(.max), answer(60)],
        ] {
            let merged = try #require(quorum.merge(answers, to: question))
            #expect(merged.price == 70)
        }
    }
}
