import Dispatch
import Foundation
import Ledger
import Primitives
import Service
import Storage
import Synchronization
import Testing

/// A thread that commits by itself, beside the pipeline's own threads.
@Suite(.timeLimit(.minutes(10))) struct CommitHereTests {
    private typealias Outcome = Result<LedgerAnswer, SequencerError>

    private func service(_ journal: any Journal) throws -> LedgerService {
        try LedgerService(journal: journal, clock: Fixture.frozen, onFailure: { _ in })
    }

    private static let accounts = LedgerCommand.createAccounts(
        (1...2).map { Account(id: AccountID($0), ledger: 1, code: 1) })

    private static func transfer(_ number: Int) -> LedgerCommand {
        .createTransfers([
            Transfer(
                id: TransferID(UInt128(number)), debitAccount: AccountID(1),
                creditAccount: AccountID(2), amount: Amount(1), ledger: 1, code: 1)
        ])
    }

    private func batch(
        _ command: LedgerCommand, _ reply: @escaping @Sendable (Outcome) -> Void
    ) -> LedgerBatch {
        var batch = LedgerBatch()
        batch.submit(command, encoded: command.canonicalBytes(), reply: reply)
        return batch
    }

    @Test func theReplyIsThereWhenItReturns() throws {
        let service = try service(MemoryJournal())
        let threads = Mutex<[Thread]>([])
        let here = Thread.current
        for command in [Self.accounts, Self.transfer(1), Self.transfer(2)] {
            service.commit(
                batch(command) { _ in threads.withLock { $0.append(Thread.current) } })
        }
        #expect(threads.withLock { $0 } == [here, here, here])
        #expect(service.head.sequence == 3)
        service.stop { #expect($0 == nil) }
    }

    /// A journal that may wait for others is left to the thread that has nothing else to do.
    @Test func onlyForTheOwnDisk() async throws {
        let gated = GatedJournal()
        let service = try service(gated)
        let answered = Mutex(false)
        service.commit(batch(Self.accounts) { _ in answered.withLock { $0 = true } })
        await gated.waitForAppend()
        #expect(!answered.withLock { $0 })
        gated.open()
        try await service.stop()
        #expect(answered.withLock { $0 })
    }

    /// Whoever comes while another thread commits waits for nobody, and is in the next batch.
    @Test func itWaitsForNoOtherCommit() async throws {
        let gated = GatedJournal()
        let journal = Local(gated)
        let service = try service(journal)
        let order = Mutex<[Int]>([])
        service.submit(batch(Self.accounts) { _ in order.withLock { $0.append(0) } })
        await gated.waitForAppend()
        for number in 1...3 {
            service.commit(
                batch(Self.transfer(number)) { _ in order.withLock { $0.append(number) } })
        }
        #expect(order.withLock { $0 } == [])
        gated.open()
        try await service.stop()
        #expect(order.withLock { $0 } == [0, 1, 2, 3])
        #expect(gated.inner.head.sequence == 2)
    }

    @Test(arguments: FaultyJournal.Moment.allCases)
    func aFailureIsEveryonesEnd(_ moment: FaultyJournal.Moment) async throws {
        let service = try service(Local(FaultyJournal(failingAt: 2, moment)))
        let outcomes = Mutex<[Outcome]>([])
        for command in [Self.accounts, Self.transfer(1), Self.transfer(2)] {
            service.commit(batch(command) { outcome in outcomes.withLock { $0.append(outcome) } })
        }
        let found = outcomes.withLock { $0 }
        #expect(found.count == 3)
        #expect(throws: Never.self) { try found[0].get() }
        for outcome in found.dropFirst() {
            #expect(throws: SequencerError.journal(FaultyJournal.error)) { try outcome.get() }
        }
        #expect(service.isClosed)
        await #expect(throws: FaultyJournal.error) { try await service.stop() }
    }

    /// Threads that commit, threads that hand over, and readers: each is answered once, what was
    /// answered is in the journal, and a read sees nothing that is not.
    @Test func manyThreadsAtOnce() async throws {
        let journal = MemoryJournal()
        let service = try service(journal)
        service.commit(batch(Self.accounts) { _ in })
        let answers = Mutex<[Int: Int]>([:])
        let wrongReads = Mutex(0)
        let threads = 6
        let each = 400
        DispatchQueue.concurrentPerform(iterations: threads) { thread in
            for number in 0..<each {
                let id = 1 + thread * each + number
                let one = batch(Self.transfer(id)) { outcome in
                    guard case .success(.transfers(let results)) = outcome,
                        results.map(\.status) == [.created]
                    else { return }
                    answers.withLock { $0[id, default: 0] += 1 }
                }
                if (thread + number) % 3 == 0 { service.submit(one) } else { service.commit(one) }
                guard number % 16 == 0 else { continue }
                var read = LedgerBatch()
                read.read {
                    $0.ledger.account(AccountID(1))?.debitsPosted ?? .zero
                } reply: {
                    // One transfer a command, after the one that made the accounts.
                    guard case .success((let debits, let head)) = $0 else { return }
                    let rows = journal.batches.prefix(Int(head.sequence))
                    let commands = rows.reduce(0) { $0 + Int($1.count) }
                    if UInt128(commands) < debits.units + 1 { wrongReads.withLock { $0 += 1 } }
                }
                service.commit(read)
            }
        }
        try await service.stop()
        let counted = answers.withLock { $0 }
        #expect(counted.count == threads * each && counted.values.allSatisfy { $0 == 1 })
        #expect(wrongReads.withLock { $0 } == 0)
        #expect(journal.batches.reduce(0) { $0 + Int($1.count) } == 1 + threads * each)
        journal.reopen()
        let again = try self.service(journal)
        let total = try await withCheckedThrowingContinuation { waiting in
            var read = LedgerBatch()
            read.read {
                $0.ledger.account(AccountID(1))?.debitsPosted ?? .zero
            } reply: {
                waiting.resume(with: $0.map(\.0))
            }
            again.submit(read)
        }
        #expect(total == Amount(UInt128(threads * each)))
        try await again.stop()
    }
}

/// A journal that says it waits for this machine's disk only.
private final class Local: Journal {
    private let inner: any Journal

    init(_ inner: any Journal) { self.inner = inner }

    var isLocal: Bool { true }
    var term: UInt64 { inner.term }
    var head: JournalHead { inner.head }

    func recover(
        after start: JournalHead,
        _ body: (JournalBatch, JournalEntries) throws(JournalError) -> Void
    ) throws(JournalError) -> JournalHead {
        try inner.recover(after: start, body)
    }

    func append(_ batch: JournalBatch) throws(JournalError) { try inner.append(batch) }
    func checkpoints() throws(JournalError) -> [StateCheckpoint] { try inner.checkpoints() }
    func record(_ checkpoint: StateCheckpoint) throws(JournalError) { try inner.record(checkpoint) }
    func reader() throws(JournalError) -> any JournalReader { try inner.reader() }
    func close() throws(JournalError) { try inner.close() }
}
