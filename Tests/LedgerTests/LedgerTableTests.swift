import Ledger
import NaiveLedger
import Primitives
import Testing

@Suite("Ledger tables")
struct LedgerTableTests {
    static let tables =
        LedgerTable.accounts + LedgerTable.transfers + LedgerTable.resolving + LedgerTable.chains
        + LedgerTable.queries

    @Test(arguments: tables)
    func ledgerAnswersAsWritten(_ table: LedgerTable) throws {
        var player = LedgerTablePlayer<LedgerState>(table)
        try player.play()
    }

    @Test(arguments: tables)
    func naiveTwinAnswersAsWritten(_ table: LedgerTable) throws {
        var player = LedgerTablePlayer<NaiveLedger>(table)
        try player.play()
    }

    @Test func everyAccountStatusHasARow() {
        let rows = Set(Self.tables.flatMap { $0.expectedStatuses("account") })
        for status in CreateAccountStatus.allCases {
            #expect(rows.contains("\(status)") != status.isReserved, "\(status)")
        }
    }

    @Test func everyTransferStatusHasARow() {
        let rows = Set(Self.tables.flatMap { $0.expectedStatuses("transfer") })
        for status in CreateTransferStatus.allCases {
            #expect(rows.contains("\(status)") != status.isReserved, "\(status)")
        }
    }

    @Test func everyRefusalOfAQueryHasARow() {
        for kind in ["account-transfers", "account-balances"] {
            let rows = Set(Self.tables.flatMap { $0.expectedStatuses(kind) })
            for refusal in QueryRefusal.allCases {
                #expect(rows.contains("\(refusal)"), "\(refusal)")
            }
        }
    }

    @Test func numbersAreThoseOfTheWire() {
        // 0 to 68 and 0 to 26 without gaps but for 0, which was "ok" once, and `created`.
        let transfers = CreateTransferStatus.allCases.map(\.rawValue).sorted()
        #expect(transfers == Array(1...68) + [UInt32.max])
        let accounts = CreateAccountStatus.allCases.map(\.rawValue).sorted()
        #expect(accounts == Array(1...26) + [UInt32.max])
        #expect(QueryRefusal.allCases.map(\.rawValue) == Array(1...7))
        #expect(CreateTransferStatus.allCases.count(where: \.isTransient) == 7)
    }
}
