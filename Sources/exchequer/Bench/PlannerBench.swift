import Planning
import Primitives

/// How long planning takes: a market of a thousand offers, and a small one beside looking at every
/// pipeline there is.
struct PlannerBench {
    let runs: Int

    /// One row for each kind of search.
    func rows() -> [BenchRow] {
        let market = Market(offers: 1_000, layers: 32)
        let dearest = market.request(.perToken)
        let cheapest = plan(market, market.request(.cost), .star)
        let cost = cheapest?.cost.units ?? 0
        let limited = market.request(.perToken, [PlanLimit(.cost, atMost: cost * 3 / 2)])
        var rows = [
            row("1,000 offers, star, cheapest", market, market.request(.cost), .star),
            row("1,000 offers, star, most tokens a second", market, dearest, .star),
            row("1,000 offers, star, the same within a price", market, limited, .star),
            row("1,000 offers, ring, most tokens a second", market, dearest, .ring),
            row("1,000 offers, ring, the same within a price", market, limited, .ring),
        ]
        let small = Market(offers: 60, layers: 8)
        let request = small.request(.perToken)
        rows.append(
            row("60 offers, ring, most tokens a second", small, request, .ring)
                .against("every pipeline", median { small.exhaustive(request) }))
        return rows
    }

    private func row(
        _ name: String, _ market: Market, _ request: PlanRequest, _ topology: PlanEdges.Topology
    ) -> BenchRow {
        let mark = plan(market, request, topology)?.isExact == false ? " (cut short)" : ""
        return BenchRow(
            name: name + mark, value: median { plan(market, request, topology) }, unit: "ms")
    }

    private func plan(
        _ market: Market, _ request: PlanRequest, _ topology: PlanEdges.Topology
    ) -> PipelinePlan? {
        let edges = topology == .star ? market.star : market.ring
        return try? PipelinePlanner.plan(request, offers: market.offers, edges: edges).get()
    }

    private func median<Result>(_ body: () -> Result) -> Double {
        let clock = ContinuousClock()
        let times = (0..<runs).map { _ in
            clock.measure { withExtendedLifetime(body()) {} } / .milliseconds(1)
        }
        return times.sorted()[runs / 2]
    }

    /// Offers of eighths to whole models, each on a machine of its own.
    private struct Market {
        let layers: LayerRange
        var offers: [PlanOffer] = []
        var star: PlanEdges
        var ring: PlanEdges

        init(offers count: Int, layers total: UInt16) {
            guard let whole = LayerRange(0, total) else { preconditionFailure("layers") }
            layers = whole
            star = PlanEdges(.star, machines: count)
            ring = PlanEdges(.ring, machines: count)
            var state: UInt64 = 7
            func below(_ limit: Int) -> Int {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Int(state >> 33) % limit
            }
            for machine in 0..<count {
                let eighth = Int(total) / 8
                let first = below(8)
                let parts = 1 + below(8 - first)
                let (start, end) = (UInt16(first * eighth), UInt16((first + parts) * eighth))
                guard let range = LayerRange(start, end) else { continue }
                offers.append(
                    PlanOffer(
                        id: UInt64(machine), machine: machine, layers: range,
                        inputPrice: Price(perMillion: UInt64(parts * (50 + below(100)))),
                        outputPrice: Price(perMillion: UInt64(parts * (100 + below(200)))),
                        tokenTime: UInt32(parts * (500 + below(2_000))),
                        promptTime: UInt32(parts * (5_000 + below(20_000)))))
                let trip = UInt32(2_000 + below(80_000))
                star.set(nil, machine, roundTrip: trip)
                ring.set(nil, machine, roundTrip: trip)
                for other in 0..<machine {
                    ring.set(machine, other, roundTrip: UInt32(2_000 + below(80_000)))
                }
            }
        }

        func request(_ objective: PlanCriterion, _ limits: [PlanLimit] = []) -> PlanRequest {
            PlanRequest(
                layers: layers, promptTokens: 1_000_000, maxTokens: 1_000_000,
                objective: objective, tieBreak: .cost, limits: limits)
        }

        /// The least time a token of all pipelines of the ring.
        func exhaustive(_ request: PlanRequest) -> UInt64 {
            func least(_ layer: UInt16, _ previous: Int?) -> UInt64 {
                if layer == layers.end { return ring.oneWay(previous, nil) ?? .max }
                var best = UInt64.max
                for offer in offers where offer.layers.first == layer {
                    guard let way = ring.oneWay(previous, offer.machine) else { continue }
                    let rest = least(offer.layers.end, offer.machine)
                    if rest != .max { best = min(best, rest + way + UInt64(offer.tokenTime)) }
                }
                return best
            }
            return least(layers.first, nil)
        }
    }
}
