import Ledger
import Primitives

/// What leaves the ledger: withdrawals and settlement batches.
extension ClearingHouse {
    mutating func withdraw(
        _ party: PartyID, asset: Asset, amount: Amount, at time: Timestamp,
        into events: inout [Event]
    ) throws(Rejection) {
        guard parties.at(party) != nil else { throw .partyNotFound }
        if amount.isZero { throw .invalidAmount }
        if balance(.available, asset, of: party) < amount { throw .insufficientBalance }
        move(
            amount, from: .init(.available, asset, of: party),
            to: .init(.payable, asset, of: party), .withdrawal, at: time)
        events.append(.withdrawn(party, asset: asset, amount: amount))
    }

    mutating func collectFees(
        _ party: PartyID, _ amount: Amount, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        guard parties.at(party) != nil else { throw .partyNotFound }
        if amount.isZero { throw .invalidAmount }
        if balance(.fee, .usd) < amount { throw .insufficientBalance }
        move(
            amount, from: .init(.fee, .usd), to: .init(.payable, .usd, of: party), .withdrawal,
            at: time)
        events.append(.withdrawn(party, asset: .usd, amount: amount))
    }

    /// Moves every whole chain unit that is payable into the next batch; dust stays for a later
    /// one. O(parties).
    ///
    /// A batch in the place of a disputed one repeats its claims, as every batch does, so there
    /// need be nothing new in it. One that was cut behind it before the dispute does so already.
    mutating func cutBatch(
        replacesDisputed: Bool = false, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        if replacesDisputed, let last = batches.last, last.state == .held {
            letGo(last.id)
            return events.append(.batchReleased(last.id))
        }
        if replacesDisputed, batches.last?.state != .disputed { throw .wrongBatchState }
        var due: [(party: PartyID, asset: Asset, units: UInt128)] = []
        for party in parties {
            for asset in Asset.allCases {
                let units = asset.chainUnits(balance(.payable, asset, of: party.id))
                if units > 0 { due.append((party.id, asset, units)) }
            }
        }
        if due.isEmpty, !replacesDisputed { throw .nothingToSettle }
        if let last = batches.last, last.state != .confirmed, !replacesDisputed {
            throw .batchOpen
        }
        allot(due, at: time, into: &events)
    }

    /// Lets a batch go on that waited behind a disputed one: it is what it was when it was held.
    mutating func letGo(_ id: BatchID) {
        batches[id].state = batches[id].root == .zero ? .cut : .sealed
    }

    /// Makes a batch of what is due: leaves of the next root.
    mutating func allot(
        _ due: [(party: PartyID, asset: Asset, units: UInt128)], at time: Timestamp,
        into events: inout [Event]
    ) {
        let id = BatchID(UInt64(batches.count) + 1)
        var added: [UInt128] = [0, 0]
        for (party, asset, units) in due {
            guard let amount = asset.amount(chainUnits: units) else {
                preconditionFailure("a balance fits its own scale")
            }
            move(
                amount, from: .init(.payable, asset, of: party),
                to: .init(.inTransit, asset, of: party), .settlement, id.rawValue, at: time)
            parties[party].allotted[asset.slot] += units
            added[asset.slot] += units
        }
        batches.append(Batch(id: id, cutAt: time, lines: batchLines(), added: added))
        events.append(.batchCut(id))
    }

    /// The first batch that is not on chain for good: a later one cannot go before it. O(1) but for
    /// batches that a reorganisation took out of the chain.
    public var oldestUnsettledBatch: Batch? {
        let settled = batches.lastIndex { $0.state == .confirmed || $0.state == .disputed }
        let first = settled.map { $0 + 1 } ?? 0
        return first < batches.count ? batches[first] : nil
    }

    private func batchLines() -> [BatchLine] {
        var lines: [BatchLine] = []
        for party in parties {
            for asset in Asset.allCases where party.allotted(asset) > 0 {
                lines.append(
                    BatchLine(
                        party: party.id, address: party.address, asset: asset,
                        cumulative: party.allotted(asset)))
            }
        }
        return lines
    }

    mutating func sealBatch(
        _ id: BatchID, root: Digest, _ liabilities: LiabilityCommitment?,
        into events: inout [Event]
    ) throws(Rejection) {
        guard let batch = batches.at(id), batch.state == .cut else { throw .wrongBatchState }
        if let liabilities, liabilities.batch != id { throw .wrongBatchState }
        batches[id].state = .sealed
        batches[id].root = root
        batches[id].liabilities = liabilities
        events.append(.batchSealed(id, root: root))
    }
}
