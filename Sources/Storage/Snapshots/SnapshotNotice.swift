public import Primitives

/// What a snapshot file is of.
public struct SnapshotInfo: Hashable, Sendable {
    /// The last batch in it.
    public let head: JournalHead
    /// The hash of the journal's first batch: which journal it is of.
    public let first: Digest
    /// Commands in all batches up to `head`.
    public let commands: UInt64
    /// SHA-256 of the state's canonical bytes.
    public let stateHash: Digest
    /// Bytes of the state.
    public let stateBytes: UInt64
}

/// A state that a valid snapshot held, and what it is of.
public struct Snapshot<Machine: JournaledMachine>: Sendable {
    /// What it is of.
    public let info: SnapshotInfo
    /// The state after the batch `info.head`.
    public let machine: Machine
}

/// Why a snapshot is passed over. Nothing is lost by that: the journal has everything.
public enum SnapshotProblem: Error, Hashable, Sendable {
    /// It is not as it was written; carries what is wrong.
    case damaged(String)
    /// The disk did not give it; carries the words.
    case unreadable(String)
    /// It was written by another version of the format.
    case unsupportedVersion(UInt32)
    /// It holds a machine of another kind, by the format's number.
    case otherMachine(UInt32)
    /// It is of another journal.
    case otherJournal
    /// The journal has another batch with its number.
    case otherHistory(UInt64)
    /// Its state is not the one that was recorded at its batch.
    case diverged(UInt64)
}

extension SnapshotProblem: CustomStringConvertible {
    /// What is wrong, in a few words.
    public var description: String {
        switch self {
        case .damaged(let words): "it is damaged: \(words)"
        case .unreadable(let words): "it cannot be read: \(words)"
        case .unsupportedVersion(let version):
            "it has format version \(version); this program reads version 1"
        case .otherMachine(let number): "it holds a machine of another kind (\(number))"
        case .otherJournal: "it is of another journal"
        case .otherHistory(let sequence): "the journal has another batch \(sequence)"
        case .diverged(let sequence):
            "its state is not the one that was recorded at batch \(sequence)"
        }
    }
}

/// Why no snapshot was written. The journal and whoever writes it are not touched by it.
public enum SnapshotError: Error, Equatable, Sendable {
    /// The journal could not be followed: it is damaged, or replays to another state than was
    /// recorded. That is grave: the next start will find the same.
    case journal(JournalError)
    /// The folder's disk failed.
    case disk(DiskError)
    /// Another process writes a snapshot there; carries its process id, if known.
    case busy(holder: Int32?)
    /// It was told to stop.
    case cancelled
}

extension SnapshotError: CustomStringConvertible {
    /// What happened, in a sentence.
    public var description: String {
        switch self {
        case .journal(let error): "\(error)"
        case .disk(let error): "the snapshot could not be written: \(error.words)"
        case .busy(let holder):
            "another process writes a snapshot there" + (holder.map { " (process \($0))" } ?? "")
        case .cancelled: "it was told to stop"
        }
    }
}

/// Something about snapshots that whoever runs the journal should know.
public enum SnapshotNotice: Hashable, Sendable {
    /// A file is not used.
    case passedOver(String, SnapshotProblem)
    /// An undamaged one goes further than the journal, which ends at this batch: nothing starts.
    case ahead(String, SnapshotInfo, journal: UInt64)
    /// A start began here instead of at the first batch.
    case used(SnapshotInfo)
    /// One was written.
    case written(SnapshotInfo)
    /// None was written; carries why.
    case failed(String)
}

extension SnapshotNotice: CustomStringConvertible {
    /// What happened, in a sentence.
    public var description: String {
        switch self {
        case .passedOver(let name, let problem): "snapshot \(name) is passed over: \(problem)"
        case .ahead(let name, let info, let end):
            "snapshot \(name) is of batch \(info.head.sequence), but the journal ends at batch "
                + "\(end): its end is missing. If an older journal was put back on purpose, move "
                + "the folder of snapshots away"
        case .used(let info): "the start begins at the snapshot of batch \(info.head.sequence)"
        case .written(let info):
            "snapshot of batch \(info.head.sequence) written, \(info.stateBytes) bytes of state"
        case .failed(let words): "no snapshot was written: \(words)"
        }
    }

    /// Whether somebody should look into it.
    public var isWarning: Bool {
        switch self {
        case .passedOver, .ahead, .failed: true
        case .used, .written: false
        }
    }
}
