import Primitives
import Synchronization

/// Carries out a node's requests to its upstream, each on a task of its own.
final class UpstreamRelay: Sendable {
    private struct Attempt: Hashable {
        let job: JobID
        let attempt: UInt32
    }

    private let server: UpstreamServer
    private let running = Mutex<[Attempt: Task<Void, Never>]>([:])

    init(server: UpstreamServer) {
        self.server = server
    }

    /// Asks for the rest of an answer. Tokens go to `onTokens` as they come; `onFailure` hears why
    /// no more come, unless this side hung up.
    func ask(
        _ request: UpstreamRequest, onTokens: @escaping @Sendable ([Int32]) async -> Void,
        onFailure: @escaping @Sendable (UpstreamError) async -> Void
    ) {
        let key = Attempt(job: request.job, attempt: request.attempt)
        running.withLock { running in
            running[key] = Task {
                do throws(UpstreamError) {
                    try await self.server.complete(request, onTokens: onTokens)
                } catch {
                    if error != .cancelled { await onFailure(error) }
                }
                self.running.withLock { $0[key] = nil }
            }
        }
    }

    /// Hangs up, so that the server stops computing for this attempt.
    func hangUp(_ job: JobID, attempt: UInt32) {
        let key = Attempt(job: job, attempt: attempt)
        running.withLock { $0.removeValue(forKey: key) }?.cancel()
    }
}
