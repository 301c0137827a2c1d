import Economics
import Planning
import Primitives

/// How a running job goes on or ends: replacement, delivery, failure.
extension ClearingHouse {
    mutating func replaceStage(
        _ id: JobID, attempt: UInt32, stage: UInt16, code: FaultCode, at time: Timestamp,
        into events: inout [Event]
    ) throws(Rejection) {
        let job = try attempted(id, attempt, stage: stage)
        if code.faultClass != .liveness { throw .noSuchStage }
        let lost = job.pipeline[Int(stage)]
        noteFault(on: lost.node, code: code, into: &events)
        jobs[id].failedNodes.append(lost.node)
        vacate(job.pipeline)
        jobs[id].pipeline = []
        if job.attempt >= ClearingHouse.attemptLimit {
            return endUncharged(id, reason: .tooManyAttempts, at: time, into: &events)
        }
        guard
            let pipeline = patched(job, stage: Int(stage), at: time)
                ?? renewed(job, stage: Int(stage), at: time)
        else {
            return endUncharged(id, reason: .noReplacement, at: time, into: &events)
        }
        begin(pipeline, of: id, into: &events)
    }

    /// Whether there is another node and that it takes over are one decision: a doubt alone ends no
    /// job. A whole new pipeline is not looked for: the stage may still answer.
    mutating func replaceDoubted(
        _ id: JobID, attempt: UInt32, stage: UInt16, at time: Timestamp,
        into events: inout [Event]
    ) throws(Rejection) {
        let job = try attempted(id, attempt, stage: stage)
        vacate(job.pipeline)
        let found = patched(job, stage: Int(stage), at: time)
        guard job.attempt < ClearingHouse.attemptLimit, let pipeline = found else {
            occupy(job.pipeline)
            throw .noAlternative
        }
        let doubted = job.pipeline[Int(stage)].node
        noteFault(on: doubted, code: .declined, into: &events)
        jobs[id].failedNodes.append(doubted)
        begin(pipeline, of: id, into: &events)
    }

    /// A job that runs this attempt, which has such a stage.
    func attempted(
        _ id: JobID, _ attempt: UInt32, stage: UInt16
    ) throws(Rejection) -> Job {
        guard let job = jobs.at(id) else { throw .jobNotFound }
        if job.state != .running { throw .wrongJobState }
        if job.attempt != attempt { throw .staleAttempt }
        if Int(stage) >= job.pipeline.count { throw .noSuchStage }
        return job
    }

    /// A new pipeline takes over as the next attempt.
    mutating func begin(
        _ pipeline: [StageAssignment], of id: JobID, into events: inout [Event]
    ) {
        jobs[id].pipeline = pipeline
        jobs[id].attempt += 1
        occupy(pipeline)
        events.append(.stageReplaced(id, attempt: jobs[id].attempt))
    }

    /// Other nodes for the lost layers beside the stages that are left; `job` occupies nothing.
    private mutating func patched(
        _ job: Job, stage: Int, at time: Timestamp
    ) -> [StageAssignment]? {
        var rest = job.pipeline
        let lost = rest.remove(at: stage)
        guard rest.allSatisfy({ nodes[$0.node].online }) else { return nil }
        // What goes on counts against its owners' bonds while the rest is looked for.
        occupy(rest)
        let patch = replacement(
            for: job, layers: lost.layers, beside: rest, without: lost.node, at: time)
        vacate(rest)
        guard let patch else { return nil }
        rest.insert(contentsOf: patch, at: stage)
        return rest.count <= Limits.stages && isWithin(job, rest) ? rest : nil
    }

    /// A whole new pipeline without the lost stage's node.
    private func renewed(_ job: Job, stage: Int, at time: Timestamp) -> [StageAssignment]? {
        guard let layers = LayerRange(0, models[job.demand.model].draft.layers),
            let pipeline = replacement(
                for: job, layers: layers, beside: [], without: job.pipeline[stage].node, at: time),
            isWithin(job, pipeline)
        else { return nil }
        return pipeline
    }

    /// Stages for some layers within what is held and allowed. Who wants the cheapest gets it or,
    /// if it is over a limit, nothing: a cheaper sum of one price and the other may hide what would
    /// be within both, but journals of before were decided so.
    private func replacement(
        for job: Job, layers: LayerRange, beside rest: [StageAssignment], without lost: NodeID,
        at time: Timestamp
    ) -> [StageAssignment]? {
        var limits: [PlanLimit] = []
        if job.demand.sort != .price {
            let others = rest.map { offers[$0.offer] }
            guard let left = job.demand.limits(beside: others, hold: job.hold) else { return nil }
            limits = left
        }
        return match(
            job.demand, layers: layers, excluding: job.failedNodes + [lost], limits: limits,
            at: time)
    }

    /// Never dearer than what is held, nor than the buyer allows.
    func isWithin(_ job: Job, _ pipeline: [StageAssignment]) -> Bool {
        total(pipeline) <= job.hold && withinPriceLimits(pipeline, job.demand)
    }

