public import Cryptography
import Inference
public import Primitives

/// All the work of a node: assignments and frames in, effects out. Decides everything, waits for
/// nothing and reads no clock; the runtime sends, posts and reports.
///
/// `receive` computes, which takes milliseconds to seconds: call it on a thread of its own.
public struct JobTable: Sendable {
    /// What is to be done.
    public enum Effect: Equatable, Sendable {
        /// Send this frame.
        case send(WireFrame)
        /// Hand in this receipt; the last stage also hands in the hashes of its logits.
        case submit(Signed<Receipt>, logits: [Digest])
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

    private let identity: Ed25519.PrivateKey
    private let served: [ServedStage]
    private var sessions: [Key: NodeSession] = [:]
    /// Jobs that ended not long ago: late frames for them are no news.
    private var ended: [Key] = []
    private var previousReceipt = Digest.zero
    private var isStopping = false

    /// A table that serves these stages and signs as `identity`.
    public init(identity: Ed25519.PrivateKey, served: [ServedStage]) {
        self.identity = identity
        self.served = served
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
            let place = try place(for: assignment)
            let session = try NodeSession(assignment, on: place, at: now)
            sessions[key] = session
            return [.started(assignment), .send(session.ready)]
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
        case .ready, .tokens, .activations, .sampled, .end, .open, .window, .verdict, .discard:
            break
        }
        guard var session = sessions.removeValue(forKey: key) else {
            if ended.contains(key) { return [] }
            if let held = stages(of: frame.job, attempt: frame.attempt).first {
                let fault = NodeFault(
                    .wrongStage, "a frame for stage \(frame.stage), here is \(held.stage)")
                return [
                    .send(fault.frame(stage: held.stage, job: held.job, attempt: held.attempt))
                ] + drop(held, fault)
            }
            let fault = NodeFault(
                .unknownJob, "job \(frame.job), attempt \(frame.attempt), was not assigned here")
            return [
                .send(fault.frame(stage: frame.stage, job: frame.job, attempt: frame.attempt))
            ]
        }
        do throws(NodeFault) {
            if frame.kind == .end { return try end(session, key, frame.position, now) }
            let reply = try session.receive(frame)
            sessions[key] = session
            return reply.map { [.send($0)] } ?? []
        } catch {
            remember(key)
            return [
                .send(
                    error.frame(
                        stage: session.assignment.stage, job: frame.job, attempt: frame.attempt)),
                .dropped(frame.job, attempt: frame.attempt, error),
            ]
        }
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
        guard sessions.removeValue(forKey: key) != nil else { return [] }
        remember(key)
        return [.dropped(key.job, attempt: key.attempt, fault)]
    }

    private mutating func remember(_ key: Key) {
        ended.append(key)
        if ended.count > 256 { ended.removeFirst(128) }
    }

    /// Signs for a finished job. The chain of receipts only grows by what is really signed.
    private mutating func end(
        _ session: NodeSession, _ key: Key, _ positions: UInt32, _ now: Timestamp
    ) throws(NodeFault) -> [Effect] {
        let receipt = try session.receipt(
            positions: positions, previous: previousReceipt, at: now)
        previousReceipt = receipt.digest
        remember(key)
        return [.submit(receipt.signed(by: identity), logits: session.runner.logitsHashes)]
    }

    private func place(for assignment: Assignment) throws(NodeFault) -> ServedStage {
        if isStopping { throw NodeFault(.stopping, "the node is shutting down") }
        let place = served.first {
            $0.stage.layers == assignment.layers && $0.model == assignment.model
                && $0.weights == assignment.weights && $0.profile == assignment.profile
        }
        guard let place else {
            throw NodeFault(.notOffered, "layers \(assignment.layers) of this model: not offered")
        }
        guard place.stage.isFirst == (assignment.stage == 0),
            place.stage.isLast == (assignment.stage + 1 == assignment.stages)
        else {
            throw NodeFault(
                .badAssignment,
                "layers \(assignment.layers) cannot be stage \(assignment.stage) of "
                    + "\(assignment.stages)")
        }
        guard assignment.capacity < place.context else {
            throw NodeFault(
                .contextTooLong,
                "\(assignment.capacity + 1) tokens, offered are \(place.context)")
        }
        let running = sessions.values.count { $0.assignment.layers == assignment.layers }
        guard running < place.concurrency else {
            throw NodeFault(.busy, "\(running) jobs are running, offered are \(place.concurrency)")
        }
        return place
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
