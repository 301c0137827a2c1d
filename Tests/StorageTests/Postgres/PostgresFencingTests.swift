import Foundation
import PostgresHarness
import Primitives
import Storage
import Synchronization
import Testing

/// One leader at a time: what a second one may do, and what is left of the first.
@Suite struct PostgresFencingTests {
    @Test func aLiveLeaderIsOnlyReplacedOnPurpose() throws {
        let home = try PostgresHome()
        let first = try home.lead(holder: "first")
        _ = try first.verify()
        try first.fill(2)
        try home.waitForRenewal()
        #expect(
            home.error { try home.lead().close() }
                == .locked("\(first.place), led by first in term 1", holder: nil))
        try first.fill(1)
        let second = try home.lead(takeOver: true, holder: "second")
        #expect(second.term == 2)
        for _ in 0..<2 {
            #expect(throws: JournalError.fenced(term: 2)) { try first.fill(1) }
            #expect(throws: JournalError.fenced(term: 2)) {
                try first.record(StateCheckpoint(sequence: 1, stateHash: .zero))
            }
        }
        #expect(try second.verify().sequence == 3)
        try second.fill(1)
        #expect(try second.checkpoints() == [])
        // The end of the fenced one is no end of the other's lease.
        try first.close()
        let lease = try PostgresLease(conninfo: home.conninfo, schema: home.schema)
        let reading = try lease.read()
        #expect(reading.term == 2)
        #expect(reading.holder == "second")
        #expect(reading.isAlive)
        try second.close()
        #expect(try !lease.read().isAlive)
        #expect(home.recoveryError() == nil)
    }

    @Test func anIdleLeaderRenewsItsLease() throws {
        let home = try PostgresHome()
        let lease = try PostgresLease(conninfo: home.conninfo, schema: home.schema)
        #expect(throws: JournalError.self) { try lease.read() }
        let journal = try home.lead()
        try home.waitForRenewal()
        try home.waitForRenewal()
        #expect(try lease.read().term == journal.term)
        try journal.close()
    }

    /// A leader that appends nothing learns of its end from its renewals, and from then on it is
    /// at an end whatever the database says.
    @Test func anIdleLeaderLearnsThatItIsFenced() throws {
        let home = try PostgresHome()
        let first = try home.lead()
        _ = try first.verify()
        let second = try home.lead(takeOver: true)
        // A renewal that changed nothing asks who leads.
        let asked = """
            SELECT FROM pg_stat_activity WHERE state = 'idle' \
            AND query = 'SELECT term FROM \(home.schema).leader'
            """
        while try home.watcher.run(asked).isEmpty { Thread.sleep(forTimeInterval: 0.01) }
        Thread.sleep(forTimeInterval: 0.1)
        try home.session.run("UPDATE \(home.schema).leader SET term = \(first.term)")
        #expect(throws: JournalError.fenced(term: second.term)) { try first.fill(1) }
        #expect(try home.session.value("SELECT max(seq) FROM \(home.schema).journal") == nil)
        try first.close()
        try second.close()
    }

    /// The fence at its narrowest: the takeover is not committed yet when the append looks.
    @Test(arguments: [true, false])
    func anAppendWaitsForATakeoverUnderWay(_ commits: Bool) throws {
        let home = try PostgresHome()
        let journal = try home.lead()
        _ = try journal.verify()
        try journal.fill(1)
        try home.session.run("BEGIN; UPDATE \(home.schema).leader SET term = 9")
        let append = OnThread { home.error { try journal.fill(1) } }
        try home.waitUntilBlocked()
        try home.session.run(commits ? "COMMIT" : "ROLLBACK")
        #expect(try append.value() == (commits ? .fenced(term: 9) : nil))
        let rows = try home.session.value("SELECT count(*) FROM \(home.schema).journal")
        #expect(rows == (commits ? "1" : "2"))
        try journal.close()
    }

    /// The other way round: an append that has passed the fence is waited for, and is in the head
    /// that the next leader finds.
    @Test(arguments: [true, false])
    func aTakeoverWaitsForAnAppendUnderWay(_ commits: Bool) throws {
        let home = try PostgresHome()
        let first = try home.lead()
        _ = try first.verify()
        try first.fill(1)
        let second = try JournalBatch(
            following: first.head, term: 1, entries: entries(2, after: first.head))
        // A row of the same number that is not committed holds the append up behind the fence.
        try home.session.run(
            """
            BEGIN; INSERT INTO \(home.schema).journal VALUES (2, 1, 99, 1, '', '', '', 0)
            """)
        let append = OnThread { home.error { try first.append(second) } }
        try home.waitUntilBlocked()
        let takeover = OnThread { try home.lead(takeOver: true) }
        try home.waitUntilBlocked(2)
        try home.session.run(commits ? "COMMIT" : "ROLLBACK")
        #expect(try append.value() == (commits ? .conflict(2) : nil))
        guard !commits else {
            // The stranger's row is no batch.
            #expect(throws: JournalError.damaged(2, .malformedRow)) { try takeover.value() }
            return
        }
        let journal = try takeover.value()
        #expect(try journal.verify() == second.head)
        #expect(throws: JournalError.fenced(term: 2)) { try first.fill(1) }
        try journal.close()
        try first.close()
    }

    /// Hundreds of takeovers at random moments, while everyone appends as fast as it can.
    @Test func thereIsOneHistoryWhateverTheTakeovers() throws {
        let home = try PostgresHome()
        let rounds = Int(ProcessInfo.processInfo.environment["EXCHEQUER_TAKEOVERS"] ?? "") ?? 200
        let left = Mutex(rounds)
        let acknowledged = Record<ChainPoint>()
        let terms = Record<UInt64>()
        let fenced = Record<UInt64>()
        let fencedWhileOpening = Record<UInt64>()
        let writers = (UInt64(0)..<3).map { writer in
            OnThread {
                var numbers = Numbers(state: 0xFE7CE + writer)
                var known = JournalHead.empty
                while left.withLock({ left in
                    left -= 1; return left >= 0
                }) {
                    var opened: PostgresJournal?
                    do throws(JournalError) {
                        let journal = try home.lead(takeOver: true, holder: "writer \(writer)")
                        opened = journal
                        terms.add(journal.term)
                        known = try journal.recover(after: known) { (_, _) throws(JournalError) in }
                        // Until fenced, or for some batches only: then the next takes over from
                        // a leader that is idle.
                        for _ in 0..<Int.random(in: 0...12, using: &numbers) {
                            try journal.append(entries(1, after: journal.head))
                            known = journal.head
                            acknowledged.add(known.point)
                        }
                    } catch {
                        guard case .fenced(let term) = error else { throw error }
                        #expect(term > opened?.term ?? 0)
                        (opened == nil ? fencedWhileOpening : fenced).add(term)
                    }
                    if Bool.random(using: &numbers) { try opened?.close() }
                }
            }
        }
        for writer in writers { try writer.value() }
        // Nothing was lost or doubled; what was not acknowledged is not there either, as no
        // connection broke.
        #expect(try home.checkHistory(acknowledged: acknowledged.all) == [])
        #expect(Set(terms.all).count == terms.all.count)
        #expect(terms.all.count + fencedWhileOpening.all.count == rounds)
        #expect(fenced.all.count > rounds / 20, "too few writers were fenced in full flight")
    }

    @Test func twoProcessesCannotBothWrite() throws {
        let home = try PostgresHome()
        var acknowledged: [ChainPoint] = []
        var running = try WriterProcess(home, holder: "process 0")
        for round in 1...8 {
            let acks = running.readUntilAcknowledged(20)
            acknowledged += acks
            // The next one takes over while this one writes on.
            let next = try WriterProcess(home, holder: "process \(round)")
            let end = running.finish()
            acknowledged += end.acknowledged
            #expect(end.last == "fenced \(round + 1)")
            running = next
        }
        _ = running.readUntilAcknowledged(1).map { acknowledged.append($0) }
        kill(running.process.processIdentifier, SIGKILL)
        acknowledged += running.finish().acknowledged
        // The last one may have committed a batch without living to say so.
        let unsaid = try home.checkHistory(acknowledged: acknowledged)
        #expect(unsaid.count <= 1)
        #expect(unsaid.allSatisfy { $0.term == 9 })

        // Nobody ended its lease: it has to grow old.
        var refusals = 0
        while true {
            do throws(JournalError) {
                let journal = try home.lead()
                #expect(journal.term == 10)
                _ = try journal.verify()
                try journal.append(entries(1, after: journal.head))
                try journal.close()
                break
            } catch {
                guard case .locked(_, holder: nil) = error else { throw error }
                refusals += 1
                Thread.sleep(forTimeInterval: 0.1)
            }
        }
        #expect(refusals > 0)
    }
}

