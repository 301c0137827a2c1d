public import Cryptography
public import Inference
import Planning
public import Primitives
import Synchronization
import Transport

/// Serves some layers of a model to a private cluster: computes the windows that the stage before
/// sends and passes them on, or answers the head. Knows no house and no market.
///
/// Only listed peers are accepted, and only listed peers are dialled. Whatever they send can end
/// their own requests and nothing else.
public final class ClusterStage: Sendable {
    /// Something that happened, for a log.
    public enum Event: Sendable {
        /// A listed peer has linked up.
        case linked(PublicKey)
        /// A link is gone, or never came about.
        case unlinked(PublicKey, String)
        /// Somebody was turned away.
        case refused(String)
        /// A request began, with room for so many positions.
        case opened(JobID, positions: Int)
        /// A request is over; the fault if it did not end well.
        case closed(JobID, RingFault?)
    }

    /// The port that is listened on.
    public let port: Int
    private let model: Digest
    private let peers: Set<PublicKey>
    private let hub: RingHub
    private let listener: SecureListener
    private let routes: RingRoutes
    private let engine: ClusterEngine
    private let report: @Sendable (Event) -> Void
    private let acceptor = Mutex<Task<Void, Never>?>(nil)

    /// Listens on `host` and `port`, 0 for any free one, and serves until `stop`.
    ///
    /// - Parameters:
    ///   - model: the root of the stage's model, which the head's must equal.
    ///   - peers: who may link up: the heads and the other stages.
    ///
    /// Throws `linkLost` if nothing can be listened on.
    public static func start(
        stage: Stage, model: Digest, identity: Ed25519.PrivateKey, peers: Set<PublicKey>,
        host: String = "127.0.0.1", port: Int = 0, limits: RingLimits = RingLimits(),
        report: @escaping @Sendable (Event) -> Void = { _ in }
    ) async throws(RingFault) -> ClusterStage {
        try await start(model, identity, peers, host, port, limits, report) { make in
            ClusterEngine(fixed: stage, make: make)
        }
    }

    /// Listens, and serves whichever layers a listed head asks for (`ClusterSurvey`).
    ///
    /// - Parameter root: the root of `model`, which the head's must equal.
    public static func start(
        model: ModelFile, root: Digest, threads: Int, identity: Ed25519.PrivateKey,
        peers: Set<PublicKey>, host: String = "127.0.0.1", port: Int = 0,
        limits: RingLimits = RingLimits(),
        report: @escaping @Sendable (Event) -> Void = { _ in }
    ) async throws(RingFault) -> ClusterStage {
        try await start(root, identity, peers, host, port, limits, report) { make in
            ClusterEngine(model: model, threads: threads, make: make)
        }
    }

    private static func start(
        _ model: Digest, _ identity: Ed25519.PrivateKey, _ peers: Set<PublicKey>, _ host: String,
        _ port: Int, _ limits: RingLimits, _ report: @escaping @Sendable (Event) -> Void,
        engine: (@escaping ClusterEngine.Make) -> ClusterEngine
    ) async throws(RingFault) -> ClusterStage {
        let listener: SecureListener
        do {
            listener = try await SecureListener.bind(
                host: host, port: port, identity: identity,
                onRefused: { report(.refused("\($0)")) })
        } catch {
            throw RingFault(.linkLost, "\(host):\(port) cannot be listened on: \(error)")
        }
        let routes = RingRoutes { report(.closed($0, $1)) }
        let engine = engine { stage in
            RingStage(stage: stage, limits: limits) {
                routes.mayRun($0)
            } emit: {
                routes.emit($0, $1)
            }
        }
        let served = ClusterStage(
            engine, model, RingHub(identity: identity, limits: limits), routes, peers, listener,
            report)
        served.hub.attach(served)
        served.acceptor.withLock {
            $0 = Task { [weak served] in
                for await link in listener.links { served?.accept(link) }
            }
        }
        return served
    }

    private init(
        _ engine: ClusterEngine, _ model: Digest, _ hub: RingHub, _ routes: RingRoutes,
        _ peers: Set<PublicKey>, _ listener: SecureListener,
        _ report: @escaping @Sendable (Event) -> Void
    ) {
        self.engine = engine
        self.model = model
        self.routes = routes
        self.hub = hub
        self.peers = peers
        self.listener = listener
        self.report = report
        port = listener.port
    }

    deinit { stop() }

