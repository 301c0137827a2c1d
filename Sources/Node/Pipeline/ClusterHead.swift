public import Cryptography
public import Inference
public import Primitives
import Synchronization
import Transport

/// The head of a private cluster: runs requests over a ring of stages and has nobody but them to
/// trust. May hold the first layers itself. Gives the same bytes as `Generator`, however the layers
/// are split and whatever is guessed.
///
/// Any number of requests may run at the same time; they share links and stages.
public final class ClusterHead: Sendable {
    /// What a request waits for.
    enum Event: Sendable {
        case verdict(RingVerdict)
        case fault(RingFault)
        /// The head's own stage has run something.
        case moved
    }

    /// The stages after the head, in order.
    public let route: [RingOpen.Hop]
    let model: ModelFile
    let root: Digest
    let hub: RingHub
    /// The head's own stage.
    let engine: RingStage?
    private let routes: RingRoutes
    private let events: Mailboxes
    private let patience: Duration
    /// What this head calls its links, so that several heads may share an identity.
    private let number = ClusterHead.number()
    /// Sources of guesses that run models.
    let drafts = EngineThread("drafts")

    /// Requests that run, by the number on their frames.
    private final class Mailboxes: Sendable {
        private let boxes = Mutex<[JobID: AsyncStream<Event>.Continuation]>([:])

        var count: Int { boxes.withLock { $0.count } }

        func open(_ job: JobID) -> AsyncStream<Event> {
            // Verdicts of windows under way are few; a ring that floods loses its own answers.
            let (events, box) = AsyncStream<Event>.makeStream(
                bufferingPolicy: .bufferingOldest(4_096))
            boxes.withLock { $0[job] = box }
            return events
        }

        func close(_ job: JobID) { boxes.withLock { $0[job] = nil } }

        func post(_ event: Event, to job: JobID) {
            _ = boxes.withLock { $0[job]?.yield(event) }
        }

        func post(_ event: Event) {
            boxes.withLock { boxes in
                for box in boxes.values { box.yield(event) }
            }
        }
    }

    /// Links up with the first and the last stage of `route`, and waits for their answers.
    ///
    /// - Parameters:
    ///   - stage: the first layers, if the head holds them; otherwise the first stage of the route
    ///     does. Must not be the whole model.
    ///   - root: the root of `model`, which every stage checks.
    ///
    /// Throws `badHop` for an impossible route and `linkLost` if a stage does not answer.
    public static func connect(
        model: ModelFile, root: Digest, stage: Stage? = nil, route: [RingOpen.Hop],
        identity: Ed25519.PrivateKey, limits: RingLimits = RingLimits(),
        patience: Duration = .seconds(10)
    ) async throws(RingFault) -> ClusterHead {
        guard !route.isEmpty, route.count <= RingOpen.maximumHops else {
            throw RingFault(
                .badHop, "a route has 1 to \(RingOpen.maximumHops) stages, not \(route.count)")
        }
        guard Set(route.map(\.key)).count == route.count else {
            throw RingFault(.badHop, "a stage is in the route twice")
        }
        if let stage, !stage.isFirst || stage.isLast {
            throw RingFault(
                .wrongLayers, "the head holds \(stage.layers), not the first layers, or all")
        }
        let head = ClusterHead(model, root, stage, route, identity, limits, patience)
        head.hub.attach(head)
        _ = try await head.links()
        return head
    }

    private init(
        _ model: ModelFile, _ root: Digest, _ stage: Stage?, _ route: [RingOpen.Hop],
        _ identity: Ed25519.PrivateKey, _ limits: RingLimits, _ patience: Duration
    ) {
        self.model = model
        self.root = root
        self.route = route
        self.patience = patience
        hub = RingHub(identity: identity, limits: limits)
        let events = Mailboxes()
        self.events = events
        let routes = RingRoutes { job, fault in
            if let fault { events.post(.fault(fault), to: job) }
        }
        self.routes = routes
        engine = stage.map { stage in
            RingStage(stage: stage, limits: limits) {
                routes.mayRun($0)
            } emit: { job, output in
                routes.emit(job, output)
                events.post(.moved, to: job)
            }
        }
    }

    deinit { close() }

