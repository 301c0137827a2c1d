import Clearing
import Ledger
import Primitives
import SimulatedDisk
import Storage
import Testing

/// A snapshot file is input: whatever is in it, it is read or passed over.
@Suite struct SnapshotHostileTests {
    /// A snapshot of some machine on a disk, and a start that looks at it.
    private struct Place {
        let disk = SimulatedDisk(seed: 1)
        let name: String
        let file: [UInt8]
        /// Looks at the folder; the state hash of what is found.
        let look: (SnapshotStore, (SnapshotProblem) -> Void) throws -> Digest?

        init<Machine: JournaledMachine>(_ journal: MemoryJournal, _ empty: Machine) throws {
            let store = SnapshotStore(disk: disk.mount())
            _ = try store.take(of: journal, upTo: journal.head, checkpoint: nil, empty: empty)
            name = try #require(try store.names().first)
            file = disk.contents(of: name)
            look = { store, hear in
                let found = try store.newest(of: journal, checkpoint: nil, empty: empty) {
                    if let problem = $0.problem { hear(problem) }
                }
                return found?.machine.stateHash
            }
        }

        /// What is said about this file in the place of the right one; `nil` if it is used.
        func problem(_ bytes: [UInt8]) throws -> SnapshotProblem? {
            disk.replace(name, with: bytes)
            var problem: SnapshotProblem?
            let hash = try look(SnapshotStore(disk: disk.mount())) { problem = $0 }
            #expect((hash == nil) == (problem != nil))
            return problem
        }
    }

    private func ledger() throws -> Place {
        try Place(try SnapshotBooks(seed: 31, batches: 40).journal, LedgerMachine())
    }

    private func house() throws -> Place {
        let journal = MemoryJournal()
        for (place, command) in try History().commands.enumerated() {
            try journal.append([
                JournalEntry(
                    time: Timestamp(seconds: UInt64(place + 1)), command: command.canonicalBytes())
            ])
        }
        return try Place(journal, ClearingHouse())
    }

    @Test(arguments: ["ledger", "house"], UInt64(1)...4)
    func randomDamageIsFound(_ kind: String, _ seed: UInt64) throws {
        let place = try kind == "house" ? house() : ledger()
        var numbers = Numbers(state: seed)
        for _ in 0..<300 {
            var bytes = place.file
            if Bool.random(using: &numbers) {
                bytes.removeLast(Int.random(in: 1...bytes.count, using: &numbers))
            }
            for _ in 0..<Int.random(in: 1...8, using: &numbers) where !bytes.isEmpty {
                let at = Int.random(in: bytes.indices, using: &numbers)
                bytes[at] ^= 1 << UInt8.random(in: 0...7, using: &numbers)
            }
            if bytes == place.file { continue }
            #expect(try place.problem(bytes) != nil)
        }
        #expect(try place.problem(place.file) == nil)
    }

    /// With right hashes anything may be in a state. Where it is one, it is taken; nothing traps.
    @Test(arguments: ["ledger", "house"], UInt64(1)...4)
    func anyBytesWithRightHashesAreReadOrRefused(_ kind: String, _ seed: UInt64) throws {
        let place = try kind == "house" ? house() : ledger()
        let image = try SnapshotImage(place.file)
        var numbers = Numbers(state: seed)
        var refused = 0
        for _ in 0..<1_500 {
            var changed = image
            let section = Int.random(in: 0...1, using: &numbers)
            if Int.random(in: 0..<10, using: &numbers) == 0 {
                let bytes = changed.sections[section].bytes
                changed.sections[section].bytes = Array(
                    bytes.prefix(Int.random(in: 0...bytes.count, using: &numbers)))
            }
            for _ in 0..<Int.random(in: 1...3, using: &numbers) {
                let count = changed.sections[section].bytes.count
                if count == 0 { break }
                let at = Int.random(in: 0..<count, using: &numbers)
                changed.sections[section].bytes[at] =
                    [0, 1, 0x7F, 0x80, 0xFF, UInt8.random(in: 0...255, using: &numbers)]
                    .randomElement(using: &numbers) ?? 0
            }
            if try place.problem(changed.file()) != nil { refused += 1 }
        }
        #expect(refused > 500)
    }

