import Economics
public import Primitives

/// Capacity on offer.
extension ClearingHouse {
    mutating func postOffer(
        _ draft: OfferDraft, _ rules: Parameters, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        if draft.region.utf8.count > Limits.textBytes { throw .limitExceeded }
        guard let node = nodes.at(draft.node) else { throw .nodeNotFound }
        if parties[node.party].tombstoned { throw .partyTombstoned }
        guard let model = models.at(draft.model) else { throw .modelNotFound }
        if balance(.bonded, .usd, of: node.party) < rules.minimumBond { throw .bondTooSmall }
        // So wide that no pipeline of offers can have more stages than a pipeline may.
        let widest = Limits.stages * draft.layers.count
        if draft.layers.end > model.draft.layers || widest < Int(model.draft.layers) {
            throw .invalidLayers
        }
        if draft.numerics == .statistical, draft.layers.count != Int(model.draft.layers) {
            throw .invalidLayers
        }
        guard draft.concurrency > 0, draft.concurrency <= Limits.concurrency,
            draft.context > 1, draft.context <= model.draft.context,
            draft.inputPrice <= ClearingHouse.highestPrice,
            draft.outputPrice <= ClearingHouse.highestPrice
        else { throw .invalidOffer }
        if draft.expiresAt <= time { throw .alreadyExpired }
        if node.offers.count >= Limits.offersPerNode { throw .tooManyOffers }
        let id = OfferID(UInt64(offers.count) + 1)
        offers.append(Offer(id: id, party: node.party, draft: draft, createdAt: time))
        nodes[draft.node].offers.append(id)
        models[draft.model].offers.append(id)
        agenda.add(.offer(id), at: draft.expiresAt)
        events.append(.offerPosted(id))
    }

    mutating func withdrawOffer(
        _ id: OfferID, by party: PartyID, into events: inout [Event]
    ) throws(Rejection) {
        guard let offer = offers.at(id) else { throw .offerNotFound }
        if offer.party != party { throw .notYourOffer }
        if offer.state != .live { throw .offerNotLive }
        endOffer(id, .withdrawn, into: &events)
    }

    /// Takes an offer off the market; its jobs go on.
    mutating func endOffer(_ id: OfferID, _ state: OfferState, into events: inout [Event]) {
        offers[id].state = state
        let draft = offers[id].draft
        models[draft.model].offers.removeAll { $0 == id }
        nodes[draft.node].offers.removeAll { $0 == id }
        events.append(.offerEnded(id, state))
    }

    /// The most an offer may ask: a million dollars per million tokens. With it, no job's cost
    /// overflows: 2^32 tokens x 64 stages stay far below 2^128.
    static var highestPrice: Price { Price(perMillion: 1_000_000_000_000_000_000) }

    /// The bond a party needs for what it has in flight, or `nil` if none would do.
    public func requiredBond(of party: PartyID, extra: Amount = .zero) -> Amount? {
        guard let rules = parameters, let record = parties.at(party) else { return nil }
        return BondPolicy.requiredBond(exposure: record.exposure + extra, parameters: rules)
    }
}
