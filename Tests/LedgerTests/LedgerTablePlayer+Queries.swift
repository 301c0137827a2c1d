import Ledger
import NaiveLedger
import Primitives

extension LedgerTablePlayer {
    /// Carries out a query line; false if it is none.
    func query(_ action: String, _ line: inout TableLine) throws -> Bool {
        let number = line.number
        func moment(_ word: String) throws -> Timestamp { try self.moment(word, number) }
        switch action {
        case "account-transfers":
            let filter = try line.accountFilter(moment)
            try check(&line, { "\($0.id)" }) { () throws(QueryRefusal) in
                try ledger.accountTransfers(filter)
            }
        case "account-balances":
            let filter = try line.accountFilter(moment)
            try check(&line, written) { () throws(QueryRefusal) in
                try ledger.accountBalances(filter)
            }
        case "query-accounts":
            let filter = try line.queryFilter(moment)
            try check(&line, { "\($0.id)" }) { () throws(QueryRefusal) in
                try ledger.queryAccounts(filter)
            }
        case "query-transfers":
            let filter = try line.queryFilter(moment)
            try check(&line, { "\($0.id)" }) { () throws(QueryRefusal) in
                try ledger.queryTransfers(filter)
            }
        default: return false
        }
        return true
    }

    private func written(_ balance: AccountBalance) -> String {
        let amounts = [
            balance.debitsPending, balance.debitsPosted, balance.creditsPending,
            balance.creditsPosted,
        ]
        return amounts.map { "\($0)" }.joined(separator: "/")
    }

    private func check<Record>(
        _ line: inout TableLine, _ write: (Record) -> String,
        _ query: () throws(QueryRefusal) -> QueryAnswer<Record>
    ) throws {
        let expected = try line.expectedAnswer()
        let number = line.number
        do throws(QueryRefusal) {
            let answer = try query()
            guard case .found(let records, let next) = expected else {
                return expect(false, number, "was not refused")
            }
            let found = answer.records.map(write)
            expect(found == records, number, "found \(found)")
            let wanted = try? next.map { try moment($0, number) }
            expect(answer.next == wanted, number, "next \(answer.next?.nanoseconds ?? 0)")
        } catch {
            expect(.refused(error) == expected, number, "refused: \(error)")
        }
    }

    /// A number, or when a transfer (`t`) or an account (`a`) was created.
    private func moment(_ word: String, _ line: Int) throws -> Timestamp {
        let reader = TableLine(number: line, words: [])
        let found: Timestamp?
        switch word.first {
        case "t":
            let id = TransferID(try reader.number(String(word.dropFirst()), UInt128.self))
            found = ledger.transfer(id)?.timestamp
        case "a":
            let id = AccountID(try reader.number(String(word.dropFirst()), UInt128.self))
            found = ledger.account(id)?.timestamp
        default:
            found = Timestamp(nanoseconds: try reader.number(word, UInt64.self))
        }
        guard let found else { throw TableError(line: line, word: word) }
        return found
    }
}
