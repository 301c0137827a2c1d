public import Primitives

/// Stand-ins compute a stage along with the node that has it, unpaid, and take it over when it is
/// lost (decision 40). Who stands in for whom is the shell's affair until then; what is decided
/// here is who could, and that one of them does.
extension ClearingHouse {
    /// The nodes that could take over a stage of a running job as it is: exact, with an offer for
    /// just its layers that fits what is held and allowed, and no other stage of the job. The
    /// cheapest first, of equal ones the oldest. O(offers of the model).
    public func standIns(for id: JobID, stage: Int) -> [NodeID] {
        guard let job = jobs.at(id), job.state == .running, stage < job.pipeline.count else {
            return []
        }
        var found: [(cost: Amount, offer: OfferID, node: NodeID)] = []
        for offer in models[job.demand.model].offers {
            guard let place = standIn(offers[offer], for: job, stage: stage, at: now) else {
                continue
            }
            found.append((place.cost, offer, place.node))
        }
        return found.sorted { ($0.cost, $0.offer) < ($1.cost, $1.offer) }.map(\.node)
    }

    /// A stage was lost or is doubted, and its stand-in takes over, if it still can: nothing
    /// changes if not, and another replacement is to be looked for.
    mutating func replaceByStandIn(
        _ id: JobID, attempt: UInt32, stage: UInt16, code: FaultCode, standIn node: NodeID,
        at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        let job = try attempted(id, attempt, stage: stage)
        if code.faultClass != .liveness { throw .noSuchStage }
        guard nodes.at(node) != nil else { throw .nodeNotFound }
        let places = nodes[node].offers.compactMap {
            standIn(offers[$0], for: job, stage: Int(stage), at: time)
        }
        let place = places.min { ($0.cost, $0.offer) < ($1.cost, $1.offer) }
        guard let place, job.attempt < ClearingHouse.attemptLimit else { throw .noAlternative }
        let lost = job.pipeline[Int(stage)].node
        vacate(job.pipeline)
        noteFault(on: lost, code: code, into: &events)
        jobs[id].failedNodes.append(lost)
        var pipeline = job.pipeline
        pipeline[Int(stage)] = place
        begin(pipeline, of: id, into: &events)
    }

    /// The place an offer would have in a stage's stead; `nil` if it cannot have it.
    private func standIn(
        _ offer: Offer, for job: Job, stage: Int, at time: Timestamp
    ) -> StageAssignment? {
        let (draft, demand) = (offer.draft, job.demand)
        guard mayServe(offer, demand, excluding: job.failedNodes, at: time),
            draft.model == demand.model, draft.numerics == .exact,
            draft.layers == job.pipeline[stage].layers,
            !job.pipeline.contains(where: { $0.node == draft.node }),
            demand.order.isEmpty || demand.allowFallbacks || demand.order.contains(offer.party)
        else { return nil }
        let cost = offer.cost(promptTokens: demand.promptTokens, outputTokens: demand.maxTokens)
        guard isCovered(offer.party, extra: cost) else { return nil }
        let place = StageAssignment(
            offer: offer.id, node: draft.node, party: offer.party, layers: draft.layers,
            cost: cost, roots: nil)
        var pipeline = job.pipeline
        pipeline[stage] = place
        return isWithin(job, pipeline) ? place : nil
    }
}
