/// The tables of a journal in a PostgreSQL schema of its own, and how to tell that a schema is one.
struct PostgresSchema: Sendable {
    /// The versions of the format that are known; a new journal gets the last. In version 1 bodies
    /// are stored as they are; since version 2 packed if that is shorter than their `size`.
    static let versions: ClosedRange<Int64> = 1...2

    /// The schema's name.
    let name: String
    /// The version of its format.
    var version = PostgresSchema.versions.upperBound

    /// Whether bodies may be packed.
    var packsBodies: Bool { version >= 2 }

    /// Throws `limitExceeded` unless the name is 1 to 63 of `a-z 0-9 _`, does not start with a
    /// digit and is none of the server's own.
    init(_ name: String) throws(JournalError) {
        let scalars = name.unicodeScalars
        let allowed = scalars.allSatisfy {
            ("a"..."z").contains($0) || ("0"..."9").contains($0) || $0 == "_"
        }
        guard allowed, (1...63).contains(scalars.count), !name.hasPrefix("pg_"),
            name != "information_schema", let first = scalars.first, !("0"..."9").contains(first)
        else { throw .limitExceeded("a schema's name: 1 to 63 of a-z, 0-9 and _, no digit first") }
        self.name = name
    }

    /// What makes the tables, in this order, in one transaction.
    func creation(withSchema: Bool) -> [PostgresConnection.Step] {
        let tables = """
            CREATE TABLE \(name).format(version bigint PRIMARY KEY)
            INSERT INTO \(name).format VALUES (\(version))
            CREATE TABLE \(name).journal(seq bigint PRIMARY KEY, term bigint NOT NULL, \
            time bigint NOT NULL, count integer NOT NULL, previous_hash bytea NOT NULL, \
            hash bytea NOT NULL, body bytea NOT NULL\(packsBodies ? ", size integer NOT NULL" : ""))
            ALTER TABLE \(name).journal ALTER body SET STORAGE EXTERNAL
            CREATE TABLE \(name).checkpoint(seq bigint PRIMARY KEY, state_hash bytea NOT NULL)
            CREATE TABLE \(name).leader(term bigint PRIMARY KEY, holder text NOT NULL)
            INSERT INTO \(name).leader VALUES (0, '')
            CREATE TABLE \(name).lease(term bigint PRIMARY KEY, renewed_at timestamptz NOT NULL)
            INSERT INTO \(name).lease VALUES (0, 'epoch')
            """
        let schema = withSchema ? ["CREATE SCHEMA \(name)"] : []
        return (schema + tables.split(separator: "\n").map(String.init)).map { .run($0) }
    }

    /// Every table as one line: name, kind, columns, primary key. Whatever could change or drop a
    /// row behind the journal's back (a trigger, a rule, an unlogged table) shows in it.
    static let layout = """
        SELECT c.relname || ' ' || c.relkind::text || c.relpersistence::text || ' ' \
        || coalesce((SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || \
        CASE WHEN a.attnotnull THEN '' ELSE '?' END, ', ' ORDER BY a.attnum) \
        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '') \
        || ' ' || coalesce((SELECT string_agg(i.indkey::text || CASE WHEN i.indisprimary AND \
        i.indisvalid THEN ' key' ELSE ' index' END, ', ' ORDER BY i.indexrelid) \
        FROM pg_index i WHERE i.indrelid = c.oid), '') \
        || CASE WHEN EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid) \
        OR EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid) \
        OR EXISTS (SELECT FROM pg_inherits h WHERE h.inhparent = c.oid) \
        OR c.relrowsecurity OR c.relispartition THEN ' altered' ELSE '' END \
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
        WHERE n.nspname = $1::text AND c.relkind NOT IN ('i', 'I') ORDER BY c.relname COLLATE "C"
        """

    /// What `layout` gives for a journal.
    var expectedLayout: [String] {
        [
            "checkpoint rp seq bigint, state_hash bytea 1 key",
            "format rp version bigint 1 key",
            "journal rp seq bigint, term bigint, time bigint, count integer, previous_hash bytea, "
                + "hash bytea, body bytea\(packsBodies ? ", size integer" : "") 1 key",
            "leader rp term bigint, holder text 1 key",
            "lease rp term bigint, renewed_at timestamp with time zone 1 key",
        ]
    }

