import Primitives
import Synchronization

/// A journal in a PostgreSQL database: one row per batch in a schema of its own, every commit
/// synced by the server before it counts, one leader at a time.
///
/// Who opens it for writing becomes the leader, with a term of its own that is in each append's
/// condition: a leader that was taken over from cannot write, however late it notices. The tables
/// and the argument are in docs/internals/journal.md.
public final class PostgresJournal: Journal {
    /// What can be chosen.
    public struct Options: Sendable {
        /// Takes the journal over although its leader seems alive: that one is fenced.
        public var takeOver = false
        /// The name that others see as the leader's; the machine and process if empty.
        public var holder = ""
        /// The longest wait for the server. After it an append counts as failed and its outcome
        /// as unknown.
        public var timeout = Duration.seconds(30)
        /// Called once, on the thread that renews the lease, when another leader has taken over,
        /// also while nothing is written: this process must stop, since what it shows to others is
        /// old from then on. Appends fail in any case. It must not close the journal.
        public var onFenced: @Sendable (UInt64) -> Void = { _ in }
        /// **For tests only**: accepts a server that may lose what it has committed.
        public var acceptsUnsafeServer = false

        /// No takeover of a live leader, half a minute, safe servers only.
        public init() {}
    }

    private struct State {
        var connection: PostgresConnection?
        var head: JournalHead
        var recovered = false
        var failure: JournalError?
    }

    /// The term that this opening writes with; for an opening to read, the one that would follow.
    public let term: UInt64
    /// Which journal it is, for people.
    public let place: String

    private let session: PostgresSession
    private let keeper: LeaseKeeper?
    private let state: Mutex<State>
    /// The checkpoints that were there at opening.
    private let openingCheckpoints: [StateCheckpoint]

    /// Opens the journal in `schema` for writing and reading, as its leader, and makes it if the
    /// schema is not there or empty. `conninfo` is libpq's: `host=... dbname=...` or
    /// `postgresql://user@host/database`.
    ///
    /// Throws `locked` while another leader is alive, unless told to take over; `fenced` if
    /// another opening took over at once; `cannotOpen`, `notAJournal`, `unsupportedVersion`,
    /// `damagedFile`, or what the last row shows to be wrong. The chain is verified by `recover`,
    /// not here.
    public convenience init(
        conninfo: String, schema: String = "exchequer", options: Options = Options()
    ) throws(JournalError) {
        var session = PostgresSession(
            address: try PostgresAddress(conninfo), schema: try PostgresSchema(schema),
            options: options)
        let connection = try session.openForWriting()
        let term = try session.takeLead(connection)
        // The lease goes on while the journal is replayed.
        let keeper = LeaseKeeper(term: term, session: session)
        do throws(JournalError) {
            try self.init(session, connection, term: term, keeper: keeper)
        } catch {
            keeper.close()
            throw error
        }
    }

    /// Opens the journal in `schema` for reading only, also while a leader writes it and also on a
    /// standby of its server. Sees the batches that are committed now.
    public convenience init(
        readingOnly conninfo: String, schema: String = "exchequer", options: Options = Options()
    ) throws(JournalError) {
        var session = PostgresSession(
            address: try PostgresAddress(conninfo), schema: try PostgresSchema(schema),
            options: options)
        let connection = try session.openForReading()
        try self.init(session, connection, term: nil, keeper: nil)
    }

    private init(
        _ session: PostgresSession, _ connection: PostgresConnection, term: UInt64?,
        keeper: LeaseKeeper?
    ) throws(JournalError) {
        let prepared: [PostgresConnection.Step] =
            keeper == nil
            ? []
            : [
                .prepare("batch", sql: session.schema.insertBatch),
                .prepare("checkpoint", sql: session.schema.insertCheckpoint),
            ]
        let pages = PostgresConnection.Step.prepare("page", sql: session.schema.selectBatches)
        let head: JournalHead
        do throws(JournalError) {
            try connection.ask(prepared + [pages])
            head = try session.head(connection)
            openingCheckpoints = try session.checkpoints(connection)
        } catch {
            throw error.whileOpening(session.place)
        }
        // Another opening was as quick to take over from this one, and has written already.
        if let term, head.term > term { throw .fenced(term: head.term) }
        self.session = session
        self.keeper = keeper
        place = session.place
        self.term = term ?? head.term + 1
        state = Mutex(State(connection: connection, head: head))
    }

    deinit { try? close() }

    /// How far the journal goes. Before `recover`, what its last row says.
    public var head: JournalHead { state.withLock { $0.head } }

    /// Ends the lease and the connections: another leader may follow at once.
    public func close() throws(JournalError) {
        state.withLock { $0.connection = nil }
        keeper?.close()
    }
}

// MARK: - Reading

extension PostgresJournal {
    /// Reads the batches that were there at opening and verifies the chain over all of them after
    /// `start`.
    public func recover(
        after start: JournalHead,
        _ body: (JournalBatch, JournalEntries) throws(JournalError) -> Void
    ) throws(JournalError) -> JournalHead {
        let end = head
        try verifyChain(
            after: start, upTo: end, latestCheckpoint: openingCheckpoints.last, body
        ) { (last, end, next) throws(JournalError) in
            try batches(after: last, upTo: end, next: next)
        }
        state.withLock { $0.recovered = true }
        return end
    }

