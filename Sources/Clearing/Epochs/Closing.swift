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
        let pool = emission(of: id, rules) + emissionRest
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

    /// What the policy emits for an epoch. It moves on even if nobody worked; an epoch without work
    /// mints nothing, and nor does one whose emission cannot be computed.
    private mutating func emission(of id: EpochID, _ rules: Parameters) -> Amount {
        let observation = observation(of: id, rules)
        do throws(EconomicsError) {
            return try rules.emission.advance(&emissionState, by: observation)
        } catch {
            return .zero
        }
    }

    /// What the house knows of an epoch. Its incentive token cannot be burned in the books, and
    /// bonds are dollars: the bonded share is that of the dollars parties hold here. Halving by
    /// height asks for none of it. O(parties).
    private func observation(of id: EpochID, _ rules: Parameters) -> EmissionObservation {
        let minted = ledger.account(AccountID(.emission, .tly))?.debitsPosted ?? .zero
        // What rounding left was emitted too and will be minted: a cap holds for both.
        var observation = EmissionObservation(epoch: id.rawValue, issued: minted + emissionRest)
        if rules.otherEmission == nil { return observation }
        for party in parties {
            let bonded = balance(.bonded, .usd, of: party.id)
            observation.bonded += bonded
            observation.bondable += bonded + balance(.available, .usd, of: party.id)
            observation.bondable += balance(.payable, .usd, of: party.id)
            let (sum, overflow) = observation.work.addingReportingOverflow(party.epochWork)
            observation.work = overflow ? .max : sum
        }
        return observation
    }
}
