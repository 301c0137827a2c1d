import Cryptography
import Ledger
import Primitives
import ProcessHarness
import Service
import Storage
import Testing

/// Leader and standby in one process: who is let in, and what is refused.
@Suite struct ReplicationTests {
    private func lead(
        _ local: any Journal, _ options: ReplicationOptions
    ) async throws -> ReplicatedJournal {
        try await onThread {
            let journal = try ReplicatedJournal(local, options: options)
            _ = try journal.verify()
            return journal
        }
    }

    private func append(_ journal: any Journal, _ id: UInt64) async throws {
        try await onThread { try journal.append(try Pair.batch(journal, id)) }
    }

    private func expectStandby(
        _ words: String, _ body: () async throws -> Void
    ) async {
        do {
            try await body()
            Issue.record("nothing was refused")
        } catch {
            #expect("\(error)".contains(words), "\(error)")
        }
    }

    @Test func anEmptyStandbyGetsTheWholeJournalFirst() async throws {
        let scratch = try Scratch()
        let local = MemoryJournal()
        for id in UInt64(1)...300 { try local.append(Pair.batch(local, id)) }
        let standby = try await Pair.standby(
            .file, scratch.folder + "/copy", patience: .milliseconds(1_200))
        let journal = try await lead(local, Pair.replication(standby.port))
        #expect(standby.head == local.head)
        #expect(standby.isInSync)
        try await append(journal, 301)
        #expect(standby.head == journal.head)
        #expect(journal.standbySequence == 301)
        // An orderly stop is no reason to take over.
        try await onThread { try journal.close() }
        try await Task.sleep(for: .seconds(2))
        #expect(!standby.isPromoted)
        standby.stop()
    }

    @Test func withoutAStandbyNothingIsAcknowledged() async throws {
        let scratch = try Scratch()
        let standby = try await Pair.standby(.file, scratch.folder + "/copy")
        var options = try Pair.replication(standby.port, timeout: .seconds(3))
        let journal = try await lead(MemoryJournal(), options)
        try await append(journal, 1)
        standby.stop()
        await expectStandby("the standby did not acknowledge") { try await append(journal, 2) }
        #expect(journal.head.sequence == 1)
        await expectStandby("the standby did not acknowledge") { try await append(journal, 3) }
        await expectStandby("the standby did not acknowledge") {
            _ = try await lead(MemoryJournal(), options)
        }
        options.alone = true
        try await append(try await lead(MemoryJournal(), options), 1)
        options = try Pair.replication(standby.port, .async)
        try await append(try await lead(MemoryJournal(), options), 1)
    }

    @Test func aLeaderFetchesWhatItSentAndLost() async throws {
        let scratch = try Scratch()
        let standby = try await Pair.standby(.sqlite, scratch.folder + "/copy")
        let first = MemoryJournal()
        let journal = try await lead(first, Pair.replication(standby.port))
        for id in UInt64(1)...3 { try await append(journal, id) }
        try await onThread { try journal.close() }
        let behind = MemoryJournal()
        for batch in first.batches.prefix(2) { try behind.append(batch) }
        behind.reopen()
        let second = try await lead(behind, Pair.replication(standby.port))
        #expect(second.head == first.head)
        #expect(behind.head == first.head)
        #expect(second.term > journal.term)
        try await append(second, 4)
        #expect(standby.head.sequence == 4)
        standby.stop()
    }

    @Test func anotherHistoryIsRefused() async throws {
        let scratch = try Scratch()
        let standby = try await Pair.standby(.file, scratch.folder + "/copy")
        let journal = try await lead(MemoryJournal(), Pair.replication(standby.port))
        for id in UInt64(1)...3 { try await append(journal, id) }
        try await onThread { try journal.close() }
        for count in [UInt64(1), 3, 5] {
            let other = MemoryJournal()
            for id in 1...count { try other.append(Pair.batch(other, 100 + id)) }
            await expectStandby("standby") {
                _ = try await lead(other, Pair.replication(standby.port))
            }
        }
        #expect(standby.head == journal.head)
        standby.stop()
    }

