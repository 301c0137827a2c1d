import Planning
import Primitives

/// From demands to pipelines: which offers may serve, and which of their pipelines is taken
/// (`Planning`). All messages pass through the house, so the machines form a star around it.
extension ClearingHouse {
    private struct Candidate {
        let plan: PlanOffer
        let party: PartyID
        /// The house's round trip with its node.
        let roundTrip: UInt32
    }

    /// The pipeline a demand gets, or `nil` if it gets none. `failed` nodes are left out; `layers`
    /// is the whole model or the part that lost its stage; the limits are for these layers.
    func match(
        _ demand: Demand, layers: LayerRange, excluding failed: [NodeID],
        limits: [PlanLimit] = [], at time: Timestamp
    ) -> [StageAssignment]? {
        if demand.sort == .price, demand.order.isEmpty, limits.isEmpty {
            switch cheapestAlone(demand, layers: layers, excluding: failed, at: time) {
            case .stage(let stage): return [stage]
            case .nothing: return nil
            case .needsPlan: break
            }
        }
        let open = candidates(for: demand, excluding: failed, at: time)
        let request = demand.planRequest(layers, limits)
        var edges = PlanEdges(.star, machines: open.count)
        for candidate in open {
            edges.set(nil, candidate.plan.machine, roundTrip: candidate.roundTrip)
        }
        for preferred in demand.order {
            let own = open.filter { $0.party == preferred }
            if let cover = coveredByBond(request, own, edges) { return cover }
        }
        if !demand.order.isEmpty, !demand.allowFallbacks {
            return coveredByBond(request, open.filter { demand.order.contains($0.party) }, edges)
        }
        return coveredByBond(request, open, edges)
    }

    private enum Shortcut {
        case stage(StageAssignment)
        case nothing
        case needsPlan
    }

    /// Where every offer that could serve covers all the layers there is nothing to plan: the
    /// cheapest whose owner's bond covers it serves alone, the oldest of equals. O(offers), and
    /// most are passed by after a look at their prices.
    private func cheapestAlone(
        _ demand: Demand, layers: LayerRange, excluding failed: [NodeID], at time: Timestamp
    ) -> Shortcut {
        var best: (place: Int, cost: Amount)?
        for id in models[demand.model].offers {
            let place = Int(id.rawValue) - 1
            if offers[place].draft.layers != layers { return .needsPlan }
            if let best,
                offers[place].draft.outputPrice >= offers[best.place].draft.outputPrice,
                offers[place].draft.inputPrice >= offers[best.place].draft.inputPrice
            {
                continue
            }
            guard mayServe(offers[place], demand, excluding: failed, at: time) else { continue }
            let cost = offers[place].cost(
                promptTokens: demand.promptTokens, outputTokens: demand.maxTokens)
            if let best, cost >= best.cost { continue }
            guard isCovered(offers[place].party, extra: cost) else { continue }
            best = (place, cost)
        }
        guard let best else { return .nothing }
        let offer = offers[best.place]
        return .stage(
            StageAssignment(
                offer: offer.id, node: offer.draft.node, party: offer.party, layers: layers,
                cost: best.cost, roots: nil))
    }

    /// Whether an offer is there, has room for the demand and is not left out by it. Prices only
    /// add up along a pipeline: an offer over a limit fits none.
    @inline(__always)
    func mayServe(
        _ offer: Offer, _ demand: Demand, excluding failed: [NodeID], at time: Timestamp
    ) -> Bool {
        guard offer.state == .live, offer.draft.expiresAt > time,
            nodes[offer.draft.node].online, offer.running < offer.draft.concurrency,
            UInt64(offer.draft.context) >= UInt64(demand.promptTokens)
                + UInt64(demand.maxTokens),
            offer.draft.numerics == .exact || demand.acceptsStatistical,
            failed.isEmpty || !failed.contains(offer.draft.node),
            demand.ignore.isEmpty || !demand.ignore.contains(offer.party),
            demand.only.isEmpty || demand.only.contains(offer.party)
        else { return false }
        if let limit = demand.maxInputPrice, offer.draft.inputPrice > limit { return false }
        if let limit = demand.maxOutputPrice, offer.draft.outputPrice > limit { return false }
        return true
    }

    /// Whether a party's bond covers so much more that it could steal.
    func isCovered(_ party: PartyID, extra: Amount) -> Bool {
        guard let needed = requiredBond(of: party, extra: extra) else { return false }
        return needed <= balance(.bonded, .usd, of: party)
    }

    private func candidates(
        for demand: Demand, excluding failed: [NodeID], at time: Timestamp
    ) -> [Candidate] {
        var found: [Candidate] = []
        for id in models[demand.model].offers {
            let offer = offers[id]
            guard mayServe(offer, demand, excluding: failed, at: time) else { continue }
            let cost = offer.cost(promptTokens: demand.promptTokens, outputTokens: demand.maxTokens)
            guard isCovered(offer.party, extra: cost) else { continue }
            let trip = nodes[offer.draft.node].measures.roundTrip
            found.append(
                .init(
                    plan: planOffer(offer, machine: found.count), party: offer.party,
                    roundTrip: trip > 0 ? trip : PlanEdges.unknown))
        }
        return found
    }

