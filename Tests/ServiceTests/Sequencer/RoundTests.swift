import Ledger
import Primitives
import ProcessHarness
import Service
import Storage
import Testing

/// What a round of the executor takes, and what becomes of it.
@Suite struct RoundTests {
    private static func creation(_ id: UInt128) -> LedgerCommand {
        .createAccounts([Account(id: AccountID(id), ledger: 1, code: 1)])
    }

    /// However many reads wait, a command waits for a few of them only; the others see what it did.
    @Test func aFloodOfReadsLetsACommandThrough() throws {
        let pipeline = try SteppedPipeline<LedgerMachine>(
            journal: MemoryJournal(), clock: Fixture.frozen, options: LedgerService.usualOptions)
        let answers = Collected<String>()
        for _ in 0..<1_000 {
            let refusal = pipeline.read { machine in
                machine.ledger.account(AccountID(1)) == nil ? "before" : "after"
            } reply: { result in
                answers.add((try? result.get().0) ?? "failed")
            }
            #expect(refusal == nil)
        }
        let command = Self.creation(1)
        let refusal = pipeline.submit(command, encoded: command.canonicalBytes()) { _ in
            answers.add("created")
        }
        #expect(refusal == nil)
        pipeline.run()
        let place = try #require(answers.all.firstIndex(of: "created"))
        #expect(answers.all.count == 1_001)
        #expect((1..<100).contains(place))
        #expect(answers.all[..<place].allSatisfy { $0 == "before" })
        #expect(answers.all[(place + 1)...].allSatisfy { $0 == "after" })
        pipeline.stop()
    }

    /// The journal fails while the executor waits for room for a read: the command that it took
    /// together with that read is in no batch, and its caller is told all the same.
    @Test func whoCameWithAReadIsToldOfAFailure() async throws {
        let journal = GatedJournal()
        var options = LedgerService.usualOptions
        options.ownCommitBytes = 0
        options.checkpointInterval = 1
        // The executor asks for the time when it decides, the ledger's pulse now and then.
        let decided = Collected<Int>()
        let service = try LedgerService(
            journal: journal,
            clock: {
                decided.add(1)
                return Fixture.frozen()
            }, options: options, onFailure: { _ in })
        let told = Collected<UInt128>()
        let looked = Collected<Int>()
        func submit(_ id: UInt128, afterARead: Bool = false) {
            var batch = LedgerBatch()
            if afterARead {
                batch.read({ _ in looked.add(1) }, reply: { _ in })
            }
            let command = Self.creation(id)
            batch.submit(command, encoded: command.canonicalBytes()) { result in
                if case .failure(.journal(FaultyJournal.error)) = result { told.add(id) }
            }
            service.submit(batch)
        }
        submit(1)
        await journal.waitForAppend()
        var before = decided.all.count
        submit(2)
        try await eventually { decided.all.count > before }
        var probe = LedgerBatch()
        probe.read({ _ in looked.add(1) }, reply: { _ in })
        service.submit(probe)
        try await eventually { looked.all.count == 1 }
        // The second is under way and the first durable, so a state hash follows the third, and
        // seals its batch.
        journal.letOneThrough()
        await journal.waitForAppend()
        before = decided.all.count
        submit(3)
        try await eventually { decided.all.count > before }
        submit(4, afterARead: true)
        // Unless the ledger's own pulse came first.
        for _ in 0..<100 where looked.all.count < 2 {
            try await Task.sleep(for: .milliseconds(5))
        }
        journal.fail()
        try await eventually { told.all.count == 3 }
        #expect(told.all.sorted() == [2, 3, 4])
    }
}
