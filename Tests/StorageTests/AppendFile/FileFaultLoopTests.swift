import Primitives
import SimulatedDisk
import Storage
import Testing

/// Every call to the disk fails once, in every way.
@Suite struct FileFaultLoopTests {
    /// Opens, appends over several segments, records and closes.
    private func live(_ house: inout SimulatedHouse, _ place: String) throws(JournalError) {
        try house.open(place)
        for (step, size) in [10, 6_000, 9_000, 100, 12_000, 3, 40_000, 9_000].enumerated() {
            try house.append(size, UInt8(step + 1))
            if step == 3 { try house.record() }
        }
        try house.close()
    }

    /// What a start after the failure finds must be right, and it must go on.
    private func restart(_ house: inout SimulatedHouse, _ place: String) {
        let count = house.disk.cancelFailures()
        #expect(count == 0)
        house.kill()
        let recorded = house.recorded
        do throws(JournalError) {
            try house.open(place)
            if let recorded, let journal = house.journal {
                #expect(try journal.checkpoints().contains(recorded), "\(place)")
            }
            try house.append(7, 99)
            try house.append(20_000, 98)
            house.kill()
            house.disk.crash()
            try house.open(place)
            try house.close()
            try house.open(place)
            house.kill()
        } catch {
            Issue.record("\(place): \(error)")
        }
    }

    /// Runs `body` once for each call that it makes, which then fails; gives how often.
    private func failEach(
        _ failure: DiskFailure, on prepared: SimulatedHouse, buffered: Bool,
        _ body: (inout SimulatedHouse, String) throws(JournalError) -> Void
    ) -> Int {
        for number in 1...2_000 {
            var house = SimulatedHouse(prepared.disk.copy())
            house.acknowledged = prepared.acknowledged
            house.begun = prepared.begun
            house.disk.buffersWrites = buffered
            house.disk.fail(at: number, failure)
            let place = "\(failure) at call \(number)\(buffered ? ", buffered" : "")"
            do throws(JournalError) {
                try body(&house, place)
                if house.disk.cancelFailures() > 0 { return number - 1 }
            } catch {
                switch error {
                case .inputOutput, .diskFull: break
                default: Issue.record("\(place): \(error)")
                }
            }
            restart(&house, place)
        }
        Issue.record("no end of calls")
        return 0
    }

    @Test(arguments: DiskFailure.allCases, [false, true])
    func aFailureOfAnyCallLosesNothing(_ failure: DiskFailure, buffered: Bool) {
        let empty = SimulatedHouse(SimulatedDisk(seed: 3))
        let calls = failEach(failure, on: empty, buffered: buffered, live)
        #expect(calls > 70)
    }

    /// The same on journals whose last write was torn, with the start itself failing.
    @Test(arguments: DiskFailure.allCases, [false, true])
    func aFailureDuringRecoveryLosesNothing(_ failure: DiskFailure, buffered: Bool) throws {
        var torn = 0
        for seed: UInt64 in 1...8 {
            // Odd seeds tear a batch inside a segment, even ones the change of segments.
            let sizes = seed % 2 == 1 ? [10, 20, 9_000] : [10, 9_000, 9_000, 20_000]
            var house = SimulatedHouse(SimulatedDisk(seed: seed))
            try house.open("new")
            for size in sizes.dropLast() { try house.append(size, 1) }
            house.disk.fail(at: seed % 2 == 1 ? 1 : Int(seed) / 2 + 5, .crashMeanwhile)
            _ = FileJournal.error { () throws(JournalError) in
                try house.append(sizes[sizes.count - 1], 2)
            }
            house.kill()
            let look = try FileJournal(
                disk: house.disk.copy().mount(), options: SimulatedHouse.options)
            if look.tornBatch != nil { torn += 1 }
            let made = failEach(failure, on: house, buffered: buffered) {
                (house, place) throws(JournalError) in
                try house.open(place)
                try house.append(9_000, 77)
            }
            #expect(made > 10)
        }
        #expect(torn > 0)
    }

    /// A new journal can be made whatever two power cuts have left of earlier tries.
    @Test func powerCutsWhileAJournalIsMadeDoNotSpoilIt() {
        for seed: UInt64 in 1...60 {
            for (first, second) in (1...9).flatMap({ one in (1...9).map { (one, $0) } }) {
                var house = SimulatedHouse(SimulatedDisk(seed: seed))
                let place = "seed \(seed), power cuts at calls \(first) and \(second)"
                for call in [first, second] {
                    house.disk.fail(at: call, .crashAfterwards)
                    _ = FileJournal.error { () throws(JournalError) in try house.open(place) }
                    house.disk.cancelFailures()
                    house.kill()
                    house.disk.crash()
                }
                do throws(JournalError) {
                    try house.open(place)
                } catch {
                    Issue.record("\(place): \(error)")
                }
            }
        }
    }

    /// Nothing is tried again after a failure, and nothing more is accepted.
    @Test func aFailureIsFinal() throws {
        for failure in [DiskFailure.error, .errorAfterwards, .errorMeanwhile, .full] {
            var house = SimulatedHouse(SimulatedDisk(seed: 5))
            try house.open("new")
            try house.append(100, 1)
            house.disk.fail(at: 1, failure)
            let first = FileJournal.error { () throws(JournalError) in try house.append(100, 2) }
            switch first {
            case .diskFull where failure == .full: break
            case .inputOutput(5, _) where failure != .full: break
            default: Issue.record("\(failure): \(String(describing: first))")
            }
            let calls = house.disk.calls
            for _ in 0..<3 {
                #expect(
                    FileJournal.error { () throws(JournalError) in try house.append(100, 2) }
                        == .failedBefore)
                #expect(
                    FileJournal.error { () throws(JournalError) in try house.record() }
                        == .failedBefore)
            }
            try house.journal?.close()
            #expect(house.disk.calls == calls, "\(failure): the disk was touched again")
        }
    }
}
