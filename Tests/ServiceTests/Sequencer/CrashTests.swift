import Clearing
import Foundation
import Primitives
import Storage
import Synchronization
import Testing

/// A house in a process of its own, killed while it writes, again and again.
@Suite(.serialized) struct CrashTests {
    /// Kills of each journal; EXCHEQUER_KILLS makes them more.
    private static let kills =
        ProcessInfo.processInfo.environment["EXCHEQUER_KILLS"].flatMap(Int.init) ?? 60
    /// Each round reads the whole journal, so after so many a new one is begun.
    private static let killsOfOneJournal = 250

    @Test(arguments: [JournalKind.sqlite, .file])
    func noAcknowledgedCommandIsLostByKilling(_ kind: JournalKind) throws {
        let seed = UInt64.random(in: .min ... .max)
        print("seed of the kill rounds, \(kind): \(seed)")
        var numbers = Numbers(state: seed)
        var scratch = try Scratch()
        var known = Set<EVMAddress>()
        var earlier = 0
        var productive = 0
        for run in 1...Self.kills {
            if run > 1, run % Self.killsOfOneJournal == 1 {
                #expect(try auditJournal(at: scratch.journal).isSound)
                scratch = try Scratch()
                earlier += known.count
                known = []
            }
            let writer = try Writer(kind, [scratch.journal, "\(run)", "24"])
            var text = Data()
            // Some are killed while they open or recover, most while they write.
            let lines = run % 10 == 0 ? 0 : Int.random(in: 1...200, using: &numbers)
            writer.read(atLeast: lines, into: &text)
            usleep(UInt32.random(in: 0...20_000, using: &numbers))
            kill(writer.process.processIdentifier, SIGKILL)
            let (status, errors) = writer.finish(into: &text)
            #expect(status == SIGKILL, "seed \(seed), run \(run) ended by itself: \(errors)")
            let replies = Writer.acknowledged(text)
            if !replies.isEmpty { productive += 1 }
            let areNew = known.isDisjoint(with: replies)
            #expect(areNew)
            known.formUnion(replies)
            let recovered = try Recovered(kind, scratch.journal)
            let once = Set(recovered.addresses)
            #expect(
                once.count == recovered.addresses.count, "seed \(seed), run \(run): journaled twice"
            )
            let isComplete = once.isSuperset(of: known)
            #expect(isComplete, "seed \(seed), run \(run): a command is lost")
            #expect(recovered.parties == recovered.addresses.count, "seed \(seed), run \(run)")
            if run % 100 == 0 || run == Self.kills {
                print("\(kind): \(run) kills, \(earlier + known.count) acknowledged")
            }
        }
        #expect(productive >= Self.kills * 5 / 6)
        #expect(try auditJournal(at: scratch.journal).isSound)
    }

    /// For many sizes: the write that would go beyond it fails in SQLite as on a broken disk, and
    /// in an append file as on a full one. The process must end by itself and have lied to nobody.
    @Test(arguments: [JournalKind.sqlite, .file])
    func noAcknowledgedCommandIsLostByAFailingDisk(_ kind: JournalKind) throws {
        var stopped = 0
        for limit in stride(from: 4_096, through: 300_000, by: 9_973) {
            let scratch = try Scratch()
            let writer = try Writer(kind, [scratch.journal, "1", "8", "\(limit)"])
            var text = Data()
            let (status, errors) = writer.finish(into: &text)
            let replies = Writer.acknowledged(text)
            if status == 74 {
                stopped += 1
                #expect(errors.contains("the journal failed"))
            } else {
                // Too small even for an empty journal.
                #expect(status == 3, "limit \(limit): \(status) \(errors)")
                #expect(replies.count == 0)
                continue
            }
            let recovered = try Recovered(kind, scratch.journal)
            #expect(Set(recovered.addresses).count == recovered.addresses.count)
            let isComplete = Set(recovered.addresses).isSuperset(of: replies)
            #expect(isComplete, "limit \(limit): a command is lost")
            #expect(recovered.parties == recovered.addresses.count)
        }
        #expect(stopped > 15)
    }

    @Test(arguments: [JournalKind.sqlite, .file])
    func aSecondProcessIsRefused(_ kind: JournalKind) throws {
        let scratch = try Scratch()
        let journal = try kind.open(scratch.journal)
        let writer = try Writer(kind, [scratch.journal, "1", "1"])
        var text = Data()
        let (status, errors) = writer.finish(into: &text)
        #expect(status == 3)
        #expect(text.isEmpty)
        #expect(errors.contains("in use by another process"))
        #expect(errors.contains("\(ProcessInfo.processInfo.processIdentifier)"))
        try journal.close()
    }
}
