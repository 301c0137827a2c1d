import Clearing
public import Cryptography
public import Primitives
public import Storage

/// The trees of what the house owes: one for each settlement, of which the newest is kept.
///
/// A tree is not stored. After a start it is made again, the first time somebody asks, from the
/// journal and the salt: the journal is the truth, and what would lie beside it could differ.
public actor LiabilityBook {
    /// Why there is no tree.
    public enum Failure: Error, Sendable {
        /// The journal could not be read.
        case journal(JournalError)
        /// The tree made again is not the one committed: the salt is another one.
        case otherSalt
    }

    /// Opens the journal for reading, beside its writer.
    typealias OpenJournal = @Sendable () throws(JournalError) -> any Journal

    private typealias Making = Task<Result<LiabilityTree, Failure>, Never>

    private let salt: [UInt8]
    let openJournal: OpenJournal
    private let queue = BackgroundQueue("exchequer.liabilities")
    private var newest: (root: Digest, tree: Making)?

    /// The file in a house's folder that holds its salt.
    public static func saltFile(in folder: String) -> String { folder + "/liabilities.salt" }

    /// A book with the house's salt.
    init(salt: [UInt8], openJournal: @escaping OpenJournal) {
        self.salt = salt
        self.openJournal = openJournal
    }

    /// Takes down what is owed at the journal's head, for the batch that is about to be sealed.
    func commit(
        _ batch: BatchID, from sequencer: Sequencer
    ) async throws(SequencerError) -> LiabilityCommitment {
        let (owed, head) = try await sequencer.readAtHead { $0.liabilities() }
        let tree = await queue.run { [salt] in
            LiabilityTree.booked(
                owed, batch: batch, sequence: head.sequence, head: head.hash, salt: salt)
        }
        newest = (tree.commitment.root, Making { .success(tree) })
        return tree.commitment
    }

    /// What is owed at the journal's head, and something else that the books say there: what is
    /// sealed with it. No proofs are made of it, so that its tree is not kept.
    func books<Sealed: Sendable>(
        from sequencer: Sequencer,
        with read: @escaping @Sendable (borrowing ClearingHouse) -> Sealed
    ) async throws(SequencerError) -> (books: LiabilityCommitment, sealed: Sealed) {
        let ((owed, sealed), head) = try await sequencer.readAtHead {
            ($0.liabilities(), read($0))
        }
        let books = await queue.run { [salt] in
            LiabilityTree.booked(
                owed, batch: .none, sequence: head.sequence, head: head.hash, salt: salt
            ).commitment
        }
        return (books, sealed)
    }

    /// The tree behind a commitment of the journal's. O(1) for the newest; O(commands) for another
    /// one, and once after a start.
    public func tree(of commitment: LiabilityCommitment) async throws(Failure) -> LiabilityTree {
        let root = commitment.root
        if let newest, newest.root == root { return try await newest.tree.value.get() }
        let making = Making { [queue, salt, openJournal] in
            await queue.run { Self.replayed(commitment, salt, openJournal) }
        }
        newest = (root, making)
        let result = await making.value
        // A journal that could not be read may be readable the next time.
        if case .failure = result, newest?.root == root { newest = nil }
        return try result.get()
    }

    private static func replayed(
        _ commitment: LiabilityCommitment, _ salt: [UInt8], _ openJournal: OpenJournal
    ) -> Result<LiabilityTree, Failure> {
        do throws(JournalError) {
            let journal = try openJournal()
            let tree = try LiabilityTree.replayed(commitment, from: journal, salt: salt)
            try journal.close()
            return tree.commitment == commitment ? .success(tree) : .failure(.otherSalt)
        } catch {
            return .failure(.journal(error))
        }
    }
}
