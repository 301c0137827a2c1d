import Economics
import Primitives

/// Audits, verdicts and captured bonds in columns: `Clearing/Disputes`.
extension KernelHouse {
    /// What `jobStates` says of a job: where it stands, and two marks.
    private enum State {
        static let delivered: UInt8 = 0
        static let auditing: UInt8 = 1
        /// Disputed, or paid already.
        static let decided: UInt8 = 2
        static let place: UInt8 = 3
        static let suspect: UInt8 = 4
        static let queued: UInt8 = 8
    }

    mutating func draw(
        _ beacon: (UInt64, UInt64), _ orders: StepOrders, _ books: Books,
        _ result: inout StepResult
    ) {
        result.audits.removeAll(keepingCapacity: true)
        let lottery = AuditLottery(beacon: Digest(words: (beacon.0, beacon.1, 0, 0)))
        findAble(books)
        if isDrawn {
            let drawn = undrawn
            undrawn.removeAll(keepingCapacity: true)
            for job in drawn { jobStates[Int(job)] &= ~State.queued }
            for job in drawn where jobStates[Int(job)] & State.place == State.delivered {
                assign(job, result.fills.place(of: job), lottery, &result)
            }
            return
        }
        isDrawn = true
        if rules.auditRatePerMillion == 0 { return }
        // What `assign` appends to the queue is drawn with the next beacon.
        for place in result.fills.indices {
            let fill = result.fills[place]
            for job in fill.first..<fill.first + fill.count {
                let id = jobsBefore + UInt64(job) + 1
                if lottery.draws(job: id, perMillion: rules.auditRatePerMillion) {
                    assign(job, place, lottery, &result)
                }
            }
        }
    }

    /// Gives an audit to one of those who can, or puts it off to the next beacon.
    private mutating func assign(
        _ job: Int32, _ fill: Int, _ lottery: AuditLottery, _ result: inout StepResult
    ) {
        if able.isEmpty {
            jobStates[Int(job)] |= State.suspect
            enqueue(job)
            return
        }
        let id = jobsBefore + UInt64(job) + 1
        let pick = lottery.auditor(job: id, among: able.count)
        let verifier = able[pick]
        jobStates[Int(job)] = jobStates[Int(job)] & ~State.place | State.auditing
        openAudits[Int(verifier)] += 1
        if openAudits[Int(verifier)] == KernelHouse.openAuditLimit { able.remove(at: pick) }
        result.audits.append(
            AuditCase(
                job: job, fill: Int32(fill), provider: result.fills[fill].provider,
                verifier: verifier))
    }

    private mutating func enqueue(_ job: Int32) {
        if jobStates[Int(job)] & State.queued != 0 { return }
        jobStates[Int(job)] |= State.queued
        undrawn.append(job)
    }

    /// No verifier serves or buys here, so whoever can audit one job can audit all.
    private mutating func findAble(_ books: Books) {
        able.removeAll(keepingCapacity: true)
        for verifier in 0..<roster.verifiers {
            let party = roster.providers + verifier
            guard openAudits[verifier] < KernelHouse.openAuditLimit,
                books.tombstoned[party] == 0,
                UInt128(books.bonded[party]) >= rules.minimumBond.units
            else { continue }
            able.append(Int32(verifier))
        }
    }

    mutating func judge(_ rulings: [Ruling], _ books: inout Books, _ result: inout StepResult) {
        for (place, ruling) in rulings.enumerated() {
            let entry = result.audits[place]
            if ruling == .silent { continue }
            openAudits[Int(entry.verifier)] -= 1
            jobStates[Int(entry.job)] |= State.decided
            handled[Int(entry.fill)] += 1
            let fill = result.fills[Int(entry.fill)]
            if ruling == .clear {
                clear(entry, fill, books: &books)
                continue
            }
            let penalty = convict(entry, fill, &books, &result)
            switch ruling {
            case .overturned: overturn(penalty, fill, &books, &result)
            case .confirmed: execute(penalty, &books, &result)
            default: pending.append(penalty)
            }
        }
    }

