public import Cryptography
public import Inference
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
    private let stage: Stage
    private let model: Digest
    private let peers: Set<PublicKey>
    private let hub: RingHub
    private let listener: SecureListener
    private let routes: RingRoutes
    private let engine: RingStage
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
        let listener: SecureListener
        do {
            listener = try await SecureListener.bind(
                host: host, port: port, identity: identity,
                onRefused: { report(.refused("\($0)")) })
        } catch {
            throw RingFault(.linkLost, "\(host):\(port) cannot be listened on: \(error)")
        }
        let served = ClusterStage(
            stage, model, RingHub(identity: identity, limits: limits), peers, listener, limits,
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
        _ stage: Stage, _ model: Digest, _ hub: RingHub, _ peers: Set<PublicKey>,
        _ listener: SecureListener, _ limits: RingLimits,
        _ report: @escaping @Sendable (Event) -> Void
    ) {
        self.stage = stage
        self.model = model
        self.hub = hub
        self.peers = peers
        self.listener = listener
        self.report = report
        port = listener.port
        let routes = RingRoutes { report(.closed($0, $1)) }
        self.routes = routes
        engine = RingStage(stage: stage, limits: limits) {
            routes.mayRun($0)
        } emit: {
            routes.emit($0, $1)
        }
    }

    deinit { stop() }

    /// How many requests are open.
    public var requests: Int { engine.count }

    /// Windows that were not run because they had been taken back before their turn.
    public var skippedWindows: Int { engine.skipped }

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
        try check(order)
        let next = try next(order)
        try engine.open(
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
        rest.layer = stage.layers.end
        rest.hops.removeFirst()
        do {
            next.push(try rest.frame(stage: place, job: frame.job))
        } catch {
            throw RingFault(.badOpen, "the order to open does not fit a frame: \(error)")
        }
    }

    private func check(_ order: RingOpen) throws(RingFault) {
        guard order.model == model else {
            throw RingFault(.wrongModel, "here is model \(model), not \(order.model)")
        }
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
        engine.close(job)
        routes.fail(job, fault, source: source)
    }
}

extension ClusterStage: RingHubOwner {
    func receive(_ frame: WireFrame, from link: RingLink) async {
        do throws(RingFault) {
            if frame.kind == .open { return try open(frame, from: link) }
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
        if let window = RingWindow(frame) {
            return try await engine.offer(window, to: frame.job)
        }
        if let epoch = frame.discardedEpoch {
            engine.discard(frame.job, before: epoch)
            if !stage.isLast {
                route.next.push(.discard(before: epoch, stage: route.place, job: frame.job))
            }
        } else if frame.kind == .cancel {
            engine.close(frame.job)
            routes.end(frame.job, nil)
            if !stage.isLast { route.next.push(frame) }
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

    func hasRoom(_ link: RingLink) { engine.wake() }
}
