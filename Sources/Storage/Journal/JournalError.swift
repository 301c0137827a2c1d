public import Primitives

/// What is wrong with one stored batch.
public enum JournalDamage: Hashable, Sendable {
    /// The next row has this sequence number instead: rows are missing, doubled or moved.
    case gap(UInt64)
    /// The stored hash is not the hash of the stored fields: a field was changed.
    case hashMismatch
    /// The batch is whole but follows another batch than the one before it.
    case brokenChain
    /// The term is older than the one before.
    case termWentBack
    /// The body is not the list of commands that its count and time say.
    case malformedBody
    /// A column holds a value of another type or size than the format allows.
    case malformedRow
    /// What is in the place of its record is no record of it, whole or unfinished.
    case malformedRecord
    /// A part of its record is missing, though the batch was acknowledged.
    case incomplete
}

/// Why a journal cannot be opened, read, written or replayed. Every case means **stop**: none is
/// cured by trying again in the same process.
public enum JournalError: Error, Equatable, Sendable {
    /// The file, its folder or the database cannot be opened or made; carries path and reason.
    case cannotOpen(String, String)
    /// The database of the journal cannot be reached; carries the place and the words. Nothing was
    /// under way.
    case unreachable(String, String)
    /// Another process writes this journal; carries path and, if it is on this machine, its
    /// process id.
    case locked(String, holder: Int32?)
    /// The file or schema is not a journal of this project; carries path and reason.
    case notAJournal(String, String)
    /// The journal was written by another version of the format.
    case unsupportedVersion(Int64)

    /// A batch is not as it was written; carries the sequence number it should have.
    case damaged(UInt64, JournalDamage)
    /// A file or the database itself is damaged or missing; carries what is wrong with it.
    case damagedFile(String)
    /// The end of the journal is missing: a state hash was recorded at `checkpoint`.
    case missingBatches(head: UInt64, checkpoint: UInt64)
    /// A batch has not the hash that was expected of it, or is missing.
    case unexpectedHash(ChainPoint, found: Digest?)

    /// A command cannot be decoded; carries batch, place in the batch from 0, and why.
    case undecodable(UInt64, command: Int, CodecError)
    /// The journal does not replay: a command that was accepted is now refused. Carries batch,
    /// place in the batch from 0, and the rejection's number.
    case doesNotReplay(UInt64, command: Int, rejection: UInt16)
    /// The replayed state is not the state that was recorded at this batch.
    case stateDiverged(UInt64)

    /// There is no room on the disk, or the file reached its size limit; carries the store's
    /// words.
    case diskFull(String)
    /// The disk failed to read, write or sync; carries the store's code (0 if it has none) and
    /// words.
    case inputOutput(Int32, String)
    /// Someone else appended this batch: two writers, in spite of the lock.
    case conflict(UInt64)
    /// Another process took the journal over with this term: it writes now, this one may not.
    case fenced(term: UInt64)
    /// The connection to the database was lost, or it did not answer in time: what was under way
    /// may or may not be in the journal; carries the words.
    case connectionLost(String)
    /// The standby did not acknowledge, or does not fit: what was under way may be in both
    /// journals, in one or in none; carries the words.
    case standby(String)
    /// The database answered something else that is wrong; carries the store's code (0 if it has
    /// none) and words.
    case database(Int32, String)

    /// The batch does not follow the head; carries what is wrong. An error of the caller.
    case misplaced(String)
    /// A batch is over one of `JournalLimits`; carries which. An error of the caller.
    case limitExceeded(String)
    /// The journal was not recovered to its end yet, so nothing may be appended.
    case notRecovered
    /// The journal was opened for reading only.
    case readOnly
    /// An earlier append failed; what is on disk is unknown until the journal is opened again.
    case failedBefore
    /// The journal was closed.
    case closed
}

