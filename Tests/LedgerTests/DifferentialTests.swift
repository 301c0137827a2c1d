import Ledger
import NaiveLedger
import Primitives
import Testing

@Suite("Ledger against its naive twin")
struct DifferentialTests {
    static let seed: UInt64 = 20_261_124
    static let histories: UInt64 = 240
    static let eventsPerHistory = 900

    /// How often each answer was given.
    private struct Counts {
        var accounts: [CreateAccountStatus: Int] = [:]
        var transfers: [CreateTransferStatus: Int] = [:]
        var expired = 0
        var events = 0
    }

    @Test func bothAgreeOnEveryAnswerAndBalance() {
        var counts = Counts()
        for number in 0..<Self.histories {
            let seed = Self.seed &+ number
            if !play(seed: seed, &counts) {
                Issue.record("the twins part in the history of seed \(seed)")
                return
            }
        }
        print("seed \(Self.seed): \(counts.events) events, \(counts.expired) expired")
        for status in CreateTransferStatus.allCases where !status.isReserved {
            #expect(counts.transfers[status] != nil, "transfer \(status) never happened")
        }
        for status in CreateAccountStatus.allCases where !status.isReserved {
            #expect(counts.accounts[status] != nil, "account \(status) never happened")
        }
        #expect(counts.expired > 0)
        #expect(counts.events >= 200_000)
    }

    /// Plays one history against both; false as soon as they differ.
    private func play(seed: UInt64, _ counts: inout Counts) -> Bool {
        var history = RandomHistory(seed: seed)
        var ledger = LedgerState()
        var naive = NaiveLedger()
        var events = 0
        var seen: [TransferID] = []
        let opening = history.opening()
        let start = history.moment(for: opening.count)
        guard ledger.createAccounts(opening, at: start) == naive.createAccounts(opening, at: start)
        else { return false }
        var round = 0
        while events < Self.eventsPerHistory {
            round += 1
            if history.random.once(in: 4) {
                let moment = Timestamp(nanoseconds: history.clock)
                let expired = ledger.expire(at: moment)
                guard expired == naive.expire(at: moment) else { return false }
                counts.expired += expired.count
            }
            if history.random.once(in: 12) {
                let batch = history.accountBatch()
                let moment = history.moment(for: batch.count)
                let results = ledger.createAccounts(batch, at: moment)
                guard results == naive.createAccounts(batch, at: moment) else { return false }
                for result in results { counts.accounts[result.status, default: 0] += 1 }
                events += batch.count
            }
            let batch = history.transferBatch()
            let moment = history.moment(for: batch.count)
            let expected = naive.createTransfers(batch, at: moment)
            if batch.count == 1, history.random.once(in: 2) {
                guard ledger.createTransfer(batch[0], at: moment) == expected[0].status else {
                    return false
                }
            } else {
                guard ledger.createTransfers(batch, at: moment) == expected else { return false }
            }
            history.learn(batch, expected)
            for result in expected { counts.transfers[result.status, default: 0] += 1 }
            events += batch.count
            seen += batch.map(\.id)
            guard sameBalances(ledger, naive) else { return false }
            if round % 16 == 0, ledger.checkInvariants() != [] { return false }
        }
        counts.events += events
        return sameTransfers(ledger, naive, seen) && ledger.checkInvariants() == []
            && (try? LedgerState(canonicalBytes: ledger.canonicalBytes())) == ledger
    }

    private func sameBalances(_ ledger: LedgerState, _ naive: NaiveLedger) -> Bool {
        (1...13).allSatisfy { number in
            let id = AccountID(UInt128(number))
            return ledger.account(id) == naive.account(id)
        }
    }

    private func sameTransfers(
        _ ledger: LedgerState, _ naive: NaiveLedger, _ ids: [TransferID]
    ) -> Bool {
        ids.allSatisfy { id in
            ledger.transfer(id) == naive.transfer(id)
                && ledger.pendingStatus(id) == naive.pendingStatus(id)
                && ledger.isBurnt(id) == naive.isBurnt(id)
        }
    }
}