/// A running `journalwriter` and what it says.
final class WriterProcess {
    let process = Process()
    private let output = Pipe()
    private var text = Data()

    init(_ home: PostgresHome, holder: String) throws {
        process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0])
            .deletingLastPathComponent().appendingPathComponent("journalwriter")
        process.arguments = [home.conninfo, home.schema, holder]
        process.standardOutput = output
        try process.run()
    }

    /// Blocks until it has said so many whole lines more, and gives the batches among them.
    func readUntilAcknowledged(_ count: Int) -> [ChainPoint] {
        var found: [ChainPoint] = []
        while found.count < count {
            let more = output.fileHandleForReading.availableData
            if more.isEmpty { break }
            text.append(more)
            found += takeLines().compactMap(WriterProcess.point)
        }
        return found
    }

    /// The rest of what it says, once it has ended.
    func finish() -> (acknowledged: [ChainPoint], last: String) {
        text.append(output.fileHandleForReading.readDataToEndOfFile())
        process.waitUntilExit()
        let lines = takeLines()
        return (lines.compactMap(WriterProcess.point), lines.last ?? "")
    }

    private func takeLines() -> [String] {
        guard let end = text.lastIndex(of: 0x0A) else { return [] }
        defer { text = Data(text[(end + 1)...]) }
        return String(decoding: text[..<end], as: UTF8.self).split(separator: "\n").map(String.init)
    }

    private static func point(_ line: String) -> ChainPoint? {
        let words = line.split(separator: " ")
        guard words.count == 3, words[0] == "+", let sequence = UInt64(words[1]),
            let hash = Hex.decode(String(words[2])).flatMap({ Digest($0) })
        else { return nil }
        return ChainPoint(sequence: sequence, hash: hash)
    }
}
