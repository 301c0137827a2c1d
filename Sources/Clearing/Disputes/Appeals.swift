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
        parties[record.accused].objectiveFaults -= 1
        parties[record.accused].rewardLostUntil = .none
        let job = jobs[record.verdict.body.job]
        let stage = job.pipeline[Int(record.verdict.body.accusedStage ?? 0)]
        payStage(stage, of: job.id, at: time)
        jobs[job.id].state = .paid
        events.append(.jobPaid(job.id))

        let verifier = nodes[record.auditor].party
        let rung = SlashPolicy.rung(
            code: .falseAccusation, prior: parties[verifier].objectiveFaults)
        let bond = AccountID(.bonded, .usd, of: verifier)
        let penalty = ClearingHouse.penalty(rung, of: balance(.bonded, .usd, of: verifier))
        let (_, burned, _) = SlashPolicy.divide(
            penalty: penalty, jobCost: job.cost, parameters: rules)
        parties[verifier].objectiveFaults += 1
        let fault = addVerdict(
            record.verdict, code: .falseAccusation, auditor: record.auditor, accused: verifier,
            rung: rung, state: .executed, at: time)
        verdicts[fault].captured = penalty
        verdicts[fault].burned = burned
        move(burned, from: bond, to: .init(.burn, .usd), .burn, fault.rawValue, at: time)
        move(
            penalty - burned, from: bond, to: .init(.insurance, .usd), .insurance,
            fault.rawValue, at: time)
        events.append(.verdictRecorded(fault, job.id))
        events.append(.slashExecuted(fault, verifier, amount: penalty, burned: burned))
    }
}
