import Cryptography
import Dispatch
import Primitives
import Synchronization

/// SHA-256 of what it is given, made on another thread while its caller goes on: hashing a snapshot
/// takes about as long as decoding it. Eight parts behind at most. For one thread at a time.
final class TrailingHash: Sendable {
    private let queue = DispatchQueue(label: "exchequer.hash")
    private let room = DispatchSemaphore(value: 8)
    private let hasher = Mutex(SHA256())

    /// Adds the next bytes.
    func update(_ bytes: [UInt8]) {
        room.wait()
        queue.async { [self] in
            hasher.withLock { $0.update(bytes) }
            room.signal()
        }
    }

    /// Waits for all of it; gives the hash. To be called once, at the end.
    func finish() -> Digest {
        queue.sync {}
        return hasher.withLock { hasher in
            var ended = SHA256()
            swap(&ended, &hasher)
            return ended.finish()
        }
    }
}
