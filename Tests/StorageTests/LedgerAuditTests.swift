import Cryptography
import Foundation
import Ledger
import Primitives
import Storage
import Testing

/// The audit of a ledger's journal.
@Suite struct LedgerAuditTests {
    private func books(_ batches: Int) throws -> (journal: MemoryJournal, machine: LedgerMachine) {
        let journal = MemoryJournal()
        var books = LedgerBooks(seed: 3)
        try books.write(batches, to: journal)
        return (journal, books.machine)
    }

    @Test func itReachesTheLiveState() throws {
        let (journal, machine) = try books(60)
        try journal.record(StateCheckpoint(sequence: 60, stateHash: machine.stateHash))
        let report = try auditLedger(journal, expecting: journal.head.point)
        #expect(report.isSound && report.checkpoints == 1 && report.head == journal.head)
        #expect(report.stateHash == machine.stateHash)
        #expect(report.machine.ledger.transfers == machine.ledger.transfers)
        #expect(try JournaledKind(of: journal) == .ledger)
        #expect(try JournaledKind(of: MemoryJournal()) == .empty)
    }

    @Test func whatIsWrongIsFound() throws {
        let (journal, machine) = try books(30)
        let point = ChainPoint(sequence: 7, hash: .zero)
        #expect(throws: JournalError.unexpectedHash(point, found: journal.batches[6].hash)) {
            try auditLedger(journal, expecting: point)
        }
        try journal.record(StateCheckpoint(sequence: 20, stateHash: machine.stateHash))
        #expect(throws: JournalError.stateDiverged(20)) { try auditLedger(journal) }
        let unreadable = MemoryJournal()
        try unreadable.append([
            JournalEntry(time: Timestamp(nanoseconds: 1), command: [0xA9])
        ])
        #expect(
            throws: JournalError.undecodable(1, command: 0, .invalidValue("ledger command"))
        ) { try auditLedger(unreadable) }
    }

    /// One thread finds what is wrong with a batch before the other has decided those before it:
    /// what is wrong first is said all the same.
    @Test func theFirstFaultIsSaidWhicheverThreadFindsIt() throws {
        func audit(unreadable: Int?, forged: Int?) throws -> JournalError? {
            let journal = MemoryJournal()
            for number in 1...3_000 {
                let command: [UInt8] = number == unreadable ? [0xA9] : [0xA3]
                let entry = JournalEntry(
                    time: Timestamp(nanoseconds: UInt64(number)), command: command)
                let batch = try JournalBatch(following: journal.head, term: 1, entries: [entry])
                let isForged = number == forged
                try journal.append(
                    JournalBatch(
                        unchecked: batch.sequence, term: 1, time: batch.time, count: 1,
                        previousHash: batch.previousHash, hash: isForged ? .zero : batch.hash,
                        body: batch.body))
            }
            do throws(JournalError) {
                _ = try auditLedger(journal)
                return nil
            } catch { return error }
        }
        let unreadable = JournalError.undecodable(
            1_500, command: 0, .invalidValue("ledger command"))
        #expect(try audit(unreadable: nil, forged: nil) == nil)
        for forged in [1_501, 2_048, 3_000] {
            #expect(try audit(unreadable: 1_500, forged: forged) == unreadable)
        }
        for forged in [1, 1_024, 1_025, 1_499, 1_500] {
            #expect(
                try audit(unreadable: 1_500, forged: forged)
                    == .damaged(UInt64(forged), .hashMismatch))
        }
    }

    /// Writes journals to measure on: `AUDIT_JOURNALS=FOLDER AUDIT_TRANSFERS=1000000`.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["AUDIT_JOURNALS"] != nil))
    func writesJournalsToMeasureOn() throws {
        let environment = ProcessInfo.processInfo.environment
        let folder = try #require(environment["AUDIT_JOURNALS"])
        let total = environment["AUDIT_TRANSFERS"].flatMap { Int($0) } ?? 1_000_000
        for size in [LedgerCommand.eventLimit, 1] {
            let journal = try FileJournal(path: "\(folder)/batches-of-\(size)")
            _ = try journal.verify()
            var clock: UInt64 = 1_000_000
            let accounts = (1...10_000).map { Account(id: AccountID($0), ledger: 1, code: 1) }
            var commands: [LedgerCommand] = [
                .createAccounts(Array(accounts[..<5_000])),
                .createAccounts(Array(accounts[5_000...])),
            ]
            var next: UInt128 = 1
            while commands.count > 0 {
                let entries = commands.map { command in
                    clock += LedgerMachine.ticks(of: command)
                    return JournalEntry(
                        time: Timestamp(nanoseconds: clock), command: command.canonicalBytes())
                }
                for entry in entries { try journal.append([entry]) }
                commands = []
                guard Int(next) <= total else { break }
                let transfers = (0..<size).map { place in
                    let id = next + UInt128(place)
                    return Transfer(
                        id: TransferID(id), debitAccount: AccountID(id % 9_999 + 1),
                        creditAccount: AccountID(id % 9_999 + 2), amount: Amount(id % 100),
                        ledger: 1, code: 1)
                }
                next += UInt128(size)
                commands = [.createTransfers(transfers)]
            }
            try journal.close()
        }
    }
}
