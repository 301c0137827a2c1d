import Economics
import Ledger
import Primitives

/// From a verifier's verdict to money: payout, or capture, appeal and slash.
extension ClearingHouse {
    mutating func recordVerdict(
        _ signed: Signed<Verdict>, _ rules: Parameters, at time: Timestamp,
        into events: inout [Event]
    ) throws(Rejection) {
        let verdict = signed.body
        guard let auditor = index.nodeByKey[signed.signer] else { throw .nodeNotFound }
        guard let job = jobs.at(verdict.job) else { throw .jobNotFound }
        if job.state != .auditing { throw .wrongJobState }
        if job.attempt != verdict.attempt { throw .staleAttempt }
        if job.auditor != auditor { throw .notTheAuditor }
        switch (verdict.code.faultClass, verdict.accusedStage) {
        case (.none, nil):
            clear(job, signed, auditor, rules, at: time, into: &events)
        case (.objective, let stage?):
            // Only what a job's evidence can show: it never holds two receipts of one stage.
            guard verdict.code != .falseAccusation, verdict.code != .equivocation,
                Int(stage) < job.pipeline.count, job.pipeline[Int(stage)].roots != nil
            else { throw .malformedVerdict }
            convict(job, Int(stage), signed, auditor, rules, at: time, into: &events)
        default:
            throw .malformedVerdict
        }
    }

    /// The work reproduced: the verifier earns its fee, the stages their pay.
    private mutating func clear(
        _ job: Job, _ signed: Signed<Verdict>, _ auditor: NodeID, _ rules: Parameters,
        at time: Timestamp, into events: inout [Event]
    ) {
        let id = addVerdict(
            signed, code: signed.body.code, auditor: auditor, accused: .none, rung: .warn,
            state: .final, at: time)
        close(audit: job.id, verdict: id, by: auditor)
        events.append(.verdictRecorded(id, job.id))
        payStages(of: job.id, except: nil, at: time, into: &events)
        // The fee comes out of what the house has earned; it never owes what it does not have.
        let due = job.cost.share(basisPoints: rules.auditFeeBasisPoints, rounding: .down)
        let fee = min(due, balance(.fee, .usd))
        let owner = nodes[auditor].party
        move(
            fee, from: .init(.fee, .usd), to: .init(.payable, .usd, of: owner), .auditFee,
            job.id.rawValue, at: time)
        events.append(.verifierPaid(owner, job.id, amount: fee))
    }

    /// A stage is at fault: the others are paid, its share and part of its bond wait for the end
    /// of the appeal window, its node is off the market and its other open jobs are audited.
    private mutating func convict(
        _ job: Job, _ stage: Int, _ signed: Signed<Verdict>, _ auditor: NodeID,
        _ rules: Parameters, at time: Timestamp, into events: inout [Event]
    ) {
        let guilty = job.pipeline[stage]
        let accused = guilty.party
        let rung = SlashPolicy.rung(
            code: signed.body.code, prior: parties[accused].objectiveFaults)
        let id = addVerdict(
            signed, code: signed.body.code, auditor: auditor, accused: accused, rung: rung,
            state: .appealable, at: time)
        close(audit: job.id, verdict: id, by: auditor)
        events.append(.verdictRecorded(id, job.id))
        jobs[job.id].state = .disputed
        payStages(of: job.id, except: stage, at: time, into: &events)
        parties[accused].rewardLostUntil = EpochID(UInt64(epochs.count) + 1)
        capture(id, rung, at: time, into: &events)
        verdicts[id].deadline = time + rules.appealWindow
        agenda.add(.appeal(id), at: verdicts[id].deadline)
        for offer in nodes[guilty.node].offers { endOffer(offer, .revoked, into: &events) }
        suspect(jobsOf: guilty.node)
    }

    /// Reserves the penalty from the bond first, then from what is unbonding.
    private mutating func capture(
        _ id: VerdictID, _ rung: Rung, at time: Timestamp, into events: inout [Event]
    ) {
        let accused = verdicts[id].accused
        let bonded = balance(.bonded, .usd, of: accused)
        let unbonding = balance(.unbonding, .usd, of: accused)
        let penalty = max(
            ClearingHouse.penalty(rung, of: bonded + unbonding),
            min(deterrent(for: id), bonded + unbonding))
        let parts: [(Purpose, Amount)] = [
            (.bonded, min(penalty, bonded)), (.unbonding, penalty - min(penalty, bonded)),
        ]
        for (purpose, amount) in parts where !amount.isZero {
            let transfer = reserve(
                amount, from: .init(purpose, .usd, of: accused), to: .init(.captured, .usd),
                .capture, id.rawValue, at: time)
            verdicts[id].captures.append(transfer)
        }
        verdicts[id].captured = penalty
        events.append(.bondCaptured(id, accused, amount: penalty))
    }

    /// What admission asked of the bond for this work, in whole chain units: a first conviction
    /// takes at least that, or cheating within the bond would pay.
    private func deterrent(for id: VerdictID) -> Amount {
        let verdict = verdicts[id].verdict.body
        guard let rules = parameters, let stage = verdict.accusedStage,
            let amount = BondPolicy.deterrent(
                exposure: jobs[verdict.job].pipeline[Int(stage)].cost, parameters: rules)
        else { return .zero }
        return Asset.usd.roundedUp(amount) ?? amount
    }

