import Primitives

/// The figures that all sets of machines share.
struct SplitSearch {
    /// A split as far as it must be compared: nanoseconds, then machines, then the set.
    struct Found {
        var key: (UInt128, Int, Int, Int)
        var set = 0
        var last = -1
        /// Layers of each machine; the head's last.
        var counts: [Int]
    }

    private let request: SplitRequest
    /// The machines, and the head at the end.
    private let machines: [SplitMachine]
    private let hasHead: Bool
    private let edges: PlanEdges
    private let count: Int
    /// The shortest way from the head over each set to each of its machines, one way each; `nil` if
    /// there is none.
    private var ways: [UInt64?]

    init(
        _ request: SplitRequest, _ head: SplitMachine?, _ machines: [SplitMachine],
        _ edges: PlanEdges
    ) {
        self.request = request
        self.edges = edges
        count = machines.count
        hasHead = head != nil
        let none = SplitMachine(layerTime: 0, promptTime: 0, outputTime: 0, freeBytes: 0)
        self.machines = machines + [head ?? none]
        ways = Array(repeating: nil, count: count << count)
        for set in 1..<max(1 << count, 1) {
            for last in 0..<count where set >> last & 1 == 1 {
                ways[set * count + last] = shortest(set, last)?.way
            }
        }
    }

    /// The shortest way over a set to its last machine, and the machine before it; -1 for the head.
    private func shortest(_ set: Int, _ last: Int) -> (way: UInt64, before: Int)? {
        let rest = set & ~(1 << last)
        if rest == 0 { return edges.oneWay(nil, last).map { ($0, -1) } }
        var best: (way: UInt64, before: Int)?
        for before in 0..<count where rest >> before & 1 == 1 {
            guard let start = ways[rest * count + before],
                let step = edges.oneWay(before, last)
            else { continue }
            if let known = best, known.way <= start + step { continue }
            best = (start + step, before)
        }
        return best
    }

    // MARK: Layers

    /// Nanoseconds that one layer on a machine adds to an answer.
    private func time(_ machine: SplitMachine) -> UInt128 {
        UInt128(machine.promptTime) * UInt128(request.promptTokens)
            + UInt128(machine.layerTime) * UInt128(request.maxTokens - 1)
    }

    private func choosing(_ machine: SplitMachine) -> UInt128 {
        UInt128(machine.outputTime) * UInt128(request.maxTokens)
    }

    /// How many layers fit a machine, with the usual part of its memory left free.
    private func room(_ machine: Int, isLast: Bool) -> Int {
        let positions = UInt128(request.promptTokens) + UInt128(request.maxTokens)
        let each = UInt128(request.layerBytes) + UInt128(request.positionBytes) * positions
        let usable =
            UInt128(machines[machine].freeBytes) * UInt128(100 - PlanMemory.headroom) / 100
        let fixed = isLast ? UInt128(request.outputBytes) : 0
        guard usable >= fixed else { return 0 }
        return Int(min((usable - fixed) / max(each, 1), UInt128(request.layers)))
    }

    /// The whole model on the head.
    func alone() -> Found? {
        let layers = Int(request.layers)
        guard hasHead, room(count, isLast: true) >= layers else { return nil }
        var counts = Array(repeating: 0, count: count + 1)
        counts[count] = layers
        let nanoseconds =
            time(machines[count]) * UInt128(layers) + choosing(machines[count])
        return Found(key: (nanoseconds, 0, 0, -1), counts: counts)
    }

    /// The quickest split over exactly these machines, with or without the head.
    func split(_ set: Int, last: Int) -> Found? {
        guard let there = ways[set * count + last], let back = edges.oneWay(last, nil) else {
            return nil
        }
        let members = (0..<count).filter { set >> $0 & 1 == 1 }
        var left = Int(request.layers) - members.count
        if left < 0 { return nil }
        var counts = Array(repeating: 0, count: count + 1)
        for member in members {
            if room(member, isLast: member == last) == 0 { return nil }
            counts[member] = 1
        }
        // The head comes first among equals: nothing travels to it.
        let order = ([count].filter { _ in hasHead } + members).sorted {
            let (one, other) = (time(machines[$0]), time(machines[$1]))
            return one != other ? one < other : rank($0) < rank($1)
        }
        for machine in order {
            let more = min(left, room(machine, isLast: machine == last) - counts[machine])
            counts[machine] += more
            left -= more
        }
        guard left == 0 else { return nil }
        var nanoseconds = UInt128(there + back) * 1_000 * UInt128(request.maxTokens)
        for machine in order {
            nanoseconds += UInt128(counts[machine]) * time(machines[machine])
        }
        nanoseconds += choosing(machines[last])
        return Found(
            key: (nanoseconds, members.count, set, last), set: set, last: last, counts: counts)
    }

    private func rank(_ machine: Int) -> Int { machine == count ? -1 : machine }

    /// Whether the model fits all machines together, whatever their ways.
    func hasRoom(_ needsOther: Bool) -> Bool {
        if count == 0, needsOther { return false }
        return (0..<max(count, 1)).contains { last in
            let rooms = (0...count).reduce(0) { sum, machine in
                if machine == count, !hasHead { return sum }
                return sum + room(machine, isLast: machine == (count == 0 ? count : last))
            }
            return rooms >= Int(request.layers)
        }
    }

    // MARK: The plan

    func plan(_ found: Found) -> SplitPlan {
        var order: [Int] = []
        var (set, last) = (found.set, found.last)
        while last >= 0 {
            order.insert(last, at: 0)
            let before = shortest(set, last)?.before ?? -1
            set &= ~(1 << last)
            last = before
        }
        var parts: [SplitPlan.Part] = []
        var first: UInt16 = 0
        for machine in [count] + order {
            let end = first + UInt16(found.counts[machine])
            guard let layers = LayerRange(first, end) else { continue }
            parts.append(.init(machine: machine == count ? nil : machine, layers: layers))
            first = end
        }
        let stops = [nil] + order.map { Int?.some($0) } + [nil]
        let ways = zip(stops, stops.dropFirst()).reduce(UInt64(0)) { sum, pair in
            order.isEmpty ? 0 : sum + (edges.oneWay(pair.0, pair.1) ?? 0)
        }
        func total(_ time: (SplitMachine) -> UInt128) -> UInt64 {
            var sum = (order.last.map { machines[$0] } ?? machines[count]).outputTime.widened
            for (machine, layers) in found.counts.enumerated() {
                sum += UInt128(layers) * time(machines[machine])
            }
            return UInt64(clamping: (sum + 999) / 1_000) + ways
        }
        return SplitPlan(
            parts: parts,
            firstToken: total { UInt128($0.promptTime) * UInt128(request.promptTokens) },
            perToken: total { UInt128($0.layerTime) })
    }
}

extension UInt32 {
    fileprivate var widened: UInt128 { UInt128(self) }
}
