import Primitives
import Synchronization

/// Where the requests of one stage come from and go to.
final class RingRoutes: Sendable {
    /// The two edges of one request.
    struct Route {
        let previous: RingLink
        /// The next stage, or the head if this is the last stage.
        let next: RingLink
        /// This stage's place in the ring.
        let place: UInt16
    }

    private struct State {
        var routes: [JobID: Route] = [:]
        /// Requests that ended lately: what still comes for them is no fault.
        var ended: [JobID] = []
    }

    private let state = Mutex(State())
    private let onEnd: @Sendable (JobID, RingFault?) -> Void

    /// - Parameter onEnd: told when a request is over, with the fault if it did not end well.
    init(onEnd: @escaping @Sendable (JobID, RingFault?) -> Void) { self.onEnd = onEnd }

    func add(_ job: JobID, _ route: Route) { state.withLock { $0.routes[job] = route } }

    func route(_ job: JobID) -> Route? { state.withLock { $0.routes[job] } }

    /// Whether a request ended lately.
    func hasEnded(_ job: JobID) -> Bool { state.withLock { $0.ended.contains(job) } }

    /// Requests that go over a link.
    func jobs(over link: RingLink) -> [JobID] {
        state.withLock { state in
            state.routes.filter { $0.value.previous === link || $0.value.next === link }
                .keys.sorted()
        }
    }

    /// Whether there is room for what a window of the request gives.
    func mayRun(_ job: JobID) -> Bool { route(job)?.next.hasRoom ?? true }

    /// Sends on what came out of the stage.
    func emit(_ job: JobID, _ output: RingStage.Output) {
        guard let route = route(job) else { return }
        do throws(WireFrameError) {
            switch output {
            case .window(let window):
                route.next.push(try window.frame(stage: route.place, job: job))
            case .verdict(let verdict):
                route.next.push(try verdict.frame(stage: route.place, job: job))
            case .fault(let fault):
                fail(job, fault)
            }
        } catch {
            fail(job, RingFault(.tooManyRows, "what came out does not fit a frame: \(error)"))
        }
    }

    /// Ends a request and tells both neighbours why; `source` is the one who knows.
    func fail(_ job: JobID, _ fault: RingFault, source: RingLink? = nil) {
        guard let route = end(job, fault) else { return }
        let frame = fault.frame(stage: route.place, job: job)
        if route.next !== source { route.next.push(frame) }
        if route.previous !== source, route.previous !== route.next {
            route.previous.push(frame)
        }
    }

    /// Forgets a request; returns its route if it was open.
    @discardableResult
    func end(_ job: JobID, _ fault: RingFault?) -> Route? {
        let route = state.withLock { state -> Route? in
            guard let route = state.routes.removeValue(forKey: job) else { return nil }
            state.ended.append(job)
            if state.ended.count > 512 { state.ended.removeFirst(256) }
            return route
        }
        if route != nil { onEnd(job, fault) }
        return route
    }
}
