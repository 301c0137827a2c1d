public import Cryptography
import Inference
public import Primitives

/// All the work of a node: assignments and frames in, effects out. Decides everything, waits for
/// nothing and reads no clock; the runtime sends, posts and reports.
///
/// Frames wait in their jobs' sessions until a pass runs them: each pass takes what waits for one
/// stage, of all jobs, and gives the bytes that one job after the other would get. `runPass`
/// computes, which takes milliseconds: call it on a thread of its own, while `hasWork`.
public struct JobTable: Sendable {
    /// What is to be done.
    public enum Effect: Equatable, Sendable {
        /// Send this frame.
        case send(WireFrame)
        /// Hand in this receipt; the last stage also hands in the hashes of its logits.
        case submit(Signed<Receipt>, logits: [Digest])
        /// Ask the upstream for this, and hand its tokens to `receive(tokens:job:attempt:)`.
        case ask(UpstreamRequest)
        /// Hang up on the upstream if it still works on this attempt.
        case hangUp(JobID, attempt: UInt32)
        /// Work on a job began.
        case started(Assignment)
        /// Work on a job was given up.
        case dropped(JobID, attempt: UInt32, NodeFault?)
    }

    /// A node can have several stages of one job, from several offers.
    private struct Key: Hashable {
        let job: JobID
        let attempt: UInt32
        let stage: UInt16
    }

    /// What computes a job.
    private enum Session {
        case stage(NodeSession)
        case upstream(UpstreamSession)

        var assignment: Assignment {
            switch self {
            case .stage(let session): session.assignment
            case .upstream(let session): session.assignment
            }
        }

        var stage: NodeSession? {
            if case .stage(let session) = self { session } else { nil }
        }

        var ready: WireFrame {
            switch self {
            case .stage(let session): session.ready
            case .upstream(let session): session.ready
            }
        }
    }

    private let identity: Ed25519.PrivateKey
    private let served: [ServedStage]
    private let upstream: ServedUpstream?
    /// What waits for each of the served stages.
    private var schedulers: [BatchScheduler<Key>]
    /// The stage whose pass was the last.
    private var lastPlace = 0
    private var sessions: [Key: Session] = [:]
    /// Jobs that ended not long ago: late frames for them are no news.
    private var ended: [Key] = []
    private var previousReceipt = Digest.zero
    private var isStopping = false

    /// A table that serves these stages, and what an upstream computes, and signs as `identity`.
    public init(
        identity: Ed25519.PrivateKey, served: [ServedStage], upstream: ServedUpstream? = nil
    ) {
        self.identity = identity
        self.served = served
        self.upstream = upstream
        schedulers = served.map { _ in BatchScheduler() }
    }

    /// How many jobs are being worked on.
    public var count: Int { sessions.count }

    /// Takes on a job, or says why not.
    public mutating func assign(_ assignment: Assignment, at now: Timestamp) -> [Effect] {
        let key = Key(
            job: assignment.job, attempt: assignment.attempt, stage: assignment.stage)
        if let session = sessions[key], session.assignment == assignment {
            return [.send(session.ready)]
        }
        do throws(NodeFault) {
            let old = try resumed(assignment)
            let dropped = old == nil ? makeRoom(for: assignment) : []
            let session = if let old { old } else { try begin(assignment, at: now) }
            sessions[key] = session
            return dropped + [.started(assignment), .send(session.ready)]
        } catch {
            return [
                .send(
                    error.frame(
                        stage: assignment.stage, job: assignment.job, attempt: assignment.attempt)),
                .dropped(assignment.job, attempt: assignment.attempt, error),
            ]
        }
    }

    /// Takes the bytes of one frame.
    public mutating func receive(_ bytes: [UInt8], at now: Timestamp) -> [Effect] {
        do throws(WireFrameError) {
            return receive(try WireFrame(bytes), at: now)
        } catch {
            let fault = NodeFault(.unreadableFrame, "the bytes are not a frame: \(error)")
            return [.send(fault.frame(stage: 0, job: .none, attempt: 0))]
        }
    }

    /// Takes one frame.
    public mutating func receive(_ frame: WireFrame, at now: Timestamp) -> [Effect] {
        let key = Key(job: frame.job, attempt: frame.attempt, stage: frame.stage)
        switch frame.kind {
        case .ping: return [.send(Self.pong(frame))]
        case .pong: return []
        case .cancel: return drop(key, nil)
        case .fault: return drop(key, nil)
        case .ready, .tokens, .activations, .sampled, .scores, .end, .open, .window, .verdict,
            .discard, .survey, .report, .prepare:
            break
        }
        switch sessions[key] {
        case .stage:
            return change(key, at: now) { session in
                session.take(frame)
                return []
            }
        case .upstream(let session): return advance(session, key, frame, at: now)
        case nil: break
        }
        if ended.contains(key) { return [] }
        if let held = stages(of: frame.job, attempt: frame.attempt).first {
            let fault = NodeFault(
                .wrongStage, "a frame for stage \(frame.stage), here is \(held.stage)")
            if case .upstream(let session)? = sessions[held] {
                sessions[held] = nil
                return giveUp(held, .upstream(session), fault)
            }
            return change(held, at: now) { session in
                session.take(fault)
                return []
            }
        }
        let fault = NodeFault(
            .unknownJob, "job \(frame.job), attempt \(frame.attempt), was not assigned here")
        return [
            .send(fault.frame(stage: frame.stage, job: frame.job, attempt: frame.attempt))
        ]
    }

