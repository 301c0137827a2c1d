import Foundation
import Primitives
import SimulatedDisk
import Storage
import Testing

/// Random lives of an append file on a disk that behaves as badly as a disk may.
@Suite struct FileCrashTests {
    private struct Tally {
        var crashes = 0
        var torn = 0
        var halts = 0
        var acknowledged = 0
        var injected = 0
    }

    /// One process: opens the journal, appends until something happens. Throws what stopped it.
    private func live(
        _ house: inout SimulatedHouse, _ numbers: inout Numbers, _ place: String
    ) throws(JournalError) {
        try house.open(place)
        for _ in 0..<Int.random(in: 0...12, using: &numbers) {
            let size = [5, 300, 3_900, 4_500, 9_000, 9_000, 40_000].randomElement(using: &numbers)
            try house.append(size ?? 1, UInt8.random(in: 0...3, using: &numbers))
            if Int.random(in: 0..<10, using: &numbers) == 0 { try house.record() }
        }
        if Bool.random(using: &numbers) { try house.close() }
    }

    /// Lives, dies and starts again `rounds` times; nothing acknowledged may be lost, doubled or
    /// changed, and a healthy disk must start.
    private func life(
        _ seed: UInt64, rounds: Int, buffered: Bool = false, mayHalt: Bool = false,
        _ tally: inout Tally, _ faults: (inout DiskFaults) -> Void
    ) {
        var numbers = Numbers(state: seed)
        var house = SimulatedHouse(SimulatedDisk(seed: seed))
        house.disk.buffersWrites = buffered
        for round in 0..<rounds {
            let place = "seed \(seed), round \(round)"
            var now = DiskFaults()
            faults(&now)
            house.disk.faults = now
            if Int.random(in: 0..<3, using: &numbers) > 0 {
                house.disk.fail(
                    at: Int.random(in: 1...90, using: &numbers),
                    [.crashBefore, .crashAfterwards, .crashMeanwhile].randomElement(
                        using: &numbers) ?? .crashBefore)
            }
            _ = FileJournal.error { () throws(JournalError) in
                try live(&house, &numbers, place)
            }
            house.disk.cancelFailures()
            house.kill()
            if Bool.random(using: &numbers) {
                house.disk.crash()
                tally.crashes += 1
            }
            // A healthy disk again: now it must start.
            house.disk.faults = DiskFaults()
            let look = try? FileJournal(
                disk: house.disk.copy().mount(), options: SimulatedHouse.options)
            if look?.tornBatch != nil { tally.torn += 1 }
            let error = FileJournal.error { () throws(JournalError) in try house.open(place) }
            house.kill()
            guard let error else { continue }
            tally.halts += 1
            if !mayHalt { Issue.record("\(place): \(error)") }
            break
        }
        tally.acknowledged += house.acknowledged.count
        tally.injected += house.disk.injected
    }

    /// More of them for a long run: EXCHEQUER_SEEDS=100 is a hundred times as many.
    private static func seeds(_ count: UInt64) -> UInt64 {
        let factor = ProcessInfo.processInfo.environment["EXCHEQUER_SEEDS"].flatMap(UInt64.init)
        return count * max(factor ?? 1, 1)
    }

    private static var base: UInt64 {
        UInt64.random(in: 1...1 << 40)
    }

    @Test func nothingIsLostByCrashesAndFailures() {
        let base = Self.base
        print("seeds of the append file's crashes: from \(base)")
        var tally = Tally()
        for seed in base..<base + Self.seeds(400) {
            life(seed, rounds: 8, &tally) { faults in
                guard seed % 3 > 0 else { return }
                faults.shortReads = 0.2
                faults.writeErrors = 0.01
                faults.syncErrors = 0.02
                faults.full = 0.01
                faults.readErrors = seed % 3 == 1 ? 0.002 : 0
            }
        }
        print("append file: \(tally)")
        #expect(tally.crashes > 1_000)
        #expect(tally.torn > 20)
        #expect(tally.halts == 0)
        #expect(tally.acknowledged > 3_000)
        #expect(tally.injected > 1_000)
    }

