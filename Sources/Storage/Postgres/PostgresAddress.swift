import CPostgres

/// Where a PostgreSQL server is and who connects to it: a libpq connection string, taken apart.
struct PostgresAddress: Sendable {
    /// libpq's keywords and their values, ours included.
    let parameters: [(keyword: String, value: String)]
    /// Where it leads, for people; holds no password.
    let words: String
    private let secrets: [String]

    /// Takes `PostgresAddress.parse(conninfo)`: `host=... dbname=...` or a `postgresql://` address.
    ///
    /// Throws `cannotOpen`. What libpq says of a string that it cannot read may repeat a password
    /// in it, so it is not passed on.
    init(_ conninfo: String) throws(JournalError) {
        guard let found = PostgresAddress.parse(conninfo) else {
            throw .cannotOpen("PostgreSQL", "its connection string cannot be read")
        }
        func value(_ keyword: String) -> String? {
            found.first { $0.keyword == keyword }?.value
        }
        let name = value("dbname") ?? ""
        guard !name.contains("="), !name.contains("://") else {
            throw .cannotOpen("PostgreSQL", "its connection string has another one as dbname")
        }
        let host = value("host") ?? value("hostaddr") ?? "this machine"
        words =
            "PostgreSQL at \(host)" + (value("port").map { ":\($0)" } ?? "")
            + (name.isEmpty ? "" : ", database \(name)")
        secrets = ["password", "sslpassword"].compactMap(value).filter { !$0.isEmpty }
        let forced = [("client_encoding", "UTF8"), ("fallback_application_name", "exchequer")]
        // A server that is gone without a word is noticed by its silence.
        let defaults = [
            ("connect_timeout", "10"), ("keepalives_idle", "5"), ("keepalives_interval", "2"),
            ("keepalives_count", "3"), ("tcp_user_timeout", "15000"),
        ]
        parameters =
            found.filter { pair in
                pair.keyword != "replication" && !forced.contains { $0.0 == pair.keyword }
            } + forced.map { (keyword: $0.0, value: $0.1) }
            + defaults.filter { value($0.0) == nil }.map { (keyword: $0.0, value: $0.1) }
    }

    /// A server's words without this address's passwords, on one line.
    func withoutSecrets(_ text: String) -> String {
        var clean = text.split(whereSeparator: \.isNewline).joined(separator: " ")
        for secret in secrets { clean = clean.replacing(secret, with: "***") }
        return clean
    }

    /// The keywords that a connection string gives; `nil` if it cannot be read.
    private static func parse(_ conninfo: String) -> [(keyword: String, value: String)]? {
        var message: UnsafeMutablePointer<CChar>?
        guard let options = unsafe PQconninfoParse(conninfo, &message) else {
            unsafe PQfreemem(message)
            return nil
        }
        defer { unsafe PQconninfoFree(options) }
        var found: [(keyword: String, value: String)] = []
        var place = 0
        while let keyword = unsafe options[place].keyword {
            if let value = unsafe options[place].val {
                unsafe found.append((String(cString: keyword), String(cString: value)))
            }
            place += 1
        }
        return found
    }
}
