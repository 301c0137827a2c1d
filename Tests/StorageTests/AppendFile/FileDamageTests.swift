import Primitives
import SimulatedDisk
import Storage
import Testing

/// Whatever is changed in the folder of an append file is found, or makes no difference.
@Suite struct FileDamageTests {
    private let first = "00000000000000000001.segment"

    /// Some bits of each byte of each file are flipped; of larger files, of every few. In a record
    /// that must be found, in the last one as well; elsewhere it must not change history.
    @Test(arguments: [
        ([100, 3_000, 20], false, 1), ([100, 3_000, 20], true, 3),
        ([100, 20_000, 9_000, 5], false, 7),
    ])
    func everyByteCounts(_ sizes: [Int], isClosed: Bool, step: Int) throws {
        let house = try SimulatedHouse.written(sizes, closing: isClosed)
        let truth = house.acknowledged
        var numbers = Numbers(state: 0x5EED_0002)
        var flips = 0
        for name in house.disk.names where name != "spare" {
            let bytes = house.disk.contents(of: name)
            // Past the last record and block nothing was written.
            let used = ((bytes.lastIndex { $0 != 0 } ?? 0) / 4_096 + 1) * 4_096
            for place in stride(from: 0, to: bytes.count, by: step) {
                // Only here and there beyond that.
                if place >= used, place % 97 > 0 { continue }
                let disk = house.disk.copy()
                disk.flip(UInt8.random(in: 1...255, using: &numbers), in: name, at: place)
                flips += 1
                if case .success(let batches) = SimulatedHouse.contents(disk) {
                    let isHarmless = batches == truth && place >= used
                    #expect(isHarmless, "\(name): the change of byte \(place) was not found")
                }
            }
        }
        #expect(flips > 5_000)
    }

