import Primitives
import Storage
import Testing

/// What every journal keeps, whatever it is made of: order, heads, terms, checkpoints, limits.
@Suite struct ConformanceTests {
    @Test(arguments: JournalKind.all)
    func anEmptyJournalStartsAtTheZeroHash(_ kind: JournalKind) throws {
        let home = try kind.makeHome()
        let journal = try home.open()
        #expect(try journal.verify() == .empty)
        #expect(journal.head == .empty)
        #expect(journal.term == 1)
        #expect(try journal.checkpoints() == [])
        let reader = try journal.reader()
        #expect(try reader.batches(after: 0) == [])
        try journal.append(entries(1, after: .empty))
        #expect(journal.head.sequence == 1)
        #expect(try reader.batches(after: 0).map(\.head) == [journal.head])
        reader.close()
        try journal.close()
    }

    @Test(arguments: JournalKind.all)
    func everythingIsThereInOrderAfterOpeningAgain(_ kind: JournalKind) throws {
        let home = try kind.makeHome()
        let written = try home.written(20)
        #expect(written.map(\.sequence) == Array(1...20))
        let journal = try home.open()
        var sequence: UInt64 = 0
        var head = JournalHead.empty
        let end = try journal.recover { (batch, commands) throws(JournalError) in
            sequence += 1
            #expect(batch == written[Int(sequence) - 1])
            #expect(Array(commands) == entries(sequence, after: head))
            head = batch.head
        }
        #expect(sequence == 20)
        #expect(end == written.last?.head)
        #expect(journal.head == end)
        try journal.fill(1)
        #expect(journal.head.sequence == 21)
        try journal.close()
        #expect(home.recoveryError() == nil)
    }

    @Test(arguments: JournalKind.all)
    func recoveryGoesOnAfterAnyHead(_ kind: JournalKind) throws {
        let home = try kind.makeHome()
        let written = try home.written(8)
        for start in [JournalHead.empty] + written.map(\.head) {
            let journal = try home.open()
            var seen: [JournalBatch] = []
            let end = try journal.recover(after: start) { (batch, _) throws(JournalError) in
                seen.append(batch)
            }
            #expect(seen == Array(written.dropFirst(Int(start.sequence))))
            #expect(end == written.last?.head)
            try journal.close()
        }
    }

