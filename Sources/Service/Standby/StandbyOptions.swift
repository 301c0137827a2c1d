public import Cryptography
public import Primitives
public import Storage

/// Where a standby keeps its copy, and whom it follows.
public struct StandbyOptions: Sendable {
    /// Opens the journal for writing, with at least this term. Called at the start, and once more
    /// when the standby takes over.
    public var open: @Sendable (UInt64) throws(JournalError) -> any Journal
    /// The file beside the journal that holds its `StandbyMark`.
    public var mark: String
    /// Snapshots of the copy, the newest of which its replay begins with.
    public var snapshots: SnapshotStore?
    /// Where it listens for its leader.
    public var host = "127.0.0.1"
    /// The port it listens on; 0 for any free one.
    public var port = 0
    /// The key that this machine shows.
    public var identity: Ed25519.PrivateKey
    /// The key that a leader must show.
    public var leader: PublicKey
    /// How long nothing may come from the leader before the standby takes over: in `sync`, and once
    /// it holds everything. Heartbeats come every half second.
    public var patience = Duration.milliseconds(2_500)
    /// How long a leader may take for the handshake and for each message until it has the lead.
    public var answerTimeout = Duration.seconds(5)
    /// Called with words for the log.
    public var report: @Sendable (String) -> Void = { _ in }

    /// A standby of the leader with this key.
    public init(
        identity: Ed25519.PrivateKey, leader: PublicKey, mark: String,
        open: @escaping @Sendable (UInt64) throws(JournalError) -> any Journal
    ) {
        self.identity = identity
        self.leader = leader
        self.mark = mark
        self.open = open
    }

    /// A standby whose copy is on a disk of this machine.
    ///
    /// Throws `cannotOpen` for a place in PostgreSQL: such a standby is a `PostgresStandby`.
    public init(
        _ place: JournalPlace, identity: Ed25519.PrivateKey, leader: PublicKey
    ) throws(JournalError) {
        guard let mark = place.standbyMark else {
            throw .cannotOpen("\(place)", "a standby keeps no copy of a journal in a database")
        }
        self.init(identity: identity, leader: leader, mark: mark) { (term) throws(JournalError) in
            try place.openForWriting(leastTerm: term)
        }
    }
}
