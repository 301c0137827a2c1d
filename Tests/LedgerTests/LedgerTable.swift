import Ledger
import Primitives
import Testing

/// A story in plain text, played against a ledger that starts empty one second after the epoch.
///
/// One line, one action; `#` starts a comment. Consecutive `account` lines, or `transfer` lines,
/// are one batch; a blank line or any other action ends it. The clock moves one nanosecond for each
/// event, so a batch of one at clock `c` happens at `c + 1`.
///
///     account ID [field=value | flag]... -> status     ledger and code are 1 unless given
///     transfer ID DEBIT>CREDIT AMOUNT [field=value | flag]... -> status
///                                     `_` stands for no accounts; a post or void has ledger and
///                                     code 0 unless given; `of=` is the pending transfer
///     clock +2s | clock +5ns | clock 77      moves the clock; the last form sets nanoseconds
///     expire [ID]...                  releases what is due; the ids that should be released
///     balance ID DP DPO CP CPO [closed]      pending and posted debits, then credits
///     stored ID AMOUNT STATUS [field=value]...      a transfer as stored
///     missing ID | burnt ID           no such transfer, its id free | used up
///     account-transfers ID [field=value | flag]... -> [ID]... [next MOMENT] | refusal
///     account-balances ID [field=value | flag]... -> [DP/DPO/CP/CPO]... [next MOMENT] | refusal
///     query-accounts | query-transfers [field=value | flag]... -> [ID]... [next MOMENT] | refusal
///                                     both sides unless a side is given; `no-side` is neither; a
///                                     moment is a number, or tN or aN: when transfer or account N
///                                     was created
///
/// Numbers are decimal, `max` (of the field's type) or `max-N`.
struct LedgerTable: Sendable, CustomTestStringConvertible {
    let name: String
    let text: String

    init(_ name: String, _ text: String) {
        self.name = name
        self.text = text
    }

    var testDescription: String { name }

    /// The words of each line with its number; an empty list for a blank line.
    var lines: [(number: Int, words: [String])] {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return lines.enumerated().map { number, line in
            let code = line.split(separator: "#", omittingEmptySubsequences: false).first ?? ""
            return (number + 1, code.split(separator: " ").map(String.init))
        }
    }

    /// The statuses that rows of one kind expect.
    func expectedStatuses(_ kind: String) -> [String] {
        lines.compactMap { $0.words.first == kind ? $0.words.last : nil }
    }
}

/// A line that is not in the language of the tables.
struct TableError: Error {
    let line: Int
    let word: String
}

/// One line's words, read from the left.
struct TableLine {
    let number: Int
    private var words: ArraySlice<String>

    init(number: Int, words: [String]) {
        self.number = number
        self.words = words.dropFirst()
    }

    mutating func next() throws -> String {
        guard let word = words.popFirst() else { throw TableError(line: number, word: "missing") }
        return word
    }

    mutating func nextOrNil() -> String? { words.popFirst() }

    mutating func number<Integer: FixedWidthInteger>(_ type: Integer.Type) throws -> Integer {
        try number(try next(), type)
    }

    func number<Integer: FixedWidthInteger>(
        _ word: String, _ type: Integer.Type
    ) throws -> Integer {
        if word == "max" { return .max }
        if word.hasPrefix("max-"), let less = Integer(word.dropFirst(4)) { return .max - less }
        guard let value = Integer(word) else { throw TableError(line: number, word: word) }
        return value
    }

    /// The status after `->`, which must come next.
    mutating func status<Status: CaseIterable>(_ type: Status.Type) throws -> Status {
        let name = try next()
        guard let status = Status.allCases.first(where: { "\($0)" == name }) else {
            throw TableError(line: number, word: name)
        }
        return status
    }