    /// Ends all requests and links.
    public func close() {
        events.post(.fault(RingFault(.stopping, "the head is closed")))
        hub.close()
    }

    /// A number that nobody else in the cluster can guess.
    static func number() -> JobID {
        JobID(Entropy.bytes(8).reduce(0) { $0 << 8 | UInt64($1) } | 1)
    }

    /// How many requests run.
    public var requests: Int { events.count }

    /// The links to the first and last stage; dialled again if they are gone.
    func links() async throws(RingFault) -> (first: RingLink, last: RingLink) {
        (try await link(to: route[0]), try await link(to: route[route.count - 1]))
    }

    /// A link that the other side answers on. One that ends at once is dialled again: the other
    /// side may still be closing an earlier one of ours.
    private func link(to hop: RingOpen.Hop) async throws(RingFault) -> RingLink {
        for _ in 0..<3 {
            let link = try hub.link(to: hop)
            if await link.prove(number: number, patience: patience) { return link }
            if !link.isOver { break }
            try? await Task.sleep(for: .milliseconds(50))
        }
        throw RingFault(
            .linkLost,
            "\(hop.address) does not answer, or does not list this head's key "
                + hub.identity.publicKey.hex)
    }

    /// Tells every stage of a request; returns what comes back.
    func open(
        _ job: JobID, first: RingLink, promptTokens: Int, capacity: Int,
        sampling: SamplingParameters
    ) throws(RingFault) -> AsyncStream<Event> {
        let stage = engine?.stage
        let order = RingOpen(
            model: root, head: hub.identity.publicKey, answers: number,
            layer: stage?.layers.end ?? 0, promptTokens: UInt32(promptTokens),
            capacity: UInt32(capacity),
            sampling: sampling.canonicalBytes(), hops: Array(route.dropFirst()))
        try engine?.open(
            job, promptTokens: promptTokens, capacity: capacity, sampling: sampling)
        let stream = events.open(job)
        routes.add(job, RingRoutes.Route(previous: first, next: first, place: 0))
        if first.isOver {
            close(job)
            throw RingFault(.linkLost, "the link to the first stage is gone")
        }
        do {
            first.push(try order.frame(stage: 0, job: job))
        } catch {
            close(job)
            throw RingFault(.badOpen, "the route does not fit a frame: \(error)")
        }
        return stream
    }

    /// Hands an event to a request that runs.
    func post(_ event: Event, to job: JobID) { events.post(event, to: job) }

    /// Sends a window to the first stage, which may be the head's own.
    func send(_ window: RingWindow, of job: JobID) async throws(RingFault) {
        guard let engine else { return routes.emit(job, .window(window)) }
        try await engine.offer(window, to: job)
    }

    /// Tells the stages that older epochs are void.
    func discard(_ job: JobID, before epoch: UInt32) {
        engine?.discard(job, before: epoch)
        routes.route(job)?.next.push(.discard(before: epoch, stage: 0, job: job))
    }

    /// A request is over: the stages forget it.
    func close(_ job: JobID) {
        engine?.close(job)
        events.close(job)
        guard let route = routes.end(job, nil) else { return }
        do {
            route.next.push(try WireFrame(kind: .cancel, stage: 0, job: job, attempt: 1))
        } catch {
            preconditionFailure("a frame without payload always fits: \(error)")
        }
    }
}

extension ClusterHead: RingHubOwner {
    func receive(_ frame: WireFrame, from link: RingLink) async {
        if let fault = RingFault(frame) {
            events.post(.fault(fault), to: frame.job)
        } else if let verdict = RingVerdict(frame), link.peer == route[route.count - 1].key {
            events.post(.verdict(verdict), to: frame.job)
        } else {
            refuse(
                RingFault(.wrongKind, "a \(frame.kind) frame came to the head"), job: frame.job,
                from: link)
        }
    }

    func refuse(_ fault: RingFault, job: JobID, from link: RingLink) {
        events.post(.fault(fault), to: job)
    }

    func lost(_ link: RingLink, reason: String) {
        let address = route.first { $0.key == link.peer }?.address ?? link.peer.hex
        events.post(.fault(RingFault(.linkLost, "the link to \(address) broke: \(reason)")))
    }

    func hasRoom(_ link: RingLink) { engine?.wake() }
}
