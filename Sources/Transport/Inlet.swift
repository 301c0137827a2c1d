import Synchronization

/// A bounded queue between a producer that can be paused and async consumers.
///
/// The producer pushes what it has already read and stops reading when told so; `resume` is called
/// when consumers have taken enough. Elements come out in the order they went in. Nothing is lost:
/// what was pushed before `finish` is handed out before the end.
final class Inlet<Element: Sendable, Failure: Error>: Sendable {
    private struct State {
        var elements: [(element: Element, cost: Int)] = []
        var head = 0
        var cost = 0
        var isPaused = false
        var end: Result<Void, Failure>?
        var waiters: [(ticket: UInt64, continuation: Waiter)] = []
        var tickets: UInt64 = 0
    }

    private typealias Waiter = CheckedContinuation<Result<Element?, Failure>, Never>
    private let state = Mutex(State())
    private let limit: Int
    private let resume: @Sendable () -> Void

    /// A queue that wants no more once `limit` units of cost are waiting. `resume` is called from
    /// any thread when it wants more again.
    init(limit: Int, resume: @escaping @Sendable () -> Void) {
        self.limit = limit
        self.resume = resume
    }

    /// Appends an element; ignored after `finish`. Returns whether the producer may read on; if
    /// not, `resume` will be called.
    @discardableResult
    func push(_ element: Element, cost: Int) -> Bool {
        let (waiter, goOn) = state.withLock { state -> (Waiter?, Bool) in
            guard state.end == nil else { return (nil, false) }
            if !state.waiters.isEmpty { return (state.waiters.removeFirst().continuation, true) }
            state.elements.append((element, cost))
            state.cost += cost
            // Once paused it stays so until `resume` is called: what the producer had already read
            // may still come in while consumers take, and must not make them forget to call it.
            if state.cost >= limit { state.isPaused = true }
            return (nil, !state.isPaused)
        }
        waiter?.resume(returning: .success(element))
        return goOn
    }

    /// Ends the queue; the first end counts.
    func finish(_ end: Result<Void, Failure>) {
        let waiters = state.withLock { state in
            guard state.end == nil else { return state.waiters.prefix(0) }
            state.end = end
            defer { state.waiters = [] }
            return state.waiters[...]
        }
        for waiter in waiters { waiter.continuation.resume(returning: end.map { nil }) }
    }

    /// Forgets what is waiting, for a consumer that has gone.
    func drop() {
        state.withLock { state in
            state.elements = []
            state.head = 0
            state.cost = 0
        }
    }

    /// The next element, or `nil` at the end and for a cancelled task.
    func next() async throws(Failure) -> Element? {
        let ticket = state.withLock { state in
            state.tickets += 1
            return state.tickets
        }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                if let ready = take(ticket, waiter) { waiter.resume(returning: ready) }
            }
        } onCancel: {
            let waiter = state.withLock { state -> Waiter? in
                let place = state.waiters.firstIndex { $0.ticket == ticket }
                return place.map { state.waiters.remove(at: $0).continuation }
            }
            waiter?.resume(returning: .success(nil))
        }
        return try result.get()
    }

    /// What can be handed out at once; otherwise the waiter is queued.
    private func take(_ ticket: UInt64, _ waiter: Waiter) -> Result<Element?, Failure>? {
        let (ready, wake) = state.withLock { state -> (Result<Element?, Failure>?, Bool) in
            if state.head < state.elements.count {
                let (element, cost) = state.elements[state.head]
                state.head += 1
                state.cost -= cost
                if state.head == state.elements.count || state.head >= 1_024 {
                    state.elements.removeFirst(state.head)
                    state.head = 0
                }
                let wake = state.isPaused && state.cost <= limit / 2
                if wake { state.isPaused = false }
                return (.success(element), wake)
            }
            if let end = state.end { return (end.map { nil }, false) }
            if Task.isCancelled { return (.success(nil), false) }
            state.waiters.append((ticket, waiter))
            return (nil, false)
        }
        if wake { resume() }
        return ready
    }
}