    mutating func submitReceipts(
        _ delivery: Delivery, _ rules: Parameters, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        guard let job = jobs.at(delivery.job) else { throw .jobNotFound }
        if job.state != .running { throw .wrongJobState }
        if job.attempt != delivery.attempt { throw .staleAttempt }
        try checkReceipts(delivery, of: job)
        if delivery.receipts.count < job.pipeline.count {
            return endUnsigned(job, delivery, at: time, into: &events)
        }

        let id = job.id
        var cost = Amount.zero
        jobs[id].state = .delivered
        vacate(job.pipeline)
        for (place, assigned) in job.pipeline.enumerated() {
            var stage = assigned
            let receipt = delivery.receipts[place].body
            stage.cost = offers[stage.offer].cost(
                promptTokens: job.demand.promptTokens, outputTokens: delivery.outputTokens)
            stage.roots = StageRoots(input: receipt.inputRoot, output: receipt.outputRoot)
            cost += stage.cost
            parties[stage.party].exposure += stage.cost
            jobs[id].pipeline[place] = stage
        }
        take(job.holdTransfer, amount: cost, at: time)
        jobs[id].outputTokens = delivery.outputTokens
        jobs[id].output = delivery.output
        jobs[id].cost = cost
        jobs[id].endedAt = time
        jobs[id].deadline = time + rules.challengeWindow
        parties[job.demand.buyer].runningJobs -= 1
        queue(id)
        agenda.add(.window(id), at: jobs[id].deadline)
        events.append(.jobDelivered(id, cost: cost))
    }

    /// A stage that signed nothing cannot be judged, and neither can the answer: nobody is paid and
    /// nothing is charged. Otherwise two friends could sell one layer's work as a whole model's.
    private mutating func endUnsigned(
        _ job: Job, _ delivery: Delivery, at time: Timestamp, into events: inout [Event]
    ) {
        for (place, stage) in job.pipeline.enumerated()
        where !delivery.receipts.contains(where: { Int($0.body.stage) == place }) {
            noteFault(on: stage.node, code: .receiptWithheld, into: &events)
        }
        endUncharged(job.id, reason: .unsigned, at: time, into: &events)
    }

    /// Everything a set of receipts must satisfy, in order of the rejections' numbers.
    private func checkReceipts(_ delivery: Delivery, of job: Job) throws(Rejection) {
        let receipts = delivery.receipts
        let stages = receipts.map(\.body.stage)
        if zip(stages, stages.dropFirst()).contains(where: { $0 >= $1 }) {
            throw .duplicateReceipt
        }
        let model = models[job.demand.model].draft
        for receipt in receipts {
            let body = receipt.body
            guard body.job == job.id, body.attempt == job.attempt,
                Int(body.stage) < job.pipeline.count, Int(body.stages) == job.pipeline.count
            else { throw .receiptMisaddressed }
            let stage = job.pipeline[Int(body.stage)]
            if receipt.signer != nodes[stage.node].key { throw .wrongSigner }
            let offer = offers[stage.offer]
            guard body.model == model.root, body.layers == stage.layers,
                body.weights == offer.draft.weights, body.profile == offer.profile(of: model)
            else { throw .wrongWork }
            guard delivery.outputTokens > 0, body.promptTokens == job.demand.promptTokens,
                body.outputTokens == delivery.outputTokens,
                UInt64(body.positions) + 1
                    == UInt64(body.promptTokens) + UInt64(body.outputTokens)
            else { throw .wrongTokenCount }
        }
        if delivery.outputTokens == 0 { throw .wrongTokenCount }
        for (upper, lower) in zip(receipts, receipts.dropFirst())
        where lower.body.stage == upper.body.stage + 1 {
            if lower.body.inputRoot != upper.body.outputRoot { throw .brokenChain }
        }
        if delivery.outputTokens > job.demand.maxTokens { throw .outputOverLimit }
    }

    mutating func failJob(
        _ id: JobID, reason: FailureReason, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        guard let job = jobs.at(id) else { throw .jobNotFound }
        if job.state != .running { throw .wrongJobState }
        if reason == .unsigned {
            for stage in job.pipeline {
                noteFault(on: stage.node, code: .receiptWithheld, into: &events)
            }
        }
        endUncharged(id, reason: reason, at: time, into: &events)
    }

    /// Frees the hold: nobody pays, nobody is paid.
    mutating func endUncharged(
        _ id: JobID, reason: FailureReason, at time: Timestamp, into events: inout [Event]
    ) {
        vacate(jobs[id].pipeline)
        release(jobs[id].holdTransfer, at: time)
        jobs[id].state = .failed
        jobs[id].failure = reason
        jobs[id].endedAt = time
        parties[jobs[id].demand.buyer].runningJobs -= 1
        events.append(.jobFailed(id, reason))
    }

    /// Writes down a fault that moves no bond, and what it costs in emission.
    mutating func noteFault(on node: NodeID, code: FaultCode, into events: inout [Event]) {
        let party = nodes[node].party
        if code == .declined {
            return events.append(.faultNoted(node, code: code, rung: .warn))
        }
        let rung = SlashPolicy.rung(code: code, prior: parties[party].livenessFaults)
        parties[party].livenessFaults += 1
        if rung >= .loseEpochReward {
            parties[party].livenessLostUntil = EpochID(UInt64(epochs.count) + 1)
        }
        events.append(.faultNoted(node, code: code, rung: rung))
    }

    static var attemptLimit: UInt32 { 5 }
}
