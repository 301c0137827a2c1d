import Dispatch
import Primitives
import Storage
import Synchronization
import Transport

/// A secure link that carries replication messages.
struct ReplicationLink: Sendable {
    let link: SecureLink
    /// How long an answer may take.
    var timeout = ReplicationLink.usualTimeout

    /// A busy machine needs seconds for a handshake.
    static let usualTimeout = Duration.seconds(5)

    /// The limits of such links: a batch fits a frame, strangers are few and quick.
    static func options(timeout: Duration = usualTimeout) -> SecureLinkOptions {
        SecureLinkOptions(
            maximumFrame: ReplicationMessage.byteLimit, handshakeTimeout: timeout,
            maximumLinks: 16)
    }

    /// Sends one message; returns when the network has taken it.
    func send(_ message: ReplicationMessage) async throws {
        try await link.send(message.canonicalBytes())
    }

    /// The next message; throws when there is none, and a refusal as itself.
    func receive() async throws -> ReplicationMessage {
        guard let frame = try await link.receive() else { throw SecureLinkError.closed }
        let message = try ReplicationMessage(canonicalBytes: frame)
        if case .refused(let refusal) = message { throw refusal }
        return message
    }

    /// As `receive`, and gives up after `timeout`.
    func answer() async throws -> ReplicationMessage {
        let isLate = Mutex(false)
        let watch = Task {
            try await Task.sleep(for: timeout)
            isLate.withLock { $0 = true }
            link.close()
        }
        defer { watch.cancel() }
        do {
            return try await receive()
        } catch {
            guard isLate.withLock({ $0 }) else { throw error }
            throw SecureLinkError.cut("no answer within \(timeout)")
        }
    }
}

/// Threads of their own for the tasks of replication. They wait for disks, and callers that block
/// wait for them, so they must not share Swift's few threads with everything else.
final class ReplicationThreads: TaskExecutor {
    static let shared = ReplicationThreads()

    private let queue = DispatchQueue(
        label: "exchequer.replication", qos: .userInitiated, attributes: .concurrent)

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { unsafe job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    /// Runs `body` there and blocks until it is done.
    @discardableResult
    static func wait<Value: Sendable>(
        _ body: @escaping @Sendable () async -> Value?
    ) -> Value? {
        let result = Box<Value>()
        let done = DispatchSemaphore(value: 0)
        Task.detached(executorPreference: shared) {
            let value = await body()
            result.value.withLock { $0 = value }
            done.signal()
        }
        done.wait()
        return result.value.withLock { $0 }
    }

    private final class Box<Value: Sendable>: Sendable {
        let value = Mutex<Value?>(nil)
    }
}
