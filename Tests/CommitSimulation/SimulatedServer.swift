import Ledger
import Primitives
import Service
import SimulatedDisk
import Storage
import Synchronization

/// A request on its way, or what came of one.
struct Message: Sendable {
    /// Which client, which of its sessions, and which of its requests.
    let client: Int
    let session: Int
    let request: Int
    /// Which server it goes to or comes from.
    let server: Int
    /// Entries that were known to be acknowledged when the client first asked.
    let known: Int
    /// What it asks for or answers; none for a read.
    let command: LedgerCommand?
    var content = Content.request

    enum Content: Sendable {
        case request
        case answer(LedgerAnswer)
        case seen(Sight)
        case refused(SequencerError)
    }
}

/// What a read saw.
struct Sight: Sendable {
    let time: Timestamp
    let accounts: [Account?]
}

/// What was put in, in order, until somebody takes it out.
final class Mailbox<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])

    func add(_ element: Element) { elements.withLock { $0.append(element) } }

    func take() -> [Element] {
        elements.withLock { elements in
            defer { elements = [] }
            return elements
        }
    }
}

/// One server process: the real code on the simulated disk.
final class SimulatedServer {
    /// What a server said.
    typealias Outbox = Mailbox<Message>
    /// What was said about snapshots.
    typealias Notices = Mailbox<SnapshotNotice>

    let number: Int
    let journal: FileJournal
    let pipeline: SteppedPipeline<LedgerMachine>
    let outbox = Outbox()
    /// What was said about snapshots.
    let notices: Notices

    /// Opens the journal and recovers, from the newest of the snapshots; throws as a server would
    /// end.
    init(
        _ number: Int, _ disk: SimulatedDisk, snapshots: SimulatedDisk,
        clock: @escaping @Sendable () -> Timestamp, notices: Notices
    ) throws(JournalError) {
        self.number = number
        self.notices = notices
        journal = try FileJournal(disk: disk.mount(), options: SimulatedServer.files)
        var options = CommitOptions()
        options.commandsPerBatch = 4
        options.bytesPerBatch = 12 << 10
        options.waitingCommands = 8
        options.waitingReads = 4
        options.checkpointInterval = 5
        var kept = SnapshotOptions(SnapshotStore(disk: snapshots.mount()))
        kept.notice = { notices.add($0) }
        pipeline = try SteppedPipeline(
            journal: journal, clock: clock, options: options, snapshots: kept)
    }

    /// Small segments, so that new ones are begun often.
    static var files: FileJournal.Options {
        var options = FileJournal.Options()
        options.segmentBytes = 40 << 10
        options.preparesInBackground = false
        return options
    }

    /// Takes a request in, or refuses it at once.
    func receive(_ message: Message) {
        let outbox = outbox
        let reply = { @Sendable (content: Message.Content) in
            outbox.add(message.answered(content))
        }
        let refusal: SequencerError?
        if let command = message.command {
            refusal = pipeline.submit(command, encoded: command.canonicalBytes()) { result in
                switch result {
                case .success(let answer): reply(.answer(answer))
                case .failure(let error): reply(.refused(error))
                }
            }
        } else {
            refusal = pipeline.read { machine in
                Sight(
                    time: machine.now,
                    accounts: Workload.accounts.map { machine.ledger.account(AccountID($0)) })
            } reply: { result in
                switch result {
                case .success(let seen): reply(.seen(seen.0))
                case .failure(let error): reply(.refused(error))
                }
            }
        }
        if let refusal { reply(.refused(refusal)) }
    }
}

extension Message {
    func answered(_ content: Content) -> Message {
        var message = self
        message.content = content
        return message
    }
}