extension JournalError: CustomStringConvertible {
    /// What happened and what to do, in a sentence or two.
    public var description: String {
        switch self {
        case .cannotOpen(let path, let reason): "cannot open the journal \(path): \(reason)"
        case .unreachable(let place, let words): "the journal \(place) cannot be reached: \(words)"
        case .locked(let path, let holder):
            "the journal \(path) is in use by another process"
                + (holder.map { " (process \($0))" } ?? "")
                + ": stop it first, or use another journal"
        case .notAJournal(let path, let reason): "\(path) is not a journal: \(reason)"
        case .unsupportedVersion(let version):
            "the journal has format version \(version); this program reads version 1"
        case .damaged(let sequence, let damage):
            "batch \(sequence) of the journal is damaged (\(damage.words)). "
                + JournalError.restoring
        case .damagedFile(let words):
            "the journal's store is damaged (\(words)). " + JournalError.restoring
        case .missingBatches(let head, let checkpoint):
            "the journal ends at batch \(head), but the state of batch \(checkpoint) was "
                + "recorded: its end is missing. " + JournalError.restoring
        case .unexpectedHash(let expected, let found):
            "batch \(expected.sequence) should have hash \(expected.hash.hex), but "
                + (found.map { "has \($0.hex)" } ?? "is missing") + ". "
                + JournalError.restoring
        default: otherDescription
        }
    }

    private var otherDescription: String {
        switch self {
        case .undecodable(let sequence, let command, let reason):
            "command \(command) of batch \(sequence) cannot be decoded (\(reason)): the journal "
                + "was written by another version; start that version"
        case .doesNotReplay(let sequence, let command, let rejection):
            "the journal does not replay: command \(command) of batch \(sequence) was accepted "
                + "once and is now refused with \(rejection). The rules changed or the "
                + "program is not deterministic; start the version that wrote it"
        case .stateDiverged(let sequence):
            "the journal replays to another state than was recorded at batch \(sequence). The "
                + "rules changed or the program is not deterministic; start the version that "
                + "wrote it"
        case .diskFull(let words):
            "no room for the journal (\(words)): make room and start again; nothing that was "
                + "acknowledged is lost"
        case .inputOutput(let code, let words):
            "the disk failed (\(JournalError.coded(words, code))): check it before you start again"
        case .conflict(let sequence):
            "batch \(sequence) was appended by someone else: two processes write this journal"
        case .fenced(let term):
            "another process took this journal over with term \(term): stop this one"
        case .connectionLost(let words):
            "the connection to the database was lost (\(words)): whether the last write happened "
                + "is known when the journal is opened again"
        case .standby(let words):
            "the standby did not acknowledge (\(words)): whether the last write happened is known "
                + "when leader and standby have met again"
        case .database(let code, let words):
            "the database refused (\(JournalError.coded(words, code)))"
        case .misplaced(let words): "the batch does not follow the journal's head: \(words)"
        case .limitExceeded(let what): "over the journal's limit of \(what)"
        case .notRecovered: "the journal must be recovered before it is written"
        case .readOnly: "the journal was opened for reading only"
        case .failedBefore: "an earlier write failed: the journal must be opened again"
        case .closed: "the journal is closed"
        default: "the journal failed"
        }
    }

    private static func coded(_ words: String, _ code: Int32) -> String {
        code == 0 ? words : "\(words), code \(code)"
    }

    private static let restoring =
        "Do not write to it: restore it from a backup or a standby, and compare its head "
        + "with one that was published"
}

extension JournalDamage {
    /// A few words for a person.
    var words: String {
        switch self {
        case .gap(let sequence): "the next row is number \(sequence)"
        case .hashMismatch: "its hash is not the hash of its contents"
        case .brokenChain: "it does not follow the batch before it"
        case .termWentBack: "its term is older than the one before"
        case .malformedBody: "its commands are not what its count and time say"
        case .malformedRow: "a column has a wrong type or size"
        case .malformedRecord: "its record is not as it was written"
        case .incomplete: "a part of its record is missing, though it was acknowledged"
        }
    }
}
