import Ledger
import Primitives
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
}
