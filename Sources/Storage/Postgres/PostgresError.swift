/// What a PostgreSQL server, or the way to it, says is wrong.
struct PostgresError: Error {
    /// Five characters of the server's (its manual's appendix A); empty if libpq says it.
    let sqlState: String
    /// The words, without passwords.
    let words: String
    /// Whether nothing more can be asked on this connection: what was under way is unknown.
    let isConnectionLost: Bool

    init(sqlState: String = "", _ words: String, isConnectionLost: Bool = false) {
        self.sqlState = sqlState
        self.words = words
        // Class 57P: the server stops, or ends this session.
        self.isConnectionLost =
            isConnectionLost || sqlState.hasPrefix("57P") || sqlState.hasPrefix("08")
    }

    /// Whether someone else made the same table, row or schema first.
    var isDuplicate: Bool { ["23505", "42P06", "42P07"].contains(sqlState) }
}

extension JournalError {
    /// What an error of PostgreSQL means for a journal.
    init(_ error: PostgresError) {
        let coded = error.sqlState.isEmpty ? error.words : "\(error.words) (\(error.sqlState))"
        switch error.sqlState {
        case "53100": self = .diskFull(coded)
        case "58030": self = .inputOutput(0, coded)
        case "XX001", "XX002": self = .damagedFile(coded)
        default: self = error.isConnectionLost ? .connectionLost(coded) : .database(0, coded)
        }
    }

    /// The same error while the journal at `place` is opened: then nothing was under way.
    func whileOpening(_ place: String) -> JournalError {
        switch self {
        case .connectionLost(let words): .unreachable(place, words)
        case .database(_, let words): .cannotOpen(place, words)
        default: self
        }
    }
}

extension PostgresConnection {
    /// A connection, or the reason in the journal's terms.
    convenience init(opening address: PostgresAddress, timeout: Duration) throws(JournalError) {
        do throws(PostgresError) {
            try self.init(address, timeout: timeout)
        } catch {
            throw JournalError(error)
        }
    }

    /// `perform`, in the journal's terms.
    @discardableResult
    func ask(_ steps: [Step]) throws(JournalError) -> [PostgresResult] {
        do throws(PostgresError) {
            return try perform(steps)
        } catch {
            throw JournalError(error)
        }
    }

    /// Asks one statement.
    @discardableResult
    func ask(_ sql: String, _ values: [Value] = []) throws(JournalError) -> PostgresResult {
        try ask([.run(sql, values)])[0]
    }
}
