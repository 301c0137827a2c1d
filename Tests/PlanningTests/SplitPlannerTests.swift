import Planning
import Primitives
import Testing

/// The split of a model over machines of one's own against every order and every division.
@Suite struct SplitPlannerTests {
    private struct Case {
        var request: SplitRequest
        var head: SplitMachine?
        var machines: [SplitMachine]
        var edges: PlanEdges

        init(seed: UInt64) {
            var steps = SplitMix64(seed: seed)
            let count = steps.below(5)
            request = SplitRequest(
                layers: UInt16(1 + steps.below(6)), layerBytes: 100, outputBytes: 150,
                positionBytes: 1, promptTokens: UInt32(1 + steps.below(20)),
                maxTokens: UInt32(1 + steps.below(20)))
            func machine() -> SplitMachine {
                SplitMachine(
                    layerTime: UInt32(1 + steps.below(4)) * 100_000,
                    promptTime: UInt32(1 + steps.below(4)) * 10_000,
                    outputTime: UInt32(steps.below(3)) * 100_000,
                    freeBytes: UInt64(100 + steps.below(900)))
            }
            head = steps.chance(1, in: 4) ? nil : machine()
            machines = (0..<count).map { _ in machine() }
            edges = PlanEdges(.ring, machines: count)
            for one in 0..<count {
                for other in [nil] + (0..<one).map({ Int?.some($0) }) {
                    if steps.chance(1, in: 8) {
                        edges.sever(one, other)
                    } else {
                        edges.set(one, other, roundTrip: UInt32(steps.below(6) * 150))
                    }
                }
            }
        }

        /// Nanoseconds of an answer with these layers on these machines, the head's first; `nil` if
        /// it cannot be.
        func time(_ order: [Int], _ counts: [Int]) -> UInt128? {
            let all = [head].compactMap(\.self) + order.map { machines[$0] }
            let positions = UInt64(request.promptTokens + request.maxTokens)
            var sum: UInt128 = 0
            for (place, machine) in all.enumerated() {
                let isLast = place == all.count - 1
                let layers = UInt64(counts[place])
                let needed =
                    layers * (request.layerBytes + positions * request.positionBytes)
                    + (isLast ? request.outputBytes : 0)
                if 5 * needed > 4 * machine.freeBytes, layers > 0 { return nil }
                sum +=
                    UInt128(layers) * UInt128(machine.promptTime)
                    * UInt128(request.promptTokens)
                sum +=
                    UInt128(layers) * UInt128(machine.layerTime)
                    * UInt128(request.maxTokens - 1)
                if isLast { sum += UInt128(machine.outputTime) * UInt128(request.maxTokens) }
            }
            let stops = [nil] + order.map { Int?.some($0) } + [nil]
            if order.isEmpty { return sum }
            for (from, to) in zip(stops, stops.dropFirst()) {
                guard let way = edges.oneWay(from, to) else { return nil }
                sum += UInt128(way) * 1_000 * UInt128(request.maxTokens)
            }
            return sum
        }

        /// The least time of all orders and divisions.
        func best(needsOther: Bool) -> UInt128? {
            var best: UInt128?
            func divide(_ order: [Int], _ counts: [Int], _ left: Int) {
                let wanted = (head == nil ? 0 : 1) + order.count
                if counts.count == wanted {
                    guard left == 0, let time = time(order, counts) else { return }
                    best = min(best ?? time, time)
                    return
                }
                let isHead = head != nil && counts.isEmpty
                if !isHead, left == 0 { return }
                for more in (isHead ? 0 : 1)...max(left, isHead ? 0 : 1) {
                    divide(order, counts + [more], left - more)
                }
            }
            func extend(_ order: [Int]) {
                if !order.isEmpty || (head != nil && !needsOther) {
                    divide(order, [], Int(request.layers))
                }
                for machine in machines.indices where !order.contains(machine) {
                    extend(order + [machine])
                }
            }
            extend([])
            return best
        }
    }

