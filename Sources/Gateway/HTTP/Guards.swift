import Cryptography
import HTTPTypes
import NIOCore
import Primitives
import Service
import Synchronization

/// What keeps strangers from wearing the house out, shared by all requests.
final class Guards: Sendable {
    static let nodeField = HTTPField.Name("Exchequer-Node") ?? .authorization
    static let timeField = HTTPField.Name("Exchequer-Time") ?? .authorization
    static let signatureField = HTTPField.Name("Exchequer-Signature") ?? .authorization

    /// New parties, nodes and keys: each stays in the books for ever.
    let registrations = RateLimit(perMinute: 240, burst: 120)
    let nodes = NodeAuthenticator()
    let challenges = KeyChallenges()
}

/// A token bucket: so many a minute, and a burst at once.
final class RateLimit: Sendable {
    private let state: Mutex<(tokens: Double, at: Timestamp)>
    private let perSecond: Double
    private let burst: Double

    init(perMinute: Double, burst: Double) {
        perSecond = perMinute / 60
        self.burst = burst
        state = Mutex((burst, .zero))
    }

    /// Takes one; throws 429 if there is none left.
    func take(at now: Timestamp) throws(APIError) {
        let isTaken = state.withLock { state in
            let passed = now < state.at ? 0 : now.nanoseconds - state.at.nanoseconds
            state.tokens = min(burst, state.tokens + Double(passed) / 1e9 * perSecond)
            state.at = max(now, state.at)
            guard state.tokens >= 1 else { return false }
            state.tokens -= 1
            return true
        }
        if !isTaken {
            throw APIError(
                .tooManyRequests, code: "rate_limited",
                "too many registrations at the moment: try again in a minute", retryAfter: 60)
        }
    }
}

/// Checks requests that nodes sign (docs/reference/node-protocol.md). Each signed text counts
/// once.
final class NodeAuthenticator: Sendable {
    /// How far a node's clock may be off, in milliseconds.
    private static let window: UInt64 = 60_000
    /// Signed texts remembered at a time.
    private static let capacity = 200_000

    private struct Memory {
        var seen: [Digest: UInt64] = [:]
        var prunedAt: UInt64 = 0
    }

    private let memory = Mutex(Memory())

    func verify(_ call: Call, now: Timestamp) throws(APIError) -> PublicKey {
        let fields = call.head.headerFields
        guard let node = fields[Guards.nodeField].flatMap({ Digest(hex: $0) }),
            let time = fields[Guards.timeField].flatMap({ UInt64($0) }),
            let signature = fields[Guards.signatureField]
                .flatMap({ Hex.decode($0) }).flatMap(Signature.init)
        else { throw Self.refused("the request is not signed by a node") }
        let milliseconds = now.nanoseconds / 1_000_000
        guard time &+ Self.window >= milliseconds, time <= milliseconds &+ Self.window else {
            throw Self.refused("the request's time is not within a minute of the house's")
        }
        let text = Array(
            NodeTexts.request(
                method: call.head.method.rawValue, path: call.target, time: time,
                body: Array(call.body.readableBytesView)
            ).utf8)
        let key = PublicKey(node)
        guard key.verifies(signature, of: text) else {
            throw Self.refused("the signature is not the node's over this request")
        }
        // The key belongs to the memory: two nodes may sign the same text.
        try remember(SHA256.hash(key.bytes + text), at: milliseconds)
        return key
    }

    private func remember(_ text: Digest, at now: UInt64) throws(APIError) {
        let known = memory.withLock { memory -> Bool? in
            if memory.seen.count >= Self.capacity || now > memory.prunedAt + Self.window {
                memory.seen = memory.seen.filter { $0.value + 2 * Self.window > now }
                memory.prunedAt = now
            }
            if memory.seen.count >= Self.capacity { return nil }
            return memory.seen.updateValue(now, forKey: text) != nil
        }
        guard let known else {
            throw APIError(
                .tooManyRequests, code: "rate_limited", "too many signed requests", retryAfter: 60)
        }
        if known { throw Self.refused("this signed request was sent before") }
    }

    private static func refused(_ why: String) -> APIError {
        APIError(.unauthorized, code: "bad_node_signature", why)
    }
}

/// Texts that owners of addresses are asked to sign for an API key: each good once, for five
/// minutes.
final class KeyChallenges: Sendable {
    private static let lifetime = Timestamp.Span.seconds(300)
    private static let capacity = 20_000
    private let open = Mutex<[String: (address: EVMAddress, until: Timestamp)]>([:])

    /// A new text for this address to sign.
    func issue(
        _ address: EVMAddress, house: PublicKey, random: [UInt8], at now: Timestamp
    ) throws(APIError) -> String {
        let message = """
            Exchequer API key
            house \(house.hex)
            address \(address.hex)
            nonce \(Hex.encode(random))
            """
        let isFull = open.withLock { open in
            if open.count >= Self.capacity { open = open.filter { $0.value.until > now } }
            if open.count >= Self.capacity { return true }
            open[message] = (address, now + Self.lifetime)
            return false
        }
        if isFull {
            throw APIError(
                .tooManyRequests, code: "rate_limited", "too many keys are being asked for",
                retryAfter: 60)
        }
        return message
    }

    /// Whether the text was issued for this address and is still good; it is used up.
    func redeem(_ message: String, for address: EVMAddress, at now: Timestamp) -> Bool {
        guard let issued = open.withLock({ $0.removeValue(forKey: message) }) else { return false }
        return issued.address == address && issued.until > now
    }
}
