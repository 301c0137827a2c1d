import Synchronization

/// Who leads a journal in PostgreSQL, and when it last said so: for a standby that watches.
///
/// A lease is news, not a fence: a leader whose lease is old may be slow rather than dead. What
/// keeps it from writing after a takeover is the term in each append.
public final class PostgresLease: Sendable {
    /// What the database says now.
    public struct Reading: Hashable, Sendable {
        /// The leader's term; 0 if nobody led the journal yet.
        public let term: UInt64
        /// The leader's name.
        public let holder: String
        /// How long ago the lease was renewed, by the server's clock; 11 days or more if it was
        /// ended.
        public let age: Duration

        /// Whether the leader renewed its lease in the last `PostgresLease.lifetime`.
        public var isAlive: Bool { age < PostgresLease.lifetime }
    }

    /// How often a leader renews its lease.
    public static let renewal = Duration.seconds(1)
    /// How old a lease is when its leader counts as gone.
    public static let lifetime = Duration.seconds(3)

    private let address: PostgresAddress
    private let schema: PostgresSchema
    private let timeout: Duration
    private let connection = Mutex<PostgresConnection?>(nil)

    /// Nothing is connected yet. Throws `cannotOpen` for a connection string that cannot be read
    /// and `limitExceeded` for a name that cannot be a schema's.
    public init(
        conninfo: String, schema: String = "exchequer", timeout: Duration = .seconds(5)
    ) throws(JournalError) {
        address = try PostgresAddress(conninfo)
        self.schema = try PostgresSchema(schema)
        self.timeout = timeout
    }

    /// Asks the database: one round trip, after the first. Connects again if need be.
    ///
    /// Throws `cannotOpen` while the server is away, `database` if there is no journal,
    /// `damagedFile` if it has not one leader.
    public func read() throws(JournalError) -> Reading {
        try connection.withLock { (connection) throws(JournalError) in
            do throws(JournalError) {
                if connection == nil {
                    connection = try PostgresConnection(opening: address, timeout: timeout)
                }
                guard let connection else { throw .closed }
                return try Reading(try connection.ask(schema.selectLease))
            } catch {
                // A connection that still works is quickly made again.
                connection = nil
                throw error.whileOpening(address.words)
            }
        }
    }

    /// Ends the connection; `read` makes another one.
    public func close() { connection.withLock { $0 = nil } }
}

extension PostgresLease.Reading {
    /// The one row of `PostgresSchema.selectLease`.
    init(_ result: PostgresResult) throws(JournalError) {
        guard result.rows == 1, let term = result.integer(0, 0).flatMap({ UInt64(exactly: $0) }),
            let holder = result.text(0, 1), let microseconds = result.integer(0, 2)
        else { throw .damagedFile("it has not exactly one leader and one lease") }
        self.init(term: term, holder: holder, age: .microseconds(microseconds))
    }
}