    @Test(arguments: JournalKind.all)
    func headsOfAnotherHistoryAreRefused(_ kind: JournalKind) throws {
        let home = try kind.makeHome()
        let written = try home.written(3)
        let other = try JournalBatch(following: .empty, term: 1, entries: entries(2, after: .empty))
        let late = JournalHead(
            sequence: 4, hash: .zero, time: written[2].time + .seconds(1), term: 1)
        let shifted = JournalHead(
            sequence: 3, hash: written[1].hash, time: written[2].time, term: written[2].term)
        let cases: [(JournalHead, JournalError)] = [
            (late, .missingBatches(head: 3, checkpoint: 4)),
            (other.head, .unexpectedHash(other.head.point, found: written[0].hash)),
            (shifted, .unexpectedHash(shifted.point, found: written[2].hash)),
        ]
        for (start, expected) in cases {
            let journal = try home.open()
            var seen = 0
            #expect(throws: expected) {
                _ = try journal.recover(after: start) { (_, _) throws(JournalError) in seen += 1 }
            }
            #expect(seen == 0)
            // What was not verified is not written to.
            #expect(throws: JournalError.notRecovered) { try journal.fill(1) }
            try journal.close()
        }
    }

    @Test(arguments: JournalKind.all)
    func anErrorOfTheReplayEndsTheRecovery(_ kind: JournalKind) throws {
        let home = try kind.makeHome()
        try home.written(3)
        let journal = try home.open()
        let stop = JournalError.doesNotReplay(2, command: 0, rejection: 7)
        var seen = 0
        #expect(throws: stop) {
            _ = try journal.recover { (batch, _) throws(JournalError) in
                seen += 1
                if batch.sequence == 2 { throw stop }
            }
        }
        #expect(seen == 2)
        #expect(throws: JournalError.notRecovered) { try journal.fill(1) }
        #expect(try journal.verify().sequence == 3)
        try journal.fill(1)
        try journal.close()
    }

    @Test(arguments: JournalKind.all)
    func nothingIsWrittenBeforeTheChainWasVerifiedNorAfterTheEnd(_ kind: JournalKind) throws {
        let home = try kind.makeHome()
        try home.written(2)
        let journal = try home.open()
        let checkpoint = StateCheckpoint(sequence: 1, stateHash: .zero)
        #expect(throws: JournalError.notRecovered) { try journal.fill(1) }
        #expect(throws: JournalError.notRecovered) { try journal.record(checkpoint) }
        _ = try journal.verify()
        try journal.fill(1)
        try journal.close()
        #expect(throws: JournalError.closed) { try journal.fill(1) }
        #expect(throws: JournalError.closed) { try journal.record(checkpoint) }
        if kind.isStored {
            #expect(throws: JournalError.closed) { try journal.verify() }
            #expect(throws: JournalError.closed) { try journal.checkpoints() }
        }
        #expect(throws: Never.self) { try journal.close() }
        #expect(home.recoveryError() == nil)
    }

    @Test(arguments: JournalKind.all)
    func onlyTheNextBatchOfNoOlderTermIsAccepted(_ kind: JournalKind) throws {
        let home = try kind.makeHome()
        try home.written(1)
        let journal = try home.open()
        _ = try journal.verify()
        try journal.fill(1)
        #expect(journal.head.term == journal.term)
        let first = journal.head
        try journal.fill(1)
        let again = try JournalBatch(
            following: first, term: journal.term, entries: entries(9, after: first))
        let skipped = JournalHead(
            sequence: journal.head.sequence + 1, hash: journal.head.hash, time: journal.head.time,
            term: journal.term)
        let ahead = try JournalBatch(
            following: skipped, term: journal.term, entries: entries(2, after: skipped))
        for batch in [again, ahead] {
            #expect(throws: JournalError.misplaced("it follows another batch")) {
                try journal.append(batch)
            }
        }
        let old = JournalHead(
            sequence: journal.head.sequence, hash: journal.head.hash, time: journal.head.time,
            term: 1)
        let late = try JournalBatch(following: old, term: 1, entries: entries(3, after: old))
        #expect(throws: JournalError.misplaced("the term is in the past")) {
            try journal.append(late)
        }
        // A caller's error harms nothing.
        try journal.fill(1)
        try journal.close()
        #expect(home.recoveryError() == nil)
    }

    @Test(arguments: JournalKind.all)
    func termsGrowWithEachWriter(_ kind: JournalKind) throws {
        let home = try kind.makeHome()
        var terms: [UInt64] = [0]
        for _ in 0..<4 {
            let journal = try home.open()
            _ = try journal.verify()
            try journal.fill(2)
            #expect(journal.term > terms[terms.count - 1])
            terms.append(journal.term)
            try journal.close()
        }
        let journal = try home.open()
        var seen: [UInt64] = []
        _ = try journal.recover { (batch, _) throws(JournalError) in seen.append(batch.term) }
        #expect(seen == terms.dropFirst().flatMap { [$0, $0] })
        try journal.close()
    }

    @Test(arguments: JournalKind.all)
    func checkpointsAreKeptByTheirSequence(_ kind: JournalKind) throws {
        let home = try kind.makeHome()
        let journal = try home.open()
        _ = try journal.verify()
        try journal.fill(2)
        let first = StateCheckpoint(sequence: 1, stateHash: Digest(words: (1, 2, 3, 4)))
        let second = StateCheckpoint(sequence: 2, stateHash: Digest(words: (5, 6, 7, 8)))
        try journal.record(StateCheckpoint(sequence: 2, stateHash: .zero))
        try journal.record(first)
        // The last word for a batch counts.
        try journal.record(second)
        #expect(throws: JournalError.misplaced("the checkpoint is beyond the head")) {
            try journal.record(StateCheckpoint(sequence: 3, stateHash: .zero))
        }
        #expect(try journal.checkpoints() == [first, second])
        try journal.close()
        let again = try home.open()
        #expect(try again.checkpoints() == [first, second])
        #expect(try again.verify().sequence == 2)
        try again.close()
    }

    @Test(arguments: JournalKind.all)
    func theSmallestAndTheLargestBatchesAreKept(_ kind: JournalKind) throws {
        let home = try kind.makeHome()
        let journal = try home.open()
        _ = try journal.verify()
        // An empty command, the most commands, and the most bytes.
        let most = JournalLimits.bodyBytes / (JournalLimits.commandBytes / 2)
        let half = JournalLimits.commandBytes / 2 - JournalLimits.entryOverhead
        let shapes = [
            [0], Array(repeating: 0, count: JournalLimits.commandsPerBatch),
            Array(repeating: half, count: most),
        ]
        for sizes in shapes {
            let start = journal.head.time.nanoseconds
            try journal.append(
                sizes.enumerated().map { place, size in
                    JournalEntry(
                        time: Timestamp(nanoseconds: start + UInt64(place) + 1),
                        command: Array(repeating: UInt8(place % 251), count: size))
                })
        }
        try journal.close()
        let again = try home.open()
        var bodies: [Int] = []
        _ = try again.recover { (batch, commands) throws(JournalError) in
            bodies.append(batch.body.count)
            #expect(commands.map(\.command.count) == shapes[Int(batch.sequence) - 1])
        }
        #expect(bodies == [12, 12 * JournalLimits.commandsPerBatch, JournalLimits.bodyBytes])
        try again.close()
    }

    @Test(arguments: JournalKind.all)
    func thePublishedFormatIsWhatIsStored(_ kind: JournalKind) throws {
        // The same commands give the same bytes in every kind of journal: those of a memory's.
        let reference = MemoryJournal()
        let home = try kind.makeHome()
        let journal = try home.open()
        _ = try journal.verify()
        for _ in 0..<5 {
            for one in [reference, journal] as [any Journal] {
                let batch = try JournalBatch(
                    following: one.head, term: 1,
                    entries: entries(one.head.sequence + 1, after: one.head))
                try one.append(batch)
            }
        }
        #expect(try journal.reader().batches(after: 0) == reference.batches)
        try journal.close()
    }
}
