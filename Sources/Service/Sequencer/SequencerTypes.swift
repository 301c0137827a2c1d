public import Clearing
public import Primitives
public import Storage

/// Why the sequencer did not decide a command or answer a read.
public enum SequencerError: Error, Equatable, Sendable {
    /// Too much waits already. Nothing happened; try again later.
    case busy
    /// The commands are more than one batch may hold. Nothing happened.
    case tooLarge
    /// The sequencer was stopped. Nothing happened.
    case stopped
    /// The journal failed. Whether the command is durable is not known until the next start.
    case journal(JournalError)
    /// This subscriber fell too many batches behind and was cut off.
    case tooSlow
}

extension SequencerError: CustomStringConvertible {
    /// What happened and what to do, in a sentence.
    public var description: String {
        switch self {
        case .busy: "too many commands wait: try again later"
        case .tooLarge: "these are more commands than one batch may hold"
        case .stopped: "the house is stopping"
        case .journal(let error): "the journal failed: \(error)"
        case .tooSlow: "this reader of events fell too far behind and was cut off"
        }
    }
}

/// One batch that is committed and synced.
public struct CommittedBatch: Hashable, Sendable {
    /// One accepted command.
    public struct Entry: Hashable, Sendable {
        /// The time it was given.
        public let time: Timestamp
        /// The command.
        public let command: Command
        /// What it did.
        public let events: [Event]
    }

    /// The journal's head after this batch: its sequence number, hash and time.
    public let head: JournalHead
    /// The accepted commands in order.
    public let entries: [Entry]

    /// What the commands did, in order.
    public var events: [Event] { entries.flatMap(\.events) }
}

extension Command {
    /// The canonical bytes; `nil` if reading them back would not give this command, so that it
    /// could not be replayed: a text, list or number in it is over its limit.
    func journaledBytes() -> [UInt8]? {
        let bytes = canonicalBytes()
        guard bytes.count <= JournalLimits.commandBytes,
            (try? Command(canonicalBytes: bytes)) == self
        else { return nil }
        return bytes
    }
}
