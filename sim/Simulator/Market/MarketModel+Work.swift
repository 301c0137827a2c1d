import Economics
import Primitives

/// What happens with matched jobs: they are computed rightly or not, and audited.
extension MarketModel {
    /// Who cheats on what, and what computing costs. A provider's fills come in few runs, so what
    /// it is is looked up once a fill.
    mutating func serve() {
        providers.cheated.fill(0)
        providers.spent.fill(0)
        let luck = draws.stream(.cheat, step: steps)
        for fill in result.fills {
            let place = Int(fill.provider)
            let count = Int64(fill.count)
            let cost = terms.cost(fill.kind, ask: fill.ask)
            let quarters = terms.quarters(fill.kind)
            let worth = Int64(buyers.value[Int(fill.buyer)]) / 4 * quarters
            let compute = unitCost(providers.hardware[place]) * quarters / 4
            let cheated = cheats(fill, luck)
            let saved = compute / 1_000 * saving(strategy(place)) * cheated
            providers.cheated[place] += UInt16(cheated)
            providers.spent[place] += compute * count - saved
            tally.cheated += cheated
            tally.saved += UInt128(saved)
            tally.gross += UInt128(cost * count)
            if orders.sellers[Int(fill.buyer)] >= 0 {
                tally.washed += count
                continue
            }
            tally.paid += UInt128(fill.ask) * UInt128(quarters * count)
            tally.tokens += UInt128(quarters * count)
            tally.welfare += Int128(worth * (count - cheated)) - Int128(cost * count)
        }
    }

    @inline(__always)
    func strategy(_ place: Int) -> Strategy {
        Strategy(rawValue: providers.strategy[place]) ?? .honest
    }

    /// How many of a fill's jobs its provider cheats on.
    private func cheats(_ fill: Fill, _ luck: Draws.Stream) -> Int64 {
        let place = Int(fill.provider)
        let strategy = strategy(place)
        guard strategy.cheats else { return 0 }
        if strategy == .selective, !isTempted(place, fill.kind) { return 0 }
        let rate = settings[.cheating]
        if rate == 1_000 { return Int64(fill.count) }
        var count: Int64 = 0
        for job in fill.first..<fill.first + fill.count
        where luck.happens(perMille: rate, Int(job)) {
            count += 1
        }
        return count
    }

    /// Whether a provider serves this job wrong on purpose: `cheats`, for one job.
    private func isCheated(_ job: Int32, _ fill: Fill, _ luck: Draws.Stream) -> Bool {
        let place = Int(fill.provider)
        let strategy = strategy(place)
        guard strategy.cheats else { return false }
        if strategy == .selective, !isTempted(place, fill.kind) { return false }
        return luck.happens(perMille: settings[.cheating], Int(job))
    }

    /// Of a provider that cheats where it pays, whether it does on jobs of a kind.
    private func isTempted(_ place: Int, _ kind: UInt8) -> Bool {
        providers.tempted[place] >> kind & 1 == 1
    }

    // MARK: Audits

    /// Beacons are drawn until nothing waits for one, or nobody can audit.
    mutating func audit() {
        verifiers.spent.fill(0)
        let beacons = draws.stream(.beacon, step: steps)
        for round in 0..<MarketModel.mostBeacons {
            house.draw((beacons[2 * round], beacons[2 * round + 1]), orders, books, &result)
            if result.audits.isEmpty { break }
            rulings.removeAll(keepingCapacity: true)
            for entry in result.audits { rulings.append(rule(entry)) }
            house.judge(rulings, &books, &result)
        }
    }

    /// Rounds of audits in a step: with it a verifier audits at most 2,048 jobs in one.
    private static let mostBeacons = 64

    private mutating func rule(_ entry: AuditCase) -> Ruling {
        let job = Int(entry.job)
        let fill = result.fills[Int(entry.fill)]
        tally.audits += 1
        if draws.stream(.silence, step: steps).happens(perMille: settings[.silence], job) {
            return .silent
        }
        let place = Int(entry.provider)
        let isCheated = isCheated(entry.job, fill, draws.stream(.cheat, step: steps))
        let isBuggy = !isCheated && hasBug(place)
        let kind = VerifierKind(rawValue: verifiers.kind[Int(entry.verifier)]) ?? .honest
        let isFriend = kind == .colluding && strategy(place) == .colluding
        if kind == .lazy || isFriend { return .clear }
        let cost = settings[.consumerCost] * terms.quarters(fill.kind) / 4
        verifiers.spent[Int(entry.verifier)] += cost / 1_000 * settings[.auditCost]
        if isCheated {
            let power =
                strategy(place) == .quantising
                ? settings[.quantisedDetection] : settings[.detection]
            guard draws.stream(.detection, step: steps).happens(perMille: power, job) else {
                return .clear
            }
            return convict(guilty: fill)
        }
        let accuses =
            kind == .griefing
            && draws.stream(.accusation, step: steps).happens(
                perMille: settings[.accusations], job)
        return isBuggy || accuses ? accuse(job, isBuggy: isBuggy) : .clear
    }

    private mutating func convict(guilty fill: Fill) -> Ruling {
        tally.convictions += 1
        tally.guilty += 1
        let cost = Amount(UInt128(terms.cost(fill.kind, ask: fill.ask)))
        tally.lost += FeePolicy.split(cost, parameters: rules).provider.units
        return .convict
    }

    /// Somebody who did not cheat is convicted, and appeals or not.
    private mutating func accuse(_ job: Int, isBuggy: Bool) -> Ruling {
        let luck = draws.stream(.appeal, step: steps)
        if luck.happens(perMille: settings[.appeals], 2 * job) {
            let chance = isBuggy ? settings[.bugUpheld] : 1_000
            if luck.happens(perMille: chance, 2 * job + 1) {
                tally.overturned += 1
                return .overturned
            }
            tally.convictions += 1
            tally.innocent += 1
            return .confirmed
        }
        tally.convictions += 1
        tally.innocent += 1
        return .convict
    }

    /// Whether a provider's engine has the bug in this step.
    private func hasBug(_ place: Int) -> Bool {
        settings[.bugStep] > 0 && settings.count(.bugStep) == steps + 1
            && draws.stream(.bug).happens(perMille: settings[.bugShare], place)
    }
}
