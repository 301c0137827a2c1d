import Clearing
import Foundation
import PostgresHarness
import Primitives
import Service
import Storage
import Testing

/// The sequencer on a journal in PostgreSQL.
@Suite struct PostgresTests {
    private func open(_ schema: String, takeOver: Bool = false) throws -> PostgresJournal {
        var options = PostgresJournal.Options()
        options.takeOver = takeOver
        return try PostgresJournal(
            conninfo: PostgresServer.shared().conninfo, schema: schema, options: options)
    }

    @Test func aRestartReachesTheSameState() async throws {
        let schema = PostgresServer.freshSchema()
        var last: (head: JournalHead, hash: Digest)?
        for run in UInt64(0)..<3 {
            let sequencer = try Fixture.sequencer(open(schema))
            if let last {
                #expect(sequencer.head == last.head)
                #expect(try await sequencer.stateHash().hash == last.hash)
            } else {
                _ = try await sequencer.submit(Fixture.configure)
            }
            await withTaskGroup(of: Void.self) { group in
                for number in run * 50 + 1...run * 50 + 50 {
                    group.addTask { _ = try? await sequencer.submit(Fixture.register(number)) }
                }
            }
            last = try await sequencer.stateHash()
            try await sequencer.stop()
        }
        let journal = try open(schema)
        let report = try auditJournal(journal, expecting: last?.head.point)
        #expect(report.stateHash == last?.hash)
        #expect(report.commands == 151)
        #expect(report.isSound)
        try journal.close()
    }

    /// A house that another one took over from tells its callers so, and the other one serves
    /// everything that was acknowledged.
    @Test func aFencedSequencerAcknowledgesNothing() async throws {
        let schema = PostgresServer.freshSchema()
        let failures = Collected<JournalError>()
        let first = try Fixture.sequencer(open(schema), failures: failures)
        _ = try await first.submit(Fixture.configure)
        _ = try await first.submit(Fixture.register(1))
        let second = try Fixture.sequencer(open(schema, takeOver: true))
        let fenced = SequencerError.journal(.fenced(term: 2))
        await #expect(throws: fenced) { try await first.submit(Fixture.register(2)) }
        await #expect(throws: fenced) { try await first.read { $0.parties.count } }
        #expect(failures.all == [.fenced(term: 2)])
        #expect(try await second.read { $0.parties.count } == 1)
        _ = try await second.submit(Fixture.register(2))
        #expect(try await second.read { $0.parties.count } == 2)
        try await second.stop()
    }
}
