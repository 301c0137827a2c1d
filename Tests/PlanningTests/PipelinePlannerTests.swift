import Planning
import Primitives
import Testing

/// The planner against exhaustive search, and what it does where that cannot look.
@Suite struct PipelinePlannerTests {
    private func range(_ first: UInt16, _ end: UInt16) -> LayerRange {
        guard let range = LayerRange(first, end) else { preconditionFailure("a range") }
        return range
    }

    private func offer(
        _ id: UInt64, _ layers: LayerRange, price: UInt64 = 1, time: UInt32 = 1_000
    ) -> PlanOffer {
        PlanOffer(
            id: id, machine: 0, layers: layers, inputPrice: Price(perMillion: price * 1_000_000),
            outputPrice: Price(perMillion: price * 1_000_000), tokenTime: time, promptTime: time)
    }

    private func request(
        _ objective: PlanCriterion, layers: UInt16 = 4, limits: [PlanLimit] = []
    ) -> PlanRequest {
        PlanRequest(
            layers: range(0, layers), promptTokens: 10, maxTokens: 10, objective: objective,
            limits: limits)
    }

    /// Forty groups of 200 markets: which pipeline, or which reason.
    @Test(arguments: 0..<UInt64(40)) func findsWhatExhaustiveSearchFinds(_ group: UInt64) {
        var refusals: Set<PlanRefusal> = []
        for seed in group * 200..<(group + 1) * 200 {
            let instance = Instance(seed: seed)
            let expected = Exhaustive(instance).best()
            let found = PipelinePlanner.plan(
                instance.request, offers: instance.offers, edges: instance.edges)
            #expect(found.map(\.stages) == expected, "market \(seed)")
            switch found {
            case .success(let plan):
                let search = Exhaustive(instance)
                #expect(plan.isExact)
                #expect(plan.cost.units == search.total(.cost, plan.stages))
                #expect(UInt128(plan.firstToken) == search.total(.firstToken, plan.stages))
                #expect(UInt128(plan.perToken) == search.total(.perToken, plan.stages))
            case .failure(let refusal): refusals.insert(refusal)
            }
            // The same offers in another order.
            let turned = PipelinePlanner.plan(
                instance.request, offers: instance.offers.reversed(), edges: instance.edges)
            #expect(turned == found, "market \(seed), reversed")
        }
        #expect(refusals.count > 2)
    }

    @Test func everyReasonHasAnInstance() {
        var seen: Set<PlanRefusal> = []
        for seed in UInt64(0)..<4_000 {
            let instance = Instance(seed: seed)
            if case .failure(let reason) = PipelinePlanner.plan(
                instance.request, offers: instance.offers, edges: instance.edges)
            {
                seen.insert(reason)
            }
        }
        #expect(seen == Set(PlanRefusal.allCases).subtracting([.tooComplex]))
    }

    @Test func equalsAreDecidedByStagesThenByNumbers() throws {
        let edges = PlanEdges(.star, machines: 1)
        let offers = [
            offer(4, range(0, 2)), offer(3, range(2, 4)), offer(2, range(0, 4), price: 2),
            offer(1, range(0, 4), price: 2),
        ]
        let plan = try PipelinePlanner.plan(request(.cost), offers: offers, edges: edges).get()
        #expect(plan.stages.map(\.id) == [1])
    }

    @Test func aFifthOfTheMemoryStaysFree() {
        #expect(PlanMemory(weights: 600, perPosition: 10, free: 1_000).fits(positions: 20))
        #expect(!PlanMemory(weights: 601, perPosition: 10, free: 1_000).fits(positions: 20))
        #expect(!PlanMemory(weights: .max, perPosition: .max, free: .max).fits(positions: .max))
    }

    /// More stages than a pipeline may have: the limit holds although it is nobody's wish.
    @Test func aPipelineHasAtMost64Stages() {
        let edges = PlanEdges(.star, machines: 1)
        func narrow(_ layers: UInt16) -> [PlanOffer] {
            (0..<layers).map { offer(UInt64($0), range($0, $0 + 1)) }
        }
        let most = PipelinePlanner.plan(
            request(.cost, layers: 64), offers: narrow(64), edges: edges)
        #expect((try? most.get())?.stages.count == 64)
        let more = PipelinePlanner.plan(
            request(.cost, layers: 65), offers: narrow(65), edges: edges)
        #expect(more == .failure(.overLimit))
    }

    /// Every stage doubles what there is to choose from, no two pipelines are comparable, and what
    /// decides comes last, as the search begins at the end.
    private func hostile(_ layers: UInt16) -> [PlanOffer] {
        (0..<layers).flatMap { layer -> [PlanOffer] in
            let power = UInt64(1) << UInt64(layers - 1 - layer)
            return [
                offer(UInt64(layer), range(layer, layer + 1), price: 1 + power, time: 0),
                offer(
                    100 + UInt64(layer), range(layer, layer + 1), price: 1,
                    time: UInt32(power)),
            ]
        }
    }

    @Test func aHostileMarketIsCutShortAndStillKeepsTheLimit() throws {
        let edges = PlanEdges(.star, machines: 1)
        let layers: UInt16 = 28
        let cap = UInt128(20) * ((1 << 28) / 3 + 28)
        let limited = request(
            .perToken, layers: layers, limits: [PlanLimit(.cost, atMost: cap)])
        let plan = try PipelinePlanner.plan(limited, offers: hostile(layers), edges: edges).get()
        #expect(!plan.isExact)
        #expect(plan.cost.units <= cap)
        // Two limits that nothing simple keeps.
        let conflict = request(
            .stages, layers: layers,
            limits: [
                PlanLimit(.cost, atMost: cap), PlanLimit(.perToken, atMost: (1 << 28) / 3 * 2),
            ])
        let none = PipelinePlanner.plan(conflict, offers: hostile(layers), edges: edges)
        #expect(none == .failure(.tooComplex))
        // A market of the same kind that is small enough is searched through.
        let small = request(.perToken, layers: 10, limits: [PlanLimit(.cost, atMost: 20 * 400)])
        #expect(
            try PipelinePlanner.plan(small, offers: hostile(10), edges: edges).get().isExact)
    }
}