    @Test func aStrangerAndASecondLeaderAreTurnedAway() async throws {
        let scratch = try Scratch()
        let standby = try await Pair.standby(.file, scratch.folder + "/copy")
        let journal = try await lead(MemoryJournal(), Pair.replication(standby.port))
        try await append(journal, 1)
        var stranger = try Pair.replication(standby.port)
        stranger.identity = try Pair.identity(3)
        let strange = stranger
        await expectStandby("follows another key") {
            _ = try await lead(MemoryJournal(), strange)
        }
        await expectStandby("a leader that is alive") {
            _ = try await lead(
                MemoryJournal(), Pair.replication(standby.port, timeout: .seconds(1)))
        }
        try await append(journal, 2)
        standby.stop()
    }

    /// Two writers: the one that the standby granted the newer term goes on, the other is told.
    @Test func anOlderLeaderIsFenced() async throws {
        let scratch = try Scratch()
        let copy = scratch.folder + "/copy"
        var standby = try await Pair.standby(.file, copy)
        let first = MemoryJournal()
        let old = try await lead(first, Pair.replication(standby.port))
        try await append(old, 1)
        let port = standby.port
        standby.stop()
        standby = try await Pair.standby(.file, copy + "2", port: 0)
        // A standby that granted another process a newer term, on the same port as before.
        let twin = MemoryJournal()
        for batch in first.batches { try twin.append(batch) }
        twin.reopen()
        let new = try await lead(twin, Pair.replication(standby.port))
        try await append(new, 2)
        standby.stop()
        let moved = try await Pair.standby(.file, copy + "2", port: port)
        await expectStandby("took this journal over with term \(new.term)") {
            try await append(old, 3)
        }
        #expect(old.head.sequence == 1)
        #expect(moved.head.sequence == 2)
        moved.stop()
    }

    @Test func whatTheStandbyCouldNotKeepIsNotAcknowledged() async throws {
        let scratch = try Scratch()
        var options = try StandbyOptions(
            identity: Pair.identity(2), leader: Pair.identity(1).publicKey,
            mark: scratch.folder + "/mark"
        ) { _ in FaultyJournal(failingAt: 2, .before) }
        options.patience = .seconds(60)
        let standby = try await Standby<LedgerMachine>(options)
        let journal = try await lead(MemoryJournal(), Pair.replication(standby.port))
        try await append(journal, 1)
        await expectStandby("injected") { try await append(journal, 2) }
        #expect(journal.head.sequence == 1)
        await #expect(throws: FaultyJournal.error) { try await standby.promotion() }
        standby.stop()
    }

    @Test func aPromotedStandbyStaysPromoted() async throws {
        let scratch = try Scratch()
        let copy = scratch.folder + "/copy"
        let standby = try await Pair.standby(.sqlite, copy)
        let local = MemoryJournal()
        let journal = try await lead(local, Pair.replication(standby.port))
        try await append(journal, 1)
        standby.promote()
        let promotion = try #require(try await standby.promotion())
        #expect(promotion.journal.term == journal.term + 1)
        await expectStandby("term \(promotion.journal.term)") { try await append(journal, 2) }
        try promotion.journal.close()
        standby.stop()
        // It restarts as what it became, with a term above all it has promised.
        let again = try await Pair.standby(.sqlite, copy)
        try await eventually { again.isPromoted }
        let second = try #require(try await again.promotion())
        #expect(second.journal.term == promotion.journal.term + 1)
        #expect(second.head.sequence == 1)
        local.reopen()
        await expectStandby("term \(second.journal.term)") {
            _ = try await lead(local, Pair.replication(again.port))
        }
        try second.journal.close()
        again.stop()
    }
}
