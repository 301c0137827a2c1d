import Economics
import Primitives

extension ClearingHouse {
    /// Sends a command to the rule that decides it. Every rule checks everything before it writes
    /// anything, so a thrown rejection leaves the state as it was.
    mutating func decide(
        _ command: Command, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        if case .configure(let parameters, let chain) = command {
            return try configure(parameters, chain: chain, at: time, into: &events)
        }
        guard let rules = parameters else { throw .notConfigured }
        switch command {
        case .configure, .registerParty, .nameParty, .registerNode, .setPresence, .recordMeasures,
            .registerModel, .enlistVerifier, .issueKey, .revokeKey:
            try decideRegistry(command, at: time, into: &events)
        case .postOffer(let draft):
            try postOffer(draft, rules, at: time, into: &events)
        case .withdrawOffer(let party, let offer):
            try withdrawOffer(offer, by: party, into: &events)
        case .openJob(let demand):
            try openJob(demand, rules, at: time, into: &events)
        case .replaceStage(let job, let attempt, let stage, let code):
            try replaceStage(
                job, attempt: attempt, stage: stage, code: code, at: time, into: &events)
        case .replaceDoubted(let job, let attempt, let stage):
            try replaceDoubted(job, attempt: attempt, stage: stage, at: time, into: &events)
        case .replaceByStandIn(let job, let attempt, let stage, let code, let node):
            try replaceByStandIn(
                job, attempt: attempt, stage: stage, code: code, standIn: node, at: time,
                into: &events)
        case .submitReceipts(let delivery):
            try submitReceipts(delivery, rules, at: time, into: &events)
        case .failJob(let job, let reason):
            try failJob(job, reason: reason, at: time, into: &events)
        case .drawAudits(let beacon):
            try drawAudits(beacon: beacon, rules, at: time, into: &events)
        case .recordVerdict(let verdict):
            try recordVerdict(verdict, rules, at: time, into: &events)
        case .openAppeal(let verdict, let party):
            try openAppeal(verdict, by: party, at: time, into: &events)
        case .resolveAppeal(let verdict, let upheld):
            try resolveAppeal(verdict, upheld: upheld, rules, at: time, into: &events)
        case .noteUnprovenWeights(let node, _):
            try noteUnprovenWeights(node, into: &events)
        case .observeChain(let reference, let observation):
            try observeChain(reference, observation, at: time, into: &events)
        case .reverseChain(let reference, let observation, let previous):
            try reverseChain(
                reference, observation, previous: previous, at: time, into: &events)
        case .withdraw(let party, let asset, let amount):
            try withdraw(party, asset: asset, amount: amount, at: time, into: &events)
        case .closeEpoch:
            try closeEpoch(rules, at: time, into: &events)
        case .cutBatch, .replaceBatch:
            try cutBatch(
                replacesDisputed: command == .replaceBatch, at: time, into: &events)
        case .sealBatch(let batch, let root, let liabilities):
            try sealBatch(batch, root: root, liabilities, into: &events)
        case .writeOffSlash(let verdict):
            try writeOffSlash(verdict, at: time, into: &events)
        case .forgoSlash(let verdict, let isRequested):
            try forgoSlash(verdict, isRequested: isRequested, at: time, into: &events)
        case .collectFees(let party, let amount):
            try collectFees(party, amount, at: time, into: &events)
        case .settle, .setPayout, .bookCost, .notePayment, .notePool, .splitDispersal,
            .returnDispersal, .sealDispersals, .sealVouchers, .payOut, .openChannel, .fundChannel,
            .closeChannel, .pinSolana, .forgetSolana:
            try decidePayouts(command, at: time, into: &events)
        case .registerDepositor, .removeDepositor, .takeDeposits, .bookDeposit:
            try decideDeposits(command, at: time, into: &events)
        case .pulse:
            pulse(rules, at: time, into: &events)
        }
    }

