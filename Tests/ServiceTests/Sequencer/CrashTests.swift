import Clearing
import Foundation
import Primitives
import Storage
import Synchronization
import Testing

/// A house in a process of its own, killed while it writes, again and again on one journal.
@Suite(.serialized) struct CrashTests {
    private static let writer = URL(fileURLWithPath: CommandLine.arguments[0])
        .deletingLastPathComponent().appendingPathComponent("crashwriter").path

    /// A running `crashwriter` and what it has acknowledged.
    private final class Writer {
        let process = Process()
        private let output = Pipe()
        private let errors = Pipe()

        init(_ arguments: [String]) throws {
            process.executableURL = URL(fileURLWithPath: CrashTests.writer)
            process.arguments = arguments
            process.standardOutput = output
            process.standardError = errors
            try process.run()
        }

        /// Reads lines until `enough` were seen; blocks until then or until the end.
        func read(atLeast enough: Int, into text: inout Data) {
            while text.count(where: { $0 == 0x0A }) < enough {
                let more = output.fileHandleForReading.availableData
                if more.isEmpty { return }
                text.append(more)
            }
        }

        /// Reads the rest and waits for the end.
        func finish(into text: inout Data) -> (status: Int32, errors: String) {
            text.append(output.fileHandleForReading.readDataToEndOfFile())
            let words = errors.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            return (process.terminationStatus, String(decoding: words, as: UTF8.self))
        }
    }

    /// The addresses on whole lines `+ ADDRESS`; any other line is recorded as an issue.
    private func acknowledged(_ text: Data) -> [EVMAddress] {
        let lines = String(decoding: text, as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false
        ).dropLast()
        return lines.compactMap { line in
            let address = line.hasPrefix("+ ") ? EVMAddress(hex: line.dropFirst(2)) : nil
            if address == nil { Issue.record("unexpected line: \(line)") }
            return address
        }
    }

    /// Reopens the journal as a restart would: verifies the chain, replays everything.
    private func recovered(_ path: String) throws -> (addresses: [EVMAddress], parties: Int) {
        let journal = try SQLiteJournal(path: path)
        var replay = HouseReplay(checkpoints: try journal.checkpoints())
        var addresses: [EVMAddress] = []
        _ = try journal.recover { (batch, entries) throws(JournalError) in
            try replay.apply(batch, entries) { command, _ in
                if case .registerParty(let address) = command { addresses.append(address) }
            }
        }
        try journal.close()
        return (addresses, replay.house.parties.count)
    }

    @Test func noAcknowledgedCommandIsLostByKilling() throws {
        let seed = UInt64.random(in: .min ... .max)
        print("seed of the kill rounds: \(seed)")
        var numbers = Numbers(state: seed)
        let scratch = try Scratch()
        var known = Set<EVMAddress>()
        var productive = 0
        for run in 1...60 {
            let writer = try Writer([scratch.journal, "\(run)", "24"])
            var text = Data()
            // Some are killed while they open or recover, most while they write.
            let lines = run % 10 == 0 ? 0 : Int.random(in: 1...200, using: &numbers)
            writer.read(atLeast: lines, into: &text)
            usleep(UInt32.random(in: 0...20_000, using: &numbers))
            kill(writer.process.processIdentifier, SIGKILL)
            _ = writer.finish(into: &text)
            let replies = acknowledged(text)
            if !replies.isEmpty { productive += 1 }
            let areNew = known.isDisjoint(with: replies)
            #expect(areNew)
            known.formUnion(replies)
            let (addresses, parties) = try recovered(scratch.journal)
            let once = Set(addresses)
            #expect(once.count == addresses.count, "seed \(seed), run \(run): journaled twice")
            let isComplete = once.isSuperset(of: known)
            #expect(isComplete, "seed \(seed), run \(run): a command is lost")
            #expect(parties == addresses.count, "seed \(seed), run \(run)")
        }
        #expect(productive >= 50)
        #expect(try auditJournal(at: scratch.journal).isSound)
    }

    /// Every file is limited to a size, for many sizes: the write that would go beyond it fails in
    /// SQLite as on a broken disk. The process must end by itself and have lied to nobody.
    @Test func noAcknowledgedCommandIsLostByAFailingDisk() throws {
        var stopped = 0
        for limit in stride(from: 4_096, through: 300_000, by: 9_973) {
            let scratch = try Scratch()
            let writer = try Writer([scratch.journal, "1", "8", "\(limit)"])
            var text = Data()
            let (status, errors) = writer.finish(into: &text)
            let replies = acknowledged(text)
            if status == 74 {
                stopped += 1
                #expect(errors.contains("the journal failed"))
            } else {
                // Too small even for an empty journal.
                #expect(status == 3, "limit \(limit): \(status) \(errors)")
                #expect(replies.count == 0)
                continue
            }
            let (addresses, parties) = try recovered(scratch.journal)
            #expect(Set(addresses).count == addresses.count)
            let isComplete = Set(addresses).isSuperset(of: replies)
            #expect(isComplete, "limit \(limit): a command is lost")
            #expect(parties == addresses.count)
        }
        #expect(stopped > 15)
    }

    @Test func aSecondProcessIsRefused() throws {
        let scratch = try Scratch()
        let journal = try SQLiteJournal(path: scratch.journal)
        let writer = try Writer([scratch.journal, "1", "1"])
        var text = Data()
        let (status, errors) = writer.finish(into: &text)
        #expect(status == 3)
        #expect(text.isEmpty)
        #expect(errors.contains("in use by another process"))
        #expect(errors.contains("\(ProcessInfo.processInfo.processIdentifier)"))
        try journal.close()
    }
}

/// Deterministic numbers from a printed seed.
private struct Numbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
