import Economics
import Ledger
import Primitives

/// The accused can have a verdict re-run before anything is taken.
extension ClearingHouse {
    mutating func openAppeal(
        _ id: VerdictID, by party: PartyID, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        guard let record = verdicts.at(id) else { throw .verdictNotFound }
        if record.accused != party || party == .none { throw .notTheAccused }
        let isOver = record.state == .appealable && record.deadline <= time
        if isOver || (record.state != .appealable && record.state != .appealed) {
            throw .notAppealable
        }
        if record.state == .appealed { throw .alreadyAppealed }
        verdicts[id].state = .appealed
        events.append(.appealOpened(id))
    }

    mutating func resolveAppeal(
        _ id: VerdictID, upheld: Bool, _ rules: Parameters, at time: Timestamp,
        into events: inout [Event]
    ) throws(Rejection) {
        guard let record = verdicts.at(id) else { throw .verdictNotFound }
        if record.state != .appealed { throw .noOpenAppeal }
        events.append(.appealResolved(id, upheld: upheld))
        if upheld {
            overturn(record, rules, at: time, into: &events)
        } else {
            executeVerdict(id, rules, at: time, into: &events)
        }
    }

    /// The accused was right: its bond and its pay are free, and the verifier loses a part of its
    /// own bond for a false accusation.
    private mutating func overturn(
        _ record: VerdictRecord, _ rules: Parameters, at time: Timestamp, into events: inout [Event]
    ) {
        for capture in record.captures { release(capture, at: time) }
        verdicts[record.id].state = .overturned
        // Another conviction in this epoch keeps its emission lost.
        let isConvicted = verdicts.contains {
            $0.accused == record.accused && $0.id != record.id && $0.state != .overturned
                && $0.recordedAt >= epochStartedAt
        }
        if !isConvicted { parties[record.accused].rewardLostUntil = .none }
        let job = jobs[record.verdict.body.job]
        let stage = job.pipeline[Int(record.verdict.body.accusedStage ?? 0)]
        payStage(stage, of: job.id, at: time)
        jobs[job.id].state = .paid
        events.append(.jobPaid(job.id))

        let verifier = nodes[record.auditor].party
        let rung = SlashPolicy.rung(
            code: .falseAccusation, prior: parties[verifier].objectiveFaults)
        let pots = [Purpose.bonded, .unbonding]
        let penalty = ClearingHouse.penalty(
            rung, of: pots.reduce(.zero) { $0 + balance($1, .usd, of: verifier) })
        let (_, burned, _) = SlashPolicy.divide(
            penalty: penalty, jobCost: job.cost, parameters: rules)
        parties[verifier].objectiveFaults += 1
        let fault = addVerdict(
            record.verdict, code: .falseAccusation, auditor: record.auditor, accused: verifier,
            rung: rung, state: .executed, at: time)
        verdicts[fault].captured = penalty
        verdicts[fault].burned = burned
        takePenalty(penalty, burned: burned, of: verifier, fault, at: time)
        events.append(.verdictRecorded(fault, job.id))
        events.append(.slashExecuted(fault, verifier, amount: penalty, burned: burned))
    }

    /// Takes a penalty from what is bonded, then from what is leaving; the burned part first.
    private mutating func takePenalty(
        _ penalty: Amount, burned: Amount, of party: PartyID, _ verdict: VerdictID,
        at time: Timestamp
    ) {
        let parts: [(Amount, Purpose, TransferReason)] = [
            (burned, .burn, .burn), (penalty - burned, .insurance, .insurance),
        ]
        for (amount, target, reason) in parts {
            let first = min(amount, balance(.bonded, .usd, of: party))
            for (pot, part) in [(Purpose.bonded, first), (.unbonding, amount - first)] {
                move(
                    part, from: .init(pot, .usd, of: party), to: .init(target, .usd), reason,
                    verdict.rawValue, at: time)
            }
        }
    }
}
