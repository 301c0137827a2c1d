import Primitives

/// Finds the cheapest complete cover of a model's layers by live offers.
///
/// A pipeline is a path from layer 0 to the last layer over offers as edges. Working backwards
/// from the end, the best continuation from each layer is the one with the lowest cost, then the
/// fewest stages, then the lowest offer id: a total order, so equal books give equal pipelines.
/// O(n log n) for n offers.
struct Matching {
    struct Candidate {
        let offer: OfferID
        let party: PartyID
        let layers: LayerRange
        let cost: Amount
    }

    private struct Best {
        let cost: Amount
        let stages: Int
        let offer: OfferID
        let next: UInt16
        let candidate: Int
    }

    /// The cheapest path of candidates covering `layers`, or `nil`.
    static func cheapestCover(of layers: LayerRange, by candidates: [Candidate]) -> [Candidate]? {
        let order = candidates.indices.sorted {
            (candidates[$1].layers.first, candidates[$0].offer)
                < (candidates[$0].layers.first, candidates[$1].offer)
        }
        var best: [Best?] = Array(repeating: nil, count: layers.count + 1)
        for place in order {
            let candidate = candidates[place]
            guard candidate.layers.first >= layers.first, candidate.layers.end <= layers.end else {
                continue
            }
            let rest: (cost: Amount, stages: Int)
            if candidate.layers.end == layers.end {
                rest = (.zero, 0)
            } else if let tail = best[Int(candidate.layers.end - layers.first)] {
                rest = (tail.cost, tail.stages)
            } else {
                continue
            }
            let option = Best(
                cost: candidate.cost + rest.cost, stages: rest.stages + 1,
                offer: candidate.offer, next: candidate.layers.end, candidate: place)
            let slot = Int(candidate.layers.first - layers.first)
            if let known = best[slot], !precedes(option, known) { continue }
            if option.stages <= Limits.stages { best[slot] = option }
        }
        return path(from: layers, best: best, candidates: candidates)
    }

    private static func precedes(_ left: Best, _ right: Best) -> Bool {
        (left.cost, left.stages, left.offer) < (right.cost, right.stages, right.offer)
    }

    private static func path(
        from layers: LayerRange, best: [Best?], candidates: [Candidate]
    ) -> [Candidate]? {
        var path: [Candidate] = []
        var layer = layers.first
        while layer < layers.end {
            guard let step = best[Int(layer - layers.first)] else { return nil }
            path.append(candidates[step.candidate])
            layer = step.next
        }
        return path
    }
}

extension ClearingHouse {
    /// The pipeline a demand gets, or why it gets none. `failed` nodes are left out; `layers` is
    /// the whole model or the part that lost its stage.
    func match(
        _ demand: Demand, layers: LayerRange, excluding failed: [NodeID], at time: Timestamp
    ) -> [StageAssignment]? {
        let open = candidates(for: demand, excluding: failed, at: time)
        for preferred in demand.order {
            let own = open.filter { $0.party == preferred }
            if let cover = coveredByBond(layers, own) { return assignments(cover) }
        }
        if !demand.order.isEmpty, !demand.allowFallbacks {
            let named = open.filter { demand.order.contains($0.party) }
            return coveredByBond(layers, named).map(assignments)
        }
        return coveredByBond(layers, open).map(assignments)
    }

    private func candidates(
        for demand: Demand, excluding failed: [NodeID], at time: Timestamp
    ) -> [Matching.Candidate] {
        var found: [Matching.Candidate] = []
        for id in models[demand.model].offers {
            let offer = offers[id]
            guard offer.state == .live, offer.draft.expiresAt > time,
                nodes[offer.draft.node].online, offer.running < offer.draft.concurrency,
                UInt64(offer.draft.context) >= UInt64(demand.promptTokens)
                    + UInt64(demand.maxTokens),
                offer.draft.numerics == .exact || demand.acceptsStatistical,
                !failed.contains(offer.draft.node), !demand.ignore.contains(offer.party),
                demand.only.isEmpty || demand.only.contains(offer.party)
            else { continue }
            // Prices only add up along a pipeline: an offer over a limit fits none.
            if let limit = demand.maxInputPrice, offer.draft.inputPrice > limit { continue }
            if let limit = demand.maxOutputPrice, offer.draft.outputPrice > limit { continue }
            let cost = offer.cost(promptTokens: demand.promptTokens, outputTokens: demand.maxTokens)
            guard let needed = requiredBond(of: offer.party, extra: cost),
                needed <= balance(.bonded, .usd, of: offer.party)
            else { continue }
            found.append(
                .init(offer: id, party: offer.party, layers: offer.draft.layers, cost: cost))
        }
        return found
    }

    /// The cheapest cover whose owners' bonds also cover several stages of one owner together:
    /// as long as one does not, its dearest stage is left out and the search repeated.
    private func coveredByBond(
        _ layers: LayerRange, _ candidates: [Matching.Candidate]
    ) -> [Matching.Candidate]? {
        var left = candidates
        while let cover = Matching.cheapestCover(of: layers, by: left) {
            guard let excess = cover.first(where: { isUncovered($0.party, in: cover) }) else {
                return cover
            }
            let own = cover.filter { $0.party == excess.party }
            guard let dearest = own.max(by: { ($0.cost, $0.offer) < ($1.cost, $1.offer) }) else {
                return nil
            }
            left.removeAll { $0.offer == dearest.offer }
        }
        return nil
    }

    private func isUncovered(_ party: PartyID, in cover: [Matching.Candidate]) -> Bool {
        var sum = Amount.zero
        for stage in cover where stage.party == party { sum += stage.cost }
        guard let needed = requiredBond(of: party, extra: sum) else { return true }
        return needed > balance(.bonded, .usd, of: party)
    }

    private func assignments(_ cover: [Matching.Candidate]) -> [StageAssignment] {
        cover.map { stage in
            StageAssignment(
                offer: stage.offer, node: offers[stage.offer].draft.node, party: stage.party,
                layers: stage.layers, cost: stage.cost, roots: nil)
        }
    }
}
