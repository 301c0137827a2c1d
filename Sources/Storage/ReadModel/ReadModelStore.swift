/// How far a read model is filled.
struct ReadModelCursor: Hashable, Sendable {
    /// What the journal is the history of.
    var kind: JournaledKind = .empty
    /// The last batch that is in the model; 0 for none.
    var sequence: UInt64 = 0
    /// That batch's hash in hexadecimal digits, by which its history is known again.
    var hash = ""
    /// That batch's time, in nanoseconds.
    var time: UInt64 = 0
}

/// A database that holds a read model. For one thread at a time.
protocol ReadModelStore: AnyObject {
    /// How far it is filled.
    var cursor: ReadModelCursor { get }

    /// Writes rows, replacing those with the same keys, removes what is beyond the ends of lists
    /// that were shortened, and moves the cursor, all in one transaction.
    ///
    /// Throws `filledByAnother` if the cursor is not where this filler left it.
    func write(_ rows: [ReadModelRows], moving cursor: ReadModelCursor) throws(ReadModelError)

    /// Makes the indexes that are not there yet.
    func makeIndexes() throws(ReadModelError)

    /// Ends the use; harmless when repeated.
    func close()
}

/// Why a read model cannot be filled. It is never the truth: nothing is lost with it.
public enum ReadModelError: Error, Equatable, Sendable {
    /// The database belongs to something else, or cannot hold a read model; carries place and
    /// reason. Nothing in it was changed.
    case notAReadModel(String, String)
    /// The model was filled from another history, or from batches that the journal no longer has;
    /// carries place and the model's last batch.
    case otherHistory(String, UInt64)
    /// Another process fills this model; carries the place.
    case filledByAnother(String)
    /// The database failed; carries place and its words.
    case store(String, String)
    /// The journal cannot be read or does not hold.
    case journal(JournalError)
}

extension ReadModelError: CustomStringConvertible {
    /// What happened and what to do, in a sentence or two.
    public var description: String {
        switch self {
        case .notAReadModel(let place, let reason):
            "\(place) is not a read model and was left as it is: \(reason)"
        case .otherHistory(let place, let sequence):
            "\(place) was filled up to batch \(sequence) of another history than this journal's: "
                + "rebuild it with exchequer journal rebuild"
        case .filledByAnother(let place):
            "\(place) is being filled by another process: stop one of them"
        case .store(let place, let words): "the read model at \(place) failed: \(words)"
        case .journal(let error): "\(error)"
        }
    }
}

extension ReadModelError {
    /// What an error of a store's driver means for a read model.
    init(_ error: any Error, _ place: String) {
        switch error {
        case let error as ReadModelError: self = error
        case let error as JournalError:
            let words = "\(error)".replacing("the journal", with: "the read model")
            self = .store(place, words)
        default: self = .store(place, "\(error)")
        }
    }
}
