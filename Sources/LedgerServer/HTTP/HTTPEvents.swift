import Ledger
import Primitives

/// The bodies of `POST /v1/accounts` and `POST /v1/transfers`.
enum HTTPEvents {
    private static let accountFields = [
        "id", "ledger", "code", "flags", "user_data128", "user_data64", "user_data32",
    ].map { Array($0.utf8) }
    private static let transferFields = [
        "id", "debit_account", "credit_account", "amount", "ledger", "code", "flags", "pending_id",
        "timeout", "user_data128", "user_data64", "user_data32",
    ].map { Array($0.utf8) }

    /// Reads accounts to create.
    static func accounts(_ body: [UInt8]) throws(HTTPFault) -> [Account] {
        var reader = JSONReader(body)
        var accounts: [Account] = []
        try reader.events("accounts", limit: LedgerCommand.eventLimit) {
            (reader) throws(HTTPFault) in
            accounts.append(try account(&reader))
        }
        return accounts
    }

    /// Reads transfers to create.
    static func transfers(_ body: [UInt8]) throws(HTTPFault) -> [Transfer] {
        var reader = JSONReader(body)
        var transfers: [Transfer] = []
        try reader.events("transfers", limit: LedgerCommand.eventLimit) {
            (reader) throws(HTTPFault) in
            transfers.append(try transfer(&reader))
        }
        return transfers
    }

    private static func account(_ reader: inout JSONReader) throws(HTTPFault) -> Account {
        var account = Account(id: .none, ledger: 0, code: 0)
        try reader.object(accountFields, required: 0) { (reader, field) throws(HTTPFault) in
            switch field {
            case 0: account.id = AccountID(try reader.wide())
            case 1: account.ledger = try reader.small()
            case 2: account.code = try reader.small()
            case 3:
                account.flags = AccountFlags(rawValue: try reader.flags(WireNames.accountFlags))
            case 4: account.userData128 = try reader.wide()
            case 5: account.userData64 = UInt64(try reader.wide(UInt128(UInt64.max)))
            default: account.userData32 = try reader.small()
            }
        }
        return account
    }

    private static func transfer(_ reader: inout JSONReader) throws(HTTPFault) -> Transfer {
        var transfer = Transfer(
            id: .none, debitAccount: .none, creditAccount: .none, amount: .zero, ledger: 0, code: 0)
        try reader.object(transferFields, required: 0) { (reader, field) throws(HTTPFault) in
            switch field {
            case 0: transfer.id = TransferID(try reader.wide())
            case 1: transfer.debitAccount = AccountID(try reader.wide())
            case 2: transfer.creditAccount = AccountID(try reader.wide())
            case 3: transfer.amount = Amount(try reader.wide())
            case 4: transfer.ledger = try reader.small()
            case 5: transfer.code = try reader.small()
            case 6:
                transfer.flags = TransferFlags(rawValue: try reader.flags(WireNames.transferFlags))
            case 7: transfer.pendingID = TransferID(try reader.wide())
            case 8: transfer.timeout = try reader.small()
            case 9: transfer.userData128 = try reader.wide()
            case 10: transfer.userData64 = UInt64(try reader.wide(UInt128(UInt64.max)))
            default: transfer.userData32 = try reader.small()
            }
        }
        return transfer
    }
}
