import Foundation
import Ledger
import LedgerServer
import NaiveLedger
import Primitives

/// Asks a server, over both protocols, for what the naive ledger answers.
struct WireQueries {
    let client: WireClient
    let naive: NaiveLedger

    /// What differs: every account, these transfers, and two filters' answers.
    func differences(
        _ transfers: [TransferID], _ account: AccountFilter, _ any: QueryFilter
    ) throws -> [String] {
        var found: [String] = []
        let ids = (1...13).map { AccountID(UInt128($0)) }
        if try client.binary.accounts(ids) != ids.compactMap({ naive.account($0) }) {
            found.append("accounts")
        }
        if !transfers.isEmpty,
            try client.binary.transfers(transfers) != transfers.compactMap({ naive.transfer($0) })
        {
            found.append("transfers")
        }
        for id in ids + [AccountID(.max)] {
            let stored = naive.account(id).map(WireJSON.record)
            if try !answers("/v1/accounts/\(id.value)", stored) { found.append("account \(id)") }
        }
        for id in transfers.suffix(5) {
            let stored = naive.transfer(id).map(WireJSON.record)
            if try !answers("/v1/transfers/\(id.value)", stored) { found.append("transfer \(id)") }
        }
        let outcomes = naive.answers(account, any)
        let operations: [LedgerOperation] = [
            .accountTransfers, .accountBalances, .queryAccounts, .queryTransfers,
        ]
        for (place, outcome) in outcomes.enumerated() {
            let filter = place < 2 ? account.canonicalBytes() : any.canonicalBytes()
            if try ask(operations[place], filter) != WireQueries.bytes(outcome) {
                found.append("\(operations[place]) of \(account) or \(any)")
            }
            if let path = WireQueries.path(operations[place], account, any),
                try !answers(path, outcome)
            {
                found.append(path)
            }
        }
        return found
    }

    /// The reply's body, or the number of the refusal.
    private func ask(
        _ operation: LedgerOperation, _ body: [UInt8]
    ) throws -> Result<[UInt8], RefusalNumber> {
        do throws(LedgerClientError) {
            return .success(try client.binary.ask(operation, body))
        } catch {
            guard case .refused(let number, _) = error else { throw error }
            return .failure(RefusalNumber(value: number))
        }
    }

    private struct RefusalNumber: Error, Equatable { let value: UInt16 }

    private static func bytes(_ outcome: QueryOutcome) -> Result<[UInt8], RefusalNumber> {
        func page(_ next: Timestamp?, _ records: [UInt8]) -> Result<[UInt8], RefusalNumber> {
            var writer = ByteWriter()
            writer.write(next ?? .zero)
            writer.writeRaw(records)
            return .success(writer.bytes)
        }
        return switch outcome {
        case .transfers(let answer): page(answer.next, Transfer.wireBytes(answer.records))
        case .accounts(let answer): page(answer.next, Account.wireBytes(answer.records))
        case .balances(let answer):
            page(answer.next, answer.records.flatMap { $0.canonicalBytes() })
        case .refused(let refusal):
            .failure(RefusalNumber(value: UInt16(100 + refusal.rawValue)))
        }
    }

    /// Whether a path leads to this record, or to none.
    private func answers(_ path: String, _ record: [String: Any]?) throws -> Bool {
        let answer = try client.web.get(path)
        guard let record else { return answer.status == 404 }
        return try answer.status == 200 && WireJSON.areEqual(answer.json, record)
    }

    private func answers(_ path: String, _ outcome: QueryOutcome) throws -> Bool {
        let answer = try client.web.get(path)
        let page: [String: Any]
        switch outcome {
        case .transfers(let found): page = WireJSON.page(found, WireJSON.record)
        case .accounts(let found): page = WireJSON.page(found, WireJSON.record)
        case .balances(let found): page = WireJSON.page(found, WireJSON.record)
        case .refused(let refusal):
            return answer.status == 400
                && answer.error["rejection"] as? Int == Int(100 + refusal.rawValue)
        }
        return try answer.status == 200 && WireJSON.areEqual(answer.json, page)
    }

    /// The path that asks the same; `nil` if a flag of the filter has no name.
    private static func path(
        _ operation: LedgerOperation, _ account: AccountFilter, _ any: QueryFilter
    ) -> String? {
        switch operation {
        case .accountTransfers, .accountBalances:
            guard account.flags.rawValue <= 7 else { return nil }
            let end = operation == .accountTransfers ? "transfers" : "balances"
            return
                "/v1/accounts/\(account.account.value)/\(end)?user_data128=\(account.userData128)"
                + "&user_data64=\(account.userData64)&user_data32=\(account.userData32)"
                + "&code=\(account.code)&limit=\(account.limit)"
                + "&timestamp_min=\(account.timestampMin.nanoseconds)"
                + "&timestamp_max=\(account.timestampMax.nanoseconds)"
                + "&debits=\(account.flags.contains(.debits))"
                + "&credits=\(account.flags.contains(.credits))"
                + "&reversed=\(account.flags.contains(.reversed))"
        default:
            guard any.flags.rawValue <= 1 else { return nil }
            let kind = operation == .queryAccounts ? "accounts" : "transfers"
            return "/v1/\(kind)?user_data128=\(any.userData128)&user_data64=\(any.userData64)"
                + "&user_data32=\(any.userData32)&ledger=\(any.ledger)&code=\(any.code)"
                + "&limit=\(any.limit)&timestamp_min=\(any.timestampMin.nanoseconds)"
                + "&timestamp_max=\(any.timestampMax.nanoseconds)"
                + "&reversed=\(any.flags.contains(.reversed))"
        }
    }
}
