import Primitives
public import Storage
import Synchronization

/// A standby that takes over: its journal, open for writing in a new term and recovered, and the
/// machine that it replayed while it followed. Give it to a `LedgerService` or a `Sequencer`.
public final class Promotion<Machine: JournaledMachine>: Sendable {
    /// The journal; whoever serves it closes it.
    public let journal: any Journal
    /// The last batch, which every acknowledged command is in or before.
    public let head: JournalHead
    private let machine: Mutex<Machine?>

    init(journal: any Journal, head: JournalHead, machine: consuming Machine) {
        self.journal = journal
        self.head = head
        self.machine = Mutex(machine)
    }

    /// The machine as recovered from the journal. It can be taken once.
    func recovered() throws(JournalError) -> RecoveredMachine<Machine> {
        let taken = machine.withLock { machine in
            defer { machine = nil }
            return machine
        }
        guard let taken else { throw .closed }
        return RecoveredMachine(head: head, checkpointed: 0, machine: taken)
    }
}
