import Clearing
import Primitives
import Service
import Storage
import Testing

/// What a restart finds, and what a failing disk may never cause.
@Suite struct RecoveryTests {
    /// A mix of accepted and rejected commands.
    private func work(_ sequencer: Sequencer, _ range: ClosedRange<UInt64>) async throws {
        for number in range {
            _ = try await sequencer.submit(Fixture.register(number))
            if number % 3 == 0 {
                _ = try await sequencer.submit(.nameParty(PartyID(number), name: "party-\(number)"))
                _ = try await sequencer.submit(.nameParty(PartyID(number), name: "Not A Slug"))
            }
            if number % 5 == 0 {
                let hash = Digest(words: (number, 0, 0, 0))
                _ = try await sequencer.submit(.issueKey(PartyID(number), hash: hash, label: "k"))
                _ = try await sequencer.submit(.issueKey(PartyID(1), hash: hash, label: "k"))
            }
            if number % 7 == 0 { _ = try await sequencer.submit(.pulse) }
        }
    }

    @Test func aRestartReachesTheSameStateAndSoDoesAnAudit() async throws {
        let scratch = try Scratch()
        var last: (head: JournalHead, hash: Digest)?
        for run in UInt64(0)..<4 {
            var options = CommitOptions()
            options.checkpointInterval = 16
            let sequencer = try Fixture.sequencer(
                SQLiteJournal(path: scratch.journal), options: options)
            if let last {
                #expect(sequencer.head == last.head)
                #expect(try await sequencer.stateHash().hash == last.hash)
            } else {
                _ = try await sequencer.submit(Fixture.configure)
            }
            try await work(sequencer, run * 30 + 1...run * 30 + 30)
            let live = try await sequencer.stateHash()
            #expect(live.head == sequencer.head)
            #expect(live.hash != last?.hash)
            last = live
            // The audit of the running house.
            let report = try auditJournal(at: scratch.journal, expecting: live.head.point)
            #expect(report.stateHash == live.hash)
            #expect(report.head == live.head)
            #expect(report.isSound)
            #expect(report.checkpoints >= 2)
            try await sequencer.stop()
        }
        let report = try auditJournal(at: scratch.journal)
        #expect(report.stateHash == last?.hash)
        #expect(report.head.term == 4)
        // The last checkpoint is the state at the very end.
        let journal = try SQLiteJournal(readingOnly: scratch.journal)
        let checkpoint = try journal.checkpoints().last
        #expect(checkpoint?.sequence == last?.head.sequence)
        #expect(checkpoint?.stateHash == last?.hash)
        try journal.close()
    }

    @Test func aJournalThatDoesNotReplayIsNotServed() async throws {
        let refused = MemoryJournal()
        let time = Timestamp(seconds: 1)
        try refused.append(
            JournalBatch(
                following: .empty, term: 1,
                entries: [
                    JournalEntry(time: time, command: Fixture.register(1).canonicalBytes())
                ]))
        #expect(
            throws: JournalError.doesNotReplay(
                1, command: 0, rejection: Rejection.notConfigured.rawValue)
        ) { try Fixture.sequencer(refused) }

        let diverged = MemoryJournal()
        let sequencer = try Fixture.sequencer(diverged)
        _ = try await sequencer.submit(Fixture.configure)
        try await sequencer.stop()
        diverged.reopen()
        _ = try diverged.verify()
        try diverged.record(StateCheckpoint(sequence: 1, stateHash: .zero))
        #expect(throws: JournalError.stateDiverged(1)) { try Fixture.sequencer(diverged) }
    }

    /// The Nth write fails, for every N until none does; each before and after it is durable.
    @Test(arguments: FaultyJournal.Moment.allCases)
    func aFailingWriteIsNeverAcknowledged(_ moment: FaultyJournal.Moment) async throws {
        let rounds = 12
        for failing in 1...rounds + 1 {
            let journal = FaultyJournal(failingAt: failing, moment)
            let failures = Collected<JournalError>()
            var options = CommitOptions()
            options.commandsPerBatch = 2
            let sequencer = try Fixture.sequencer(journal, options: options, failures: failures)
            var published = sequencer.subscribe().makeAsyncIterator()
            let acknowledged = Collected<EVMAddress>()
            let configured = try? await sequencer.submit(Fixture.configure)
            await withTaskGroup(of: Void.self) { group in
                for number in UInt64(1)..<UInt64(rounds) {
                    group.addTask {
                        let reply = try? await sequencer.submit(
                            batch: [number * 2, number * 2 + 1].map(Fixture.register))
                        guard let reply else { return }
                        #expect(reply.count == 2)
                        acknowledged.add(Fixture.address(number * 2))
                        acknowledged.add(Fixture.address(number * 2 + 1))
                    }
                }
            }
            let durable = try Fixture.registered(journal)
            let known = acknowledged.all
            #expect(Set(durable).count == durable.count)
            #expect(Set(known).isSubset(of: durable))
            var events = 0
            if failing > rounds {
                // Nothing failed.
                #expect(configured == .success([.configured]))
                #expect(known.count == 2 * (rounds - 1))
                try await sequencer.stop()
                while await published.next() != nil { events += 1 }
                #expect(events == rounds)
                #expect(failures.all.isEmpty)
                continue
            }
            #expect(known.count == 2 * max(failing - 2, 0))
            #expect(durable.count == known.count + (moment == .after && failing > 1 ? 2 : 0))
            while await published.next() != nil { events += 1 }
            #expect(events == failing - 1)
            #expect(failures.all == [FaultyJournal.error])
            let expected = SequencerError.journal(FaultyJournal.error)
            await #expect(throws: expected) { try await sequencer.submit(.pulse) }
            await #expect(throws: expected) { try await sequencer.read { $0.parties.count } }
            await #expect(throws: expected) { try await sequencer.stop() }
            // A restart serves exactly what is durable.
            journal.inner.reopen()
            let again = try Fixture.sequencer(journal.inner)
            #expect(try await again.read { $0.parties.count } == durable.count)
            try await again.stop()
        }
    }

    @Test func aBoundedSubscriberLearnsOfTheFailure() async throws {
        let sequencer = try Fixture.sequencer(FaultyJournal(failingAt: 2, .before))
        var stream = sequencer.subscribe(buffer: 8).makeAsyncIterator()
        _ = try await sequencer.submit(Fixture.configure)
        _ = try? await sequencer.submit(.pulse)
        #expect(try await stream.next()?.head.sequence == 1)
        await #expect(throws: SequencerError.journal(FaultyJournal.error)) {
            try await stream.next()
        }
    }
}
