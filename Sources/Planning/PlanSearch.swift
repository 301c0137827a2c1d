import Primitives

/// One search from the last layer back to the first, by labels.
struct PlanSearch {
    /// A rest of a pipeline that begins with `offer`.
    private struct Label {
        var first: UInt128
        var second: UInt128
        var stages: Int
        let offer: Int
        /// The label of what follows; -1 at the end.
        let next: Int
    }

    /// Labels whose first stage is on the same machine, or all of a layer in a star: for what comes
    /// before them they are alike.
    private struct Group {
        let machine: Int
        var labels: [Int] = []
    }

    private let request: PlanRequest
    private let criteria: [PlanCriterion]
    private let limits: [PlanLimit]
    private let offers: [PlanOffer]
    private let edges: PlanEdges
    private let isStar: Bool
    /// For each offer what it adds to each criterion: objective, tie-break, limits.
    private var values: [UInt128] = []
    /// The same for each way over an edge of one microsecond.
    private let passes: [UInt128]
    /// For each layer and limit the least of it that comes before; `nil` where nothing ends.
    private var before: [[UInt128]?]
    private var labels: [Label] = []
    /// What each label comes to in each limit.
    private var sums: [UInt128] = []
    private var groups: [[Group]]

    init(
        _ request: PlanRequest, _ objective: PlanCriterion, _ tieBreak: PlanCriterion?,
        _ limits: [PlanLimit], _ offers: [PlanOffer], _ edges: PlanEdges
    ) {
        self.request = request
        self.limits = limits
        self.offers = offers
        self.edges = edges
        isStar = edges.topology == .star
        // Without a tie-break the objective stands in its place, and decides nothing again.
        let criteria = [objective, tieBreak ?? objective] + limits.map(\.criterion)
        self.criteria = criteria
        passes = criteria.map(request.passes)
        before = Array(repeating: nil, count: request.layers.count + 1)
        groups = Array(repeating: [], count: request.layers.count + 1)
        values.reserveCapacity(offers.count * criteria.count)
        for offer in offers {
            let trip = isStar ? trip(offer.machine) ?? 0 : 0
            for (place, criterion) in criteria.enumerated() {
                values.append(request.value(criterion, of: offer) + passes[place] * trip)
            }
        }
    }

    /// There and back between a machine and the asking side.
    private func trip(_ machine: Int) -> UInt128? {
        guard let there = edges.oneWay(nil, machine), let back = edges.oneWay(machine, nil) else {
            return nil
        }
        return UInt128(there) + UInt128(back)
    }

    /// The best pipeline; `nil` if there is none, or if `work` was used up.
    mutating func best(_ work: inout Int) -> [PlanOffer]? {
        lookAhead()
        let order = offers.indices.filter(isUsable).sorted {
            (offers[$1].layers.first, offers[$0].id) < (offers[$0].layers.first, offers[$1].id)
        }
        for place in order {
            extend(place, &work)
            if work <= 0 { return nil }
        }
        guard let label = front() else { return nil }
        return path(label)
    }

    private func slot(_ layer: UInt16) -> Int { Int(layer - request.layers.first) }

    /// Whether an offer can be part of any pipeline.
    private func isUsable(_ place: Int) -> Bool {
        let offer = offers[place]
        if before[slot(offer.layers.first)] == nil { return false }
        let isAtAnEnd =
            offer.layers.first == request.layers.first || offer.layers.end == request.layers.end
        return (isAtAnEnd || !offer.isRelayed) && (!isStar || trip(offer.machine) != nil)
    }

    /// Fills `before`, leaving out edges between machines: never more than there is.
    private mutating func lookAhead() {
        before[0] = limits.map { _ in 0 }
        for place in offers.indices.sorted(by: { offers[$0].layers < offers[$1].layers }) {
            let layers = offers[place].layers
            guard let start = before[slot(layers.first)] else { continue }
            let known = before[slot(layers.end)]
            before[slot(layers.end)] = limits.indices.map { limit in
                let sum = start[limit] + value(place, 2 + limit)
                return known.map { min($0[limit], sum) } ?? sum
            }
        }
    }

    private func value(_ place: Int, _ criterion: Int) -> UInt128 {
        values[place * criteria.count + criterion]
    }

    /// Puts an offer before everything that can follow it.
    private mutating func extend(_ place: Int, _ work: inout Int) {
        let offer = offers[place]
        let own = group(of: offer)
        if offer.layers.end == request.layers.end {
            return add(place, to: own, next: -1, on: nil, &work)
        }
        for group in groups[slot(offer.layers.end)] {
            for label in group.labels {
                add(place, to: own, next: label, on: group.machine, &work)
                if work <= 0 { return }
            }
        }
    }