    /// The work reproduced: the provider is paid, and the verifier out of what the house has.
    private mutating func clear(_ entry: AuditCase, _ fill: Fill, books: inout Books) {
        let cost = terms.cost(fill.kind, ask: fill.ask)
        pay(fill, jobs: 1, &books)
        let due = Amount(UInt128(cost)).share(
            basisPoints: rules.auditFeeBasisPoints, rounding: .down)
        let fee = min(due.units, books.fee)
        books.fee -= fee
        books.payable[roster.providers + Int(entry.verifier)] += Int64(fee)
    }

    /// Pays jobs of a fill out of escrow and counts their work.
    mutating func pay(_ fill: Fill, jobs: Int64, _ books: inout Books) {
        let share = division(fill)
        let provider = Int(fill.provider)
        books.exposure[provider] -= share.cost * jobs
        books.escrow -= UInt128(share.cost * jobs)
        books.payable[provider] += share.pay * jobs
        books.fee += UInt128(share.fee * jobs)
        epochWork[provider] += share.work * UInt64(jobs)
    }

    /// What a job of a fill comes to for everybody. Fills that follow each other are mostly of the
    /// same provider, so the last answer for each kind of job is kept.
    private mutating func division(_ fill: Fill) -> Division {
        let known = divisions[Int(fill.kind)]
        if known.ask == fill.ask { return known }
        let cost = terms.cost(fill.kind, ask: fill.ask)
        let (pay, fee) = FeePolicy.split(Amount(UInt128(cost)), parameters: rules)
        let work = EmissionPolicy.backed(work: terms.work(fill.kind), fee: fee, parameters: rules)
        let fresh = Division(
            ask: fill.ask, cost: cost, pay: Int64(pay.units), fee: Int64(fee.units), work: work)
        divisions[Int(fill.kind)] = fresh
        return fresh
    }

    /// Captures bond, takes the provider off the market and has its other jobs audited.
    private mutating func convict(
        _ entry: AuditCase, _ fill: Fill, _ books: inout Books, _ result: inout StepResult
    ) -> PendingPenalty {
        let provider = Int(entry.provider)
        let cost = terms.cost(fill.kind, ask: fill.ask)
        let rung = SlashPolicy.rung(code: .outputMismatch, prior: UInt32(faults[provider]))
        convictions[provider] += 1
        let bonded = books.bonded[provider]
        let bond = Amount(UInt128(bonded + books.unbonding[provider]))
        let deterrent =
            BondPolicy.deterrent(exposure: Amount(UInt128(cost)), parameters: rules)
            .map { Asset.usd.roundedUp($0) ?? $0 } ?? .zero
        let penalty = max(
            taken(rung, of: bond, from: provider, books), min(deterrent, bond))
        let fromBond = min(Int64(penalty.units), bonded)
        let fromUnbonding = Int64(penalty.units) - fromBond
        books.bonded[provider] -= fromBond
        books.unbonding[provider] -= fromUnbonding
        books.captured += penalty.units
        result.taken[provider] += Int64(penalty.units)
        books.offered[provider] = 0
        suspect(jobsOf: entry.provider, result.fills)
        return PendingPenalty(
            provider: entry.provider, verifier: entry.verifier, buyer: fill.buyer,
            rung: rung.rawValue, cost: cost, bonded: fromBond, unbonding: fromUnbonding,
            epoch: epoch + waitingEpochs)
    }

    /// What a rung takes, in whole chain units.
    private mutating func taken(
        _ rung: Rung, of bond: Amount, from provider: Int, _ books: Books
    ) -> Amount {
        var own = SlashPolicy.penalty(rung, bond: bond)
        if case .correlated = penaltyPolicy {
            // All bonds as they were before the step's first conviction; a bond is at fault once.
            if allBonds.isZero { allBonds = sumOfBonds(books) }
            if convictions[provider] == 1 { faulty += bond }
            own =
                (try? penaltyPolicy.penalty(rung, bond: bond, faulty: faulty, total: allBonds))
                ?? bond
        }
        return min(Asset.usd.roundedUp(own) ?? bond, bond)
    }

    private func sumOfBonds(_ books: Books) -> Amount {
        var sum = books.captured
        for party in 0..<roster.providers {
            sum += UInt128(books.bonded[party] + books.unbonding[party])
        }
        return Amount(sum)
    }

    /// Epochs after the running one with whose end an appeal window is over.
    private var waitingEpochs: UInt64 {
        let (window, length) = (rules.appealWindow.nanoseconds, rules.epochLength.nanoseconds)
        return max(1, window / length + (window % length == 0 ? 0 : 1))
    }

