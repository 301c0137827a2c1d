import Economics
import Ledger
import Primitives

/// From demand to a held, matched job.
extension ClearingHouse {
    mutating func openJob(
        _ demand: Demand, _ rules: Parameters, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        for list in [demand.order, demand.only, demand.ignore]
        where list.count > Limits.preferences {
            throw .limitExceeded
        }
        if !parties.has(demand.buyer) { throw .partyNotFound }
        if !models.has(demand.model) { throw .modelNotFound }
        let (context, depth) = (
            models[demand.model].draft.context, models[demand.model].draft.layers
        )
        let key = Index.RequestKey(buyer: demand.buyer, request: demand.request)
        if index.jobByRequest[key] != nil { throw .requestAlreadyUsed }
        if demand.promptTokens == 0 { throw .emptyPrompt }
        if demand.maxTokens == 0 { throw .noOutputWanted }
        if UInt64(demand.promptTokens) + UInt64(demand.maxTokens) > UInt64(context) {
            throw .contextExceeded
        }
        guard let layers = LayerRange(0, depth) else { throw .noOffers }
        guard let pipeline = pipeline(for: demand, layers: layers, at: time) else {
            var anyPrice = demand
            anyPrice.maxInputPrice = nil
            anyPrice.maxOutputPrice = nil
            let isThere = match(anyPrice, layers: layers, excluding: [], at: time) != nil
            throw isThere ? .priceLimit : .noOffers
        }
        let hold = total(pipeline)
        if balance(.available, .usd, of: demand.buyer) < hold { throw .insufficientFunds }
        if parties[demand.buyer].runningJobs >= Limits.runningJobsPerBuyer { throw .tooManyJobs }

        let id = JobID(UInt64(jobs.count) + 1)
        let transfer = reserve(
            hold, from: .init(.available, .usd, of: demand.buyer), to: .init(.escrow, .usd), .hold,
            id.rawValue, at: time)
        let deadline = time + .seconds(UInt64(rules.jobTimeoutSeconds))
        jobs.append(
            Job(
                id: id, demand: demand, openedAt: time, pipeline: pipeline, hold: hold,
                holdTransfer: transfer, deadline: deadline))
        index.jobByRequest[key] = id
        parties[demand.buyer].runningJobs += 1
        occupy(pipeline)
        agenda.add(.timeout(id), at: deadline)
        events.append(.jobHeld(id, hold: hold))
    }

    /// The best pipeline within the demand's price limits. If the cheapest of all is within them it
    /// is the one, before any is looked for under the limits: so journals of before were decided,
    /// though offers that are left out for a bond could make the other way end elsewhere.
    private func pipeline(
        for demand: Demand, layers: LayerRange, at time: Timestamp
    ) -> [StageAssignment]? {
        if demand.sort == .price {
            let cheapest = match(demand, layers: layers, excluding: [], at: time)
            guard let cheapest else { return nil }
            if withinPriceLimits(cheapest, demand) { return cheapest }
        }
        guard let limits = demand.limits(beside: []) else { return nil }
        return match(demand, layers: layers, excluding: [], limits: limits, at: time)
    }

    /// The sum of the stages' costs.
    func total(_ pipeline: [StageAssignment]) -> Amount {
        pipeline.reduce(.zero) { $0 + $1.cost }
    }

    /// Whether the pipeline's prices, summed over its stages, are within the demand's limits.
    func withinPriceLimits(_ pipeline: [StageAssignment], _ demand: Demand) -> Bool {
        var input: UInt128 = 0
        var output: UInt128 = 0
        for stage in pipeline {
            input += UInt128(offers[stage.offer].draft.inputPrice.perMillion)
            output += UInt128(offers[stage.offer].draft.outputPrice.perMillion)
        }
        if let limit = demand.maxInputPrice, input > UInt128(limit.perMillion) { return false }
        if let limit = demand.maxOutputPrice, output > UInt128(limit.perMillion) { return false }
        return true
    }

    /// Counts a running pipeline against its offers' capacity and its owners' bonds.
    mutating func occupy(_ pipeline: [StageAssignment]) {
        for stage in pipeline {
            offers[stage.offer].running += 1
            parties[stage.party].exposure += stage.cost
        }
    }

    /// Undoes `occupy` when the pipeline no longer runs and nothing of it can be stolen any more.
    mutating func vacate(_ pipeline: [StageAssignment]) {
        for stage in pipeline {
            offers[stage.offer].running -= 1
            parties[stage.party].exposure -= stage.cost
        }
    }
}
