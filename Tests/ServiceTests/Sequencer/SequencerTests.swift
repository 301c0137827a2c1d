import Clearing
import Primitives
import Service
import Storage
import Synchronization
import Testing

/// Order, durability and visibility of what the one writer does.
@Suite struct SequencerTests {
    @Test func acceptedCommandsAreJournaledAndRejectedOnesAreNot() async throws {
        let journal = MemoryJournal()
        let sequencer = try Fixture.sequencer(journal)
        #expect(try await sequencer.submit(Fixture.register(1)) == .failure(.notConfigured))
        #expect(sequencer.head == .empty)
        #expect(try await sequencer.submit(Fixture.configure) == .success([.configured]))
        #expect(
            try await sequencer.submit(Fixture.register(1))
                == .success([.partyRegistered(PartyID(1), Fixture.address(1))]))
        #expect(
            try await sequencer.submit(.nameParty(PartyID(9), name: "x"))
                == .failure(.partyNotFound))
        #expect(journal.batches.count == 2)
        #expect(sequencer.head == journal.head)
        #expect(sequencer.counters.accepted == 2)
        #expect(sequencer.counters.rejected == 2)
        try await sequencer.stop()
    }

    @Test func aSubmittedBatchKeepsItsOrderAndItsOutcomes() async throws {
        let journal = MemoryJournal()
        let sequencer = try Fixture.sequencer(journal)
        let outcomes = try await sequencer.submit(batch: [
            Fixture.register(1), Fixture.configure, Fixture.register(2),
            .nameParty(PartyID(1), name: "first"), .nameParty(PartyID(2), name: "nobody"),
        ])
        #expect(outcomes.count == 5)
        #expect(outcomes[0] == .failure(.notConfigured))
        #expect(outcomes[2] == .success([.partyRegistered(PartyID(1), Fixture.address(2))]))
        #expect(outcomes[3] == .success([.partyNamed(PartyID(1), name: "first")]))
        #expect(outcomes[4] == .failure(.partyNotFound))
        #expect(journal.batches.map(\.count) == [3])
        #expect(try await sequencer.submit(batch: []).isEmpty)
        try await sequencer.stop()
    }

    @Test func timesGrowWhateverTheClockSays() async throws {
        let journal = MemoryJournal()
        let ticks = Mutex<[UInt64]>([500, 500, 100, 600, 0])
        let sequencer = try Sequencer(journal: journal) {
            Timestamp(seconds: ticks.withLock { $0.isEmpty ? 0 : $0.removeFirst() })
        }
        _ = try await sequencer.submit(Fixture.configure)
        for number in UInt64(1)...4 { _ = try await sequencer.submit(Fixture.register(number)) }
        let times = journal.batches.map(\.time.nanoseconds)
        let second: UInt64 = 1_000_000_000
        #expect(
            times == [
                500 * second, 500 * second + 1, 500 * second + 2, 600 * second, 600 * second + 1,
            ])
        try await sequencer.stop()
        // And after a restart with a clock that lags behind.
        journal.reopen()
        let again = try Sequencer(journal: journal) { .zero }
        _ = try await again.submit(.pulse)
        #expect(journal.head.time.nanoseconds == 600 * second + 2)
        try await again.stop()
    }

    @Test func whatWaitsDuringASyncSharesTheNext() async throws {
        let journal = GatedJournal()
        let sequencer = try Fixture.sequencer(journal)
        let first = Task { try await sequencer.submit(Fixture.configure) }
        await journal.waitForAppend()
        let others = (1...100).map { number in
            Task { try await sequencer.submit(Fixture.register(UInt64(number))) }
        }
        while sequencer.waiting < 100 { await Task.yield() }
        journal.open()
        _ = try await first.value
        for task in others { _ = try await task.value.get() }
        #expect(journal.inner.batches.map(\.count) == [1, 100])
        #expect(sequencer.counters.batches == 2)
        try await sequencer.stop()
    }

    @Test func aBatchHoldsNoMoreThanItsLimits() async throws {
        let journal = GatedJournal()
        var options = CommitOptions()
        options.commandsPerBatch = 4
        options.bytesPerBatch = 4_096
        let sequencer = try Fixture.sequencer(journal, options: options)
        let first = Task { try await sequencer.submit(Fixture.configure) }
        await journal.waitForAppend()
        var tasks: [Task<[Sequencer.Outcome], any Error>] = []
        for (place, size) in [2, 1, 3, 1].enumerated() {
            let numbers = (0..<size).map { UInt64(place * 10 + $0 + 1) }
            tasks.append(
                Task { try await sequencer.submit(batch: numbers.map(Fixture.register)) })
            let expected = [2, 3, 6, 7][place]
            while sequencer.waiting < expected { await Task.yield() }
        }
        journal.open()
        _ = try await first.value
        for task in tasks { _ = try await task.value }
        // A submission is never torn apart, and none waits where it would fit.
        let sizes = journal.inner.batches.map(\.count)
        #expect(sizes == [1, 3, 4] || sizes == [1, 2, 4, 1] || sizes == [1, 3, 3, 1])
        await #expect(throws: SequencerError.tooLarge) {
            try await sequencer.submit(batch: (1...5).map { Fixture.register($0) })
        }
        let large = (1...4).map { _ in
            Command.nameParty(PartyID(1), name: String(repeating: "x", count: 2_000))
        }
        _ = try await sequencer.submit(batch: large)
        try await sequencer.stop()
    }

    @Test func tooMuchWaitingIsRefusedAtOnce() async throws {
        let journal = GatedJournal()
        var options = CommitOptions()
        options.waitingCommands = 3
        options.waitingReads = 1
        let sequencer = try Fixture.sequencer(journal, options: options)
        let first = Task { try await sequencer.submit(Fixture.configure) }
        await journal.waitForAppend()
        let waiting = Task { try await sequencer.submit(batch: [.pulse, .pulse, .pulse]) }
        while sequencer.waiting < 3 { await Task.yield() }
        await #expect(throws: SequencerError.busy) { try await sequencer.submit(.pulse) }
        let read = Task { try await sequencer.read { $0.parties.count } }
        while sequencer.waitingReads < 1 { await Task.yield() }
        await #expect(throws: SequencerError.busy) {
            try await sequencer.read { $0.parties.count }
        }
        journal.open()
        _ = try await first.value
        #expect(try await waiting.value.count == 3)
        #expect(try await read.value == 0)
        #expect(try await sequencer.submit(.pulse) == .success([]))
        try await sequencer.stop()
    }

    @Test func whatCannotBeReadBackIsNeverApplied() async throws {
        let journal = MemoryJournal()
        let sequencer = try Fixture.sequencer(journal)
        _ = try await sequencer.submit(Fixture.configure)
        let draft = ModelDraft(
            name: "m", root: .zero, layers: 1, context: 10, profile: .zero,
            manifest: Array(repeating: 0, count: JournalLimits.commandBytes + 1))
        #expect(
            try await sequencer.submit(.registerModel(draft)) == .failure(.limitExceeded))
        #expect(journal.batches.count == 1)
        #expect(try await sequencer.read { $0.models.count } == 0)
        try await sequencer.stop()
    }

    @Test func aCancelledCallerDoesNotCancelItsCommand() async throws {
        let journal = GatedJournal()
        let sequencer = try Fixture.sequencer(journal)
        let task = Task { try await sequencer.submit(Fixture.configure) }
        await journal.waitForAppend()
        task.cancel()
        journal.open()
        #expect(try await task.value == .success([.configured]))
        try await sequencer.stop()
    }
}
