import Clearing
import ClearingWorld
import Planning
import Primitives
import Testing

/// What the house has measured of nodes, and pipelines chosen by it.
@Suite struct MeasuredMatchingTests {
    private func measure(
        _ node: UInt64, roundTrip: UInt32 = 0, _ paces: [StagePace] = []
    ) -> NodeMeasurement {
        var measures = NodeMeasures()
        measures.roundTrip = roundTrip
        measures.paces = paces
        return NodeMeasurement(node: NodeID(node), measures: measures)
    }

    private func pace(
        _ first: UInt16, _ end: UInt16, token: UInt32, prompt: UInt32
    ) -> StagePace {
        StagePace(
            model: World.model, layers: World.range(first, end), tokenTime: token,
            promptTime: prompt)
    }

    /// Shards of nodes 1 to 3 (300 in all) are cheaper than the whole model of node 4 (400), which
    /// was measured: quick at single tokens, slow at prompts.
    private func world() -> World {
        var world = World()
        let shards = (UInt64(1)...3).map { node in
            let first = UInt16(node - 1) * 10
            return measure(
                node, roundTrip: 4_000,
                [pace(first, first + 10, token: 3_000, prompt: 1_000)])
        }
        let whole = measure(
            4, roundTrip: 4_000, [pace(0, 30, token: 6_000, prompt: 4_000_000)])
        world.run(.recordMeasures(shards + [whole]))
        return world
    }

    private func nodes(_ world: World, _ job: JobID) -> [UInt64]? {
        world.house.job(job)?.pipeline.map(\.node.rawValue)
    }

    @Test func eachSortGetsItsPipeline() {
        var world = world()
        let cheapest = world.open()
        #expect(nodes(world, cheapest) == [1, 2, 3])
        let quickest = world.open { $0.sort = .throughput }
        #expect(nodes(world, quickest) == [4])
        let soonest = world.open { $0.sort = .latency }
        #expect(nodes(world, soonest) == [1, 2, 3])
    }

    /// The fastest within a price, not the fastest of all.
    @Test func theFastestKeepsThePriceLimit() {
        var world = world()
        let job = world.open {
            $0.sort = .throughput
            $0.maxInputPrice = Price(perMillion: 399 * 1_000_000_000)
        }
        #expect(nodes(world, job) == [1, 2, 3])
        var none = world.demand()
        none.sort = .throughput
        none.maxInputPrice = Price(perMillion: 299 * 1_000_000_000)
        #expect(world.apply(.openJob(none)) == .failure(.priceLimit))
    }

    /// The cheapest of all may be over the limit on one price while another pipeline is not.
    @Test func theCheapestIsLookedForWithinTheLimits() {
        var world = World()
        world.run(.registerNode(World.whole, key: World.key(70), kernel: ""))
        world.run(.setPresence(NodeID(6), online: true))
        var odd = world.offer(node: 6, World.range(0, 10), price: 100)
        odd.inputPrice = Price(perMillion: 290 * 1_000_000_000)
        odd.outputPrice = .zero
        world.run(.postOffer(odd))
        let job = world.open()
        #expect(nodes(world, job) == [6, 2, 3])
        let limited = world.open { $0.maxInputPrice = Price(perMillion: 300 * 1_000_000_000) }
        #expect(nodes(world, limited) == [1, 2, 3])
    }

    /// An unmeasured node is taken for slow, and one that has work for slower.
    @Test func theUnknownAndTheBusyComeLater() {
        var world = world()
        world.run(.registerNode(World.whole, key: World.key(70), kernel: ""))
        world.run(.setPresence(NodeID(6), online: true))
        world.run(.postOffer(world.offer(node: 6, World.range(0, 30), price: 1)))
        let job = world.open { $0.sort = .throughput }
        #expect(nodes(world, job) == [4])
        // With the third job it takes 6 x 5/3 + 4 ms, and a fourth would find 6 x 6/3 + 4.
        for _ in 0..<2 { _ = world.open { $0.sort = .throughput } }
        world.run(
            .recordMeasures([
                measure(6, roundTrip: 4_000, [pace(0, 30, token: 10_000, prompt: 1)])
            ]))
        let other = world.open { $0.sort = .throughput }
        #expect(nodes(world, other) == [6])
    }

