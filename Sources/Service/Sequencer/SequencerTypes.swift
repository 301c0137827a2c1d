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

/// A command as it will be journaled, made on the caller's thread.
struct PreparedCommand: Sendable {
    let command: Command
    /// The canonical bytes; `nil` if reading them back would not give this command, so that it
    /// could not be replayed: a text, list or number in it is over its limit.
    let bytes: [UInt8]?

    init(_ command: Command) {
        self.command = command
        let bytes = command.canonicalBytes()
        let isReadable =
            bytes.count <= JournalLimits.commandBytes
            && (try? Command(canonicalBytes: bytes)) == command
        self.bytes = isReadable ? bytes : nil
    }
}

/// Commands that stay together, and who waits for their outcomes.
struct Submission: Sendable {
    typealias Reply = Result<[Sequencer.Outcome], SequencerError>

    let commands: [PreparedCommand]
    let bytes: Int
    let reply: @Sendable (Reply) -> Void

    init(commands: [PreparedCommand], reply: @escaping @Sendable (Reply) -> Void) {
        self.commands = commands
        bytes = commands.reduce(0) {
            $0 + ($1.bytes?.count ?? 0) + JournalLimits.entryOverhead
        }
        self.reply = reply
    }
}

/// Someone who wants to look at the committed state.
struct StateRead: Sendable {
    let body: @Sendable (borrowing ClearingHouse, JournalHead) -> Void
    let fail: @Sendable (SequencerError) -> Void

    init(
        body: @escaping @Sendable (borrowing ClearingHouse, JournalHead) -> Void,
        fail: @escaping @Sendable (SequencerError) -> Void
    ) {
        self.body = body
        self.fail = fail
    }
}

/// Something for the sequencer's thread to do.
enum Work: Sendable {
    case submission(Submission)
    case read(StateRead)

    /// Tells whoever waits that it will not be done.
    func fail(_ error: SequencerError) {
        switch self {
        case .submission(let submission): submission.reply(.failure(error))
        case .read(let read): read.fail(error)
        }
    }
}
