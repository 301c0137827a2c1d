import Ledger
import Primitives

/// The tables that every read model has: docs/reference/read-model.md.
enum LedgerTables {
    static let all = [account, transfer, pending, history]

    static let account = ReadModelTable(
        "account",
        [
            ("timestamp", .integer), ("id", .wide), ("ledger", .integer), ("code", .integer),
            ("flags", .integer), ("debits_pending", .wide), ("debits_posted", .wide),
            ("credits_pending", .wide), ("credits_posted", .wide), ("user_data_128", .wide),
            ("user_data_64", .number(digits: 20)), ("user_data_32", .integer),
        ],
        indexes: ["unique id", "ledger, code", "user_data_128"])

    static let transfer = ReadModelTable(
        "transfer",
        [
            ("timestamp", .integer), ("id", .wide), ("debit_account", .wide),
            ("credit_account", .wide), ("amount", .wide), ("pending_id", .wide),
            ("user_data_128", .wide), ("user_data_64", .number(digits: 20)),
            ("user_data_32", .integer), ("timeout", .integer), ("ledger", .integer),
            ("code", .integer), ("flags", .integer), ("batch", .integer),
        ], optional: ["pending_id"],
        indexes: [
            "unique id", "debit_account, timestamp", "credit_account, timestamp", "pending_id",
            "user_data_128, timestamp",
        ])

    static let pending = ReadModelTable(
        "pending",
        [
            ("timestamp", .integer), ("id", .wide), ("status", .text), ("expires_at", .integer),
            ("resolved_by", .wide), ("resolved_at", .integer), ("posted", .wide),
        ], optional: ["expires_at", "resolved_by", "resolved_at"],
        indexes: ["unique id", "status, expires_at"])

    static let history = ReadModelTable(
        "balance_history",
        [
            ("change", .integer), ("account", .wide), ("timestamp", .integer), ("transfer", .wide),
            ("debits_pending", .wide), ("debits_posted", .wide), ("credits_pending", .wide),
            ("credits_posted", .wide),
        ],
        indexes: ["account, change", "account, timestamp"])

    static func row(_ account: Account) -> [ReadModelCell] {
        [
            .integer(account.timestamp.nanoseconds), .number(account.id.value),
            .integer(Int64(account.ledger)), .integer(Int64(account.code)),
            .integer(Int64(account.flags.rawValue)), .number(account.debitsPending.units),
            .number(account.debitsPosted.units), .number(account.creditsPending.units),
            .number(account.creditsPosted.units), .number(account.userData128),
            .number(UInt128(account.userData64)), .integer(Int64(account.userData32)),
        ]
    }

    static func row(_ transfer: Transfer, batch: UInt64) -> [ReadModelCell] {
        [
            .integer(transfer.timestamp.nanoseconds), .number(transfer.id.value),
            .number(transfer.debitAccount.value), .number(transfer.creditAccount.value),
            .number(transfer.amount.units),
            transfer.pendingID == .none ? .null : .number(transfer.pendingID.value),
            .number(transfer.userData128), .number(UInt128(transfer.userData64)),
            .integer(Int64(transfer.userData32)), .integer(Int64(transfer.timeout)),
            .integer(Int64(transfer.ledger)), .integer(Int64(transfer.code)),
            .integer(Int64(transfer.flags.rawValue)), .integer(batch),
        ]
    }

    /// A row of `balance_history`: what `account` held right after change number `change`.
    static func row(
        change: Int64, _ account: Account, at time: Timestamp, by transfer: TransferID
    ) -> [ReadModelCell] {
        [
            .integer(change), .number(account.id.value), .integer(time.nanoseconds),
            .number(transfer.value), .number(account.debitsPending.units),
            .number(account.debitsPosted.units), .number(account.creditsPending.units),
            .number(account.creditsPosted.units),
        ]
    }
}
