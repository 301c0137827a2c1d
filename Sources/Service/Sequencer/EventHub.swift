import Synchronization

/// Hands committed batches to everyone who subscribed.
final class EventHub: Sendable {
    private struct Subscriber: Sendable {
        let number: UInt64
        /// Hands a batch over; false if there is no room or no reader.
        let yield: @Sendable (CommittedBatch) -> Bool
        let finish: @Sendable (SequencerError?) -> Void
    }

    private struct State {
        var subscribers: [Subscriber] = []
        var next: UInt64 = 0
        var ended: SequencerError??
    }

    private let state = Mutex(State())

    func subscribe() -> AsyncStream<CommittedBatch> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: CommittedBatch.self, bufferingPolicy: .unbounded)
        let number = add { batch in
            if case .enqueued = continuation.yield(batch) { true } else { false }
        } finish: { _ in
            continuation.finish()
        }
        continuation.onTermination = { [weak self] _ in self?.remove(number) }
        return stream
    }

    func subscribe(buffer: Int) -> AsyncThrowingStream<CommittedBatch, any Error> {
        let (stream, continuation) = AsyncThrowingStream.makeStream(
            of: CommittedBatch.self, throwing: (any Error).self,
            bufferingPolicy: .bufferingOldest(max(buffer, 1)))
        let number = add { batch in
            if case .enqueued = continuation.yield(batch) { true } else { false }
        } finish: { error in
            continuation.finish(throwing: error)
        }
        continuation.onTermination = { [weak self] _ in self?.remove(number) }
        return stream
    }

    /// Hands `batch` to everyone; whoever has no room is cut off.
    func publish(_ batch: CommittedBatch) {
        let subscribers = state.withLock { $0.subscribers }
        for subscriber in subscribers where !subscriber.yield(batch) {
            remove(subscriber.number)
            subscriber.finish(.tooSlow)
        }
    }

    /// Ends every stream, now and for later subscribers.
    func finish(_ error: SequencerError?) {
        let subscribers = state.withLock { state in
            state.ended = .some(error)
            defer { state.subscribers = [] }
            return state.subscribers
        }
        for subscriber in subscribers { subscriber.finish(error) }
    }

    private func add(
        _ yield: @escaping @Sendable (CommittedBatch) -> Bool,
        finish: @escaping @Sendable (SequencerError?) -> Void
    ) -> UInt64 {
        let (number, ended) = state.withLock { state -> (UInt64, SequencerError??) in
            state.next += 1
            if state.ended == nil {
                state.subscribers.append(
                    Subscriber(number: state.next, yield: yield, finish: finish))
            }
            return (state.next, state.ended)
        }
        if let error = ended { finish(error) }
        return number
    }

    private func remove(_ number: UInt64) {
        state.withLock { $0.subscribers.removeAll { $0.number == number } }
    }
}
