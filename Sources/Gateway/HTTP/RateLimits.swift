import HTTPTypes
import Primitives
import Synchronization

/// A token bucket: so many a minute, and a burst at once.
struct TokenBucket: Sendable {
    struct Rate: Sendable {
        let perMinute: Double
        let burst: Double
    }

    private let rate: Rate
    private var tokens: Double
    private var at: Timestamp = .zero

    init(_ rate: Rate) {
        self.rate = rate
        tokens = rate.burst
    }

    /// Takes one; false if there is none left.
    mutating func take(at now: Timestamp) -> Bool {
        let passed = now < at ? 0 : now.nanoseconds - at.nanoseconds
        tokens = min(rate.burst, tokens + Double(passed) / 60e9 * rate.perMinute)
        at = max(now, at)
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }
}

/// Buckets by where a request comes from, within one for all.
final class RateLimits: Sendable {
    private struct State {
        var all: TokenBucket
        var each: [String: TokenBucket] = [:]
    }

    private let state: Mutex<State>
    private let rate: TokenBucket.Rate
    private static let capacity = 50_000

    init(each: TokenBucket.Rate, all: TokenBucket.Rate) {
        rate = each
        state = Mutex(State(all: TokenBucket(all)))
    }

    /// Takes one for `source`; throws 429 if there is none left.
    func take(_ source: String, at now: Timestamp) throws(APIError) {
        let rate = rate
        let isTaken = state.withLock { state in
            if state.each.count >= Self.capacity { state.each = [:] }
            let own = state.each[source, default: TokenBucket(rate)].take(at: now)
            return own && state.all.take(at: now)
        }
        if !isTaken {
            throw APIError(
                .tooManyRequests, code: "rate_limited",
                "too many registrations at the moment: try again in a minute", retryAfter: 60)
        }
    }
}
