import Foundation
import Ledger
import LedgerServer
import Primitives

/// A command and the way it goes: the binary protocol or HTTP.
struct WireRequest: Sendable {
    let command: LedgerCommand
    let isWeb: Bool

    /// Goes over HTTP if it is wanted and JSON can say it.
    init(_ command: LedgerCommand, prefersWeb: Bool) {
        self.command = command
        isWeb = prefersWeb && WireRequest.canBeJSON(command)
    }

    /// JSON has no field for what only the server writes, and no name for a flag that is none.
    private static func canBeJSON(_ command: LedgerCommand) -> Bool {
        switch command {
        case .pulse: return false
        case .createAccounts(let accounts):
            return accounts.allSatisfy { account in
                var plain = Account(
                    id: account.id, ledger: account.ledger, code: account.code,
                    flags: account.flags)
                plain.userData128 = account.userData128
                plain.userData64 = account.userData64
                plain.userData32 = account.userData32
                return plain == account && account.flags.rawValue & ~0b10_1111 == 0
            }
        case .createTransfers(let transfers):
            return transfers.allSatisfy { $0.timestamp == .zero && $0.flags.rawValue <= 255 }
        }
    }
}

/// What came of one event, however it was asked for.
struct WireResult: Equatable, Sendable {
    let number: UInt32
    let timestamp: UInt64
}

extension WireResult {
    static func all(_ answer: LedgerAnswer) -> [WireResult] {
        switch answer {
        case .accounts(let results):
            results.map {
                WireResult(number: $0.status.rawValue, timestamp: $0.timestamp.nanoseconds)
            }
        case .transfers(let results):
            results.map {
                WireResult(number: $0.status.rawValue, timestamp: $0.timestamp.nanoseconds)
            }
        case .pulsed: []
        }
    }
}

/// A client of both protocols, on two connections.
final class WireClient {
    let binary: LedgerClient
    let web: WebClient

    init(_ port: Int, _ httpPort: Int) throws {
        binary = try LedgerClient(port: port).withPatience()
        web = try WebClient(port: httpPort)
    }

    func send(_ request: WireRequest) throws -> [WireResult] {
        switch request.command {
        case .createAccounts(let accounts):
            if request.isWeb { return try post("accounts", accounts.map(WireJSON.request)) }
            return WireResult.all(.accounts(try binary.createAccounts(accounts)))
        case .createTransfers(let transfers):
            if request.isWeb { return try post("transfers", transfers.map(WireJSON.request)) }
            return WireResult.all(.transfers(try binary.createTransfers(transfers)))
        case .pulse: return []
        }
    }

    private func post(_ kind: String, _ events: [[String: Any]]) throws -> [WireResult] {
        let body = try JSONSerialization.data(withJSONObject: [kind: events])
        let answer = try web.post("/v1/\(kind)", Array(body))
        guard answer.status == 200, let results = answer.json["results"] as? [[String: Any]] else {
            throw LedgerClientError.disconnected("\(answer.status): \(answer.body.prefix(300))")
        }
        return results.compactMap { result in
            guard let number = result["number"] as? NSNumber,
                let timestamp = (result["timestamp"] as? String).flatMap({ UInt64($0) })
            else { return nil }
            return WireResult(number: number.uint32Value, timestamp: timestamp)
        }
    }
}

/// Records as the documentation's JSON, written without the server's code.
enum WireJSON {
    private static let accountFlags = [
        (1, "linked"), (2, "debits_must_not_exceed_credits"), (4, "credits_must_not_exceed_debits"),
        (8, "history"), (32, "closed"),
    ]
    private static let transferFlags = [
        (1, "linked"), (2, "pending"), (4, "post_pending"), (8, "void_pending"),
        (16, "balancing_debit"), (32, "balancing_credit"), (64, "closing_debit"),
        (128, "closing_credit"),
    ]

    private static func names(_ bits: UInt16, _ names: [(Int, String)]) -> [String] {
        names.filter { Int(bits) & $0.0 != 0 }.map(\.1)
    }

    static func request(_ account: Account) -> [String: Any] {
        [
            "id": "\(account.id.value)", "ledger": account.ledger, "code": account.code,
            "flags": names(account.flags.rawValue, accountFlags),
            "user_data128": "\(account.userData128)", "user_data64": "\(account.userData64)",
            "user_data32": account.userData32,
        ]
    }

    static func request(_ transfer: Transfer) -> [String: Any] {
        [
            "id": "\(transfer.id.value)", "debit_account": "\(transfer.debitAccount.value)",
            "credit_account": "\(transfer.creditAccount.value)",
            "amount": "\(transfer.amount.units)", "pending_id": "\(transfer.pendingID.value)",
            "user_data128": "\(transfer.userData128)", "user_data64": "\(transfer.userData64)",
            "user_data32": transfer.userData32, "timeout": transfer.timeout,
            "ledger": transfer.ledger, "code": transfer.code,
            "flags": names(transfer.flags.rawValue, transferFlags),
        ]
    }

    static func record(_ account: Account) -> [String: Any] {
        var record = request(account)
        record["timestamp"] = "\(account.timestamp.nanoseconds)"
        record["debits_pending"] = "\(account.debitsPending.units)"
        record["debits_posted"] = "\(account.debitsPosted.units)"
        record["credits_pending"] = "\(account.creditsPending.units)"
        record["credits_posted"] = "\(account.creditsPosted.units)"
        return record
    }

    static func record(_ transfer: Transfer) -> [String: Any] {
        var record = request(transfer)
        record["timestamp"] = "\(transfer.timestamp.nanoseconds)"
        return record
    }

    static func record(_ balance: AccountBalance) -> [String: Any] {
        [
            "debits_pending": "\(balance.debitsPending.units)",
            "debits_posted": "\(balance.debitsPosted.units)",
            "credits_pending": "\(balance.creditsPending.units)",
            "credits_posted": "\(balance.creditsPosted.units)",
            "timestamp": "\(balance.timestamp.nanoseconds)",
        ]
    }

    static func page<Record>(
        _ answer: QueryAnswer<Record>, _ record: (Record) -> [String: Any]
    ) -> [String: Any] {
        let next: Any = answer.next.map { "\($0.nanoseconds)" } ?? NSNull()
        return ["data": answer.records.map(record), "next": next]
    }

    static func areEqual(_ one: [String: Any], _ other: [String: Any]) throws -> Bool {
        func text(_ object: [String: Any]) throws -> Data {
            try JSONSerialization.data(withJSONObject: object, options: .sortedKeys)
        }
        return try text(one) == text(other)
    }
}
