import Cryptography
import HTTPTypes
import NIOCore
import Primitives
import Service
import Synchronization

/// Checks requests that nodes sign (docs/reference/node-protocol.md). Each time of a node counts
/// once: a node never gives two requests the same.
final class NodeAuthenticator: Sendable {
    /// How far a node's clock may be off, in milliseconds.
    private static let window: UInt64 = 60_000
    /// Requests of one node remembered at a time.
    private static let perNode = 16_384
    /// Unregistered keys remembered at a time: they can only register.
    private static let maximumStrangers = 20_000

    private struct Memory {
        var seen: [PublicKey: Set<UInt64>] = [:]
        var strangers: [PublicKey: UInt64] = [:]
    }

    private let memory = Mutex(Memory())

    /// The key that signed the request, which was not sent before.
    func verify(_ call: Call, isKnown: Bool, now: Timestamp) throws(APIError) -> PublicKey {
        let fields = call.head.headerFields
        guard let key = Self.claimed(call),
            let time = fields[Guards.timeField].flatMap({ UInt64($0) }),
            let signature = fields[Guards.signatureField]
                .flatMap({ Hex.decode($0) }).flatMap(Signature.init)
        else { throw Self.refused("the request is not signed by a node") }
        let milliseconds = now.nanoseconds / 1_000_000
        guard time <= UInt64.max - Self.window, time + Self.window >= milliseconds,
            time <= milliseconds + Self.window
        else { throw Self.refused("the request's time is not within a minute of the house's") }
        let text = NodeTexts.request(
            method: call.head.method.rawValue, path: call.target, time: time,
            body: Array(call.body.readableBytesView))
        guard key.verifies(signature, of: Array(text.utf8)) else {
            throw Self.refused("the signature is not the node's over this request")
        }
        try remember(key, time, isKnown: isKnown, now: milliseconds)
        return key
    }

    /// The key a request says it is signed by.
    static func claimed(_ call: Call) -> PublicKey? {
        call.head.headerFields[Guards.nodeField].flatMap { Digest(hex: $0) }.map(PublicKey.init)
    }

    private func remember(
        _ key: PublicKey, _ time: UInt64, isKnown: Bool, now: UInt64
    ) throws(APIError) {
        let isNew = memory.withLock { memory -> Bool? in
            guard isKnown else { return Self.rememberStranger(key, time, now, &memory.strangers) }
            // Sent when the key was not registered yet.
            if let last = memory.strangers[key], time <= last { return false }
            var times = memory.seen[key] ?? []
            if times.count >= Self.perNode { times = times.filter { $0 + Self.window >= now } }
            if times.count >= Self.perNode { return nil }
            let isNew = times.insert(time).inserted
            memory.seen[key] = times
            return isNew
        }
        guard let isNew else {
            throw APIError(
                .tooManyRequests, code: "rate_limited", "too many signed requests", retryAfter: 60)
        }
        if !isNew { throw Self.refused("this signed request was sent before") }
    }

    /// A key that is not registered may only move forward in time.
    private static func rememberStranger(
        _ key: PublicKey, _ time: UInt64, _ now: UInt64, _ strangers: inout [PublicKey: UInt64]
    ) -> Bool? {
        if strangers.count >= maximumStrangers {
            strangers = strangers.filter { $0.value + window >= now }
        }
        if strangers.count >= maximumStrangers { return nil }
        if let last = strangers[key], time <= last { return false }
        strangers[key] = time
        return true
    }

    private static func refused(_ why: String) -> APIError {
        APIError(.unauthorized, code: "bad_node_signature", why)
    }
}
