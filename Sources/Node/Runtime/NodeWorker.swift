import Cryptography
import Foundation
import Inference
import Primitives
import Synchronization
import Transport
import Verification

/// Carries out what `JobTable` decides: computes on the engine's thread, sends frames, hands in
/// receipts, answers audits.
final class NodeWorker: Sendable {
    private let node: PreparedNode
    private let client: HouseClient
    private let report: @Sendable (NodeEvent) -> Void
    private let table: Mutex<JobTable>
    private let relay: UpstreamRelay?
    private let jobs = EngineThread("jobs")
    private let audits = EngineThread("audits")
    private let outbound = Mutex<AsyncStream<WireFrame>.Continuation?>(nil)
    private let pending = Mutex(0)
    /// Whether a pass waits for its turn on the engine's thread.
    private let passes = Mutex(false)
    /// Audits that wait or run; more are refused.
    private let maximumAudits = 64
    /// The audits that wait or run: the house reminds of what is owed.
    private let openAudits = Mutex<Set<JobID>>([])
    /// Opens the weights that are really run.
    private let opener: WeightOpener?
    /// Challenges that wait or run.
    private let openChallenges = Mutex(0)

    init(
        node: PreparedNode, client: HouseClient, report: @escaping @Sendable (NodeEvent) -> Void
    ) {
        self.node = node
        self.client = client
        self.report = report
        table = Mutex(
            JobTable(
                identity: node.identity, served: node.served, upstream: node.upstream?.served))
        relay = node.upstream.map { UpstreamRelay(server: $0.server) }
        opener = node.served.first.map { WeightOpener($0.stage.model) }
    }

    /// A link is up: frames to send go to `frames` from now on.
    func attach(_ frames: AsyncStream<WireFrame>.Continuation) {
        outbound.withLock { $0 = frames }
    }

    /// The link is gone, and with it all jobs.
    func detach() async {
        outbound.withLock { $0 = nil }
        await jobs.run { self.perform(self.table.withLock { $0.loseLink() }) }
    }

    /// Takes the bytes of one frame. Pings are answered at once, whatever the engine is doing.
    func receive(_ bytes: [UInt8]) async {
        if bytes.count == WireFrame.headerBytes, let frame = try? WireFrame(bytes),
            frame.kind == .ping
        {
            return perform([.send(JobTable.pong(frame))])
        }
        await jobs.enqueue {
            self.perform(self.table.withLock { $0.receive(bytes, at: Self.now) })
            self.schedulePass()
        }
    }

    /// On the engine's thread: runs passes behind what is handed in, so that each pass takes all
    /// frames that came in while the one before ran.
    private func schedulePass() {
        guard table.withLock({ $0.hasWork }) else { return }
        let isNew = passes.withLock { isWaiting in
            defer { isWaiting = true }
            return !isWaiting
        }
        if isNew { jobs.later { self.runPass() } }
    }

    private func runPass() {
        passes.withLock { $0 = false }
        perform(table.withLock { $0.runPass(at: Self.now) })
        schedulePass()
    }

    /// Takes one event of the house's stream.
    func receive(_ event: ServerSentEvent) async {
        switch event.event {
        case "job": await assign(event.data)
        case "cancel":
            guard let cancel = decode(HouseMessages.Cancel.self, event) else { return }
            await jobs.enqueue {
                self.perform(
                    self.table.withLock {
                        $0.cancel(job: JobID(cancel.job), attempt: cancel.attempt)
                    })
            }
        case "audit":
            guard let audit = decode(HouseMessages.Audit.self, event) else { return }
            startAudit(JobID(audit.job), audit.attempt)
        case "weights":
            guard let asked = decode(HouseMessages.Weights.self, event) else { return }
            prove(asked)
        default: break
        }
    }

    /// Takes no more jobs, and waits until those that run are signed for, or for `patience`.
    func drain(patience: Duration) async {
        await jobs.run { self.table.withLock { $0.stop() } }
        let start = ContinuousClock.now
        while start.duration(to: .now) < patience {
            let running = await jobs.run { self.table.withLock { $0.count } }
            if running == 0, pending.withLock({ $0 }) == 0 { return }
            try? await Task.sleep(for: .milliseconds(50))
        }
    }

    private static var now: Timestamp {
        Timestamp(nanoseconds: UInt64(max(Date().timeIntervalSince1970, 0) * 1_000_000) * 1_000)
    }