    @Test(arguments: 0..<UInt64(20)) func findsWhatExhaustiveSearchFinds(_ group: UInt64) {
        for seed in group * 100..<(group + 1) * 100 {
            let instance = Case(seed: seed)
            for needsOther in [false, true] {
                let found = SplitPlanner.plan(
                    instance.request, head: instance.head, machines: instance.machines,
                    edges: instance.edges, needsOther: needsOther)
                let best = instance.best(needsOther: needsOther)
                guard case .success(let plan) = found else {
                    #expect(best == nil, "case \(seed)")
                    continue
                }
                #expect(plan.parts.first?.layers.first == 0)
                #expect(plan.parts.last?.layers.end == instance.request.layers)
                let order = plan.parts.compactMap(\.machine)
                var counts = plan.parts.map(\.layers.count)
                if instance.head != nil, plan.parts.first?.machine != nil {
                    counts.insert(0, at: 0)
                }
                #expect(instance.time(order, counts) == best, "case \(seed)")
                #expect(Set(order).count == order.count)
                let tokens = UInt64(instance.request.maxTokens - 1)
                let whole = UInt128(plan.firstToken + tokens * plan.perToken) * 1_000
                let rounding = UInt128(tokens + 1) * 1_000
                #expect(best.map { whole >= $0 && whole <= $0 + rounding } == true, "case \(seed)")
            }
        }
    }

    private let request = SplitRequest(
        layers: 30, layerBytes: 1_000_000, outputBytes: 2_000_000, positionBytes: 1_000,
        promptTokens: 100, maxTokens: 100)

    private func machine(_ time: UInt32, free: UInt64 = 1 << 30) -> SplitMachine {
        SplitMachine(layerTime: time, promptTime: time / 4, outputTime: time, freeBytes: free)
    }

    @Test func aMachineThatSlowsTheRingIsLeftOut() throws {
        var edges = PlanEdges(.ring, machines: 2)
        for one in 0...1 { edges.set(one, nil, roundTrip: 1_000) }
        edges.set(0, 1, roundTrip: 1_000)
        let small: UInt64 = 30_000_000
        let plan = try SplitPlanner.plan(
            request, head: machine(100_000, free: small),
            machines: [machine(90_000), machine(5_000_000)], edges: edges
        ).get()
        #expect(plan.parts.compactMap(\.machine) == [0])
        // Far away it is not worth it even where it is quicker.
        edges.set(0, nil, roundTrip: 50_000_000)
        let alone = try SplitPlanner.plan(
            request, head: machine(100_000), machines: [machine(90_000), machine(5_000_000)],
            edges: edges
        ).get()
        #expect(alone.parts.map(\.machine) == [nil])
        #expect(alone.parts.map(\.layers) == [LayerRange(0, 30)])
    }

    @Test func whatIsMissingIsSaid() {
        var edges = PlanEdges(.ring, machines: 1)
        let small = machine(100_000, free: 10_000_000)
        #expect(
            SplitPlanner.plan(request, head: small, machines: [small], edges: edges)
                == .failure(.noMemory))
        edges.sever(0, nil)
        #expect(
            SplitPlanner.plan(request, head: small, machines: [machine(1)], edges: edges)
                == .failure(.unreachable))
        #expect(
            SplitPlanner.plan(
                request, head: machine(1), machines: [], edges: PlanEdges(.ring, machines: 0),
                needsOther: true) == .failure(.noMemory))
    }

    @Test func twelveMachinesAreNoTrouble() throws {
        var steps = SplitMix64(seed: 5)
        let machines = (0..<SplitPlanner.maximumMachines).map { _ in
            machine(UInt32(50_000 + steps.below(50_000)), free: 8_000_000)
        }
        var edges = PlanEdges(.ring, machines: machines.count)
        for one in machines.indices {
            edges.set(one, nil, roundTrip: UInt32(steps.below(2_000)))
            for other in 0..<one { edges.set(one, other, roundTrip: UInt32(steps.below(2_000))) }
        }
        let plan = try SplitPlanner.plan(
            request, head: nil, machines: machines, edges: edges
        ).get()
        #expect(plan.parts.count > 5)
        #expect(plan.parts.last?.layers.end == 30)
    }
}