    @Test func segmentsThatAreMissingCutDoubledOrForeignAreFound() throws {
        let house = try SimulatedHouse.written(
            Array(repeating: 5_000, count: 12), closing: false)
        let segments = house.disk.names.filter { $0.hasSuffix(".segment") }
        #expect(segments.count == 4)
        let bytes = house.disk.contents(of: segments[1])
        func changed(_ change: (SimulatedDisk) -> Void) -> JournalError? {
            let disk = house.disk.copy()
            change(disk)
            return SimulatedHouse.refusal(disk)
        }
        let second = UInt64(segments[1].prefix(20)) ?? 0
        let third = UInt64(segments[2].prefix(20)) ?? 0
        #expect(changed { _ in } == nil)
        #expect(changed { $0.replace(segments[0], with: nil) } == .damaged(1, .gap(second)))
        #expect(changed { $0.replace(segments[1], with: nil) } == .damaged(second, .gap(third)))
        #expect(
            changed { $0.replace(segments[3], with: nil) }
                == .damagedFile("\(segments[3]) is missing"))
        #expect(
            changed { $0.replace("00000000000000000099.segment", with: bytes) }
                == .damagedFile("00000000000000000099.segment is a copy of \(segments[1])"))
        #expect(
            changed { $0.replace(segments[1], with: Array(bytes.dropLast(4_096))) }
                == .damagedFile("\(segments[1]) has 28672 bytes instead of 32768"))
        #expect(
            changed { $0.replace(segments[3], with: Array(bytes.prefix(100))) }
                == .damagedFile("\(segments[3]) is shorter than its first block"))
        let text = Array(String(repeating: "recipes ", count: 4_096).utf8)
        #expect(
            changed { $0.replace(segments[3], with: text) }
                == .notAJournal(segments[3], "it does not begin as a segment does"))
        #expect(
            changed { $0.replace("recipes", with: text) }
                == .notAJournal(
                    "the journal's folder", "it holds recipes, which is no file of a journal"))
        #expect(
            changed { $0.replace("marks", with: nil) }
                == .damagedFile("the file marks is missing"))
        #expect(
            changed { disk in for name in segments { disk.replace(name, with: nil) } }
                == .damagedFile("its segments are missing"))
    }

    @Test func aSegmentOfAnotherHistoryIsFound() throws {
        let sizes = Array(repeating: 5_000, count: 12)
        let house = try SimulatedHouse.written(sizes, closing: false)
        let other = try SimulatedHouse.written([5_001] + sizes.dropFirst(), closing: false)
        for name in house.disk.names where name.hasSuffix(".segment") {
            let disk = house.disk.copy()
            disk.replace(name, with: other.disk.contents(of: name))
            guard case .damaged(_, .brokenChain) = SimulatedHouse.refusal(disk) else {
                Issue.record("\(name) of another history was taken")
                continue
            }
        }
    }

    /// All segments of another journal, as long as the closed one: only the mark tells.
    @Test func anotherHistoryThanTheClosedOneIsFound() throws {
        let house = try SimulatedHouse.written([10, 20], closing: true)
        let other = try SimulatedHouse.written([11, 20], closing: true)
        let expected = try #require(house.acknowledged.last)
        let found = try #require(other.acknowledged.last)
        house.disk.replace(first, with: other.disk.contents(of: first))
        #expect(
            SimulatedHouse.refusal(house.disk)
                == .unexpectedHash(expected.head.point, found: found.hash))
    }

    /// What a misdirected write leaves of another batch is not taken for a torn one of the next.
    @Test func remainsOfAnotherBatchAreNotATornWrite() throws {
        let house = try SimulatedHouse.written([5_000, 20], closing: false)
        var bytes = house.disk.contents(of: first)
        let remains = bytes[4_096 + 512..<4_096 + 8_192]
        let next = 4_096 + 8_192 + 4_096
        bytes.replaceSubrange(next + 512..<next + 8_192, with: remains)
        house.disk.replace(first, with: bytes)
        #expect(SimulatedHouse.refusal(house.disk) == .damaged(3, .malformedRecord))
    }

    /// An old copy of the last segment, as a restored backup: the end is gone and nothing else
    /// says so than a checkpoint or a closing.
    @Test func anOldCopyOfTheEndIsFoundByWhatWasRecorded() throws {
        var house = try SimulatedHouse.written([10, 20], closing: false)
        let old = house.disk.contents(of: first)
        try house.open("again")
        try house.append(30, 3)
        var recorded = SimulatedHouse(house.disk.copy())
        recorded.acknowledged = house.acknowledged
        house.kill()
        house.disk.replace(first, with: old)
        #expect(try SimulatedHouse.contents(house.disk).get().count == 2)

        recorded.disk.kill()
        try recorded.open("recorded")
        var closed = SimulatedHouse(recorded.disk.copy())
        closed.acknowledged = recorded.acknowledged
        try recorded.record()
        recorded.kill()
        recorded.disk.replace(first, with: old)
        #expect(
            SimulatedHouse.refusal(recorded.disk) == .missingBatches(head: 2, checkpoint: 3))
        closed.disk.kill()
        try closed.open("closed")
        try closed.close()
        closed.disk.replace(first, with: old)
        #expect(SimulatedHouse.refusal(closed.disk) == .missingBatches(head: 2, checkpoint: 3))
    }

    @Test func otherVersionsAreRefused() throws {
        // The header of a segment of version 2, whose checksum is right: computed with Python.
        let house = try SimulatedHouse.written([1], closing: true)
        var bytes = house.disk.contents(of: first)
        bytes[8] = 2
        let checksum = Hex.decode(
            "87dd7473d75c1d0aad82b6acf4eedb35a0db8d3eea1e747112a3843773cdd959")
        bytes.replaceSubrange(64..<96, with: checksum ?? [])
        house.disk.replace(first, with: bytes)
        #expect(SimulatedHouse.refusal(house.disk) == .unsupportedVersion(2))
    }

    /// Sectors of the last acknowledged batch that read as if they were never written look like a
    /// write that did not end. This is the one loss that is not found, and only while neither a
    /// closing nor a checkpoint says that the batch was there.
    @Test func onlyEmptySectorsOfTheLastBatchLookLikeATornWrite() throws {
        for (closing, batch) in [(false, 3), (false, 2), (false, 1), (true, 3)] {
            let house = try SimulatedHouse.written([10, 20, 5_000], closing: closing)
            var bytes = house.disk.contents(of: first)
            let start = 4_096 * batch + (batch == 3 ? 1_024 : 0)
            bytes.replaceSubrange(start..<start + 512, with: repeatElement(0, count: 512))
            house.disk.replace(first, with: bytes)
            switch SimulatedHouse.contents(house.disk) {
            case .success(let batches):
                #expect(batch == 3 && !closing && batches.count == 2, "batch \(batch)")
            case .failure(let error):
                let expected: JournalError =
                    closing ? .damaged(3, .incomplete) : .damaged(UInt64(batch), .malformedRecord)
                #expect(error == expected)
            }
        }
    }

    /// What was recorded and is not there is reported as what it is.
    @Test func aDamagedFileOfMarksHaltsTheStart() throws {
        let house = try SimulatedHouse.written([1], closing: true)
        let disk = house.disk.copy()
        disk.replace("marks", with: [])
        #expect(
            SimulatedHouse.refusal(disk)
                == .damagedFile("the file marks is not as it was written"))
    }
}