    @Test func impossibleHeadersAreRefused() throws {
        let place = try ledger()
        let image = try SnapshotImage(place.file)
        // Of no batch, under the name of that.
        var none = image
        SnapshotImage.set(0, in: &none.fields, at: 16)
        let name = String(place.name.prefix(26)) + String(repeating: "0", count: 20)
        place.disk.replace(place.name, with: nil)
        place.disk.replace(name, with: none.file())
        var problems: [SnapshotProblem] = []
        #expect(
            try place.look(SnapshotStore(disk: place.disk.mount())) { problems.append($0) } == nil)
        #expect(problems == [.damaged("it is of no batch")])
        place.disk.replace(name, with: nil)
        // Lengths beyond the file, and beyond all files.
        for length in [UInt64(1) << 47, 1 << 48, .max, .max - 4_095, 1 << 63] {
            #expect(try place.problem(image.file(lengths: [0: length])) != nil)
        }
        #expect(try place.problem(image.file(lengths: [0: 1 << 47, 1: 1 << 47])) != nil)
        // The same section twice, too many, none.
        var twice = image
        twice.sections.append(twice.sections[0])
        #expect(try place.problem(twice.file()) == .damaged("section 1 is there twice"))
        var none2 = image
        none2.sections.removeFirst()
        #expect(try place.problem(none2.file()) == .damaged("it holds no state"))
        var alone = image
        alone.sections.removeLast()
        #expect(try place.problem(alone.file()) == .damaged("section 2 is missing"))
        // So many commands that adding to them overflows.
        var many = image
        SnapshotImage.set(.max, in: &many.fields, at: 40)
        #expect(try place.problem(many.file()) == nil)
    }

    @Test func whatAReaderDoesNotKnowIsSkippedAndCounts() throws {
        let place = try ledger()
        var image = try SnapshotImage(place.file)
        image.sections.insert(.init(tag: 77, bytes: Array(repeating: 5, count: 5_000)), at: 0)
        image.sections.append(.init(tag: 78, bytes: []))
        image.sections.append(.init(tag: 79, bytes: [1, 2, 3]))
        let file = image.file()
        #expect(try place.problem(file) == nil)
        var damaged = file
        damaged[4_096 + 4_999] ^= 1
        #expect(try place.problem(damaged) == .damaged("the hash of section 77 differs"))
    }

    /// The time of the machine, its latest timestamp, an account's balance, a transfer's amount.
    @Test func statesThatNoHistoryLeadsToAreRefused() throws {
        let place = try ledger()
        let image = try SnapshotImage(place.file)
        func problem(_ value: UInt64, at offset: Int) throws -> SnapshotProblem? {
            var changed = image
            SnapshotImage.set(value, in: &changed.sections[0].bytes, at: offset)
            return try place.problem(changed.file())
        }
        #expect(try problem(.max, at: 0) == .damaged("its state is not of its batch's time"))
        #expect(try problem(0, at: 0) != nil)
        #expect(try problem(.max, at: 8) != nil)
        // Accounts begin after the two times and their count; balances after the id.
        let account = 20
        for field in 1...4 { #expect(try problem(12_345, at: account + 16 * field) != nil) }
        for field in 1...4 { #expect(try problem(.max, at: account + 16 * field + 8) != nil) }
        // Eight accounts and the count of transfers come before the first.
        let transfer = account + 8 * 128 + 4
        let state = image.sections[0].bytes
        var counted = 0
        for start in stride(from: transfer, to: transfer + 129 * 30, by: 129) {
            // Not of a pending one that is no more, nor of a void: they move nothing.
            let flags = state[start + 118]
            guard state[start + 128] == 1 || flags & 0b1010 == 0 else { continue }
            counted += 1
            #expect(try problem(12_345, at: start + 48) != nil)
            #expect(try problem(.max, at: start + 56) != nil)
        }
        #expect(counted > 5)
        #expect(try problem(.max, at: transfer + 120) != nil)
        // A history in which an account holds more than there can be.
        var history = image
        for offset in stride(from: 8, to: history.sections[1].bytes.count, by: 8) {
            SnapshotImage.set(.max, in: &history.sections[1].bytes, at: offset)
        }
        #expect(try place.problem(history.file()) != nil)
    }
}
