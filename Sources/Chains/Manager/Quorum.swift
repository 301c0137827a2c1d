/// Makes one observation of several endpoints' answers: what `needed` of them agree on, and
/// nothing else. As long as fewer than `needed` endpoints lie, no lie gets through; as long as
/// `needed` are honest and reachable, the truth does.
public struct Quorum: Hashable, Sendable {
    /// How many endpoints must agree.
    public let needed: Int

    /// A quorum of so many endpoints.
    public init(needed: Int) {
        precondition(needed > 0, "nothing is agreed on by nobody")
        self.needed = needed
    }

    /// Merges the answers; `nil` stands for an endpoint that gave none, and the result is `nil` if
    /// too few did. An answer that does not fit the question counts as none.
    /// O(endpoints^2 x transactions).
    public func merge(
        _ answers: [EVMEndpointAnswer?], to question: EVMQuestion
    ) -> EVMObservation? {
        let given = answers.compactMap { $0 }.filter {
            $0.accounts.count == question.lanes.count
                && $0.receipts.count == question.transactions.count
        }
        guard given.count >= needed, let head = reached(given.map(\.head)) else { return nil }
        return EVMObservation(
            question: question, head: head,
            finalized: reached(given.compactMap(\.finalized)),
            finalHash: agreed(given.compactMap(\.finalHash)),
            anchorHash: agreed(given.compactMap(\.anchorHash)),
            market: EVMFeeMarket(
                baseFee: reached(given.map(\.market.baseFee)) ?? 0,
                tip: reached(given.map(\.market.tip)) ?? 0),
            accounts: question.lanes.indices.map { place in
                account(given.map { $0.accounts[place] })
            },
            receipts: question.transactions.indices.map { place in
                receipt(place, of: given, question)
            })
    }

    private func account(_ answers: [EVMAccountAnswer]) -> EVMAccountAnswer {
        EVMAccountAnswer(
            count: reached(answers.map(\.count)) ?? 0,
            pendingCount: reached(answers.map(\.pendingCount)) ?? 0,
            finalCount: reached(answers.compactMap(\.finalCount)),
            balance: reached(answers.map(\.balance)) ?? 0)
    }

    /// A receipt counts when the endpoint's own block holds it, an absence only when the endpoint
    /// has the block that is held final: one that lags behind has no vote. What a rollup charged
    /// beside gas is what enough of the endpoints that vote have reached; it holds nothing back.
    private func receipt(
        _ place: Int, of answers: [EVMEndpointAnswer], _ question: EVMQuestion
    ) -> EVMReceiptView {
        let asked = question.transactions[place]
        var absent = 0
        var claims: [(inclusion: EVMInclusion, by: EVMEndpointAnswer)] = []
        for answer in answers {
            switch answer.receipts[place] {
            case .absent where answer.head >= question.finalHeight ?? 0: absent += 1
            case .present(let claim) where claim.isConsistent(for: asked):
                claims.append((claim.inclusion, answer))
            case .absent, .present, .unknown: break
            }
        }
        if var inclusion = agreed(claims.map(\.inclusion.plain)) {
            let votes = claims.filter { $0.inclusion.plain == inclusion }
            let voters = votes.map(\.by)
            inclusion.rollupFee = reached(votes.map(\.inclusion.rollupFee)) ?? 0
            return .included(
                inclusion, head: reached(voters.map(\.head)) ?? 0,
                finalized: reached(voters.compactMap(\.finalized)))
        }
        return absent >= needed ? .absent : .unknown
    }

    /// The value that `needed` endpoints name; with `needed` above half there is at most one,
    /// otherwise the one that is named first.
    func agreed<Value: Equatable>(_ values: [Value]) -> Value? {
        values.first { value in values.count { $0 == value } >= needed }
    }

    /// The greatest value that `needed` endpoints have reached. For prices too: of two answers the
    /// lower one counts, since no minority may say what is paid.
    public func reached<Value: Comparable>(_ values: [Value]) -> Value? {
        values.count >= needed ? values.sorted(by: >)[needed - 1] : nil
    }
}