    /// An offer as the planner sees it: at the pace that was measured, or a slow one, and slower by
    /// a third for each job that runs there.
    private func planOffer(_ offer: Offer, machine: Int) -> PlanOffer {
        let layers = offer.draft.layers
        let pace = nodes[offer.draft.node].measures.pace(of: offer.draft.model, layers)
        func loaded(_ known: UInt32?, _ unknown: UInt32) -> UInt32 {
            let time = known.flatMap { $0 > 0 ? $0 : nil } ?? unknown * UInt32(layers.count)
            return UInt32(clamping: UInt64(time) * (3 + UInt64(offer.running)) / 3)
        }
        return PlanOffer(
            id: offer.id.rawValue, machine: machine, layers: layers,
            inputPrice: offer.draft.inputPrice, outputPrice: offer.draft.outputPrice,
            tokenTime: loaded(pace?.tokenTime, ClearingHouse.unknownTokenTime),
            promptTime: loaded(pace?.promptTime, ClearingHouse.unknownPromptTime))
    }

    /// What a layer counts as on a node that has not been measured: microseconds for one position
    /// after another, and nanoseconds for each position of a prompt.
    private static var unknownTokenTime: UInt32 { 2_000 }
    private static var unknownPromptTime: UInt32 { 60_000 }

    /// The best cover whose owners' bonds also cover several stages of one owner together: as long
    /// as one does not, its dearest stage is left out and the search repeated.
    private func coveredByBond(
        _ request: PlanRequest, _ candidates: [Candidate], _ edges: PlanEdges
    ) -> [StageAssignment]? {
        var left = candidates
        while let plan = try? PipelinePlanner.plan(
            request, offers: left.map(\.plan), edges: edges
        ).get() {
            let cover = assignments(plan, of: request)
            guard let excess = cover.first(where: { isUncovered($0.party, in: cover) }) else {
                return cover
            }
            let own = cover.filter { $0.party == excess.party }
            guard let dearest = own.max(by: { ($0.cost, $0.offer) < ($1.cost, $1.offer) }) else {
                return nil
            }
            left.removeAll { $0.plan.id == dearest.offer.rawValue }
        }
        return nil
    }

    private func assignments(_ plan: PipelinePlan, of demand: PlanRequest) -> [StageAssignment] {
        plan.stages.map { stage in
            let offer = offers[OfferID(stage.id)]
            return StageAssignment(
                offer: offer.id, node: offer.draft.node, party: offer.party, layers: stage.layers,
                cost: offer.cost(
                    promptTokens: demand.promptTokens, outputTokens: demand.maxTokens),
                roots: nil)
        }
    }

    private func isUncovered(_ party: PartyID, in cover: [StageAssignment]) -> Bool {
        var sum = Amount.zero
        for stage in cover where stage.party == party { sum += stage.cost }
        return !isCovered(party, extra: sum)
    }
}

extension Demand {
    /// What the planner is asked for.
    fileprivate func planRequest(_ layers: LayerRange, _ limits: [PlanLimit]) -> PlanRequest {
        let (objective, tieBreak): (PlanCriterion, PlanCriterion?) =
            switch sort {
            case .price: (.cost, nil)
            case .latency: (.firstToken, .cost)
            case .throughput: (.perToken, .cost)
            }
        return PlanRequest(
            layers: layers, promptTokens: promptTokens, maxTokens: maxTokens,
            objective: objective, tieBreak: tieBreak, limits: limits)
    }

    /// The limits for what is looked for beside `rest`, for at most `hold` together; `nil` if the
    /// rest is over one of them already.
    func limits(beside rest: [Offer], hold: Amount? = nil) -> [PlanLimit]? {
        var limits: [PlanLimit] = []
        func limit(_ criterion: PlanCriterion, _ most: UInt128?, _ used: UInt128) -> Bool {
            guard let most else { return true }
            guard used <= most else { return false }
            limits.append(PlanLimit(criterion, atMost: most - used))
            return true
        }
        let used = rest.reduce(Amount.zero) {
            $0 + $1.cost(promptTokens: promptTokens, outputTokens: maxTokens)
        }
        let input = rest.reduce(UInt128(0)) { $0 + UInt128($1.draft.inputPrice.perMillion) }
        let output = rest.reduce(UInt128(0)) { $0 + UInt128($1.draft.outputPrice.perMillion) }
        guard limit(.cost, hold?.units, used.units),
            limit(.inputPrice, maxInputPrice.map { UInt128($0.perMillion) }, input),
            limit(.outputPrice, maxOutputPrice.map { UInt128($0.perMillion) }, output)
        else { return nil }
        return limits
    }
}
