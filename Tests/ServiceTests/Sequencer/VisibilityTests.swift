import Clearing
import Primitives
import Service
import Storage
import Synchronization
import Testing

/// Who sees what, and when: reads, subscribers, stopping.
@Suite struct VisibilityTests {
    private final class Answers: Sendable {
        let count = Atomic(0)
    }

    /// Whatever a read shows is in the journal by the time it is answered, whichever of the two
    /// threads commits: with 0 bytes of its own the executor leaves all of it to the committer.
    @Test(arguments: [CommitOptions().ownCommitBytes, 0])
    func readsSeeOnlyWhatIsCommitted(ownCommitBytes: Int) async throws {
        let journal = GatedJournal()
        var options = CommitOptions()
        options.ownCommitBytes = ownCommitBytes
        let sequencer = try Fixture.sequencer(journal, options: options)
        let first = Task { try await sequencer.submit(Fixture.configure) }
        await journal.waitForAppend()
        let answered = Answers()
        let reads = (0..<20).map { _ in
            Task {
                let value = try await sequencer.read { ($0.parameters == nil, $0.parties.count) }
                answered.count.add(1, ordering: .relaxed)
                return (value, journal.inner.batches.count)
            }
        }
        while sequencer.waitingReads < 20, answered.count.load(ordering: .relaxed) == 0 {
            await Task.yield()
        }
        // Not one of them is answered while the append hangs: the house is configured in memory,
        // but not in the journal.
        for _ in 0..<1_000 { await Task.yield() }
        #expect(answered.count.load(ordering: .relaxed) == 0)
        #expect(sequencer.head == .empty)
        journal.letOneThrough()
        _ = try await first.value
        for read in reads {
            let ((unconfigured, parties), batches) = try await read.value
            #expect(!unconfigured)
            #expect(parties == 0)
            #expect(batches == 1)
        }
        journal.open()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in UInt64(0)..<8 {
                group.addTask {
                    for number in UInt64(1)...50 {
                        _ = try await sequencer.submit(Fixture.register(writer * 1_000 + number))
                    }
                }
                group.addTask {
                    for _ in 0..<50 {
                        let parties = try await sequencer.read { $0.parties.count }
                        let committed = journal.inner.batches.reduce(0) { $0 + $1.count }
                        // The first command is the configuration.
                        #expect(parties <= Int(committed) - 1)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await sequencer.read { $0.parties.count } == 400)
        try await sequencer.stop()
    }

    /// Large batches go to the committer, small ones are committed by the executor: never both at
    /// once, or one of them does not follow the head.
    @Test func onlyOneThreadCommits() async throws {
        let scratch = try Scratch()
        var options = CommitOptions()
        options.ownCommitBytes = 100
        let journal = try FileJournal(path: scratch.journal)
        let sequencer = try Fixture.sequencer(journal, options: options)
        _ = try await sequencer.submit(Fixture.configure)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in UInt64(0)..<6 {
                group.addTask {
                    for number in UInt64(0)..<60 {
                        let id = writer * 1_000 + number
                        let large = Command.registerModel(
                            ModelDraft(
                                name: "m\(id)", root: Digest(words: (1, 2, 3, id)), layers: 4,
                                context: 2_048, profile: .zero,
                                manifest: Array(repeating: 1, count: 400)))
                        let command = (writer + number) % 2 == 0 ? large : Fixture.register(id)
                        guard case .success = try await sequencer.submit(command) else {
                            Issue.record("\(command) was rejected")
                            return
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(sequencer.counters.accepted == 361)
        try await sequencer.stop()
    }

    /// A state hash belongs to the head that it comes with, however much is decided meanwhile.
    @Test func aStateHashIsThatOfItsHead() async throws {
        let journal = MemoryJournal()
        let sequencer = try Fixture.sequencer(journal)
        _ = try await sequencer.submit(Fixture.configure)
        let found = try await withThrowingTaskGroup(of: [(JournalHead, Digest)].self) { group in
            for writer in UInt64(0)..<4 {
                group.addTask {
                    for number in UInt64(1)...50 {
                        _ = try await sequencer.submit(Fixture.register(writer * 1_000 + number))
                    }
                    return []
                }
            }
            group.addTask {
                var found: [(JournalHead, Digest)] = []
                for _ in 0..<20 { found.append(try await sequencer.stateHash()) }
                return found
            }
            return try await group.reduce([], +)
        }
        try await sequencer.stop()
        let hashes = found.map { StateCheckpoint(sequence: $0.0.sequence, stateHash: $0.1) }
        var replay = HouseReplay(checkpoints: hashes)
        _ = try journal.recover { (batch, entries) throws(JournalError) in
            try replay.apply(batch, entries)
        }
        #expect(replay.checkpointsReached == hashes.count)
    }

    @Test func aReplyIsVisibleToTheNextReadAndToEverySubscriber() async throws {
        let sequencer = try Fixture.sequencer(MemoryJournal())
        _ = try await sequencer.submit(Fixture.configure)
        var stream = sequencer.subscribe().makeAsyncIterator()
        for number in UInt64(1)...20 {
            _ = try await sequencer.submit(Fixture.register(number))
            #expect(try await sequencer.read { $0.parties.count } == Int(number))
            let batch = await stream.next()
            #expect(batch?.head == sequencer.head)
            #expect(
                batch?.events == [.partyRegistered(PartyID(number), Fixture.address(number))])
            #expect(batch?.entries.map(\.command) == [Fixture.register(number)])
        }
        try await sequencer.stop()
        #expect(await stream.next() == nil)
    }

    @Test func aSlowSubscriberIsCutOffAndOthersGoOn() async throws {
        let sequencer = try Fixture.sequencer(MemoryJournal())
        _ = try await sequencer.submit(Fixture.configure)
        var slow = sequencer.subscribe(buffer: 3).makeAsyncIterator()
        var fast = sequencer.subscribe().makeAsyncIterator()
        for number in UInt64(1)...10 { _ = try await sequencer.submit(Fixture.register(number)) }
        for sequence in UInt64(2)...4 {
            #expect(try await slow.next()?.head.sequence == sequence)
        }
        await #expect(throws: SequencerError.tooSlow) { try await slow.next() }
        for sequence in UInt64(2)...11 { #expect(await fast.next()?.head.sequence == sequence) }
        // One that keeps up is not cut off, however small its buffer.
        var steady = sequencer.subscribe(buffer: 1).makeAsyncIterator()
        for number in UInt64(11)...20 {
            _ = try await sequencer.submit(Fixture.register(number))
            #expect(try await steady.next()?.head == sequencer.head)
        }
        try await sequencer.stop()
        #expect(try await steady.next() == nil)
    }

    @Test func rejectionsAreNotPublished() async throws {
        let sequencer = try Fixture.sequencer(MemoryJournal())
        var stream = sequencer.subscribe().makeAsyncIterator()
        _ = try await sequencer.submit(Fixture.register(1))
        _ = try await sequencer.submit(Fixture.configure)
        #expect(await stream.next()?.entries.map(\.command) == [Fixture.configure])
        try await sequencer.stop()
        #expect(await stream.next() == nil)
    }

    @Test func stoppingFinishesWhatWaitsAndRefusesTheRest() async throws {
        let journal = GatedJournal()
        let sequencer = try Fixture.sequencer(journal)
        let first = Task { try await sequencer.submit(Fixture.configure) }
        await journal.waitForAppend()
        let waiting = Task { try await sequencer.submit(Fixture.register(1)) }
        while sequencer.waiting < 1 { await Task.yield() }
        let stopping = Task { try await sequencer.stop() }
        while !sequencer.isStopping { await Task.yield() }
        journal.open()
        #expect(try await first.value == .success([.configured]))
        guard case .success = try await waiting.value else {
            Issue.record("a waiting command was lost by stopping")
            return
        }
        try await stopping.value
        try await sequencer.stop()
        await #expect(throws: SequencerError.stopped) { try await sequencer.submit(.pulse) }
        await #expect(throws: SequencerError.stopped) { try await sequencer.read { _ in 1 } }
        #expect(throws: JournalError.closed) {
            try journal.inner.record(StateCheckpoint(sequence: 1, stateHash: .zero))
        }
        var late = sequencer.subscribe().makeAsyncIterator()
        #expect(await late.next() == nil)
    }

    @Test func lettingGoOfASequencerStopsIt() async throws {
        let journal = MemoryJournal()
        var sequencer: Sequencer? = try Fixture.sequencer(journal)
        let stream = sequencer?.subscribe()
        _ = try await sequencer?.submit(Fixture.configure)
        sequencer = nil
        var batches = 0
        if let stream { for await _ in stream { batches += 1 } }
        #expect(batches == 1)
        #expect(try journal.checkpoints().map(\.sequence) == [1])
    }
}