    /// Whether frames wait to be run.
    public var hasWork: Bool { schedulers.contains { !$0.isEmpty } }

    /// Runs one pass of one stage over what waits for it; the stages take turns.
    public mutating func runPass(at now: Timestamp) -> [Effect] {
        let places = schedulers.indices
        let turns = places.map { (lastPlace + 1 + $0) % places.count }
        guard let place = turns.first(where: { !schedulers[$0].isEmpty }) else { return [] }
        lastPlace = place
        let shares = schedulers[place].next()
        let outputs = compute(shares)
        var effects: [Effect] = []
        for (share, output) in zip(shares, outputs) {
            effects += change(share.id, at: now) { $0.advance(share.positions, output) }
        }
        return effects
    }

    private func compute(_ shares: [BatchScheduler<Key>.Share]) -> [StageRunner.PassOutput] {
        let members = shares.compactMap { sessions[$0.id]?.stage }
        let inputs = zip(members, shares).map { $0.input($1.positions) }
        return StageRunner.pass(inputs, of: members.map(\.runner))
    }

    /// Changes a stage's session, sends the frames that this gives, and does what then comes first
    /// in its inbox and needs no pass.
    private mutating func change(
        _ key: Key, at now: Timestamp, _ body: (inout NodeSession) -> [WireFrame]
    ) -> [Effect] {
        guard case .stage(var session)? = sessions.removeValue(forKey: key) else { return [] }
        let reply: [Effect] = body(&session).map { .send($0) }
        do throws(NodeFault) {
            switch session.next {
            case nil: sessions[key] = .stage(session)
            case .run:
                sessions[key] = .stage(session)
                schedulers[session.place].set(key, positions: session.positionsToRun)
            case .end(let positions):
                return try reply + end(.stage(session), key, positions, now)
            case .fail(let fault): throw fault
            }
            return reply
        } catch {
            schedulers[session.place].remove(key)
            return reply + giveUp(key, .stage(session), error)
        }
    }

    private mutating func advance(
        _ session: UpstreamSession, _ key: Key, _ frame: WireFrame, at now: Timestamp
    ) -> [Effect] {
        sessions[key] = nil
        var session = session
        do throws(NodeFault) {
            if frame.kind == .end { return try end(.upstream(session), key, frame.position, now) }
            let request = try session.receive(frame)
            sessions[key] = .upstream(session)
            return request.map { [.ask($0)] } ?? []
        } catch {
            return giveUp(key, .upstream(session), error)
        }
    }

    /// Takes tokens that the upstream chose. Those of a job that is over are old news.
    public mutating func receive(
        tokens: [Int32], job: JobID, attempt: UInt32
    ) -> [Effect] {
        let key = Key(job: job, attempt: attempt, stage: 0)
        guard case .upstream(var session)? = sessions.removeValue(forKey: key) else { return [] }
        do throws(NodeFault) {
            let frames = try session.choose(tokens)
            sessions[key] = .upstream(session)
            return frames.map { .send($0) }
        } catch {
            return giveUp(key, .upstream(session), error)
        }
    }

    /// The upstream will not finish a job: the house is told, and replaces this node.
    public mutating func fail(job: JobID, attempt: UInt32, _ fault: NodeFault) -> [Effect] {
        let key = Key(job: job, attempt: attempt, stage: 0)
        guard let session = sessions.removeValue(forKey: key) else { return [] }
        return giveUp(key, session, fault)
    }

    /// Tells the house that a job is given up; its session is out of the table already.
    private mutating func giveUp(
        _ key: Key, _ session: Session, _ fault: NodeFault
    ) -> [Effect] {
        remember(key)
        return Self.hangUp(session) + [
            .send(fault.frame(stage: key.stage, job: key.job, attempt: key.attempt)),
            .dropped(key.job, attempt: key.attempt, fault),
        ]
    }

    private static func hangUp(_ session: Session) -> [Effect] {
        guard case .upstream(let session) = session else { return [] }
        return [.hangUp(session.assignment.job, attempt: session.assignment.attempt)]
    }

    /// Forgets a job that the house cancelled.
    public mutating func cancel(job: JobID, attempt: UInt32) -> [Effect] {
        stages(of: job, attempt: attempt).flatMap { drop($0, nil) }
    }

    /// What is worked on for one attempt at a job, in order of stage.
    private func stages(of job: JobID, attempt: UInt32) -> [Key] {
        sessions.keys.filter { $0.job == job && $0.attempt == attempt }
            .sorted { $0.stage < $1.stage }
    }

    /// Forgets all jobs: the link is gone, and the house replaces whoever was on it.
    public mutating func loseLink() -> [Effect] {
        let lost = sessions.keys.sorted {
            ($0.job, $0.attempt, $0.stage) < ($1.job, $1.attempt, $1.stage)
        }
        return lost.flatMap { drop($0, nil) }
    }