    private func decode<Value: Decodable>(
        _ type: Value.Type, _ event: ServerSentEvent
    ) -> Value? {
        let value = try? JSONDecoder().decode(type, from: Data(event.data.utf8))
        if value == nil {
            report(
                NodeEvent(
                    "bad_event", .warning, "the house sent a '\(event.event)' event that is not one"
                ))
        }
        return value
    }

    private func assign(_ data: String) async {
        do throws(NodeFault) {
            let assignment = try Assignment(json: data)
            await jobs.enqueue {
                self.perform(self.table.withLock { $0.assign(assignment, at: Self.now) })
            }
        } catch {
            report(NodeEvent("bad_event", .warning, "the house sent a bad assignment: \(error)"))
        }
    }

    private func perform(_ effects: [JobTable.Effect]) {
        for effect in effects {
            switch effect {
            case .send(let frame):
                _ = outbound.withLock { $0?.yield(frame) }
            case .submit(let receipt, let logits):
                submit(receipt, logits)
            case .ask(let request):
                ask(request)
            case .hangUp(let job, let attempt):
                relay?.hangUp(job, attempt: attempt)
            case .started(let assignment):
                report(.started(assignment))
            case .dropped(let job, let attempt, let fault):
                report(.dropped(job, attempt, fault))
            }
        }
    }

    /// Asks the upstream, and lets the table decide about what comes.
    private func ask(_ request: UpstreamRequest) {
        let (job, attempt) = (request.job, request.attempt)
        relay?.ask(request) { tokens in
            await self.jobs.enqueue {
                self.perform(
                    self.table.withLock {
                        $0.receive(tokens: tokens, job: job, attempt: attempt)
                    })
            }
        } onFailure: { error in
            // The reason names addresses that are nobody's business but the provider's.
            self.report(.upstreamFailed(request.job, "\(error)"))
            let fault = NodeFault(.upstreamFailed, "the upstream did not finish the answer")
            await self.jobs.enqueue {
                self.perform(
                    self.table.withLock { $0.fail(job: job, attempt: attempt, fault) })
            }
        }
    }

    /// Hands in a receipt on a task of its own, again and again for as long as it can matter.
    private func submit(_ receipt: Signed<Receipt>, _ logits: [Digest]) {
        pending.withLock { $0 += 1 }
        Task {
            do {
                try await Retry(limit: .seconds(30)).run { () async throws(NodeError) in
                    try await self.client.submit(receipt, logits: logits)
                }
                report(.finished(receipt.body))
            } catch {
                report(.receiptRefused(receipt.body, "\(error)"))
            }
            pending.withLock { $0 -= 1 }
        }
    }

    private func startAudit(_ job: JobID, _ attempt: UInt32) {
        let (isNew, hasRoom) = openAudits.withLock { open in
            if open.contains(job) { return (false, true) }
            guard open.count < maximumAudits else { return (true, false) }
            open.insert(job)
            return (true, true)
        }
        guard isNew else { return }
        guard hasRoom else {
            return report(NodeEvent("audit_refused", .warning, "too many audits are waiting"))
        }
        Task {
            do {
                report(.auditStarted(job))
                let judgement = try await audit(job, attempt)
                report(.auditFinished(judgement))
            } catch {
                report(.auditFailed(job, "\(error)"))
            }
            _ = openAudits.withLock { $0.remove(job) }
        }
    }

    /// Shows the weights that the house asks for, if they are offered here; a few at a time.
    private func prove(_ asked: HouseMessages.Weights) {
        guard let bytes = Hex.decode(asked.challenge),
            let challenge = try? WeightChallenge(canonicalBytes: bytes),
            challenge.node == node.identity.publicKey, challenge.model == node.manifest.root,
            node.served.contains(where: { $0.stage.layers == challenge.layers }),
            let opener, let parts = try? node.manifest.disputeModel
        else {
            return report(
                NodeEvent("bad_event", .warning, "the house asks for weights not offered here"))
        }
        let hasRoom = openChallenges.withLock { open in
            if open >= 4 { return false }
            open += 1
            return true
        }
        guard hasRoom else { return }
        Task {
            defer { openChallenges.withLock { $0 -= 1 } }
            do {
                let proof = await audits.run {
                    opener.prove(challenge, of: parts, as: self.node.identity)
                }
                guard let proof else { return }
                let limit = Duration.milliseconds(Int64(asked.milliseconds))
                try await Retry(limit: limit).run { () async throws(NodeError) in
                    try await self.client.submit(proof)
                }
                report(NodeEvent("weights_shown", "showed \(proof.body.openings.count) rows"))
            } catch {
                report(NodeEvent("weights_refused", .warning, "the proof was not taken: \(error)"))
            }
        }
    }

