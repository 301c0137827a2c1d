import Ledger
import Primitives

/// What an HTTP request asks for.
enum HTTPRoute: Sendable {
    case health
    case metrics
    /// `isOne` for a record by its id.
    case ledger(LedgerRequest, isOne: Bool)

    /// Records in an answer where `limit` is not given.
    static let usualLimit: UInt32 = 100

    /// Reads a request; nothing is carried out if it throws.
    init(_ head: HTTPRequestHead, _ body: [UInt8]) throws(HTTPFault) {
        if head.method == "POST" {
            self = .ledger(try HTTPRoute.command(head, body), isOne: false)
            return
        }
        let path = head.path
        switch path {
        case "/healthz", "/metrics", "/v1/head":
            try HTTPRoute.checkGet(head, body)
            if !head.query.isEmpty { throw .invalid(head.query, "is no parameter of this path") }
            self =
                path == "/healthz"
                ? .health
                : path == "/metrics"
                    ? .metrics
                    : .ledger(.head, isOne: false)
        case "/v1/accounts", "/v1/transfers":
            try HTTPRoute.checkGet(head, body, allowed: "GET and POST")
            let filter = try HTTPRoute.filter(head.query)
            self = .ledger(
                path == "/v1/accounts" ? .queryAccounts(filter) : .queryTransfers(filter),
                isOne: false)
        default:
            let request = try HTTPRoute.byID(head)
            try HTTPRoute.checkGet(head, body)
            self = request
        }
    }

    private static func checkGet(
        _ head: HTTPRequestHead, _ body: [UInt8], allowed: String = "GET"
    ) throws(HTTPFault) {
        if head.method != "GET" { throw .method(allowed) }
        if !body.isEmpty { throw .invalid("body", "must be empty") }
    }

    private static func command(
        _ head: HTTPRequestHead, _ body: [UInt8]
    ) throws(HTTPFault) -> LedgerRequest {
        let command: LedgerCommand
        switch head.path {
        case "/v1/transfers", "/v1/accounts":
            if !head.query.isEmpty { throw .invalid(head.query, "is no parameter of this path") }
            if !head.isJSON { throw .wrongType }
            command =
                head.path == "/v1/transfers"
                ? .createTransfers(try HTTPEvents.transfers(body))
                : .createAccounts(try HTTPEvents.accounts(body))
        case "/healthz", "/metrics", "/v1/head": throw .method("GET")
        default:
            _ = try byID(head)
            throw .method("GET")
        }
        return .submit(command, encoded: command.canonicalBytes())
    }

    /// The paths below an id.
    private static func byID(_ head: HTTPRequestHead) throws(HTTPFault) -> HTTPRoute {
        let parts = head.path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 4 || parts.count == 5, parts[0].isEmpty, parts[1] == "v1" else {
            throw .noSuchPath
        }
        let isAccount = parts[2] == "accounts"
        guard isAccount || parts[2] == "transfers" && parts.count == 4 else { throw .noSuchPath }
        guard let id = UInt128(strictDecimal: Array(parts[3].utf8)[...]) else {
            throw .invalid("id", "must be a whole number from 0 to \(UInt128.max)")
        }
        if parts.count == 4 {
            if !head.query.isEmpty { throw .invalid(head.query, "is no parameter of this path") }
            return .ledger(isAccount ? .lookUpAccounts([id]) : .lookUpTransfers([id]), isOne: true)
        }
        switch parts[4] {
        case "transfers":
            return .ledger(.accountTransfers(try filter(of: id, head.query)), isOne: false)
        case "balances":
            return .ledger(.accountBalances(try filter(of: id, head.query)), isOne: false)
        default: throw .noSuchPath
        }
    }

    private static func filter(_ query: String) throws(HTTPFault) -> QueryFilter {
        var filter = QueryFilter(limit: usualLimit)
        try parameters(query) { (name, value) throws(HTTPFault) in
            switch name {
            case "user_data128": filter.userData128 = try number(name, value)
            case "user_data64": filter.userData64 = try number(name, value)
            case "user_data32": filter.userData32 = try number(name, value)
            case "ledger": filter.ledger = try number(name, value)
            case "code": filter.code = try number(name, value)
            case "timestamp_min":
                filter.timestampMin = Timestamp(nanoseconds: try number(name, value))
            case "timestamp_max":
                filter.timestampMax = Timestamp(nanoseconds: try number(name, value))
            case "limit": filter.limit = try number(name, value)
            case "reversed": if try truth(name, value) { filter.flags.insert(.reversed) }
            default: throw .invalid(name, "is no parameter of this path")
            }
        }
        return filter
    }

    private static func filter(
        of account: UInt128, _ query: String
    ) throws(HTTPFault) -> AccountFilter {
        var filter = AccountFilter(account: AccountID(account), limit: usualLimit)
        try parameters(query) { (name, value) throws(HTTPFault) in
            switch name {
            case "user_data128": filter.userData128 = try number(name, value)
            case "user_data64": filter.userData64 = try number(name, value)
            case "user_data32": filter.userData32 = try number(name, value)
            case "code": filter.code = try number(name, value)
            case "timestamp_min":
                filter.timestampMin = Timestamp(nanoseconds: try number(name, value))
            case "timestamp_max":
                filter.timestampMax = Timestamp(nanoseconds: try number(name, value))
            case "limit": filter.limit = try number(name, value)
            case "reversed": if try truth(name, value) { filter.flags.insert(.reversed) }
            case "debits": if try !truth(name, value) { filter.flags.remove(.debits) }
            case "credits": if try !truth(name, value) { filter.flags.remove(.credits) }
            default: throw .invalid(name, "is no parameter of this path")
            }
        }
        return filter
    }

    /// Each `name=value`, no name twice.
    private static func parameters(
        _ query: String, _ body: (String, Substring) throws(HTTPFault) -> Void
    ) throws(HTTPFault) {
        if query.isEmpty { return }
        var seen: [String] = []
        for part in query.split(separator: "&", omittingEmptySubsequences: false) {
            let mark = part.firstIndex(of: "=") ?? part.endIndex
            let name = String(part[..<mark])
            if seen.contains(name) { throw .invalid(name, "is there twice") }
            seen.append(name)
            try body(name, part[mark...].dropFirst())
        }
    }

    private static func number<Number: FixedWidthInteger & UnsignedInteger>(
        _ name: String, _ value: Substring
    ) throws(HTTPFault) -> Number {
        guard let number = UInt128(strictDecimal: Array(value.utf8)[...]),
            let exact = Number(exactly: number)
        else { throw .invalid(name, "must be a whole number from 0 to \(Number.max)") }
        return exact
    }

    private static func truth(_ name: String, _ value: Substring) throws(HTTPFault) -> Bool {
        switch value {
        case "true": true
        case "false": false
        default: throw .invalid(name, "must be true or false")
        }
    }
}
