import Ledger
import Primitives
import Service
import Storage
import Testing

/// What a standby says to leaders that do not keep the rules, or that come at the same moment.
@Suite(.timeLimit(.minutes(2))) struct RawLeaderTests {
    private static let olderTerm: UInt8 = 4
    private static let otherHistory: UInt8 = 6

    private func batch(after head: JournalHead, term: UInt64) throws -> JournalBatch {
        try JournalBatch(
            following: head, term: term,
            entries: [
                JournalEntry(
                    time: Timestamp(nanoseconds: head.time.nanoseconds + 1),
                    command: LedgerCommand.pulse.canonicalBytes())
            ])
    }

    /// Both were welcomed before either led, so both choose the same term: one gets it.
    @Test func ofTwoLeadersAtOnceOneGetsTheTerm() async throws {
        let scratch = try Scratch()
        let standby = try await Pair.standby(.file, scratch.folder + "/copy")
        let first = try await RawLeader(standby.port, name: 1)
        let second = try await RawLeader(standby.port, name: 2)
        #expect(try await first.hello(term: 1, isGranted: false) == .welcome(sequence: 0, term: 0))
        #expect(try await second.hello(term: 1, isGranted: false) == .welcome(sequence: 0, term: 0))
        #expect(try await first.lead(term: 5) == .acknowledged(sequence: 0))
        #expect(try await second.lead(term: 5) == .refused(Self.olderTerm))
        #expect(try await first.send(batch(after: .empty, term: 5)) == .acknowledged(sequence: 1))
        // Nor does it take an older one, from whomever.
        let third = try await RawLeader(standby.port, name: 1)
        let known = JournalHead.empty
        #expect(try await third.hello(term: 5, isGranted: true) != nil)
        #expect(try await third.lead(term: 4, after: known) == .refused(Self.olderTerm))
        #expect(standby.head.sequence == 1)
        for leader in [first, second, third] { leader.close() }
        standby.stop()
    }

    /// A leader that comes back with a term that was granted to another since.
    @Test func aTermThatPassedToAnotherIsNotGrantedAgain() async throws {
        let scratch = try Scratch()
        let standby = try await Pair.standby(
            .file, scratch.folder + "/copy", patience: .milliseconds(1))
        let old = try await RawLeader(standby.port, name: 1)
        _ = try await old.hello(term: 1, isGranted: false)
        #expect(try await old.lead(term: 1) == .acknowledged(sequence: 0))
        old.close()
        let new = try await RawLeader(standby.port, name: 2)
        #expect(try await new.hello(term: 1, isGranted: false) == .welcome(sequence: 0, term: 1))
        #expect(try await new.lead(term: 2) == .acknowledged(sequence: 0))
        let back = try await RawLeader(standby.port, name: 1)
        #expect(try await back.hello(term: 1, isGranted: true) == .refused(Self.olderTerm))
        #expect(try await new.send(batch(after: .empty, term: 2)) == .acknowledged(sequence: 1))
        for leader in [new, back] { leader.close() }
        standby.stop()
    }

    /// A leader whose journal is not longer than the copy, and not the same.
    @Test func aLeaderOfAnotherHistoryDoesNotGetTheLead() async throws {
        let scratch = try Scratch()
        let standby = try await Pair.standby(
            .file, scratch.folder + "/copy", patience: .milliseconds(1))
        let first = try await RawLeader(standby.port, name: 1)
        _ = try await first.hello(term: 1, isGranted: false)
        _ = try await first.lead(term: 1)
        let own = try batch(after: .empty, term: 1)
        #expect(try await first.send(own) == .acknowledged(sequence: 1))
        first.close()
        let other = JournalHead(
            sequence: 1, hash: Digest(words: (1, 1, 1, 1)), time: own.head.time, term: 1)
        for (name, head) in [(UInt64(2), JournalHead.empty), (3, other)] {
            let leader = try await RawLeader(standby.port, name: name)
            #expect(
                try await leader.hello(term: 2, isGranted: false) == .welcome(sequence: 1, term: 1))
            #expect(try await leader.lead(term: 2, after: head) == .refused(Self.otherHistory))
            leader.close()
        }
        let next = try await RawLeader(standby.port, name: 4)
        _ = try await next.hello(term: 2, isGranted: false)
        #expect(try await next.lead(term: 2, after: own.head) == .acknowledged(sequence: 1))
        next.close()
        standby.stop()
    }
}