    /// What a rung takes, in whole chain units: a slash on chain must leave there what the books
    /// have left. Rounded up, but never above what is there.
    static func penalty(_ rung: Rung, of bond: Amount) -> Amount {
        min(Asset.usd.roundedUp(SlashPolicy.penalty(rung, bond: bond)) ?? bond, bond)
    }

    /// Every delivered job that a convicted node served is drawn with the next beacon.
    private mutating func suspect(jobsOf node: NodeID) {
        passFinalJobs()
        for place in oldestOpenJob..<jobs.count
        where jobs[place].state == .delivered
            && jobs[place].pipeline.contains(where: { $0.node == node })
            && isExact(jobs[place].pipeline)
        {
            jobs[place].suspect = true
            queue(jobs[place].id)
        }
    }

    /// Takes the captured bond and divides it; gives the buyer its money back.
    mutating func executeVerdict(
        _ id: VerdictID, _ rules: Parameters, at time: Timestamp, into events: inout [Event]
    ) {
        let record = verdicts[id]
        let job = jobs[record.verdict.body.job]
        for capture in record.captures { take(capture, at: time) }
        let guilty = job.pipeline[Int(record.verdict.body.accusedStage ?? 0)]
        let (bounty, burned, insurance) = SlashPolicy.divide(
            penalty: record.captured, jobCost: job.cost, parameters: rules)
        // The whole answer was worthless to the buyer: what the honest stages keep comes out of
        // the insured part of the penalty.
        let loss = min(job.cost - guilty.cost, insurance)
        let captured = AccountID(.captured, .usd)
        let verifier = nodes[record.auditor].party
        let buyer = AccountID(.available, .usd, of: job.demand.buyer)
        move(burned, from: captured, to: .init(.burn, .usd), .burn, id.rawValue, at: time)
        move(
            bounty, from: captured, to: .init(.payable, .usd, of: verifier), .bounty, id.rawValue,
            at: time)
        move(
            insurance - loss, from: captured, to: .init(.insurance, .usd), .insurance,
            id.rawValue, at: time)
        move(loss, from: captured, to: buyer, .refund, job.id.rawValue, at: time)
        move(
            guilty.cost, from: .init(.escrow, .usd), to: buyer, .refund, job.id.rawValue, at: time)
        parties[guilty.party].exposure -= guilty.cost
        parties[record.accused].objectiveFaults += 1
        jobs[job.id].state = .refunded
        verdicts[id].state = .executed
        verdicts[id].burned = burned
        events.append(.jobRefunded(job.id, amount: guilty.cost + loss))
        events.append(.slashExecuted(id, record.accused, amount: record.captured, burned: burned))
        events.append(.verifierPaid(verifier, job.id, amount: bounty))
        if record.rung == .tombstone { tombstone(record.accused, at: time, into: &events) }
    }

    /// Ends everything a party serves, for good.
    private mutating func tombstone(
        _ party: PartyID, at time: Timestamp, into events: inout [Event]
    ) {
        parties[party].tombstoned = true
        for node in parties[party].nodes {
            for job in audits(of: node) { reopen(job.id, by: node, at: time) }
            for offer in nodes[node].offers { endOffer(offer, .revoked, into: &events) }
        }
    }

    /// A banned auditor judges nothing more: what it had is drawn again.
    private mutating func reopen(_ id: JobID, by node: NodeID, at time: Timestamp) {
        guard let rules = parameters else { return }
        nodes[node].openAudits -= 1
        jobs[id].state = .delivered
        jobs[id].auditor = .none
        jobs[id].suspect = true
        jobs[id].deadline = time + rules.challengeWindow
        agenda.add(.window(id), at: jobs[id].deadline)
        queue(id)
    }

    /// Puts a delivered job among those the next beacon is drawn for, once. Statistical work is
    /// never drawn: re-execution would convict an honest engine of having another arithmetic.
    mutating func queue(_ id: JobID) {
        // Neither one condition nor one expression: both would copy the whole house.
        if jobs[id].isQueued { return }
        let pipeline = jobs[id].pipeline
        guard isExact(pipeline) else { return }
        jobs[id].isQueued = true
        undrawn.append(id)
    }

    /// Whether all of a pipeline can be re-executed.
    func isExact(_ pipeline: [StageAssignment]) -> Bool {
        for stage in pipeline where offers[stage.offer].draft.numerics != .exact { return false }
        return true
    }

    private mutating func close(audit job: JobID, verdict: VerdictID, by auditor: NodeID) {
        jobs[job].verdict = verdict
        nodes[auditor].openAudits -= 1
    }

    mutating func addVerdict(
        _ signed: Signed<Verdict>, code: FaultCode, auditor: NodeID, accused: PartyID,
        rung: Rung, state: VerdictState, at time: Timestamp
    ) -> VerdictID {
        let id = VerdictID(UInt64(verdicts.count) + 1)
        let record = VerdictRecord(
            id: id, verdict: signed, code: code, auditor: auditor, accused: accused,
            recordedAt: time, state: state, rung: rung)
        verdicts.append(record)
        index.verdictBySlashKey[record.slashKey] = id
        return id
    }
}
