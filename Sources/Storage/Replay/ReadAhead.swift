import Foundation
import Primitives
import Synchronization

extension Journal {
    /// As `recover`; with `readingAhead` one thread reads and verifies ahead of the caller's, on
    /// which `body` runs.
    func recover(
        after start: JournalHead = .empty, readingAhead: Bool,
        _ body: (JournalBatch, JournalEntries) throws(JournalError) -> Void
    ) throws(JournalError) -> JournalHead {
        guard readingAhead else { return try recover(after: start, body) }
        return try ReadAhead.run(
            { (hand) throws(JournalError) in
                try self.recover(after: start, hand)
            }, consume: body)
    }
}

/// Reads and verifies on one thread what is decided on another: hashing a batch takes about as long
/// as carrying its commands out.
enum ReadAhead {
    /// Runs `produce` on a thread of its own and `consume` on the caller's for each batch it hands
    /// over, in order; a few megabytes are read ahead at most. Gives what `produce` returns.
    ///
    /// Throws what `consume` throws; otherwise, after all batches before it, what `produce` throws.
    static func run<Outcome: Sendable>(
        _ produce:
            @escaping @Sendable (
                (JournalBatch, JournalEntries) throws(JournalError) -> Void
            ) throws(JournalError) -> Outcome,
        consume: (JournalBatch, JournalEntries) throws(JournalError) -> Void
    ) throws(JournalError) -> Outcome {
        let pipe = Pipe<Outcome>()
        Thread.detachNewThread {
            var chunk: [Verified] = []
            var bytes = 0
            do throws(JournalError) {
                let outcome = try produce { (batch, entries) throws(JournalError) in
                    chunk.append(Verified(batch: batch, entries: entries))
                    bytes += batch.body.count
                    guard bytes >= 256 << 10 || chunk.count >= 1_024 else { return }
                    try pipe.send(chunk)
                    chunk = []
                    bytes = 0
                }
                try pipe.send(chunk)
                pipe.finish(.success(outcome))
            } catch {
                // What came before the fault is still to be decided.
                try? pipe.send(chunk)
                pipe.finish(.failure(error))
            }
        }
        do throws(JournalError) {
            while let chunk = pipe.next() {
                for verified in chunk { try consume(verified.batch, verified.entries) }
            }
        } catch {
            pipe.stop()
            throw error
        }
        return try pipe.outcome().get()
    }

    /// A batch whose hashes, place and form a `ChainVerifier` accepted, and its commands.
    private struct Verified: Sendable {
        let batch: JournalBatch
        let entries: JournalEntries
    }

    /// Hands chunks from one thread to another, at most eight ahead.
    private final class Pipe<Outcome: Sendable>: Sendable {
        private struct State {
            var chunks: [[Verified]] = []
            var outcome: Result<Outcome, JournalError>?
            var stopped = false
        }

        private let state = Mutex(State())
        private let room = DispatchSemaphore(value: 8)
        private let filled = DispatchSemaphore(value: 0)

        func send(_ chunk: [Verified]) throws(JournalError) {
            room.wait()
            let stopped = state.withLock { state in
                state.chunks.append(chunk)
                return state.stopped
            }
            filled.signal()
            if stopped { throw .closed }
        }

        func finish(_ outcome: Result<Outcome, JournalError>) {
            state.withLock { $0.outcome = outcome }
            filled.signal()
        }

        func next() -> [Verified]? {
            filled.wait()
            let chunk = state.withLock { $0.chunks.isEmpty ? nil : $0.chunks.removeFirst() }
            if chunk != nil { room.signal() }
            return chunk
        }

        /// Lets the other thread end at its next chunk, and waits for that.
        func stop() {
            state.withLock { $0.stopped = true }
            while next() != nil {}
        }

        func outcome() -> Result<Outcome, JournalError> {
            state.withLock { $0.outcome ?? .failure(.closed) }
        }
    }
}
