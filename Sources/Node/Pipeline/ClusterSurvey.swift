public import Cryptography
public import Inference
public import Planning
public import Primitives
import Synchronization

/// What a head has found out about the machines of a private cluster, and how it tells them which
/// layers to hold. Keeps its links until it is closed.
public final class ClusterSurvey: Sendable {
    /// The machines, in the order they were named.
    public let route: [RingOpen.Hop]
    /// The head itself; `nil` if it is to hold no layers.
    public let head: SplitMachine?
    /// What each machine said of itself.
    public let machines: [SplitMachine]
    /// The ways between them all, by their place in `route`.
    public let edges: PlanEdges
    private let root: Digest
    private let asking: Asking

    /// Links up with every machine, measures the ways to them, and asks them for theirs to each
    /// other and for their speed. They answer one after the other, so that machines that share
    /// processors do not disturb each other.
    ///
    /// - Parameters:
    ///   - root: the root of `model`, which every machine checks.
    ///   - threads: threads of the head's own stage; `nil` if it is to hold no layers.
    ///   - patience: how long a machine may take to answer.
    ///
    /// Throws `badHop` for impossible machines and `linkLost` if one does not answer.
    public static func take(
        model: ModelFile, root: Digest, route: [RingOpen.Hop], identity: Ed25519.PrivateKey,
        threads: Int?, patience: Duration = .seconds(60)
    ) async throws(RingFault) -> ClusterSurvey {
        guard (1...SplitPlanner.maximumMachines).contains(route.count) else {
            throw RingFault(
                .badHop,
                "a survey is of 1 to \(SplitPlanner.maximumMachines) machines, not \(route.count)")
        }
        guard Set(route.map(\.key)).count == route.count else {
            throw RingFault(.badHop, "a machine is named twice")
        }
        let asking = Asking(identity, patience)
        var edges = PlanEdges(.ring, machines: route.count)
        var machines: [SplitMachine] = []
        for (place, hop) in route.enumerated() {
            let link = try await asking.link(to: hop)
            guard let trip = await link.roundTrip(patience: patience) else {
                throw RingFault(.linkLost, "\(hop.address) does not answer any more")
            }
            edges.set(nil, place, roundTrip: trip)
        }
        for (place, hop) in route.enumerated() {
            // Each pair is measured once, from the one that comes later.
            let survey = RingSurvey(model: root, neighbours: Array(route[..<place]))
            let answer = try await asking.ask(.survey, survey.canonicalBytes(), hop)
            guard answer.kind == .report,
                let report = try? RingReport(canonicalBytes: answer.payload),
                report.roundTrips.count == place
            else { throw RingFault(.wrongKind, "\(hop.address) gave no report") }
            machines.append(
                SplitMachine(
                    layerTime: report.layerTime, promptTime: report.promptTime,
                    outputTime: report.outputTime, freeBytes: report.freeBytes))
            for (other, trip) in report.roundTrips.enumerated() {
                if trip == 0 {
                    edges.sever(place, other)
                } else {
                    edges.set(place, other, roundTrip: trip)
                }
            }
        }
        var head: SplitMachine?
        if let threads {
            let gauged = await EngineThread("gauge").run { () -> Result<SplitMachine, RingFault> in
                Result { () throws(RingFault) in try StageGauge.machine(model, threads: threads) }
            }
            head = try gauged.get()
        }
        return ClusterSurvey(route, head, machines, edges, root, asking)
    }

    private init(
        _ route: [RingOpen.Hop], _ head: SplitMachine?, _ machines: [SplitMachine],
        _ edges: PlanEdges, _ root: Digest, _ asking: Asking
    ) {
        self.route = route
        self.head = head
        self.machines = machines
        self.edges = edges
        self.root = root
        self.asking = asking
    }

    deinit { close() }

    /// Ends the links.
    public func close() { asking.hub.close() }

    /// The quickest split for a request, or why there is none.
    ///
    /// - Parameter needsOther: whether the head alone will not do.
    public func plan(
        _ request: SplitRequest, needsOther: Bool
    ) -> Result<SplitPlan, PlanRefusal> {
        SplitPlanner.plan(
            request, head: head, machines: machines, edges: edges, needsOther: needsOther)
    }

    /// Lets every machine of a plan take over its layers; returns them in the order of the ring.
    public func prepare(_ plan: SplitPlan) async throws(RingFault) -> [RingOpen.Hop] {
        var hops: [RingOpen.Hop] = []
        for part in plan.parts {
            guard let machine = part.machine else { continue }
            let order = RingPrepare(model: root, layers: part.layers)
            let answer = try await asking.ask(.prepare, order.canonicalBytes(), route[machine])
            guard answer.kind == .ready else {
                throw RingFault(.wrongKind, "\(route[machine].address) did not get ready")
            }
            hops.append(route[machine])
        }
        return hops
    }
}

/// Questions to machines, and who waits for which answer.
private final class Asking: RingHubOwner {
    let hub: RingHub
    private let patience: Duration
    private let number = ClusterHead.number()
    private let waiting = Mutex<[JobID: CheckedContinuation<Result<WireFrame, RingFault>, Never>]>(
        [:])

    init(_ identity: Ed25519.PrivateKey, _ patience: Duration) {
        hub = RingHub(identity: identity, limits: RingLimits())
        self.patience = patience
        hub.attach(self)
    }

    /// A link that the other side answers on.
    func link(to hop: RingOpen.Hop) async throws(RingFault) -> RingLink {
        let link = try hub.link(to: hop)
        guard await link.prove(number: number, patience: .seconds(10)) else {
            throw RingFault(
                .linkLost,
                "\(hop.address) does not answer, or does not list this head's key "
                    + hub.identity.publicKey.hex)
        }
        return link
    }

    /// Sends a question and waits for its answer; throws the fault that comes instead.
    func ask(
        _ kind: WireFrame.Kind, _ payload: [UInt8], _ hop: RingOpen.Hop
    ) async throws(RingFault) -> WireFrame {
        let link = try await link(to: hop)
        let job = ClusterHead.number()
        let frame: WireFrame
        do {
            frame = try WireFrame(kind: kind, stage: 0, job: job, attempt: 1, payload: payload)
        } catch {
            throw RingFault(.badRequest, "the question does not fit a frame: \(error)")
        }
        let timer = Task {
            try await Task.sleep(for: patience)
            settle(job, .failure(RingFault(.timedOut, "\(hop.address) took too long")))
        }
        defer { timer.cancel() }
        let answer = await withCheckedContinuation { waiter in
            waiting.withLock { $0[job] = waiter }
            link.push(frame)
            if link.isOver { settle(job, .failure(RingFault(.linkLost, "\(hop.address) is gone"))) }
        }
        return try answer.get()
    }

    private func settle(_ job: JobID, _ answer: Result<WireFrame, RingFault>) {
        waiting.withLock { $0.removeValue(forKey: job) }?.resume(returning: answer)
    }

    func receive(_ frame: WireFrame, from link: RingLink) async {
        settle(frame.job, RingFault(frame).map { .failure($0) } ?? .success(frame))
    }

    func refuse(_ fault: RingFault, job: JobID, from link: RingLink) {
        settle(job, .failure(fault))
    }

    func lost(_ link: RingLink, reason: String) {
        let all = waiting.withLock { waiting in
            defer { waiting = [:] }
            return Array(waiting.values)
        }
        let fault = RingFault(.linkLost, "the link to \(link.peer.hex) broke: \(reason)")
        for waiter in all { waiter.resume(returning: .failure(fault)) }
    }

    func hasRoom(_ link: RingLink) {}
}
