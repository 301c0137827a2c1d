import Primitives
import Storage
import Testing

/// Whatever is changed in a stored batch of any journal is found and named by its number.
@Suite struct ConformanceDamageTests {
    /// Every byte of every field flipped once, and every bit of every number.
    private func changes(_ batch: JournalBatch) -> [JournalBatch] {
        func flips(_ bytes: [UInt8]) -> [[UInt8]] {
            bytes.indices.map { place in
                var copy = bytes
                copy[place] ^= UInt8(truncatingIfNeeded: place * 37 + 1) | 1
                return copy
            }
        }
        func changed(
            term: UInt64? = nil, time: UInt64? = nil, count: UInt32? = nil,
            previous: [UInt8]? = nil,
            hash: [UInt8]? = nil, body: [UInt8]? = nil
        ) -> JournalBatch {
            JournalBatch(
                unchecked: batch.sequence, term: term ?? batch.term,
                time: time.map { Timestamp(nanoseconds: $0) } ?? batch.time,
                count: count ?? batch.count,
                previousHash: previous.flatMap { Digest($0) } ?? batch.previousHash,
                hash: hash.flatMap { Digest($0) } ?? batch.hash, body: body ?? batch.body)
        }
        return flips(batch.previousHash.bytes).map { changed(previous: $0) }
            + flips(batch.hash.bytes).map { changed(hash: $0) }
            + flips(batch.body).map { changed(body: $0) }
            + (0..<64).map { changed(term: batch.term ^ 1 << $0) }
            + (0..<64).map { changed(time: batch.time.nanoseconds ^ 1 << $0) }
            + (0..<32).map { changed(count: batch.count ^ 1 << $0) }
            + [changed(body: batch.body + [0]), changed(body: Array(batch.body.dropLast()))]
            + [changed(body: [])]
    }

    @Test(arguments: JournalKind.stored)
    func everyByteOfEveryFieldCounts(_ kind: JournalKind) throws {
        let home = try kind.makeHome()
        let good = try home.written(3)
        var found = 0
        for row in good.indices {
            for bad in changes(good[row]) {
                var batches = good
                batches[row] = bad
                try home.rewrite(batches)
                guard case .damaged(let sequence, _) = home.recoveryError() else {
                    Issue.record("not found in batch \(row + 1): \(bad)")
                    return
                }
                #expect(sequence == UInt64(row + 1), "\(bad)")
                found += 1
            }
        }
        #expect(found > 700)
        try home.rewrite(good)
        #expect(home.recoveryError() == nil)
    }

    private func moved(_ batch: JournalBatch, to sequence: Int64) -> JournalBatch {
        JournalBatch(
            unchecked: UInt64(bitPattern: sequence), term: batch.term, time: batch.time,
            count: batch.count, previousHash: batch.previousHash, hash: batch.hash,
            body: batch.body)
    }

    @Test(arguments: JournalKind.stored)
    func missingDoubledAndMovedBatchesAreFound(_ kind: JournalKind) throws {
        let home = try kind.makeHome()
        let all = try home.written(5)
        let other = try JournalBatch(
            following: .empty, term: 1, entries: entries(7, after: .empty))
        let cases: [([JournalBatch], [JournalError?])] = [
            (all, [nil]), (Array(all.prefix(4)), [nil]), ([], [nil]),
            (Array(all.dropFirst()), [.damaged(1, .gap(2))]),
            ([all[0], all[1], all[3], all[4]], [.damaged(3, .gap(4))]),
            ([moved(all[0], to: 0)] + all.dropFirst(), [.damaged(1, .gap(0))]),
            // No row can have this number; a segment can, and is not the first then.
            (
                [moved(all[0], to: -1)] + all.dropFirst(),
                [.damaged(1, .malformedRow), .damaged(1, .gap(2))]
            ),
            (all.dropLast() + [moved(all[4], to: 9)], [.damaged(5, .gap(9))]),
            (all + [moved(all[4], to: 6)], [.damaged(6, .hashMismatch)]),
            (
                [all[0], moved(all[2], to: 2), moved(all[1], to: 3), all[3]],
                [.damaged(2, .hashMismatch)]
            ),
            // A batch that is whole, but of another history.
            ([other] + all.dropFirst(), [.damaged(2, .brokenChain)]),
        ]
        for (batches, expected) in cases {
            try home.rewrite(batches)
            let found = home.recoveryError()
            #expect(
                expected.contains(found),
                "\(batches.map(\.sequence)): \(String(describing: found))")
        }
    }

    @Test(arguments: JournalKind.stored)
    func aMissingEndIsFoundByACheckpoint(_ kind: JournalKind) throws {
        let home = try kind.makeHome()
        let all = try home.written(5)
        let journal = try home.open()
        _ = try journal.verify()
        try journal.record(StateCheckpoint(sequence: 5, stateHash: .zero))
        try journal.close()
        for count in [4, 3, 0] {
            try home.rewrite(Array(all.prefix(count)))
            #expect(
                home.recoveryError() == .missingBatches(head: UInt64(count), checkpoint: 5))
        }
        try home.rewrite(all)
        #expect(home.recoveryError() == nil)
    }

    /// What is damaged is not written to either.
    @Test(arguments: JournalKind.stored)
    func aDamagedJournalTakesNothing(_ kind: JournalKind) throws {
        let home = try kind.makeHome()
        let all = try home.written(3)
        try home.rewrite([all[0], moved(all[2], to: 2), all[2]])
        let journal = try home.open()
        #expect(throws: JournalError.damaged(2, .hashMismatch)) { try journal.verify() }
        #expect(throws: JournalError.notRecovered) { try journal.fill(1) }
        try journal.close()
    }
}
