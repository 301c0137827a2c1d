/// Where a journal is and which kind it is, as people write it on a command line:
///
/// - `sqlite:PATH`, one SQLite file;
/// - `file:FOLDER`, a folder of append files;
/// - `postgres:CONNINFO` or `postgres:CONNINFO#SCHEMA`, a schema of a PostgreSQL database, with
///   libpq's connection string (`host=... dbname=...` or `postgresql://user@host/database`, which
///   needs no `postgres:` before it); the schema is `exchequer` unless given;
/// - a bare path: a folder is one of append files, anything else a SQLite file.
public enum JournalPlace: Hashable, Sendable {
    /// A SQLite file.
    case sqlite(path: String)
    /// A folder of append files.
    case file(folder: String)
    /// A schema of a PostgreSQL database.
    case postgres(conninfo: String, schema: String)

    /// The schema of a PostgreSQL journal whose place names none.
    public static let defaultSchema = "exchequer"

    /// Reads a place as people write it. Only for a bare path the disk is looked at.
    ///
    /// Throws `cannotOpen` for an empty path, an unknown kind or a connection string that cannot
    /// be read, and `limitExceeded` for a schema's name that is not one.
    public init(_ text: String) throws(JournalError) {
        if let address = JournalPlace.postgresAddress(text) {
            let parts = JournalPlace.splitSchema(address)
            _ = try PostgresAddress(parts.conninfo)
            _ = try PostgresSchema(parts.schema)
            self = .postgres(conninfo: parts.conninfo, schema: parts.schema)
        } else if text.hasPrefix("sqlite:") {
            self = .sqlite(path: try JournalPlace.path(text.dropFirst(7), in: text))
        } else if text.hasPrefix("file:") {
            self = .file(folder: try JournalPlace.path(text.dropFirst(5), in: text))
        } else {
            let path = try JournalPlace.path(text[...], in: text)
            if let colon = text.firstIndex(of: ":"), !text[..<colon].contains("/") {
                throw .cannotOpen(
                    text,
                    "there is no kind of journal named \(text[..<colon]): a place is sqlite:PATH, "
                        + "file:FOLDER, postgres:CONNINFO#SCHEMA or a path")
            }
            self = SystemError.isFolder(path) ? .file(folder: path) : .sqlite(path: path)
        }
    }

    /// Opens the journal for writing and reading, and makes it if there is none. `takeOver` takes a
    /// PostgreSQL journal over although its leader seems alive; for the other kinds, whose lock is
    /// the operating system's, there is nothing to take over, and it is refused. `onFenced` is
    /// called once if such a journal is taken over from this opening.
    ///
    /// Throws as the journal's own initializer does, and `cannotOpen` for such a `takeOver` and for
    /// the copy of a standby that has not taken over: what is written there would be a second
    /// history.
    public func openForWriting(
        takeOver: Bool = false, onFenced: @escaping @Sendable (UInt64) -> Void = { _ in }
    ) throws(JournalError) -> any Journal {
        guard case .postgres(let conninfo, let schema) = self else {
            if takeOver {
                throw .cannotOpen(
                    "\(self)", "only a journal in PostgreSQL is taken over: stop its writer instead"
                )
            }
            let mark = try standbyMark.map { (path) throws(JournalError) in
                try StandbyMark(readingFrom: path)
            }
            if let mark, mark.term > 0, !mark.isPromoted {
                throw .cannotOpen(
                    "\(self)",
                    "it is a standby's copy of its leader's journal: start it as a standby, which "
                        + "can be promoted")
            }
            return try openForWriting(leastTerm: (mark?.term ?? 0) + 1)
        }
        var options = PostgresJournal.Options()
        options.takeOver = takeOver
        options.onFenced = onFenced
        return try PostgresJournal(conninfo: conninfo, schema: schema, options: options)
    }

    /// Opens the journal for writing with at least this term, as its standby does, whatever its
    /// mark says.
    ///
    /// Throws as the journal's own initializer does, and `cannotOpen` for one in PostgreSQL, where
    /// the database gives the terms.
    public func openForWriting(leastTerm: UInt64) throws(JournalError) -> any Journal {
        switch self {
        case .sqlite(let path):
            var options = SQLiteJournal.Options()
            options.leastTerm = leastTerm
            return try SQLiteJournal(path: path, options: options)
        case .file(let folder):
            var options = FileJournal.Options()
            options.leastTerm = leastTerm
            return try FileJournal(path: folder, options: options)
        case .postgres: throw .cannotOpen("\(self)", "a database gives the terms itself")
        }
    }

    /// Opens a journal that is there, for reading only, also while another process writes it.
    ///
    /// Throws as the journal's own initializer does.
    public func openForReading() throws(JournalError) -> any Journal {
        switch self {
        case .sqlite(let path): try SQLiteJournal(readingOnly: path)
        case .file(let folder): try FileJournal(readingOnly: folder)
        case .postgres(let conninfo, let schema):
            try PostgresJournal(readingOnly: conninfo, schema: schema)
        }
    }

    /// The file or folder; empty in a database.
    public var path: String {
        switch self {
        case .sqlite(let path): path
        case .file(let folder): folder
        case .postgres: ""
        }
    }

    /// The folder for snapshots beside the journal; `nil` of one in a database, whose snapshots are
    /// in a folder that somebody names.
    public var snapshotFolder: String? { beside(".snapshots") }

    /// The file beside a standby's copy that holds its `StandbyMark`; `nil` of a journal in a
    /// database, which nobody copies.
    public var standbyMark: String? { beside(".standby") }

    private func beside(_ suffix: String) -> String? {
        switch self {
        case .sqlite, .file: JournalPlace.withoutSlash(path) + suffix
        case .postgres: nil
        }
    }

    /// The connection string, if the text names a PostgreSQL database.
    private static func postgresAddress(_ text: String) -> String? {
        for scheme in ["postgres://", "postgresql://"] where text.hasPrefix(scheme) { return text }
        return text.hasPrefix("postgres:") ? String(text.dropFirst(9)) : nil
    }

    /// The schema is what follows the last `#`, so a connection string with a `#` in it needs one.
    private static func splitSchema(_ text: String) -> (conninfo: String, schema: String) {
        guard let mark = text.lastIndex(of: "#") else { return (text, defaultSchema) }
        return (String(text[..<mark]), String(text[text.index(after: mark)...]))
    }

    private static func withoutSlash(_ path: String) -> String {
        path.count > 1 && path.hasSuffix("/") ? withoutSlash(String(path.dropLast())) : path
    }

    private static func path(_ path: Substring, in text: String) throws(JournalError) -> String {
        guard !path.isEmpty else { throw .cannotOpen("\"\(text)\"", "it names no path") }
        guard !path.unicodeScalars.contains("\0") else {
            throw .cannotOpen("the path", "it holds a zero byte")
        }
        return String(path)
    }
}

extension JournalPlace: CustomStringConvertible {
    /// The place for people; of a database without its password.
    public var description: String {
        switch self {
        case .sqlite(let path): "sqlite:\(path)"
        case .file(let folder): "file:\(folder)"
        case .postgres(let conninfo, let schema):
            ((try? PostgresAddress(conninfo))?.words ?? "PostgreSQL") + ", schema \(schema)"
        }
    }
}
