import Ledger
import Primitives

/// What a table's line says about a query.
enum ExpectedAnswer: Equatable {
    /// Ids or balances as written, and the moment after `next`.
    case found([String], next: String?)
    case refused(QueryRefusal)
}

/// What both filters have, so that a line is read in one way.
protocol TableFilter {
    var userData128: UInt128 { get set }
    var userData64: UInt64 { get set }
    var userData32: UInt32 { get set }
    var code: UInt16 { get set }
    var timestampMin: Timestamp { get set }
    var timestampMax: Timestamp { get set }
    var limit: UInt32 { get set }

    /// Takes a word that is no common field; false if it means nothing.
    mutating func take(_ word: String, _ line: TableLine) throws -> Bool
}

extension AccountFilter: TableFilter {
    mutating func take(_ word: String, _ line: TableLine) -> Bool {
        switch word {
        case "debits": flags.insert(.debits)
        case "credits": flags.insert(.credits)
        case "reversed": flags.insert(.reversed)
        case "bit31": flags.insert(AccountFilterFlags(rawValue: 1 << 31))
        case "no-side": break
        default: return false
        }
        return true
    }
}

extension QueryFilter: TableFilter {
    mutating func take(_ word: String, _ line: TableLine) throws -> Bool {
        switch word {
        case "reversed": flags.insert(.reversed)
        case "bit31": flags.insert(QueryFilterFlags(rawValue: 1 << 31))
        case _ where word.hasPrefix("ledger="):
            ledger = try line.number(String(word.dropFirst(7)), UInt32.self)
        default: return false
        }
        return true
    }
}

extension TableLine {
    /// Reads a filter up to `->`; `moment` reads a moment. Answers the words.
    @discardableResult
    mutating func read(
        _ filter: inout some TableFilter, _ moment: (String) throws -> Timestamp
    ) throws -> [String] {
        var words: [String] = []
        while true {
            let word = try next()
            if word == "->" { return words }
            words.append(word)
            let parts = word.split(separator: "=").map(String.init)
            switch parts[0] {
            case "u128": filter.userData128 = try number(parts[1], UInt128.self)
            case "u64": filter.userData64 = try number(parts[1], UInt64.self)
            case "u32": filter.userData32 = try number(parts[1], UInt32.self)
            case "code": filter.code = try number(parts[1], UInt16.self)
            case "limit": filter.limit = try number(parts[1], UInt32.self)
            case "min": filter.timestampMin = try moment(parts[1])
            case "max": filter.timestampMax = try moment(parts[1])
            default:
                if try !filter.take(word, self) { throw TableError(line: number, word: word) }
            }
        }
    }

    /// An account filter, of both sides unless the line says otherwise.
    mutating func accountFilter(_ moment: (String) throws -> Timestamp) throws -> AccountFilter {
        var filter = AccountFilter(account: AccountID(try number(UInt128.self)), flags: [])
        let words = try read(&filter, moment)
        if Set(words).isDisjoint(with: ["debits", "credits", "no-side"]) {
            filter.flags.formUnion([.debits, .credits])
        }
        return filter
    }

    mutating func queryFilter(_ moment: (String) throws -> Timestamp) throws -> QueryFilter {
        var filter = QueryFilter()
        try read(&filter, moment)
        return filter
    }

    /// What stands after `->`.
    mutating func expectedAnswer() throws -> ExpectedAnswer {
        var found: [String] = []
        var next: String?
        while let word = nextOrNil() {
            if let refusal = QueryRefusal.allCases.first(where: { "\($0)" == word }) {
                return .refused(refusal)
            }
            if word == "next" { next = try self.next() } else { found.append(word) }
        }
        return .found(found, next: next)
    }
}
