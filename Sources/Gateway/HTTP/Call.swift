import Clearing
import Cryptography
import Foundation
import HTTPTypes
import Hummingbird
import Primitives
import Service

/// One HTTP request with its body, and who sent it.
struct Call: Sendable {
    let house: House
    let head: HTTPRequest
    let path: String
    let query: [Substring: Substring]
    let parameters: Parameters
    /// Where it comes from: the network's address, without the port.
    let source: String
    var body: ByteBuffer
    let guards: Guards

    /// The same call with its body, or 413.
    func reading(_ stream: RequestBody, upTo limit: Int) async throws(APIError) -> Call {
        var call = self
        do {
            call.body = try await stream.collect(upTo: limit)
        } catch {
            throw APIError(
                .contentTooLarge, code: "body_too_large",
                "the body has more than \(limit) bytes, or did not arrive whole")
        }
        return call
    }

    /// The whole path with its query, as it was sent.
    var target: String { head.path ?? path }

    // MARK: Parameters

    /// A number in the path.
    func id<Kind>(_ name: String, _ what: String) throws(APIError) -> Identifier<Kind> {
        guard let text = parameters.get(name), let number = UInt64(text), number > 0 else {
            throw .notFound(what)
        }
        return Identifier(number)
    }

    /// A number in the query, within a range.
    func number(
        _ name: Substring, default fallback: UInt64, in range: ClosedRange<UInt64>
    ) throws(APIError) -> UInt64 {
        guard let text = query[name] else { return fallback }
        guard let number = UInt64(text), range.contains(number) else {
            throw .invalid(
                String(name),
                "'\(name)' is a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// Where a page starts and how long it is.
    func page() throws(APIError) -> (after: UInt64, limit: Int) {
        let limit = try number("limit", default: 100, in: 1...1_000)
        return (try number("after", default: 0, in: 0...UInt64.max), Int(limit))
    }

    /// The most records that one page looks at, picked or not.
    private static let scanned = 10_000

    /// One page of records with dense numbers from 1: those after `after` that `select` picks.
    /// A page can be short and still have more behind it: `next_after` says where to go on.
    func list<Record, Item: Encodable & Sendable>(
        _ records: @escaping @Sendable (borrowing ClearingHouse) -> [Record],
        _ select: @escaping @Sendable (Record, borrowing ClearingHouse) -> Item?
    ) async throws(APIError) -> Response {
        let (after, limit) = try page()
        let page = try await read { house -> Page<Item> in
            let all = records(house)
            var items: [Item] = []
            let first = min(Int(clamping: after), all.count)
            for place in first..<all.count {
                if items.count == limit || place - first == Call.scanned {
                    return Page(items, hasMore: true, nextAfter: UInt64(place))
                }
                if let item = select(all[place], house) { items.append(item) }
            }
            return Page(items)
        }
        return JSON.ok(page)
    }

    // MARK: The house

    /// Looks at the committed state.
    func read<Value: Sendable>(
        _ body: @escaping @Sendable (borrowing ClearingHouse) -> Value
    ) async throws(APIError) -> Value {
        do {
            return try await house.sequencer.read(body)
        } catch {
            throw APIError(error)
        }
    }

    /// Has a command decided; its events, or the house's refusal.
    @discardableResult
    func submit(_ command: Command) async throws(APIError) -> [Event] {
        let outcome: Sequencer.Outcome
        do {
            outcome = try await house.sequencer.submit(command)
        } catch {
            throw APIError(error)
        }
        switch outcome {
        case .success(let events): return events
        case .failure(let rejection): throw APIError(rejection)
        }
    }

    // MARK: Who sent it

    /// The secret of the `Authorization: Bearer` header.
    private var bearer: String? {
        guard let value = head.headerFields[.authorization] else { return nil }
        let parts = value.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        return String(parts[1])
    }

    /// Whose API key was sent; `nil` if none or an unknown one was.
    func buyerIfAny() async throws(APIError) -> PartyID? {
        guard let bearer else { return nil }
        let hash = SHA256.hash(Array(bearer.utf8))
        return try await read { $0.keyOwner(hash: hash) }
    }

    /// Whose API key was sent, or 401.
    func buyer() async throws(APIError) -> PartyID {
        if let party = try await buyerIfAny() { return party }
        throw APIError(
            .unauthorized, code: "invalid_api_key",
            bearer == nil
                ? "an API key is needed: Authorization: Bearer exq_..." : "the API key is unknown")
    }

    /// Whether the operator's token was sent. The comparison is of hashes, so its time tells
    /// nothing about the token.
    var isOperator: Bool {
        bearer.map { SHA256.hash(Array($0.utf8)) == house.operatorTokenHash } ?? false
    }

    /// Lets only the operator on.
    func requireOperator() throws(APIError) {
        if isOperator { return }
        throw APIError(.unauthorized, code: "operator_only", "the operator's token is needed")
    }

    /// The key a node signed this request with, or 401. The node need not be registered.
    func nodeKey() async throws(APIError) -> PublicKey {
        let claimed = NodeAuthenticator.claimed(self)
        var isKnown = false
        if let claimed { isKnown = try await read { $0.node(key: claimed) != nil } }
        return try guards.nodes.verify(self, isKnown: isKnown, now: .systemNow)
    }

    /// Before a large body is read: whether there is any use in it.
    func checkSender(_ access: Route.Access) async throws(APIError) {
        switch access {
        case .apiKey: _ = try await buyer()
        case .node:
            guard let key = NodeAuthenticator.claimed(self),
                try await read({ $0.node(key: key) != nil })
            else { throw APIError(Rejection.nodeNotFound) }
        case .anyone, .operator: return
        }
    }

    /// The registered node that signed this request.
    func node() async throws(APIError) -> NodeRecord {
        let key = try await nodeKey()
        guard let node = try await read({ $0.node(key: key) }) else {
            throw APIError(Rejection.nodeNotFound)
        }
        return node
    }

    /// Whether the request claims to be signed by a node.
    var isSigned: Bool { head.headerFields[Guards.nodeField] != nil }
}