    /// The group that rests which begin with an offer belong to.
    private mutating func group(of offer: PlanOffer) -> Int {
        let slot = slot(offer.layers.first)
        let machine = isStar ? 0 : offer.machine
        if let known = groups[slot].firstIndex(where: { $0.machine == machine }) { return known }
        groups[slot].append(Group(machine: machine))
        return groups[slot].count - 1
    }

    /// Puts an offer before the rest `next`, which begins on `machine`.
    private mutating func add(
        _ place: Int, to group: Int, next: Int, on machine: Int?, _ work: inout Int
    ) {
        work -= 1
        let offer = offers[place]
        var way: UInt128 = 0
        if !isStar {
            guard let oneWay = edges.oneWay(offer.machine, machine) else { return }
            way = UInt128(oneWay)
        }
        let slot = slot(offer.layers.first)
        let rest = next < 0 ? nil : labels[next]
        let first = (rest?.first ?? 0) + value(place, 0) + passes[0] * way
        if limits.isEmpty, let known = groups[slot][group].labels.first,
            labels[known].first < first
        {
            return
        }
        guard addSums(place, next: next, way, slot) else { return }
        labels.append(
            Label(
                first: first,
                second: (rest?.second ?? 0) + value(place, 1) + passes[1] * way,
                stages: (rest?.stages ?? 0) + 1, offer: place, next: next))
        insert(labels.count - 1, slot, group, &work)
    }

    /// What the next label comes to in each limit; false, and nothing, if with the least that can
    /// come before it would be over one.
    private mutating func addSums(
        _ place: Int, next: Int, _ way: UInt128, _ slot: Int
    ) -> Bool {
        guard let start = before[slot] else { return false }
        let count = sums.count
        for limit in limits.indices {
            let rest = next < 0 ? 0 : sums[next * limits.count + limit]
            let sum = rest + value(place, 2 + limit) + passes[2 + limit] * way
            if sum + start[limit] > limits[limit].most {
                sums.removeLast(sums.count - count)
                return false
            }
            sums.append(sum)
        }
        return true
    }

    /// Puts the newest label in a group, unless another one there makes it pointless.
    private mutating func insert(_ new: Int, _ slot: Int, _ group: Int, _ work: inout Int) {
        let known = groups[slot][group].labels
        work -= known.count
        if known.contains(where: { dominates($0, new) }) {
            labels.removeLast()
            sums.removeLast(limits.count)
            return
        }
        groups[slot][group].labels = known.filter { !dominates(new, $0) } + [new]
    }

    /// Whether whatever comes before both, the first is preferred and keeps the limits if the
    /// second does.
    private func dominates(_ one: Int, _ other: Int) -> Bool {
        for limit in limits.indices
        where sums[one * limits.count + limit] > sums[other * limits.count + limit] {
            return false
        }
        return precedes(one, other)
    }

    private func precedes(_ one: Int, _ other: Int) -> Bool {
        let (left, right) = (labels[one], labels[other])
        if left.first != right.first { return left.first < right.first }
        if left.second != right.second { return left.second < right.second }
        if left.stages != right.stages { return left.stages < right.stages }
        return offersPrecede(one, other)
    }

    /// Compares the numbers of the offers, of two rests of equally many stages.
    private func offersPrecede(_ one: Int, _ other: Int) -> Bool {
        var (left, right) = (one, other)
        while left != right {
            let (a, b) = (offers[labels[left].offer].id, offers[labels[right].offer].id)
            if a != b { return a < b }
            (left, right) = (labels[left].next, labels[right].next)
        }
        return false
    }

    /// The best label of the first layer, with the edge from the asking side.
    private mutating func front() -> Int? {
        var best: Int?
        for group in groups[0] {
            var way: UInt128 = 0
            if !isStar {
                guard let oneWay = edges.oneWay(nil, group.machine) else { continue }
                way = UInt128(oneWay)
            }
            for label in group.labels {
                let keeps = limits.indices.allSatisfy { limit in
                    sums[label * limits.count + limit] + passes[2 + limit] * way
                        <= limits[limit].most
                }
                guard keeps else { continue }
                labels[label].first += passes[0] * way
                labels[label].second += passes[1] * way
                if let known = best, !precedes(label, known) { continue }
                best = label
            }
        }
        return best
    }

    private func path(_ label: Int) -> [PlanOffer] {
        var stages: [PlanOffer] = []
        var label = label
        while label >= 0 {
            stages.append(offers[labels[label].offer])
            label = labels[label].next
        }
        return stages
    }
}