    /// How many requests are open.
    public var requests: Int { engine.ring?.count ?? 0 }

    /// Windows that were not run because they had been taken back before their turn.
    public var skippedWindows: Int { engine.ring?.skipped ?? 0 }

    /// Ends all requests and links.
    public func stop() {
        acceptor.withLock { $0?.cancel() }
        listener.close()
        hub.close()
    }

    private func accept(_ link: SecureLink) {
        guard peers.contains(link.peer) else {
            report(.refused("\(link.peer.hex) is not a listed peer"))
            return link.close()
        }
        report(.linked(link.peer))
        hub.accept(link)
    }

    // MARK: Requests

    private func open(_ frame: WireFrame, from link: RingLink) throws(RingFault) {
        let order: RingOpen
        let sampling: SamplingParameters
        do {
            order = try RingOpen(canonicalBytes: frame.payload)
            sampling = try SamplingParameters(canonicalBytes: order.sampling)
        } catch {
            throw RingFault(.badOpen, "the order to open is not readable: \(error)")
        }
        guard routes.route(frame.job) == nil else {
            throw RingFault(.alreadyOpen, "request \(frame.job) has been opened already")
        }
        let ring = try engine.prepared()
        try check(order, ring.stage)
        let next = try next(order)
        try ring.open(
            frame.job, promptTokens: Int(order.promptTokens), capacity: Int(order.capacity),
            sampling: sampling)
        let place = frame.stage &+ 1
        routes.add(frame.job, RingRoutes.Route(previous: link, next: next, place: place))
        report(.opened(frame.job, positions: Int(order.capacity)))
        if next.isOver || link.isOver {
            throw RingFault(.linkLost, "a neighbour is gone")
        }
        if order.hops.isEmpty { return }
        var rest = order
        rest.layer = ring.stage.layers.end
        rest.hops.removeFirst()
        do {
            next.push(try rest.frame(stage: place, job: frame.job))
        } catch {
            throw RingFault(.badOpen, "the order to open does not fit a frame: \(error)")
        }
    }

    private func check(_ order: RingOpen, _ stage: Stage) throws(RingFault) {
        try check(model: order.model)
        guard order.layer == stage.layers.first else {
            throw RingFault(
                .wrongLayers, "layer \(order.layer) comes next, here are \(stage.layers)")
        }
        guard order.hops.isEmpty == stage.isLast else {
            throw RingFault(
                .wrongLayers,
                stage.isLast
                    ? "stages follow, but layers \(stage.layers) are the last"
                    : "no stage follows layers \(stage.layers) of "
                        + "\(stage.model.architecture.layers)")
        }
        let context = stage.model.architecture.contextLength
        guard order.promptTokens >= 1, order.promptTokens <= order.capacity else {
            throw RingFault(.badOpen, "no room for the prompt, or no prompt")
        }
        guard order.capacity <= context else {
            throw RingFault(
                .contextTooLong, "\(order.capacity) positions, the model has \(context)")
        }
    }

    /// The link to the next stage, or to the head.
    private func next(_ order: RingOpen) throws(RingFault) -> RingLink {
        if let hop = order.hops.first {
            guard peers.contains(hop.key) else {
                throw RingFault(.badHop, "\(hop.key.hex) is not a listed peer")
            }
            return try hub.link(to: hop)
        }
        guard let link = hub.link(of: order.head, number: order.answers) else {
            throw RingFault(.badHop, "the head \(order.head.hex) has no link to the last stage")
        }
        return link
    }

    /// Ends a request here and tells its neighbours.
    private func fail(_ job: JobID, _ fault: RingFault, source: RingLink? = nil) {
        engine.ring?.close(job)
        routes.fail(job, fault, source: source)
    }

    // MARK: Surveys

    /// Answers with what this machine can do, and how far its neighbours are.
    private func survey(_ frame: WireFrame) async throws(RingFault) -> WireFrame {
        let survey: RingSurvey
        do {
            survey = try RingSurvey(canonicalBytes: frame.payload)
        } catch {
            throw RingFault(.badOpen, "the survey is not readable: \(error)")
        }
        try check(model: survey.model)
        let machine = try await engine.machine()
        var trips: [UInt32] = []
        for hop in survey.neighbours {
            // Nobody is dialled who is not listed: such a machine is out of reach.
            guard peers.contains(hop.key) else {
                trips.append(0)
                continue
            }
            let link = try hub.link(to: hop)
            let isThere = await link.prove(number: .none, patience: Self.neighbourPatience)
            let trip = isThere ? await link.roundTrip(patience: Self.neighbourPatience) : nil
            trips.append(trip ?? 0)
        }
        let report = RingReport(
            layerTime: machine.layerTime, promptTime: machine.promptTime,
            outputTime: machine.outputTime, freeBytes: machine.freeBytes, roundTrips: trips)
        return Self.answer(.report, report.canonicalBytes(), to: frame)
    }