    /// Fetches the evidence, judges it with this node's own weights, signs and posts the verdict.
    private func audit(_ job: JobID, _ attempt: UInt32) async throws -> Judgement {
        let retry = Retry(limit: .seconds(30))
        let bytes = try await retry.run { () async throws(NodeError) in
            try await self.client.evidence(of: job)
        }
        let engine = ModelReexecutor(
            file: node.file, manifest: node.manifest,
            threads: node.configuration.threads ?? Stage.defaultThreads)
        let result = await audits.run {
            Result { () throws(EvidenceRejection) in
                let evidence = try EvidenceBundle(untrusted: bytes).verified()
                guard evidence.bundle.job == job, evidence.bundle.attempt == attempt else {
                    throw EvidenceRejection(
                        .misaddressed,
                        "asked for job \(job), attempt \(attempt), but got job "
                            + "\(evidence.bundle.job), attempt \(evidence.bundle.attempt)")
                }
                return try Judge.judge(evidence, with: engine)
            }
        }
        let judgement = try result.get()
        let verdict = judgement.verdict.signed(by: node.identity)
        try await retry.run { () async throws(NodeError) in
            try await self.client.submit(verdict)
        }
        return judgement
    }
}

extension NodeEvent {
    static func started(_ assignment: Assignment) -> NodeEvent {
        NodeEvent(
            "job_started",
            "job \(assignment.job): stage \(assignment.stage) of \(assignment.stages), layers "
                + "\(assignment.layers), attempt \(assignment.attempt)",
            [
                ("job", .number(assignment.job.rawValue)),
                ("attempt", .number(UInt64(assignment.attempt))),
                ("stage", .number(UInt64(assignment.stage))),
            ])
    }

    static func dropped(_ job: JobID, _ attempt: UInt32, _ fault: NodeFault?) -> NodeEvent {
        let reason = fault.map { "\($0)" } ?? "cancelled, or the link is gone"
        return NodeEvent(
            "job_dropped", fault == nil ? .info : .warning, "job \(job) dropped: \(reason)",
            [
                ("job", .number(job.rawValue)), ("attempt", .number(UInt64(attempt))),
                ("fault", .number(UInt64(fault?.code.rawValue ?? 0))),
            ])
    }

    static func upstreamFailed(_ job: JobID, _ reason: String) -> NodeEvent {
        NodeEvent(
            "upstream_failed", .warning, "job \(job): \(reason)",
            [("job", .number(job.rawValue)), ("reason", .text(reason))])
    }

    static func finished(_ receipt: Receipt) -> NodeEvent {
        NodeEvent(
            "job_finished",
            "job \(receipt.job): signed for \(receipt.positions) positions, output root "
                + "\(receipt.outputRoot)",
            [
                ("job", .number(receipt.job.rawValue)),
                ("attempt", .number(UInt64(receipt.attempt))),
                ("stage", .number(UInt64(receipt.stage))),
                ("prompt_tokens", .number(UInt64(receipt.promptTokens))),
                ("output_tokens", .number(UInt64(receipt.outputTokens))),
                ("output_root", .text(receipt.outputRoot.hex)),
            ])
    }

    static func receiptRefused(_ receipt: Receipt, _ reason: String) -> NodeEvent {
        NodeEvent(
            "receipt_refused", .warning, "job \(receipt.job): receipt not handed in: \(reason)",
            [("job", .number(receipt.job.rawValue)), ("reason", .text(reason))])
    }

    static func auditStarted(_ job: JobID) -> NodeEvent {
        NodeEvent(
            "audit_started", "auditing job \(job)", [("job", .number(job.rawValue))])
    }

    static func auditFailed(_ job: JobID, _ reason: String) -> NodeEvent {
        NodeEvent(
            "audit_failed", .warning, "no verdict on job \(job): \(reason)",
            [("job", .number(job.rawValue)), ("reason", .text(reason))])
    }

    static func auditFinished(_ judgement: Judgement) -> NodeEvent {
        let blame = judgement.accusedStage.map { ", stage \($0) is at fault" } ?? ""
        return NodeEvent(
            "audit_finished", "job \(judgement.job): \(judgement.code)\(blame)",
            [
                ("job", .number(judgement.job.rawValue)),
                ("code", .number(UInt64(judgement.code.rawValue))),
                ("accused_stage", .text(judgement.accusedStage.map(String.init) ?? "")),
                ("reason", .text(judgement.reasons.last ?? "")),
            ])
    }
}
