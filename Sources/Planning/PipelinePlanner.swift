import Primitives

/// Finds the best pipeline for a request: exactly, and by integers only, so that everybody who has
/// the same offers finds the same one.
///
/// Of all pipelines that keep the limits the one with the least (objective, tie-break, number of
/// stages, numbers of the offers from the first stage on) is taken. That order does not change when
/// the same stage is put before two pipelines, so from each layer on only the best rest for each
/// machine that can stand at its front is kept (dynamic programming). With limits several are kept:
/// those to which no other is both preferred and not larger in any limit (labels that are not
/// dominated; Martins, "On a multicriteria shortest path problem", 1984).
///
/// For n offers without limits O(n log n) in a star; in a ring O(n^2) at worst, as every offer that
/// ends at a layer meets every one that begins there. With limits the number of labels can grow
/// without a bound that is worth anything, so the work is cut off (`workLimit`).
public enum PipelinePlanner {
    /// Labels that are made or compared before a search is cut short: some milliseconds.
    public static let workLimit = 1 << 18
    /// Stages in a pipeline.
    public static let maximumStages = 64

    /// The best pipeline, or why there is none. `offers` have different numbers, and machines that
    /// `edges` knows; the request has tokens.
    public static func plan(
        _ request: PlanRequest, offers: [PlanOffer], edges: PlanEdges
    ) -> Result<PipelinePlan, PlanRefusal> {
        let inside = offers.filter {
            $0.layers.first >= request.layers.first && $0.layers.end <= request.layers.end
        }
        let positions = UInt64(request.promptTokens) + UInt64(request.maxTokens)
        let fitting = inside.filter { $0.memory?.fits(positions: positions) ?? true }
        let limits = request.limits + stageLimit(request.layers, fitting)
        var work = workLimit
        func search(
            _ objective: PlanCriterion, _ tieBreak: PlanCriterion?, _ limits: [PlanLimit]
        ) -> [PlanOffer]? {
            var search = PlanSearch(request, objective, tieBreak, limits, fitting, edges)
            return search.best(&work)
        }
        if let best = search(request.objective, request.tieBreak, limits) {
            return .success(summary(best, request, edges, isExact: true))
        }
        let isCutShort = work <= 0
        if !isCovered(request.layers, inside) { return .failure(.uncovered) }
        if !isCovered(request.layers, fitting) { return .failure(.noMemory) }
        work = .max
        guard search(request.objective, nil, []) != nil else { return .failure(.unreachable) }
        // The least that each limit can come to, each alone.
        let least = limits.compactMap { search($0.criterion, request.objective, []) }
        let order = PlanOrder(request, edges)
        for (limit, path) in zip(limits, least)
        where order.total(limit.criterion, path) > limit.most {
            return .failure(.overLimit)
        }
        guard isCutShort else { return .failure(.limitsConflict) }
        let kept = least.filter { path in
            limits.allSatisfy { order.total($0.criterion, path) <= $0.most }
        }
        guard let best = kept.min(by: order.precedes) else { return .failure(.tooComplex) }
        return .success(summary(best, request, edges, isExact: false))
    }

    /// The limit on stages, if offers are so narrow that it could matter.
    private static func stageLimit(_ layers: LayerRange, _ offers: [PlanOffer]) -> [PlanLimit] {
        let narrowest = offers.map(\.layers.count).min() ?? layers.count
        if narrowest * maximumStages >= layers.count { return [] }
        return [PlanLimit(.stages, atMost: UInt128(maximumStages))]
    }

    /// Whether there is any path of offers over the layers.
    private static func isCovered(_ layers: LayerRange, _ offers: [PlanOffer]) -> Bool {
        var isReached = Array(repeating: false, count: layers.count + 1)
        isReached[0] = true
        for offer in offers.sorted(by: { $0.layers < $1.layers })
        where isReached[Int(offer.layers.first - layers.first)] {
            isReached[Int(offer.layers.end - layers.first)] = true
        }
        return isReached[layers.count]
    }

    private static func summary(
        _ stages: [PlanOffer], _ request: PlanRequest, _ edges: PlanEdges, isExact: Bool
    ) -> PipelinePlan {
        let order = PlanOrder(request, edges)
        return PipelinePlan(
            stages: stages, cost: Amount(order.total(.cost, stages)),
            firstToken: UInt64(clamping: order.total(.firstToken, stages)),
            perToken: UInt64(clamping: order.total(.perToken, stages)), isExact: isExact)
    }
}

/// Judges whole pipelines.
struct PlanOrder {
    private let request: PlanRequest
    private let edges: PlanEdges

    init(_ request: PlanRequest, _ edges: PlanEdges) {
        self.request = request
        self.edges = edges
    }

    /// What a criterion comes to.
    func total(_ criterion: PlanCriterion, _ stages: [PlanOffer]) -> UInt128 {
        var sum: UInt128 = 0
        var previous: Int?
        for stage in stages {
            sum += request.value(criterion, of: stage) + edge(criterion, previous, stage.machine)
            previous = stage.machine
        }
        return sum + edge(criterion, previous, nil)
    }

    private func edge(_ criterion: PlanCriterion, _ from: Int?, _ to: Int?) -> UInt128 {
        request.passes(criterion) * UInt128(edges.oneWay(from, to) ?? 0)
    }

    /// Whether the request prefers one pipeline to another.
    func precedes(_ left: [PlanOffer], _ right: [PlanOffer]) -> Bool {
        for criterion in [request.objective, request.tieBreak, .stages].compactMap(\.self) {
            let (one, other) = (total(criterion, left), total(criterion, right))
            if one != other { return one < other }
        }
        return left.lexicographicallyPrecedes(right) { $0.id < $1.id }
    }
}
