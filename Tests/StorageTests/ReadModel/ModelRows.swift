import GRDB
import Ledger
import PostgresHarness
import Primitives
import Storage
import Testing

/// Where the tests fill a read model, and what is in it as text.
struct ModelUnderTest: Sendable {
    let place: JournalPlace
    let scratch: Scratch
    let schema: String?

    static func sqlite() throws -> ModelUnderTest {
        let scratch = try Scratch()
        return ModelUnderTest(
            place: .sqlite(path: "\(scratch.folder)/model"), scratch: scratch, schema: nil)
    }

    static func postgres() throws -> ModelUnderTest {
        let schema = PostgresServer.freshSchema()
        return ModelUnderTest(
            place: .postgres(conninfo: try PostgresServer.shared().conninfo, schema: schema),
            scratch: try Scratch(), schema: schema)
    }

    /// The rows of a query, numbers without the leading zeros that they have in SQLite.
    func rows(_ sql: String) throws -> [[String]] {
        if let schema {
            let session = try PostgresServer.shared().session()
            try session.run("SET search_path = \(schema)")
            return try session.run(sql).map { $0.map { $0 ?? "-" } }
        }
        let database = try DatabaseQueue(path: place.path)
        return try database.read { db in
            try Row.fetchAll(db, sql: sql).map { row in
                row.databaseValues.map { value in
                    let text = String.fromDatabaseValue(value) ?? value.description
                    if value.isNull { return "-" }
                    let isNumber = [20, 39].contains(text.count) && text.allSatisfy(\.isNumber)
                    return isNumber ? "\(UInt128(text) ?? 0)" : text
                }
            }
        }
    }

    /// Checks every table against the ledger that the journal replays to.
    func expectEqual(_ ledger: LedgerState, historyOf: (Account) -> Bool) throws {
        let accounts = try rows(
            """
            SELECT id, ledger, code, flags, debits_pending, debits_posted, credits_pending, \
            credits_posted, user_data_64, timestamp FROM account ORDER BY timestamp
            """)
        #expect(
            accounts
                == ledger.accounts.map {
                    [
                        "\($0.id)", "\($0.ledger)", "\($0.code)", "\($0.flags.rawValue)",
                        "\($0.debitsPending)", "\($0.debitsPosted)", "\($0.creditsPending)",
                        "\($0.creditsPosted)", "\($0.userData64)", "\($0.timestamp.nanoseconds)",
                    ]
                })
        let transfers = try rows(
            """
            SELECT id, debit_account, credit_account, amount, coalesce(pending_id, '0'), \
            user_data_128, timeout, flags, timestamp FROM transfer ORDER BY timestamp
            """.replacing("'0'", with: schema == nil ? "'0'" : "0"))
        #expect(
            transfers
                == ledger.transfers.map {
                    [
                        "\($0.id)", "\($0.debitAccount)", "\($0.creditAccount)", "\($0.amount)",
                        "\($0.pendingID)", "\($0.userData128)", "\($0.timeout)",
                        "\($0.flags.rawValue)", "\($0.timestamp.nanoseconds)",
                    ]
                })
        let pendings = try rows("SELECT id, status FROM pending ORDER BY timestamp")
        #expect(
            pendings
                == ledger.transfers.filter { $0.flags.contains(.pending) }.map { transfer in
                    ["\(transfer.id)", ledger.pendingStatus(transfer.id).map { "\($0)" } ?? ""]
                })
        for account in ledger.accounts where historyOf(account) {
            let last = try rows(
                """
                SELECT debits_pending, debits_posted, credits_pending, credits_posted \
                FROM balance_history WHERE account = \(literal(account.id.value)) \
                ORDER BY change DESC LIMIT 1
                """)
            let now = [
                "\(account.debitsPending)", "\(account.debitsPosted)",
                "\(account.creditsPending)", "\(account.creditsPosted)",
            ]
            #expect(last.first ?? ["0", "0", "0", "0"] == now)
        }
    }

    func literal(_ value: UInt128) -> String {
        let digits = "\(value)"
        if schema != nil { return digits }
        return "'" + String(repeating: "0", count: 39 - digits.count) + digits + "'"
    }
}
