import Clearing
import ClearingWorld
import Economics
import Primitives
import Testing

/// The matching against a naive twin: enumerate every path of offers from layer 0 to the end and
/// take the one with the lowest cost, then the fewest stages, then the lowest offer ids.
@Suite struct MatchingTwinTests {
    private struct Edge {
        let offer: OfferID
        let layers: LayerRange
        let cost: Amount
    }

    @Test(arguments: UInt64(1)...200)
    func findsWhatExhaustiveSearchFinds(_ seed: UInt64) {
        var world = World()
        for offer in world.house.offers { world.run(.withdrawOffer(offer.party, offer.id)) }
        var random = SplitMix64(seed: seed)
        var edges: [Edge] = []
        for _ in 0..<(4 + random.below(9)) {
            let first = UInt16(random.below(6)) * 5
            let length = 5 * UInt16(1 + random.below((30 - UInt64(first)) / 5))
            let price = 1 + random.below(4)
            let draft = world.offer(
                node: 1 + random.below(4), World.range(first, first + length),
                price: price * UInt64(length))
            world.run(.postOffer(draft))
            guard let offer = world.house.offers.last else { continue }
            let cost = offer.cost(promptTokens: 10, outputTokens: 20)
            edges.append(Edge(offer: offer.id, layers: draft.layers, cost: cost))
        }
        let expected = cheapest(edges, from: 0)
        let result = world.apply(.openJob(world.demand()))
        if let expected {
            #expect(world.house.jobs.last?.pipeline.map(\.offer) == expected.map(\.offer))
        } else {
            #expect(result == .failure(.noOffers))
        }
    }

    /// Where there are only whole models, no plan is made. An offer of some layers that lead
    /// nowhere makes the planner decide, and it must decide alike.
    @Test(arguments: UInt64(1)...120)
    func withoutAPlanTheSameOfferServes(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var alone = World { $0.bondMarginBasisPoints = UInt32(10_000 + random.below(9_000)) }
        for offer in alone.house.offers { alone.run(.withdrawOffer(offer.party, offer.id)) }
        for _ in 0..<(1 + random.below(8)) {
            var draft = alone.offer(
                node: 1 + random.below(4), World.range(0, World.layers), price: 1)
            draft.inputPrice = Price(perMillion: (1 + random.below(4)) * 40_000_000_000_000)
            draft.outputPrice = Price(perMillion: (1 + random.below(4)) * 40_000_000_000_000)
            draft.concurrency = UInt16(1 + random.below(3))
            draft.context = UInt32(60 + random.below(100))
            alone.run(.postOffer(draft))
        }
        var planned = alone
        planned.run(.postOffer(planned.offer(node: 1, World.range(0, 5), price: 1)))
        var opened = 0
        for _ in 0..<14 {
            var demand = alone.demand(
                prompt: UInt32(1 + random.below(50)), output: UInt32(1 + random.below(50)))
            demand.request = UInt128(1_000 + random.below(1 << 40))
            if random.below(3) == 0 {
                demand.maxOutputPrice = Price(perMillion: 80_000_000_000_000)
            }
            if random.below(4) == 0 { demand.ignore = [PartyID(1 + random.below(4))] }
            if random.below(4) == 0 { demand.only = [PartyID(1 + random.below(4))] }
            let (one, other) = (
                alone.apply(.openJob(demand)), planned.apply(.openJob(demand))
            )
            #expect(one == other)
            if case .success = one { opened += 1 }
            #expect(
                alone.house.jobs.last?.pipeline.first?.node
                    == planned.house.jobs.last?.pipeline.first?.node)
        }
        #expect(alone.house.jobs.count == opened)
    }

    private func cheapest(_ edges: [Edge], from layer: UInt16) -> [Edge]? {
        if layer == World.layers { return [] }
        var best: [Edge]?
        for edge in edges where edge.layers.first == layer {
            guard let rest = cheapest(edges, from: edge.layers.end) else { continue }
            let path = [edge] + rest
            if let known = best, !precedes(path, known) { continue }
            best = path
        }
        return best
    }

    private func precedes(_ left: [Edge], _ right: [Edge]) -> Bool {
        let costs = (total(left), total(right))
        if costs.0 != costs.1 { return costs.0 < costs.1 }
        if left.count != right.count { return left.count < right.count }
        for (a, b) in zip(left, right) where a.offer != b.offer { return a.offer < b.offer }
        return false
    }

    private func total(_ path: [Edge]) -> Amount { path.reduce(.zero) { $0 + $1.cost } }
}
