import HTTPTypes
import Ledger
import Primitives
import Service

/// What keeps strangers from wearing the house out, shared by all requests.
final class Guards: Sendable {
    static let nodeField = HTTPField.Name("Exchequer-Node") ?? .authorization
    static let timeField = HTTPField.Name("Exchequer-Time") ?? .authorization
    static let signatureField = HTTPField.Name("Exchequer-Signature") ?? .authorization

    /// New parties, nodes and keys stay in the books for ever: so many for one address of the
    /// network, and for all together.
    let registrations = RateLimits(
        each: .init(perMinute: 60, burst: 60), all: .init(perMinute: 1_200, burst: 600))
    let nodes = NodeAuthenticator()
    let challenges = KeyChallenges(secret: House.random(32))
    /// Answers that cost a walk over all the books, shared by those who ask within a second.
    let state = Shared<SettlementRoutes.State>()
    let totals = Shared<[TrialBalance]>()
    let books = Shared<Metrics.Books>()
}

/// An answer that is worked out at most once a second, whoever asks.
actor Shared<Value: Sendable> {
    private var latest: (at: Timestamp, value: Value)?

    func value(
        at now: Timestamp, _ make: @Sendable () async throws(APIError) -> Value
    ) async throws(APIError) -> Value {
        if let latest, now < latest.at + .seconds(1) { return latest.value }
        let value = try await make()
        latest = (now, value)
        return value
    }
}
