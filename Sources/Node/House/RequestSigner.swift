public import Cryptography
import Foundation
import Primitives
import Synchronization

/// Signs a node's HTTP requests: three header fields over method, path, time and body.
public final class RequestSigner: Sendable {
    /// The key requests are signed with.
    public let identity: Ed25519.PrivateKey
    private let lastTime = Mutex<UInt64>(0)

    /// A signer for this node.
    public init(identity: Ed25519.PrivateKey) {
        self.identity = identity
    }

    /// The header fields for a request. `path` starts with `/` and includes the query. No two
    /// requests get the same time, because the house refuses a signed text it has seen before.
    public func headers(
        method: String, path: String, body: [UInt8]
    ) -> [(name: String, value: String)] {
        let now = UInt64(max(Date().timeIntervalSince1970, 0) * 1_000)
        let time = lastTime.withLock { last in
            last = max(now, last + 1)
            return last
        }
        let text = NodeTexts.request(method: method, path: path, time: time, body: body)
        return [
            ("Exchequer-Node", identity.publicKey.hex),
            ("Exchequer-Time", String(time)),
            ("Exchequer-Signature", Hex.encode(identity.sign(Array(text.utf8)).bytes)),
        ]
    }
}