    private mutating func decidePayouts(
        _ command: Command, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        switch command {
        case .settle(let quotes): try settle(quotes, at: time, into: &events)
        case .setPayout(let party, let settings):
            try setPayout(party, settings, into: &events)
        case .bookCost(let cost): try bookCost(cost, at: time, into: &events)
        case .notePayment(let dispersal, let payment, let note):
            try notePayment(dispersal, payment: payment, note, at: time, into: &events)
        case .notePool(let dispersal, let note):
            try notePool(dispersal, note, at: time, into: &events)
        case .splitDispersal(let dispersal):
            try splitDispersal(dispersal, at: time, into: &events)
        case .returnDispersal(let dispersal):
            try returnDispersal(dispersal, at: time, into: &events)
        case .sealDispersals(let first, let last, let books):
            try sealDispersals(first, last, books, into: &events)
        case .sealVouchers(let sums, let books):
            try sealVouchers(sums, books, into: &events)
        case .payOut(let party, let asset, let amount, let key, let quotes):
            try payOut(party, asset, amount, key: key, quotes, at: time, into: &events)
        case .openChannel(let draft): try openChannel(draft, at: time, into: &events)
        case .fundChannel(let channel, let total):
            try fundChannel(channel, total: total, into: &events)
        case .closeChannel(let channel): try closeChannel(channel, into: &events)
        case .pinSolana(let pin): try pinSolana(pin, into: &events)
        case .forgetSolana(let owner, let round):
            try forgetSolana(owner, round: round, into: &events)
        default: preconditionFailure("not a command about payouts")
        }
    }

    private mutating func decideRegistry(
        _ command: Command, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        switch command {
        case .registerParty(let address):
            if index.partyByAddress[address] != nil { throw .addressTaken }
            _ = party(for: address, at: time, into: &events)
        case .nameParty(let party, let name):
            try nameParty(party, name: name, into: &events)
        case .registerNode(let party, let key, let kernel):
            try registerNode(party, key: key, kernel: kernel, at: time, into: &events)
        case .setPresence(let node, let online):
            try setPresence(node, online: online, into: &events)
        case .recordMeasures(let measurements):
            try recordMeasures(measurements, into: &events)
        case .registerModel(let draft):
            try registerModel(draft, at: time, into: &events)
        case .enlistVerifier(let node, let model):
            try enlistVerifier(node, model: model, into: &events)
        case .issueKey(let party, let hash, let label):
            try issueKey(party, hash: hash, label: label, at: time, into: &events)
        case .revokeKey(let party, let hash):
            try revokeKey(party, hash: hash, into: &events)
        default:
            preconditionFailure("not a registry command")
        }
    }

    private mutating func configure(
        _ parameters: Parameters, chain: UInt64, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        if parameters.problem != nil { throw .invalidParameters }
        // The chain is fixed with the first configuration: money credited from one chain cannot
        // be settled on another.
        if self.parameters != nil, chain != self.chain { throw .wrongChain }
        if self.parameters == nil { epochStartedAt = time }
        // Another policy, or the same with other numbers, begins anew.
        if parameters.otherEmission != self.parameters?.otherEmission { emissionState = .none }
        self.parameters = parameters
        self.chain = chain
        events.append(.configured)
    }

    /// Lets everything happen that is due at `time`; at most `pulseLimit` things in one command.
    private mutating func pulse(
        _ rules: Parameters, at time: Timestamp, into events: inout [Event]
    ) {
        defer { passFinalJobs() }
        for _ in 0..<ClearingHouse.pulseLimit {
            guard let due = agenda.take(dueAt: time) else { return }
            switch due {
            case .window(let id):
                if jobs[id].state == .delivered, jobs[id].deadline <= time {
                    payStages(of: id, except: nil, at: time, into: &events)
                }
            case .audit(let id):
                if jobs[id].state == .auditing, jobs[id].deadline <= time {
                    closeUnansweredAudit(id, at: time, into: &events)
                }
            case .timeout(let id):
                if jobs[id].state == .running, jobs[id].deadline <= time {
                    endUncharged(id, reason: .timedOut, at: time, into: &events)
                }
            case .appeal(let id):
                if verdicts[id].state == .appealable {
                    executeVerdict(id, rules, at: time, into: &events)
                }
            case .offer(let id):
                if offers[id].state == .live { endOffer(id, .expired, into: &events) }
            }
        }
    }

    private static var pulseLimit: Int { 4096 }
}
