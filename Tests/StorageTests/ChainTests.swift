import Primitives
import Storage
import Testing

/// The format of a batch and the rules of the chain, without any store.
@Suite struct ChainTests {
    private func entry(_ time: UInt64, _ bytes: [UInt8] = [1]) -> JournalEntry {
        JournalEntry(time: Timestamp(nanoseconds: time), command: bytes)
    }

    private func batch(
        after head: JournalHead = .empty, term: UInt64 = 1, _ entries: [JournalEntry]
    ) throws -> JournalBatch {
        try JournalBatch(following: head, term: term, entries: entries)
    }

    /// A batch whose hash fits its fields, whatever they are.
    private func forged(
        like batch: JournalBatch, sequence: UInt64? = nil, term: UInt64? = nil,
        time: UInt64? = nil, count: UInt32? = nil, previous: Digest? = nil, body: [UInt8]? = nil
    ) -> JournalBatch {
        let sequence = sequence ?? batch.sequence
        let term = term ?? batch.term
        let time = time.map { Timestamp(nanoseconds: $0) } ?? batch.time
        let count = count ?? batch.count
        let previous = previous ?? batch.previousHash
        let body = body ?? batch.body
        return JournalBatch(
            unchecked: sequence, term: term, time: time, count: count, previousHash: previous,
            hash: JournalBatch.chainHash(
                sequence: sequence, term: term, time: time, count: count, previous: previous,
                body: body), body: body)
    }

    private func refusal(_ batches: [JournalBatch]) -> JournalError? {
        var verifier = ChainVerifier()
        do throws(JournalError) {
            for batch in batches { _ = try verifier.accept(batch) }
            return nil
        } catch {
            return error
        }
    }

    /// Computed with another program: Python's struct and hashlib over docs/internals/journal.md.
    @Test func theFormatIsTheDocumentedOne() throws {
        let first = try batch([entry(1000, [1, 2, 3]), entry(1001, [])])
        #expect(Hex.encode(first.body) == "e80300000000000003000000010203e90300000000000000000000")
        #expect(
            first.hash.hex == "8a1e21a4501da7f2f3a9fc874dda9b643383eeeca817fb3e18dd937475c6175f")
        let second = try batch(after: first.head, term: 3, [entry(2000, [0xFF])])
        #expect(Hex.encode(second.body) == "d00700000000000001000000ff")
        #expect(
            second.hash.hex == "e92f98c643e58d393e47a8419bc7b832b2feb1c642639146f6e13238af4393e0")
    }

    @Test func acceptedBatchesGiveTheirCommandsBack() throws {
        let first = try batch([entry(5, [1]), entry(7, [])])
        let second = try batch(after: first.head, term: 2, [entry(8, [9, 9])])
        var verifier = ChainVerifier()
        #expect(try Array(verifier.accept(first)) == [entry(5, [1]), entry(7, [])])
        #expect(try Array(verifier.accept(second)) == [entry(8, [9, 9])])
        #expect(verifier.head == second.head)
        #expect(verifier.commands == 3)
    }

    @Test func whatDoesNotFollowIsNotMade() throws {
        let first = try batch(term: 2, [entry(5)])
        #expect(throws: JournalError.misplaced("a batch needs a command")) { try batch([]) }
        #expect(throws: JournalError.misplaced("the term is in the past")) {
            try batch(term: 0, [entry(5)])
        }
        #expect(throws: JournalError.misplaced("the term is in the past")) {
            try batch(after: first.head, term: 1, [entry(6)])
        }
        for times: [UInt64] in [[5], [4], [6, 6], [7, 6]] {
            #expect(throws: JournalError.misplaced("command times must grow")) {
                try batch(after: first.head, term: 2, times.map { entry($0) })
            }
        }
        #expect(throws: JournalError.misplaced("time is over")) {
            try batch([entry(1 << 63)])
        }
    }

    @Test func limitsHold() throws {
        let large = [UInt8](repeating: 0, count: JournalLimits.commandBytes)
        #expect(throws: Never.self) { try batch([entry(1, large)]) }
        #expect(throws: JournalError.limitExceeded("bytes per command")) {
            try batch([entry(1, large + [0])])
        }
        #expect(throws: JournalError.limitExceeded("bytes per batch")) {
            try batch((1...32).map { entry($0, large) })
        }
        let many = UInt64(JournalLimits.commandsPerBatch)
        #expect(throws: Never.self) { try batch((1...many).map { entry($0, []) }) }
        #expect(throws: JournalError.limitExceeded("commands per batch")) {
            try batch((1...many + 1).map { entry($0, []) })
        }
    }

    @Test func missingDoubledAndMovedBatchesAreFound() throws {
        let first = try batch([entry(5)])
        let second = try batch(after: first.head, [entry(6)])
        let third = try batch(after: second.head, [entry(7)])
        #expect(refusal([first, second, third]) == nil)
        #expect(refusal([second]) == .damaged(1, .gap(2)))
        #expect(refusal([first, third]) == .damaged(2, .gap(3)))
        #expect(refusal([first, first]) == .damaged(2, .gap(1)))
        #expect(refusal([first, third, second]) == .damaged(2, .gap(3)))
    }

    @Test func aWholeBatchOfAnotherHistoryIsFound() throws {
        let first = try batch([entry(5)])
        let second = try batch(after: first.head, [entry(6)])
        let otherFirst = try batch([entry(4)])
        let otherSecond = try batch(after: otherFirst.head, [entry(6)])
        #expect(refusal([first, otherSecond]) == .damaged(2, .brokenChain))
        #expect(refusal([otherFirst, second]) == .damaged(2, .brokenChain))
        #expect(refusal([forged(like: first, previous: second.hash)]) == .damaged(1, .brokenChain))
    }

    @Test func forgedFieldsWithAFittingHashAreFound() throws {
        let first = try batch(term: 2, [entry(5)])
        let second = try batch(after: first.head, term: 2, [entry(6), entry(8)])
        let cases: [(JournalBatch, JournalDamage)] = [
            (forged(like: second, term: 1), .termWentBack),
            (forged(like: second, time: 9), .malformedBody),
            (forged(like: second, count: 1), .malformedBody),
            (forged(like: second, count: 3), .malformedBody),
            (forged(like: second, count: 0, body: []), .malformedBody),
            (forged(like: second, count: .max), .malformedBody),
            (forged(like: second, body: Array(second.body.dropLast())), .malformedBody),
            (forged(like: second, body: second.body + [0]), .malformedBody),
            (forged(like: try batch([entry(1)]), sequence: 2, previous: first.hash), .termWentBack),
        ]
        for (batch, damage) in cases {
            #expect(refusal([first, batch]) == .damaged(2, damage))
        }
        #expect(refusal([forged(like: first, term: 0)]) == .damaged(1, .termWentBack))
        let early = try batch([entry(4), entry(5)])
        let stale = forged(like: early, sequence: 2, term: 2, previous: first.hash)
        #expect(refusal([first, stale]) == .damaged(2, .malformedBody))
    }
}