    /// Where a durable write is a write and a sync, a failed sync may leave pages that can be read
    /// and are not on the disk. A start may then halt, but what it gives is right.
    @Test func aDiskThatForgetsPagesIsNeverBelieved() {
        let base = Self.base
        print("seeds of the append file's forgotten pages: from \(base)")
        var tally = Tally()
        for seed in base..<base + Self.seeds(80) {
            life(seed, rounds: 8, buffered: true, mayHalt: true, &tally) { faults in
                faults.writeErrors = 0.03
                faults.syncErrors = 0.03
            }
        }
        print("append file, forgotten pages: \(tally)")
        #expect(tally.torn > 5)
        #expect(tally.acknowledged > 800)
    }

    /// A torn write is cut off by zeros. Where their sync fails, reads may show zeros that are not
    /// on the disk: whoever opens the journal next writes them again (found by the simulation).
    @Test func zerosThatWereForgottenAreWrittenAgain() throws {
        for seed in UInt64(1)...300 {
            let disk = SimulatedDisk(seed: seed)
            disk.buffersWrites = true
            func open() throws(JournalError) -> FileJournal {
                let journal = try FileJournal(
                    disk: disk.mount(), options: SimulatedHouse.options)
                _ = try SimulatedHouse.batches(journal)
                return journal
            }
            var first = try open()
            try first.append(entries(1, after: first.head))
            // That it was once closed in order says nothing of what came then.
            if seed % 2 == 0 {
                try first.close()
                disk.kill()
                first = try open()
            }
            // The power fails while several blocks are written.
            disk.fail(at: 1, .crashMeanwhile)
            #expect(throws: JournalError.self) {
                try first.append(entries(120, after: first.head))
            }
            disk.faults.writeErrors = 0.4
            disk.faults.syncErrors = 0.4
            for _ in 0..<4 {
                _ = try? open()
                disk.kill()
            }
            disk.faults = DiskFaults()
            let last = try open()
            try last.append(entries(1, after: last.head))
            let kept = try SimulatedHouse.contents(disk.afterTotalLoss()).get()
            #expect(kept.last?.head == last.head, "seed \(seed)")
        }
    }

    /// A disk that tears inside a sector breaks its promise. A start may halt, but does not lie.
    @Test func sectorsTornInsideAreNeverBelieved() {
        let base = Self.base
        print("seeds of the append file's torn sectors: from \(base)")
        var tally = Tally()
        for seed in base..<base + Self.seeds(80) {
            life(seed, rounds: 8, mayHalt: true, &tally) { $0.tornSectors = 0.3 }
        }
        print("append file, torn sectors: \(tally)")
        #expect(tally.acknowledged > 800)
    }

    /// Bits that flip, and writes that go to another place: what a start gives is the truth, or it
    /// halts. Of what was acknowledged at most the last batch may be missing without a word, and
    /// only if it looks exactly as a write that never began or did not end.
    @Test func damageIsAlwaysFound() {
        let base = Self.base
        print("seeds of the append file's damage: from \(base)")
        var numbers = Numbers(state: base)
        var found = 0
        var harmless = 0
        var lost = 0
        for seed in base..<base + Self.seeds(1_500) {
            let isFlip = seed % 2 == 0
            var house = SimulatedHouse(SimulatedDisk(seed: seed))
            let result = FileJournal.error { () throws(JournalError) in
                try house.open("new")
                try house.append(9_000, 1)
                if !isFlip { house.disk.faults.misdirectedWrites = 0.2 }
                for _ in 0..<Int.random(in: 1...12, using: &numbers) {
                    try house.append(Int.random(in: 0...12_000, using: &numbers), 2)
                }
            }
            #expect(result == nil)
            house.kill()
            house.disk.faults.misdirectedWrites = 0
            if isFlip { house.disk.faults.bitFlips = 1 }
            house.disk.crash()
            switch SimulatedHouse.contents(house.disk) {
            case .failure: found += 1
            case .success(let batches):
                let isPrefix = batches == Array(house.acknowledged.prefix(batches.count))
                #expect(isPrefix, "seed \(seed): the history is another one")
                let missing = house.acknowledged.count - batches.count
                #expect(missing <= 1, "seed \(seed): more than the last batch is missing")
                if missing == 0 { harmless += 1 } else { lost += 1 }
                #expect(!isFlip || missing == 0, "seed \(seed): a bit flip cut a batch off")
            }
        }
        print("damage: \(found) found, \(harmless) harmless, \(lost) as a torn last write")
        #expect(found > 500)
        #expect(lost < 10)
    }
}
