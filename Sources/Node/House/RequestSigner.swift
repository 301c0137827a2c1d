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
        let text = Self.text(method: method, path: path, time: time, body: body)
        return [
            ("Exchequer-Node", identity.publicKey.hex),
            ("Exchequer-Time", String(time)),
            ("Exchequer-Signature", Hex.encode(identity.sign(Array(text.utf8)).bytes)),
        ]
    }

    /// The text that is signed. `time` is in milliseconds since 1970.
    public static func text(method: String, path: String, time: UInt64, body: [UInt8]) -> String {
        "exchequer-request-v1\n\(method)\n\(path)\n\(time)\n\(SHA256.hash(body).hex)"
    }

    /// The text that a provider's EVM key signs (EIP-191) to let a node work for its address.
    public static func authorisation(
        node: String, address: String, chain: UInt64
    ) -> String {
        "exchequer-node-v1\nnode \(node)\naddress \(address)\nchain \(chain)"
    }
}
