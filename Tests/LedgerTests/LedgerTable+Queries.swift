import Ledger
import Primitives

/// What a table's line says about a query.
enum ExpectedAnswer: Equatable {
    /// Ids or balances as written, and the moment after `next`.
    case found([String], next: String?)
    case refused(QueryRefusal)
}

extension TableLine {
    /// A filter's fields up to `->`, each handed to `set`, flags to `flag`.
    private mutating func fields(
        _ set: (String, String) throws -> Void, _ flag: (String) throws -> Void
    ) throws {
        while true {
            let word = try next()
            if word == "->" { return }
            let parts = word.split(separator: "=").map(String.init)
            if parts.count == 2 { try set(parts[0], parts[1]) } else { try flag(word) }
        }
    }

    /// An account filter; `moment` reads a moment.
    mutating func accountFilter(_ moment: (String) throws -> Timestamp) throws -> AccountFilter {
        var filter = AccountFilter(account: AccountID(try number(UInt128.self)), flags: [])
        var hasNoSide = false
        let line = self
        try fields { field, value in
            switch field {
            case "u128": filter.userData128 = try line.number(value, UInt128.self)
            case "u64": filter.userData64 = try line.number(value, UInt64.self)
            case "u32": filter.userData32 = try line.number(value, UInt32.self)
            case "code": filter.code = try line.number(value, UInt16.self)
            case "limit": filter.limit = try line.number(value, UInt32.self)
            case "min": filter.timestampMin = try moment(value)
            case "max": filter.timestampMax = try moment(value)
            default: throw TableError(line: line.number, word: field)
            }
        } _: { flag in
            switch flag {
            case "debits": filter.flags.insert(.debits)
            case "credits": filter.flags.insert(.credits)
            case "reversed": filter.flags.insert(.reversed)
            case "bit31": filter.flags.insert(AccountFilterFlags(rawValue: 1 << 31))
            case "no-side": hasNoSide = true
            default: throw TableError(line: line.number, word: flag)
            }
        }
        if !hasNoSide, filter.flags.isDisjoint(with: [.debits, .credits]) {
            filter.flags.formUnion([.debits, .credits])
        }
        return filter
    }

    /// A query filter; `moment` reads a moment.
    mutating func queryFilter(_ moment: (String) throws -> Timestamp) throws -> QueryFilter {
        var filter = QueryFilter()
        let line = self
        try fields { field, value in
            switch field {
            case "u128": filter.userData128 = try line.number(value, UInt128.self)
            case "u64": filter.userData64 = try line.number(value, UInt64.self)
            case "u32": filter.userData32 = try line.number(value, UInt32.self)
            case "ledger": filter.ledger = try line.number(value, UInt32.self)
            case "code": filter.code = try line.number(value, UInt16.self)
            case "limit": filter.limit = try line.number(value, UInt32.self)
            case "min": filter.timestampMin = try moment(value)
            case "max": filter.timestampMax = try moment(value)
            default: throw TableError(line: line.number, word: field)
            }
        } _: { flag in
            switch flag {
            case "reversed": filter.flags.insert(.reversed)
            case "bit31": filter.flags.insert(QueryFilterFlags(rawValue: 1 << 31))
            default: throw TableError(line: line.number, word: flag)
            }
        }
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
