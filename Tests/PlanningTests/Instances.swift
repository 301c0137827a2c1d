import Planning
import Primitives

extension SplitMix64 {
    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
    mutating func chance(_ part: Int, in whole: Int) -> Bool { below(whole) < part }
}

/// A market of its own: what exhaustive search can still look through.
struct Instance {
    var request: PlanRequest
    var offers: [PlanOffer]
    var edges: PlanEdges

    /// Few different figures, so that ties are common.
    init(seed: UInt64) {
        var steps = SplitMix64(seed: seed)
        let layers = UInt16(2 + steps.below(5))
        let machines = 1 + steps.below(5)
        edges = PlanEdges(steps.chance(1, in: 2) ? .star : .ring, machines: machines)
        for one in 0..<machines {
            for other in [nil] + (0..<one).map({ Int?.some($0) }) {
                if steps.chance(1, in: 12) {
                    edges.sever(one, other)
                } else if steps.chance(4, in: 5) {
                    edges.set(one, other, roundTrip: UInt32(steps.below(4) * 1_001))
                }
            }
        }
        offers = (0..<(2 + steps.below(9))).map { number in
            let first = UInt16(steps.below(Int(layers)))
            let end = first + 1 + UInt16(steps.below(Int(layers - first)))
            guard let range = LayerRange(first, end) else { preconditionFailure("a range") }
            var offer = PlanOffer(
                id: UInt64(number), machine: steps.below(machines), layers: range,
                inputPrice: Price(perMillion: UInt64(1 + steps.below(4)) * 1_000_000),
                outputPrice: Price(perMillion: UInt64(1 + steps.below(4)) * 1_000_000),
                tokenTime: UInt32(steps.below(4) * 700), promptTime: UInt32(steps.below(4) * 333))
            offer.queueTime = UInt32(steps.below(2) * 500)
            offer.isRelayed = steps.chance(1, in: 8)
            if steps.chance(1, in: 4) {
                offer.memory = PlanMemory(
                    weights: UInt64(500 + steps.below(400)), perPosition: 1, free: 1_000)
            }
            return offer
        }
        // Numbers that do not follow the order in the list.
        for place in offers.indices { offers[place].id = UInt64(offers.count - place) * 7 % 97 }
        guard let range = LayerRange(0, layers) else { preconditionFailure("a range") }
        let criteria = PlanCriterion.allCases
        request = PlanRequest(
            layers: range, promptTokens: UInt32(1 + steps.below(40)),
            maxTokens: UInt32(1 + steps.below(40)),
            objective: criteria[steps.below(criteria.count)],
            tieBreak: steps.chance(1, in: 2) ? criteria[steps.below(criteria.count)] : nil)
        // Limits near what pipelines come to.
        let paths = Exhaustive(self).paths
        for _ in 0..<steps.below(4) where !paths.isEmpty {
            let criterion = criteria[steps.below(criteria.count)]
            let some = Exhaustive(self).total(criterion, paths[steps.below(paths.count)])
            let most = steps.chance(1, in: 6) ? some - min(some, 1) : some
            request.limits.append(PlanLimit(criterion, atMost: most))
        }
    }
}

/// The planner written again in the obvious way: look at every pipeline there is.
struct Exhaustive {
    let instance: Instance
    private var request: PlanRequest { instance.request }

    init(_ instance: Instance) { self.instance = instance }

    /// Every pipeline that can run, in no order.
    var paths: [[PlanOffer]] { paths(isReal: true, hasMemory: true) }

    /// Every path of offers; with `isReal` only those whose messages arrive.
    func paths(isReal: Bool, hasMemory: Bool) -> [[PlanOffer]] {
        var found: [[PlanOffer]] = []
        func extend(_ path: [PlanOffer], _ layer: UInt16) {
            if layer == request.layers.end {
                if !isReal || canRun(path) { found.append(path) }
                return
            }
            for offer in instance.offers where offer.layers.first == layer {
                if hasMemory, !fits(offer) { continue }
                extend(path + [offer], offer.layers.end)
            }
        }
        extend([], request.layers.first)
        return found
    }

    private func fits(_ offer: PlanOffer) -> Bool {
        guard let memory = offer.memory else { return true }
        let positions = UInt64(request.promptTokens + request.maxTokens)
        // A fifth stays free.
        return 5 * (memory.weights + positions * memory.perPosition) <= 4 * memory.free
    }

    private func canRun(_ path: [PlanOffer]) -> Bool {
        let inner = path.dropFirst().dropLast()
        return !inner.contains(where: \.isRelayed) && ways(path) != nil
    }

    /// All ways of one token, one way each; `nil` if it does not arrive.
    private func ways(_ path: [PlanOffer]) -> UInt128? {
        let stops = [nil] + path.map { Int?.some($0.machine) } + [nil]
        var sum: UInt128 = 0
        for (from, to) in zip(stops, stops.dropFirst()) {
            guard let way = instance.edges.oneWay(from, to) else { return nil }
            sum += UInt128(way)
        }
        return sum
    }

    /// What a criterion comes to, by its definition.
    func total(_ criterion: PlanCriterion, _ path: [PlanOffer]) -> UInt128 {
        let (prompt, tokens) = (UInt64(request.promptTokens), UInt64(request.maxTokens))
        switch criterion {
        case .cost:
            return path.reduce(0) {
                $0 + $1.inputPrice.cost(tokens: prompt).units
                    + $1.outputPrice.cost(tokens: tokens).units
            }
        case .inputPrice: return path.reduce(0) { $0 + UInt128($1.inputPrice.perMillion) }
        case .outputPrice: return path.reduce(0) { $0 + UInt128($1.outputPrice.perMillion) }
        case .firstToken:
            let work = path.reduce(0) { sum, stage in
                sum + UInt64(stage.queueTime) + (UInt64(stage.promptTime) * prompt + 999) / 1_000
            }
            return UInt128(work) + (ways(path) ?? 0)
        case .perToken:
            return path.reduce(0) { $0 + UInt128($1.tokenTime) } + (ways(path) ?? 0)
        case .answer:
            return total(.firstToken, path) + UInt128(tokens - 1) * total(.perToken, path)
        case .stages: return UInt128(path.count)
        }
    }

    /// The best pipeline, or the first reason that applies.
    func best() -> Result<[PlanOffer], PlanRefusal> {
        if paths(isReal: false, hasMemory: false).isEmpty { return .failure(.uncovered) }
        if paths(isReal: false, hasMemory: true).isEmpty { return .failure(.noMemory) }
        let all = paths
        if all.isEmpty { return .failure(.unreachable) }
        for limit in request.limits
        where !all.contains(where: { total(limit.criterion, $0) <= limit.most }) {
            return .failure(.overLimit)
        }
        let kept = all.filter { path in
            request.limits.allSatisfy { total($0.criterion, path) <= $0.most }
        }
        guard let best = kept.min(by: isPreferred) else { return .failure(.limitsConflict) }
        return .success(best)
    }

    private func isPreferred(_ left: [PlanOffer], _ right: [PlanOffer]) -> Bool {
        func key(_ path: [PlanOffer]) -> [UInt128] {
            [
                total(request.objective, path),
                request.tieBreak.map { total($0, path) } ?? 0, UInt128(path.count),
            ] + path.map { UInt128($0.id) }
        }
        return key(left).lexicographicallyPrecedes(key(right))
    }
}