    private mutating func suspect(jobsOf provider: Int32, _ fills: [Fill]) {
        if !isIndexed { indexFills(fills) }
        var place = firstFill[Int(provider)]
        while place >= 0 {
            let fill = fills[Int(place)]
            for job in fill.first..<fill.first + fill.count
            where jobStates[Int(job)] & State.place == State.delivered {
                jobStates[Int(job)] |= State.suspect
                enqueue(job)
            }
            place = nextFill[Int(place)]
        }
    }

    /// Chains each provider's fills, for the steps in which somebody is convicted. O(fills).
    private mutating func indexFills(_ fills: [Fill]) {
        isIndexed = true
        firstFill.fill(-1)
        nextFill.removeAll(keepingCapacity: true)
        nextFill.append(contentsOf: repeatElement(-1, count: fills.count))
        for place in fills.indices.reversed() {
            let provider = Int(fills[place].provider)
            nextFill[place] = firstFill[provider]
            firstFill[provider] = Int32(place)
        }
    }

    /// The accused was right: bond and pay are free, and the verifier loses a part of its bond.
    private mutating func overturn(
        _ penalty: PendingPenalty, _ fill: Fill, _ books: inout Books, _ result: inout StepResult
    ) {
        let provider = Int(penalty.provider)
        books.bonded[provider] += penalty.bonded
        books.unbonding[provider] += penalty.unbonding
        books.captured -= UInt128(penalty.bonded + penalty.unbonding)
        result.taken[provider] -= penalty.bonded + penalty.unbonding
        convictions[provider] -= 1
        pay(fill, jobs: 1, &books)

        let party = roster.providers + Int(penalty.verifier)
        let rung = SlashPolicy.rung(code: .falseAccusation, prior: UInt32(faults[party]))
        let bond = Amount(UInt128(books.bonded[party] + books.unbonding[party]))
        let lost = min(
            Asset.usd.roundedUp(SlashPolicy.penalty(rung, bond: bond)) ?? bond, bond)
        let (_, burned, _) = SlashPolicy.divide(
            penalty: lost, jobCost: Amount(UInt128(penalty.cost)), parameters: rules)
        faults[party] += 1
        let fromBond = min(Int64(lost.units), books.bonded[party])
        books.bonded[party] -= fromBond
        books.unbonding[party] -= Int64(lost.units) - fromBond
        books.insurance += lost.units - burned.units
        result.taken[party] += Int64(lost.units)
        result.slashed += lost.units
        burnOnChain(burned, &books, &result)
    }

    /// Takes captured bond and divides it; gives the buyer its money back.
    mutating func execute(
        _ penalty: PendingPenalty, _ books: inout Books, _ result: inout StepResult
    ) {
        let captured = Amount(UInt128(penalty.bonded + penalty.unbonding))
        let (bounty, burned, insurance) = SlashPolicy.divide(
            penalty: captured, jobCost: Amount(UInt128(penalty.cost)), parameters: rules)
        let provider = Int(penalty.provider)
        books.captured -= captured.units
        books.payable[roster.providers + Int(penalty.verifier)] += Int64(bounty.units)
        books.insurance += insurance.units
        books.escrow -= UInt128(penalty.cost)
        books.available[roster.firstBuyer + Int(penalty.buyer)] += penalty.cost
        books.exposure[provider] -= penalty.cost
        faults[provider] += 1
        result.slashed += captured.units
        result.refunded += UInt128(penalty.cost)
        burnOnChain(burned, &books, &result)
        if penalty.rung == Rung.tombstone.rawValue, books.tombstoned[provider] == 0 {
            books.tombstoned[provider] = 1
            books.offered[provider] = 0
            result.tombstones += 1
        }
    }

    /// The burned part leaves the contract in whole chain units.
    private func burnOnChain(
        _ burned: Amount, _ books: inout Books, _ result: inout StepResult
    ) {
        let gone = Asset.usd.chainUnits(burned) * UInt128(KernelHouse.dollarScale)
        books.burn += burned.units - gone
        books.chain -= gone
        result.burned += burned.units
    }

    private static var openAuditLimit: UInt16 { 32 }
}
