import Foundation
import Ledger
import NaiveLedger
import Primitives
import Testing

/// Plays random histories and random queries against the ledger and its naive twin. The environment
/// variables `EXCHEQUER_LEDGER_OPERATIONS` and `EXCHEQUER_LEDGER_SEED` set how many events at
/// least, and where to start; a history hangs on its own seed alone.
@Suite("Ledger against its naive twin")
struct DifferentialTests {
    private static func setting(_ name: String, _ standard: UInt64) -> UInt64 {
        ProcessInfo.processInfo.environment[name].flatMap(UInt64.init) ?? standard
    }

    private static let seed = setting("EXCHEQUER_LEDGER_SEED", 20_261_125)
    private static let operations = Int(setting("EXCHEQUER_LEDGER_OPERATIONS", 1_000_000))
    private static let eventsPerHistory = 900

    @Test func bothAgreeOnEveryAnswerAndBalance() async {
        let workers: UInt64 = 2
        let share = Self.operations / Int(workers)
        let counts = await withTaskGroup(of: OutcomeCounts.self) { group in
            for worker in 0..<workers {
                group.addTask {
                    var counts = OutcomeCounts()
                    var seed = Self.seed &+ worker
                    while counts.events < share, counts.failedSeed == nil {
                        var pair = Twins(seed: seed, queryEvery: 8)
                        if !pair.play(events: Self.eventsPerHistory, &counts) {
                            counts.failedSeed = seed
                        }
                        seed &+= workers
                    }
                    return counts
                }
            }
            return await group.reduce(into: OutcomeCounts()) { $0.add($1) }
        }
        if let seed = counts.failedSeed {
            Issue.record("the twins part in the history of seed \(seed)\n\(counts.table)")
            return
        }
        print("seed \(Self.seed): \(counts.events) events, \(counts.queries) queries")
        if Self.operations >= 5_000_000 { print(counts.table) }
        for status in CreateTransferStatus.allCases where !status.isReserved {
            #expect(counts.transfers[status] != nil, "transfer \(status) never happened")
        }
        for status in CreateAccountStatus.allCases where !status.isReserved {
            #expect(counts.accounts[status] != nil, "account \(status) never happened")
        }
        for refusal in QueryRefusal.allCases {
            #expect(counts.refusals[refusal] != nil, "refusal \(refusal) never happened")
        }
        #expect(counts.expired > 0 && counts.found > 0)
        #expect(counts.events >= Self.operations)
    }

    /// Long enough that accounts' transfers fill many blocks of the index.
    @Test(arguments: [seed, seed &+ 1])
    func bothAgreeOnQueriesOfLongHistories(_ seed: UInt64) {
        var counts = OutcomeCounts()
        var pair = Twins(seed: seed, queryEvery: .max)
        let agree = pair.play(events: 6_000, &counts)
        #expect(agree, "seed \(seed)")
        for number in 0..<400 {
            let agree = pair.query(&counts)
            #expect(agree, "query \(number) of seed \(seed)")
        }
        #expect(counts.found > 10_000)
    }
}

/// How often each answer was given.
struct OutcomeCounts: Sendable {
    var accounts: [CreateAccountStatus: Int] = [:]
    var transfers: [CreateTransferStatus: Int] = [:]
    var refusals: [QueryRefusal: Int] = [:]
    var expired = 0
    var events = 0
    var queries = 0
    /// Records in answers to queries.
    var found = 0
    /// The seed of a history that the twins do not agree on.
    var failedSeed: UInt64?

    mutating func add(_ other: OutcomeCounts) {
        accounts.merge(other.accounts, uniquingKeysWith: +)
        transfers.merge(other.transfers, uniquingKeysWith: +)
        refusals.merge(other.refusals, uniquingKeysWith: +)
        expired += other.expired
        events += other.events
        queries += other.queries
        found += other.found
        failedSeed = failedSeed ?? other.failedSeed
    }

    /// One line for each answer.
    var table: String {
        let lines =
            CreateAccountStatus.allCases.map { "account \($0) \(accounts[$0, default: 0])" }
            + CreateTransferStatus.allCases.map { "transfer \($0) \(transfers[$0, default: 0])" }
            + QueryRefusal.allCases.map { "query \($0) \(refusals[$0, default: 0])" }
            + ["released by timeout \(expired)", "records found by queries \(found)"]
        return lines.joined(separator: "\n")
    }
}