    /// Takes over the layers that the head wants held here.
    private func prepare(_ frame: WireFrame) async throws(RingFault) -> WireFrame {
        let order: RingPrepare
        do {
            order = try RingPrepare(canonicalBytes: frame.payload)
        } catch {
            throw RingFault(.badOpen, "the layers to prepare are not readable: \(error)")
        }
        try check(model: order.model)
        try await engine.prepare(order.layers)
        return Self.answer(.ready, [], to: frame)
    }

    private func check(model other: Digest) throws(RingFault) {
        guard other == model else {
            throw RingFault(.wrongModel, "here is model \(model), not \(other)")
        }
    }

    /// How long a neighbour may take to answer before it counts as out of reach.
    private static let neighbourPatience = Duration.seconds(3)

    private static func answer(
        _ kind: WireFrame.Kind, _ payload: [UInt8], to frame: WireFrame
    ) -> WireFrame {
        do {
            return try WireFrame(
                kind: kind, stage: 0, job: frame.job, attempt: 1, payload: payload)
        } catch {
            preconditionFailure("a report fits a frame: \(error)")
        }
    }

    /// Answers beside the link's reader, so that it goes on answering pings.
    private func answer(_ frame: WireFrame, on link: RingLink) {
        Task { [weak self] in
            do throws(RingFault) {
                guard let self else { return }
                link.push(
                    frame.kind == .survey
                        ? try await self.survey(frame) : try await self.prepare(frame))
            } catch {
                link.push(error.frame(stage: 0, job: frame.job))
            }
        }
    }
}

extension ClusterStage: RingHubOwner {
    func receive(_ frame: WireFrame, from link: RingLink) async {
        do throws(RingFault) {
            if frame.kind == .open { return try open(frame, from: link) }
            if frame.kind == .survey || frame.kind == .prepare {
                return answer(frame, on: link)
            }
            guard let route = routes.route(frame.job) else {
                if routes.hasEnded(frame.job) || frame.kind == .fault { return }
                throw RingFault(.unknownRequest, "request \(frame.job) is not open here")
            }
            if let fault = RingFault(frame), link === route.previous || link === route.next {
                return fail(frame.job, fault, source: link)
            }
            guard link === route.previous else {
                return refuse(
                    RingFault(.unknownRequest, "request \(frame.job) is another peer's"),
                    job: .none, from: link)
            }
            try await take(frame, route)
        } catch {
            if let route = routes.route(frame.job), route.previous === link {
                fail(frame.job, error)
            } else {
                link.push(error.frame(stage: 0, job: frame.job))
            }
        }
    }

    /// Takes a frame of the stage before.
    private func take(_ frame: WireFrame, _ route: RingRoutes.Route) async throws(RingFault) {
        let engine = try engine.prepared()
        if let window = RingWindow(frame) {
            return try await engine.offer(window, to: frame.job)
        }
        if let epoch = frame.discardedEpoch {
            engine.discard(frame.job, before: epoch)
            if !engine.stage.isLast {
                route.next.push(.discard(before: epoch, stage: route.place, job: frame.job))
            }
        } else if frame.kind == .cancel {
            engine.close(frame.job)
            routes.end(frame.job, nil)
            if !engine.stage.isLast { route.next.push(frame) }
        } else {
            throw RingFault(.wrongKind, "\(frame.kind) frames are not taken here")
        }
    }

    func refuse(_ fault: RingFault, job: JobID, from link: RingLink) {
        if let route = routes.route(job), route.previous === link {
            fail(job, fault)
        } else {
            link.push(fault.frame(stage: 0, job: job))
        }
    }

    func lost(_ link: RingLink, reason: String) {
        report(.unlinked(link.peer, reason))
        for job in routes.jobs(over: link) {
            let fault = RingFault(
                .linkLost, "the link between \(link.peer.hex) and a neighbour broke: \(reason)")
            fail(job, fault, source: link)
        }
    }

    func hasRoom(_ link: RingLink) { engine.ring?.wake() }
}
