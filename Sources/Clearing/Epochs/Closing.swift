import Economics
import Ledger
import Primitives

/// Incentive tokens for verified work.
extension ClearingHouse {
    /// Ends the running epoch: its emission is divided among the parties in proportion to the work
    /// that became final in it. Without any work nothing is emitted. O(parties).
    mutating func closeEpoch(
        _ rules: Parameters, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        if time < epochStartedAt + rules.epochLength { throw .epochNotOver }
        let id = EpochID(UInt64(epochs.count) + 1)
        let weights = parties.map { party in
            party.tombstoned || max(party.rewardLostUntil, party.livenessLostUntil) >= id
                ? 0 : party.epochWork
        }
        let pool = EmissionPolicy.emission(epoch: id, parameters: rules) + emissionRest
        let (amounts, rest) = ProRata.split(pool, weights: weights)
        var shares: [EpochShare] = []
        var emitted = Amount.zero
        for (place, amount) in amounts.enumerated() where !amount.isZero {
            let party = parties[place].id
            move(
                amount, from: .init(.emission, .tly), to: .init(.payable, .tly, of: party),
                .emission, id.rawValue, at: time)
            shares.append(EpochShare(party: party, work: weights[place], amount: amount))
            emitted += amount
        }
        if !shares.isEmpty { emissionRest = rest }
        for place in parties.indices { parties[place].epochWork = 0 }
        epochs.append(EpochRecord(id: id, closedAt: time, emitted: emitted, shares: shares))
        epochStartedAt = time
        events.append(.epochClosed(id, emitted: emitted))
    }
}