    /// The recorded state hashes, by sequence.
    public func checkpoints() throws(JournalError) -> [StateCheckpoint] {
        try withConnection { (connection) throws(JournalError) in
            try session.checkpoints(connection)
        }
    }

    /// A second connection, for reading only.
    public func reader() throws(JournalError) -> any JournalReader {
        var session = session
        let connection = try session.openForReading()
        return Reader(try PostgresJournal(session, connection, term: nil, keeper: nil))
    }

    private final class Reader: JournalReader {
        private let journal: PostgresJournal

        init(_ journal: PostgresJournal) {
            self.journal = journal
        }

        func batches(after sequence: UInt64) throws(JournalError) -> [JournalBatch] {
            try journal.batches(
                after: Int64(sequence), upTo: UInt64(Int64.max), next: sequence + 1)
        }

        func close() { try? journal.close() }
    }

    /// Some batches after `last`: a few megabytes of them.
    private func batches(
        after last: Int64, upTo end: UInt64, next: UInt64
    ) throws(JournalError) -> [JournalBatch] {
        try withConnection { (connection) throws(JournalError) in
            let limits = [last, Int64(end)].map { PostgresConnection.Value.integer($0) }
            let rows = try connection.ask([.call("page", limits)])[0]
            var page: [JournalBatch] = []
            for row in 0..<rows.rows {
                page.append(try JournalBatch(rows, row: row, expected: next + UInt64(row)))
            }
            return page
        }
    }

    private func withConnection<Value: Sendable>(
        _ body: (PostgresConnection) throws(JournalError) -> Value
    ) throws(JournalError) -> Value {
        try state.withLock { (state) throws(JournalError) in
            guard let connection = state.connection else { throw .closed }
            return try body(connection)
        }
    }
}

// MARK: - Writing

extension PostgresJournal {
    /// Commits one batch, if this is still the leader; whatever fails is final.
    public func append(_ batch: JournalBatch) throws(JournalError) {
        try write { (head) throws(JournalError) in
            try head.check(next: batch)
        } _: { (term) in
            let packed = session.schema.packsBodies ? PackedBody.pack(batch.body) : nil
            var values: [PostgresConnection.Value] = [
                .integer(Int64(batch.sequence)), .integer(Int64(batch.term)),
                .integer(Int64(batch.time.nanoseconds)), .integer(Int64(batch.count)),
                .bytes(batch.previousHash.bytes), .bytes(batch.hash.bytes),
                .bytes(packed ?? batch.body), term,
            ]
            if session.schema.packsBodies { values.append(.integer(Int64(batch.body.count))) }
            return .call("batch", values)
        } following: {
            batch.head
        }
    }

    /// Commits one state hash, if this is still the leader.
    public func record(_ checkpoint: StateCheckpoint) throws(JournalError) {
        try write { (head) throws(JournalError) in
            guard checkpoint.sequence <= head.sequence else {
                throw .misplaced("the checkpoint is beyond the head")
            }
        } _: { (term) in
            .call(
                "checkpoint",
                [
                    .integer(Int64(checkpoint.sequence)), .bytes(checkpoint.stateHash.bytes), term,
                ])
        } following: {
            nil
        }
    }

    /// Runs one committing statement. Whatever goes wrong in it is final: without the server's
    /// answer nobody knows whether it was committed.
    private func write(
        checking check: (JournalHead) throws(JournalError) -> Void,
        _ step: (PostgresConnection.Value) -> PostgresConnection.Step,
        following next: () -> JournalHead?
    ) throws(JournalError) {
        guard let keeper else { throw .readOnly }
        try state.withLock { (state) throws(JournalError) in
            guard let connection = state.connection else { throw .closed }
            if case .fenced(let term) = state.failure { throw .fenced(term: term) }
            if state.failure != nil { throw .failedBefore }
            guard state.recovered else { throw .notRecovered }
            try check(state.head)
            do throws(JournalError) {
                if let term = keeper.fencedBy { throw .fenced(term: term) }
                try commit(
                    step(.integer(Int64(term))), on: connection, next: state.head.sequence + 1)
                if let head = next() { state.head = head }
            } catch {
                state.failure = error
                throw error
            }
        }
    }

    private func commit(
        _ step: PostgresConnection.Step, on connection: PostgresConnection, next: UInt64
    ) throws(JournalError) {
        do throws(PostgresError) {
            let changes = try connection.perform([step])[0].changes
            // Such as that a synchronous standby was not waited for.
            if let warning = connection.warning { throw warning }
            if changes == 1 { return }
        } catch {
            if error.sqlState == "23505" { throw .conflict(next) }
            throw JournalError(error)
        }
        let leader = try session.leader(connection)
        guard leader != term else { throw .damagedFile("an insert changed nothing") }
        throw .fenced(term: leader)
    }
}
