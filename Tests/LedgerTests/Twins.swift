import Ledger
import NaiveLedger
import Primitives

/// The ledger and its naive twin, driven by one random history.
struct Twins {
    private var history: RandomHistory
    private var queries: RandomQuery
    private var ledger = LedgerState()
    private var naive = NaiveLedger()
    private var seen: [TransferID] = []
    private let queryEvery: Int

    /// Twins that answer a query after one batch in `queryEvery`.
    init(seed: UInt64, queryEvery: Int) {
        history = RandomHistory(seed: seed)
        queries = RandomQuery(seed: seed)
        self.queryEvery = queryEvery
    }

    /// Plays a history; false as soon as they differ.
    mutating func play(events: Int, _ counts: inout OutcomeCounts) -> Bool {
        let opening = history.opening()
        let start = history.moment(for: opening.count)
        guard ledger.createAccounts(opening, at: start) == naive.createAccounts(opening, at: start)
        else { return false }
        let end = counts.events + events
        var round = 0
        while counts.events < end {
            round += 1
            if history.random.once(in: 4), !expire(&counts) { return false }
            if history.random.once(in: 12), !createAccounts(&counts) { return false }
            if !createTransfers(&counts) || !sameBalances { return false }
            if round % queryEvery == 0, !query(&counts) { return false }
            if round % 32 == 0, ledger.checkInvariants() != [] { return false }
        }
        return sameTransfers && ledger.checkInvariants() == [] && survivesCoding
    }

    /// Asks both the same; false if they differ.
    mutating func query(_ counts: inout OutcomeCounts) -> Bool {
        let account = queries.accountFilter(ledger)
        let any = queries.filter(ledger)
        let answers = ledger.answers(account, any)
        counts.queries += answers.count
        for answer in answers {
            counts.found += answer.count
            if case .refused(let refusal) = answer { counts.refusals[refusal, default: 0] += 1 }
        }
        return answers == naive.answers(account, any)
    }

    private mutating func expire(_ counts: inout OutcomeCounts) -> Bool {
        let moment = Timestamp(nanoseconds: history.clock)
        let expired = ledger.expire(at: moment)
        counts.expired += expired.count
        return expired == naive.expire(at: moment)
    }

    private mutating func createAccounts(_ counts: inout OutcomeCounts) -> Bool {
        let batch = history.accountBatch()
        let moment = history.moment(for: batch.count)
        let results = ledger.createAccounts(batch, at: moment)
        for result in results { counts.accounts[result.status, default: 0] += 1 }
        counts.events += batch.count
        return results == naive.createAccounts(batch, at: moment)
    }

    private mutating func createTransfers(_ counts: inout OutcomeCounts) -> Bool {
        let batch = history.transferBatch()
        let moment = history.moment(for: batch.count)
        let expected = naive.createTransfers(batch, at: moment)
        history.learn(batch, expected)
        for result in expected { counts.transfers[result.status, default: 0] += 1 }
        counts.events += batch.count
        seen += batch.map(\.id)
        if batch.count == 1, history.random.once(in: 2) {
            return ledger.createTransfer(batch[0], at: moment) == expected[0].status
        }
        return ledger.createTransfers(batch, at: moment) == expected
    }

    private var sameBalances: Bool {
        (1...13).allSatisfy { number in
            let id = AccountID(UInt128(number))
            return ledger.account(id) == naive.account(id)
        }
    }

    private var sameTransfers: Bool {
        seen.allSatisfy { id in
            ledger.transfer(id) == naive.transfer(id)
                && ledger.pendingStatus(id) == naive.pendingStatus(id)
                && ledger.isBurnt(id) == naive.isBurnt(id)
        }
    }

    /// Whether decoding both encodings gives the same answers again.
    private var survivesCoding: Bool {
        var writer = ByteWriter()
        ledger.encodeHistory(into: &writer)
        var reader = ByteReader(writer.bytes)
        guard var decoded = try? LedgerState(canonicalBytes: ledger.canonicalBytes()),
            (try? decoded.restoreHistory(from: &reader)) != nil, reader.remaining == 0
        else { return false }
        return decoded == ledger
            && ([3, 5, 6] as [UInt128]).allSatisfy { number in
                let filter = AccountFilter(account: AccountID(number))
                return ledger.answers(filter, QueryFilter())
                    == decoded.answers(filter, QueryFilter())
            }
    }
}