    /// Takes no more assignments.
    public mutating func stop() { isStopping = true }

    private mutating func drop(_ key: Key, _ fault: NodeFault?) -> [Effect] {
        guard let session = sessions.removeValue(forKey: key) else { return [] }
        if let stage = session.stage { schedulers[stage.place].remove(key) }
        remember(key)
        return Self.hangUp(session) + [.dropped(key.job, attempt: key.attempt, fault)]
    }

    private mutating func remember(_ key: Key) {
        ended.append(key)
        if ended.count > 256 { ended.removeFirst(128) }
    }

    /// Signs for a finished job. The chain of receipts only grows by what is really signed.
    private mutating func end(
        _ session: Session, _ key: Key, _ positions: UInt32, _ now: Timestamp
    ) throws(NodeFault) -> [Effect] {
        let receipt: Receipt
        var logits: [Digest] = []
        switch session {
        case .stage(let session):
            receipt = try session.receipt(
                positions: positions, previous: previousReceipt, at: now)
            logits = session.runner.logitsHashes
        case .upstream(let session):
            receipt = try session.receipt(
                positions: positions, previous: previousReceipt, at: now)
        }
        previousReceipt = receipt.digest
        remember(key)
        return Self.hangUp(session) + [.submit(receipt.signed(by: identity), logits: logits)]
    }

    /// The session of an earlier attempt that goes on as this one; `nil` if there is none.
    private mutating func resumed(_ assignment: Assignment) throws(NodeFault) -> Session? {
        guard let resume = assignment.resume else { return nil }
        for key in stages(of: assignment.job, attempt: resume.attempt) {
            guard case .stage(var session)? = sessions[key], session.canResume(assignment) else {
                continue
            }
            sessions[key] = nil
            schedulers[session.place].remove(key)
            remember(key)
            try session.resume(assignment)
            return .stage(session)
        }
        return nil
    }

    /// Paid work goes before what is only computed along: that of the latest job is given up.
    private mutating func makeRoom(for assignment: Assignment) -> [Effect] {
        let same = sessions.filter { $0.value.assignment.layers == assignment.layers }
        guard !assignment.isStandIn,
            let place = served.first(where: { $0.stage.layers == assignment.layers }),
            same.count >= place.concurrency,
            let last = same.filter({ $0.value.assignment.isStandIn }).keys.max(by: {
                ($0.job, $0.attempt) < ($1.job, $1.attempt)
            }), let session = sessions.removeValue(forKey: last)
        else { return [] }
        if let stage = session.stage { schedulers[stage.place].remove(last) }
        return giveUp(last, session, NodeFault(.busy, "paid work came"))
    }

    private func begin(
        _ assignment: Assignment, at now: Timestamp
    ) throws(NodeFault) -> Session {
        if isStopping { throw NodeFault(.stopping, "the node is shutting down") }
        if let upstream, upstream.offers(assignment) {
            guard assignment.sampling.format == .text else {
                throw NodeFault(.badAssignment, "an upstream is not held to an output format")
            }
            try checkRoom(
                for: assignment, context: upstream.context, concurrency: upstream.concurrency)
            return .upstream(UpstreamSession(assignment, on: upstream, at: now))
        }
        let place = try place(for: assignment)
        return .stage(
            try NodeSession(assignment, on: served[place], place: place, at: now))
    }

    private func place(for assignment: Assignment) throws(NodeFault) -> Int {
        let index = served.firstIndex {
            $0.stage.layers == assignment.layers && $0.model == assignment.model
                && $0.weights == assignment.weights && $0.profile == assignment.profile
        }
        guard let index else {
            throw NodeFault(.notOffered, "layers \(assignment.layers) of this model: not offered")
        }
        let place = served[index]
        guard place.stage.isFirst == (assignment.stage == 0),
            place.stage.isLast == (assignment.stage + 1 == assignment.stages)
        else {
            throw NodeFault(
                .badAssignment,
                "layers \(assignment.layers) cannot be stage \(assignment.stage) of "
                    + "\(assignment.stages)")
        }
        try checkRoom(for: assignment, context: place.context, concurrency: place.concurrency)
        return index
    }

    private func checkRoom(
        for assignment: Assignment, context: Int, concurrency: Int
    ) throws(NodeFault) {
        guard assignment.capacity < context else {
            throw NodeFault(
                .contextTooLong, "\(assignment.capacity + 1) tokens, offered are \(context)")
        }
        let running = sessions.values.count { $0.assignment.layers == assignment.layers }
        guard running < concurrency else {
            throw NodeFault(.busy, "\(running) jobs are running, offered are \(concurrency)")
        }
    }

    static func pong(_ ping: WireFrame) -> WireFrame {
        do {
            return try WireFrame(
                kind: .pong, stage: ping.stage, job: ping.job, attempt: ping.attempt,
                position: ping.position)
        } catch {
            preconditionFailure("a frame without payload always fits: \(error)")
        }
    }
}