    @Test func aReplacementIsTheFastestWithinWhatIsHeld() {
        var world = world()
        world.run(.registerNode(World.whole, key: World.key(70), kernel: ""))
        world.run(.registerNode(World.whole, key: World.key(71), kernel: ""))
        for node in UInt64(6)...7 { world.run(.setPresence(NodeID(node), online: true)) }
        let job = world.open { $0.sort = .latency }
        // Dearer and faster than what was held for, and as dear but unknown.
        world.run(.postOffer(world.offer(node: 6, World.range(10, 20), price: 101)))
        world.run(.postOffer(world.offer(node: 7, World.range(10, 20), price: 100)))
        world.run(
            .recordMeasures([
                measure(6, roundTrip: 10, [pace(10, 20, token: 10, prompt: 10)])
            ]))
        world.run(.replaceStage(job, attempt: 1, stage: 1, code: .abandoned))
        #expect(nodes(world, job) == [1, 7, 3])
    }

    @Test func measuresAreBookedForWhatIsOffered() {
        var world = World()
        let events = world.run(
            .recordMeasures([
                measure(
                    1, roundTrip: 900,
                    [
                        pace(10, 20, token: 1, prompt: 1), pace(0, 10, token: 700, prompt: 0),
                    ])
            ]))
        #expect(events == [.nodeMeasured(NodeID(1))])
        var measures = world.house.node(NodeID(1))?.measures
        #expect(measures?.roundTrip == 900)
        #expect(measures?.paces == [pace(0, 10, token: 700, prompt: 0)])
        // A figure that is left out stays, and one that comes again replaces the older.
        world.run(.recordMeasures([measure(1, [pace(0, 10, token: 600, prompt: 50)])]))
        measures = world.house.node(NodeID(1))?.measures
        #expect(measures?.roundTrip == 900)
        #expect(measures?.paces == [pace(0, 10, token: 600, prompt: 50)])
        world.run(.withdrawOffer(PartyID(1), OfferID(1)))
        world.run(.recordMeasures([measure(1, roundTrip: 800)]))
        #expect(world.house.node(NodeID(1))?.measures.paces == [])
    }

    @Test func whatCannotBeMeasuredIsRefused() {
        var world = World()
        let before = world.house.canonicalBytes()
        func refused(_ measurements: [NodeMeasurement], _ rejection: Rejection) {
            #expect(world.apply(.recordMeasures(measurements)) == .failure(rejection))
        }
        refused([measure(1, roundTrip: 5), measure(99, roundTrip: 5)], .nodeNotFound)
        refused([measure(1, [pace(20, 31, token: 1, prompt: 1)])], .invalidLayers)
        var other = pace(0, 10, token: 1, prompt: 1)
        other.model = ModelID(9)
        refused([measure(1, [other])], .modelNotFound)
        refused(Array(repeating: measure(1), count: Limits.measurements + 1), .limitExceeded)
        let many = Array(repeating: pace(0, 10, token: 1, prompt: 1), count: 65)
        refused([measure(1, many)], .limitExceeded)
        #expect(world.house.canonicalBytes() == before)
    }

    @Test func figuresHaveThreeLeadingBits() {
        let pairs: [(UInt32, UInt32)] = [
            (0, 0), (1, 1), (7, 7), (8, 8), (9, 10), (15, 16), (16, 16), (17, 20), (1_000, 1_024),
            (1_025, 1_280), (.max, .max), (1 << 31, 1 << 31), ((1 << 31) + 1, 0xA000_0000),
        ]
        for (figure, rounded) in pairs { #expect(NodeMeasures.rounded(figure) == rounded) }
    }

    /// State without measures has the bytes of before; with them it is read back as it was.
    @Test func measuresAreStateAndCommand() throws {
        let plain = World()
        let measured = world()
        #expect(try measured.house.restored().canonicalBytes() == measured.house.canonicalBytes())
        #expect(try measured.house.restored().nodes == measured.house.nodes)
        #expect(plain.house.canonicalBytes() != measured.house.canonicalBytes())
        let command = Command.recordMeasures([
            measure(3, roundTrip: 7, [pace(20, 30, token: 8, prompt: 9)])
        ])
        #expect(command.canonicalBytes()[0] == 10)
        #expect(try Command(canonicalBytes: command.canonicalBytes()) == command)
        for sort in RouteSort.allCases {
            var demand = plain.demand()
            demand.sort = sort
            #expect(try Demand(canonicalBytes: demand.canonicalBytes()) == demand)
        }
    }
}
