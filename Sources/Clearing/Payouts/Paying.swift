import Economics
import Ledger
import Primitives

/// From escrow to the stages that earned it.
extension ClearingHouse {
    /// Pays every stage that signed, except a convicted one, and counts its work as verified if it
    /// could have been audited.
    /// Without a convicted stage the job is final.
    mutating func payStages(
        of id: JobID, except guilty: Int?, at time: Timestamp, into events: inout [Event]
    ) {
        for (place, stage) in jobs[id].pipeline.enumerated() where place != guilty {
            payStage(stage, of: id, at: time)
        }
        if guilty == nil {
            jobs[id].state = .paid
            events.append(.jobPaid(id))
        }
    }

    /// Pays one stage from escrow: the provider's part and the house's fee.
    mutating func payStage(_ stage: StageAssignment, of id: JobID, at time: Timestamp) {
        guard let rules = parameters else { preconditionFailure("the house is configured") }
        parties[stage.party].exposure -= stage.cost
        let (pay, fee) = FeePolicy.split(stage.cost, parameters: rules)
        let escrow = AccountID(.escrow, .usd)
        move(
            pay, from: escrow, to: .init(.payable, .usd, of: stage.party), .payout, id.rawValue,
            at: time)
        move(fee, from: escrow, to: .init(.fee, .usd), .fee, id.rawValue, at: time)
        guard stage.roots != nil, offers[stage.offer].draft.numerics == .exact else { return }
        let tokens = UInt64(jobs[id].demand.promptTokens) + UInt64(jobs[id].outputTokens)
        let work = tokens * UInt64(stage.layers.count)
        // Buying from oneself is no work for others.
        if stage.party != jobs[id].demand.buyer {
            parties[stage.party].epochWork += EmissionPolicy.backed(
                work: work, fee: fee, parameters: rules)
        }
        parties[stage.party].totalWork += work
    }
}