    mutating func account() throws -> (Account, CreateAccountStatus) {
        var account = Account(id: AccountID(try number(UInt128.self)), ledger: 1, code: 1)
        while true {
            let word = try next()
            if word == "->" { return (account, try status(CreateAccountStatus.self)) }
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            switch (parts[0], parts.count == 2 && word != "dr<=cr" && word != "cr<=dr") {
            case ("ledger", true): account.ledger = try number(parts[1], UInt32.self)
            case ("code", true): account.code = try number(parts[1], UInt16.self)
            case ("u128", true): account.userData128 = try number(parts[1], UInt128.self)
            case ("u64", true): account.userData64 = try number(parts[1], UInt64.self)
            case ("u32", true): account.userData32 = try number(parts[1], UInt32.self)
            case ("dp", true): account.debitsPending = Amount(try number(parts[1], UInt128.self))
            case ("dpo", true): account.debitsPosted = Amount(try number(parts[1], UInt128.self))
            case ("cp", true): account.creditsPending = Amount(try number(parts[1], UInt128.self))
            case ("cpo", true): account.creditsPosted = Amount(try number(parts[1], UInt128.self))
            case ("reserved", true): account.reserved = try number(parts[1], UInt32.self)
            case ("ts", true):
                account.timestamp = Timestamp(nanoseconds: try number(parts[1], UInt64.self))
            default: account.flags.formUnion(try accountFlag(word))
            }
        }
    }

    private func accountFlag(_ word: String) throws -> AccountFlags {
        switch word {
        case "linked": return .linked
        case "dr<=cr": return .debitsMustNotExceedCredits
        case "cr<=dr": return .creditsMustNotExceedDebits
        case "history": return .history
        case "imported": return AccountFlags(rawValue: 1 << 4)
        case "closed": return .closed
        case "bit15": return AccountFlags(rawValue: 1 << 15)
        default: throw TableError(line: number, word: word)
        }
    }

    mutating func transfer() throws -> (Transfer, CreateTransferStatus) {
        let id = TransferID(try number(UInt128.self))
        let accounts = try next().split(separator: ">").map(String.init)
        var transfer = Transfer(
            id: id, debitAccount: .none, creditAccount: .none,
            amount: Amount(try number(UInt128.self)), ledger: 1, code: 1)
        if accounts.count == 2 {
            transfer.debitAccount = AccountID(try number(accounts[0], UInt128.self))
            transfer.creditAccount = AccountID(try number(accounts[1], UInt128.self))
        } else if accounts != ["_"] {
            throw TableError(line: number, word: accounts.joined())
        }
        if words.contains("post") || words.contains("void") {
            transfer.ledger = 0
            transfer.code = 0
        }
        while true {
            let word = try next()
            if word == "->" { return (transfer, try status(CreateTransferStatus.self)) }
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            if parts.count == 2 {
                try set(parts[0], parts[1], in: &transfer)
            } else {
                transfer.flags.formUnion(try transferFlag(word))
            }
        }
    }

    func set(_ field: String, _ value: String, in transfer: inout Transfer) throws {
        switch field {
        case "of": transfer.pendingID = TransferID(try number(value, UInt128.self))
        case "timeout": transfer.timeout = try number(value, UInt32.self)
        case "ledger": transfer.ledger = try number(value, UInt32.self)
        case "code": transfer.code = try number(value, UInt16.self)
        case "u128": transfer.userData128 = try number(value, UInt128.self)
        case "u64": transfer.userData64 = try number(value, UInt64.self)
        case "u32": transfer.userData32 = try number(value, UInt32.self)
        case "ts": transfer.timestamp = Timestamp(nanoseconds: try number(value, UInt64.self))
        default: throw TableError(line: number, word: field)
        }
    }

    private func transferFlag(_ word: String) throws -> TransferFlags {
        switch word {
        case "linked": return .linked
        case "pending": return .pending
        case "post": return .postPending
        case "void": return .voidPending
        case "bal-dr": return .balancingDebit
        case "bal-cr": return .balancingCredit
        case "close-dr": return .closingDebit
        case "close-cr": return .closingCredit
        case "imported": return TransferFlags(rawValue: 1 << 8)
        case "bit15": return TransferFlags(rawValue: 1 << 15)
        default: throw TableError(line: number, word: word)
        }
    }
}
