import Clearing
public import Cryptography
public import Primitives

extension LiabilityTree {
    /// The tree of what a house owes. The sums fit, because the ledger never lets a source give
    /// out more than 128 bits, and every party has an address of its own.
    public static func booked(
        _ liabilities: [Liability], batch: BatchID, sequence: UInt64, head: Digest, salt: [UInt8]
    ) -> LiabilityTree {
        do throws(LiabilityTree.Failure) {
            return try LiabilityTree(
                liabilities, batch: batch, sequence: sequence, head: head, salt: salt)
        } catch {
            preconditionFailure("the books hold what a ledger refuses: \(error)")
        }
    }

    /// The tree behind a commitment, made again from the journal: its commands up to the
    /// commitment's are decided once more, so O(commands). With another `salt` than it was made
    /// with, the tree has another commitment: compare.
    ///
    /// Throws what makes the journal unusable, and `unexpectedHash` if the commitment is of
    /// another journal.
    public static func replayed(
        _ commitment: LiabilityCommitment, from journal: any Journal, salt: [UInt8]
    ) throws(JournalError) -> LiabilityTree {
        var replay = HouseReplay()
        var found: Digest?
        _ = try journal.recover { (batch, entries) throws(JournalError) in
            guard batch.sequence <= commitment.sequence else { return }
            try replay.apply(batch, entries)
            if batch.sequence == commitment.sequence { found = batch.hash }
        }
        guard found == commitment.head else {
            let point = ChainPoint(sequence: commitment.sequence, hash: commitment.head)
            throw .unexpectedHash(point, found: found)
        }
        return booked(
            replay.machine.liabilities(), batch: commitment.batch, sequence: commitment.sequence,
            head: commitment.head, salt: salt)
    }
}