    /// A batch, if `$8` is still the leader's term. The lock on the leader's row lasts until the
    /// commit: a takeover waits for it, and one that came first is seen.
    var insertBatch: String {
        """
        WITH held AS (SELECT FROM \(name).leader WHERE term = $8::int8 FOR SHARE) \
        INSERT INTO \(name).journal(seq, term, time, count, previous_hash, hash, body\
        \(packsBodies ? ", size" : "")) SELECT $1::int8, $2::int8, $3::int8, $4::int8, $5::bytea, \
        $6::bytea, $7::bytea\(packsBodies ? ", $9::int8" : "") FROM held
        """
    }

    /// A state hash, if `$3` is still the leader's term.
    var insertCheckpoint: String {
        """
        WITH held AS (SELECT FROM \(name).leader WHERE term = $3::int8 FOR SHARE) \
        INSERT INTO \(name).checkpoint(seq, state_hash) SELECT $1::int8, $2::bytea FROM held \
        ON CONFLICT (seq) DO UPDATE SET state_hash = excluded.state_hash
        """
    }

    /// Batches after `$1` up to `$2`: at most 1,024, and no more once there are 4 MiB of bodies. A
    /// body over the limit comes as NULL. Last comes its size unpacked.
    var selectBatches: String {
        let size = packsBodies ? "size" : "octet_length(body) AS size"
        return """
            SELECT seq, term, time, count::int8, previous_hash, hash, \
            CASE WHEN greatest(size, octet_length(body)) <= \(JournalLimits.bodyBytes) THEN body \
            END, size::int8 FROM (\
            SELECT *, sum(size::int8) OVER (ORDER BY seq) AS total FROM (\
            SELECT seq, term, time, count, previous_hash, hash, body, \(size) \
            FROM \(name).journal WHERE seq > $1::int8 AND seq <= $2::int8 \
            ORDER BY seq LIMIT 1024) AS first) AS sized \
            WHERE total - size < \(4 << 20) ORDER BY seq
            """
    }

    var selectLast: String {
        """
        SELECT seq, term, time, count::int8, previous_hash, hash, ''::bytea, 0::int8 \
        FROM \(name).journal ORDER BY seq DESC LIMIT 1
        """
    }

    var selectCheckpoints: String { "SELECT seq, state_hash FROM \(name).checkpoint ORDER BY seq" }

    var selectVersion: String { "SELECT version FROM \(name).format" }

    var selectLeader: String { "SELECT term FROM \(name).leader" }

    /// The leader's row, held until the end of the transaction: waits for an append under way.
    var lockLeader: String { "SELECT term FROM \(name).leader FOR UPDATE" }

    /// Term and holder of the leader, and how many microseconds ago its lease was renewed by the
    /// server's clock. A time far in the future comes from a clock that was set back: old as well.
    var selectLease: String {
        """
        SELECT leader.term, leader.holder, (least(abs(extract(\
        epoch FROM clock_timestamp() - lease.renewed_at)), 1e9) * 1000000)::int8 \
        FROM \(name).leader, \(name).lease
        """
    }

    /// Makes `$1` the leader's term, held by `$2`.
    var takeLeader: String { "UPDATE \(name).leader SET term = $1::int8, holder = $2::text" }

    /// Starts the lease of term `$1`.
    var takeLease: String {
        "UPDATE \(name).lease SET term = $1::int8, renewed_at = clock_timestamp()"
    }

    /// Renews the lease, if it is still of term `$1`.
    var renewLease: String {
        "UPDATE \(name).lease SET renewed_at = clock_timestamp() WHERE term = $1::int8"
    }

    /// Ends the lease of term `$1`: anyone may take over at once.
    var endLease: String {
        "UPDATE \(name).lease SET renewed_at = 'epoch' WHERE term = $1::int8"
    }
}

extension JournalBatch {
    /// Reads a row as it is; throws `malformedRow` for values out of range.
    init(_ result: PostgresResult, row: Int, expected: UInt64) throws(JournalError) {
        try self.init(expected: expected) {
            result.integer(row, $0)
        } bytes: { column in
            guard let bytes = result.bytes(row, column), column == 6 else {
                return result.bytes(row, column)
            }
            guard let size = result.integer(row, 7) else { return nil }
            return bytes.count == size ? bytes : PackedBody.unpack(bytes, size: Int(size))
        }
    }
}
