import Primitives

/// What `recover` is in every store: verifies all batches after `start` up to `end` and hands each
/// to `body` with its commands.
///
/// `page(last, end, next)` gives some stored batches with numbers above `last` and up to `end`, in
/// order, and none where there are no more; `next` is the number that the first should have.
///
/// Throws as `Journal.recover` does.
func verifyChain(
    after start: JournalHead, upTo end: JournalHead, latestCheckpoint: StateCheckpoint?,
    _ body: (JournalBatch, JournalEntries) throws(JournalError) -> Void,
    page: (Int64, UInt64, UInt64) throws(JournalError) -> [JournalBatch]
) throws(JournalError) {
    if start != .empty {
        guard start.sequence <= end.sequence else {
            throw .missingBatches(head: end.sequence, checkpoint: start.sequence)
        }
        let found = try page(Int64(start.sequence) - 1, start.sequence, start.sequence).first
        guard found?.head == start else {
            throw .unexpectedHash(start.point, found: found?.hash)
        }
    }
    var verifier = ChainVerifier(after: start)
    // From below every number, so that one that should not be there is found too.
    var last = start == .empty ? Int64.min : Int64(start.sequence)
    while true {
        let batches = try page(last, end.sequence, verifier.head.sequence + 1)
        if batches.isEmpty { break }
        for batch in batches {
            try body(batch, try verifier.accept(batch))
            last = Int64(batch.sequence)
        }
    }
    guard verifier.head == end else {
        throw .unexpectedHash(end.point, found: verifier.head.hash)
    }
    if let latestCheckpoint, latestCheckpoint.sequence > end.sequence {
        throw .missingBatches(head: end.sequence, checkpoint: latestCheckpoint.sequence)
    }
}

extension JournalBatch {
    /// The batch in a database's row: seq, term, time, count, previous_hash, hash and body are
    /// columns 0 to 6. `integer` and `bytes` give a column's value, or `nil` if it is none.
    ///
    /// Throws `malformedRow`, with the number that the row should have.
    init(
        expected: UInt64, integer: (Int) -> Int64?, bytes: (Int) -> [UInt8]?
    ) throws(JournalError) {
        func number(_ column: Int) throws(JournalError) -> UInt64 {
            guard let number = integer(column).flatMap({ UInt64(exactly: $0) }) else {
                throw .damaged(expected, .malformedRow)
            }
            return number
        }
        guard let count = UInt32(exactly: try number(3)),
            let previous = bytes(4).flatMap({ Digest($0) }),
            let hash = bytes(5).flatMap({ Digest($0) }), let body = bytes(6)
        else { throw .damaged(expected, .malformedRow) }
        self.init(
            unchecked: try number(0), term: try number(1),
            time: Timestamp(nanoseconds: try number(2)), count: count, previousHash: previous,
            hash: hash, body: body)
    }
}
