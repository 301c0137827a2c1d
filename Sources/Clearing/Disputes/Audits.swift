import Economics
import Ledger
import Primitives

/// Which delivered jobs are re-executed, and by whom.
extension ClearingHouse {
    mutating func drawAudits(
        beacon: Digest, _ rules: Parameters, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        if beacon == lastBeacon { throw .beaconReused }
        lastBeacon = beacon
        let lottery = AuditLottery(beacon: beacon)
        let drawn = undrawn
        undrawn = []
        for id in drawn { jobs[id].isQueued = false }
        for id in drawn where jobs[id].state == .delivered {
            // An audit is paid out of what the job cost.
            guard !jobs[id].cost.isZero || jobs[id].suspect else { continue }
            let selected = lottery.draws(
                job: id.rawValue, perMillion: rules.auditRatePerMillion)
            guard selected || jobs[id].suspect else { continue }
            let job = jobs[id]
            let able = auditors(of: job, rules)
            guard !able.isEmpty else {
                // Drawn again with every beacon until somebody can, or its window ends.
                jobs[id].suspect = true
                queue(id)
                events.append(.auditSkipped(id))
                continue
            }
            let node = able[lottery.auditor(job: id.rawValue, among: able.count)]
            jobs[id].state = .auditing
            jobs[id].auditor = node
            jobs[id].deadline = time + rules.auditTimeout
            nodes[node].openAudits += 1
            agenda.add(.audit(id), at: jobs[id].deadline)
            events.append(.auditAssigned(id, node))
        }
    }

    /// Connected, bonded verifiers of the job's model who neither served it nor bought it.
    private func auditors(of job: Job, _ rules: Parameters) -> [NodeID] {
        models[job.demand.model].verifiers.filter { id in
            let owner = nodes[id].party
            return nodes[id].online && nodes[id].openAudits < Limits.openAudits
                && !parties[owner].tombstoned && owner != job.demand.buyer
                && !job.pipeline.contains { $0.party == owner }
                && balance(.bonded, .usd, of: owner) >= rules.minimumBond
        }
    }

    /// A node did not show its weights: a liveness fault, since who lies about work is found by the
    /// work (docs/reference/weight-proofs.md).
    mutating func noteUnprovenWeights(
        _ node: NodeID, into events: inout [Event]
    ) throws(Rejection) {
        guard nodes.at(node) != nil else { throw .nodeNotFound }
        noteFault(on: node, code: .weightsUnproven, into: &events)
    }

    /// The auditor did not answer: its fault is noted and the job is paid as if not drawn.
    mutating func closeUnansweredAudit(
        _ id: JobID, at time: Timestamp, into events: inout [Event]
    ) {
        let auditor = jobs[id].auditor
        nodes[auditor].openAudits -= 1
        noteFault(on: auditor, code: .receiptWithheld, into: &events)
        events.append(.auditSkipped(id))
        payStages(of: id, except: nil, at: time, into: &events)
    }
}
