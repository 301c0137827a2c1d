import Clearing
import Economics
import Ledger
import Primitives
import Testing

/// Random commands, sensible and senseless, and what must hold after every one of them.
@Suite struct RandomWalkTests {
    @Test(arguments: UInt64(1)...12)
    func moneyIsConservedAndReplayIsExact(_ seed: UInt64) throws {
        var world = World {
            $0.auditRatePerMillion = 400_000
            $0.challengeWindow = .seconds(20)
            $0.appealWindow = .seconds(30)
            $0.jobTimeoutSeconds = 40
        }
        let start = world
        var twin = world
        var random = Steps(seed: seed)
        var accepted: [(Command, UInt64)] = []
        var outcomes: [Int: Int] = [:]
        for step in 0..<1_500 {
            let kind = Int(random.below(16))
            let command = command(kind, &world, &random)
            world.seconds += random.below(3)
            // A house that was read back from its encoding must answer everything as this one.
            if step % 25 == 24 {
                #expect(twin.house.canonicalBytes() == world.house.canonicalBytes())
                twin.house = try world.house.restored()
            }
            twin.seconds = world.seconds
            let answer = world.apply(command)
            #expect(twin.apply(command) == answer)
            if case .success = answer {
                accepted.append((command, world.seconds))
                outcomes[kind, default: 0] += 1
            }
            check(world.house)
        }
        #expect(outcomes.count >= 14, "accepted kinds: \(outcomes.keys.sorted())")
        var replay = start.house
        for (command, second) in accepted {
            guard let copy = try? Command(canonicalBytes: command.canonicalBytes()) else {
                Issue.record("\(command) does not survive its encoding")
                continue
            }
            #expect(copy == command)
            _ = replay.apply(copy, at: Timestamp(seconds: second))
        }
        #expect(replay.canonicalBytes() == world.house.canonicalBytes())
        #expect(twin.house.canonicalBytes() == world.house.canonicalBytes())
    }

    private func check(_ house: ClearingHouse) {
        if !house.ledger.checkInvariants().isEmpty {
            Issue.record("\(house.ledger.checkInvariants())")
        }
        checkLiabilities(house)
        var escrow = Amount.zero
        var exposure: [PartyID: Amount] = [:]
        for job in house.jobs {
            switch job.state {
            case .running:
                for stage in job.pipeline { exposure[stage.party, default: .zero] += stage.cost }
            case .delivered, .auditing:
                escrow += job.cost
                for stage in job.pipeline { exposure[stage.party, default: .zero] += stage.cost }
            case .disputed:
                guard let verdict = house.verdict(job.verdict),
                    let place = verdict.verdict.body.accusedStage
                else { continue }
                let guilty = job.pipeline[Int(place)]
                escrow += guilty.cost
                exposure[guilty.party, default: .zero] += guilty.cost
            case .paid, .refunded, .failed: continue
            }
        }
        #expect(house.balance(.escrow, .usd) == escrow)
        for party in house.parties {
            #expect(party.exposure == exposure[party.id] ?? .zero)
        }
    }

    /// What is owed to everybody, counted holder by holder, is what double entry says it is; and
    /// with the house's own it is what came in.
    private func checkLiabilities(_ house: ClearingHouse) {
        let owed = house.liabilities()
        #expect(owed.map(\.holder) == [Liability.escrow] + house.parties.map(\.address))
        for asset in Asset.allCases {
            let sum = owed.reduce(Amount.zero) { $0 + $1.sums[asset] }
            #expect(sum == house.owed(asset))
            let equity = [Purpose.fee, .burn, .insurance, .captured].reduce(Amount.zero) {
                $0 + house.balance($1, asset)
            }
            let sources = [Purpose.chain, .emission].compactMap {
                house.ledger.account(AccountID($0, asset))
            }
            let out = sources.reduce(Amount.zero) { $0 + $1.creditsPosted }
            #expect(sum + equity + out == sources.reduce(.zero) { $0 + $1.debitsPosted })
        }
        for (liability, party) in zip(owed.dropFirst(), house.parties) {
            let purposes: [Purpose] = [.available, .bonded, .unbonding, .payable, .inTransit]
            let held = purposes.reduce(Amount.zero) {
                $0 + house.balance($1, .usd, of: party.id) + house.pending($1, .usd, of: party.id)
            }
            #expect(liability.sums[.usd] == held)
        }
        #expect(owed[0].sums[.usd] == house.balance(.escrow, .usd))
    }

    private func command(_ kind: Int, _ world: inout World, _ random: inout Steps) -> Command {
        let job = JobID(1 + random.below(UInt64(world.house.jobs.count) + 1))
        let party = PartyID(1 + random.below(6))
        switch kind {
        case 0...3:
            var demand = world.demand(prompt: UInt32(random.below(40)), output: 20)
            world.request += 1
            if random.below(3) == 0 { demand.only = [World.whole] }
            return .openJob(demand)
        case 4...6:
            var delivery = world.delivery(job, output: UInt32(1 + random.below(21)))
            if random.below(5) == 0, !delivery.receipts.isEmpty { delivery.receipts.removeLast() }
            return .submitReceipts(delivery)
        case 7: return .drawAudits(beacon: World.digest(random.next()))
        case 8:
            let guilty = random.below(4) == 0
            return .recordVerdict(
                world.verdict(
                    job, guilty ? .outputMismatch : .reproduced,
                    stage: guilty ? UInt16(random.below(3)) : nil))
        case 9: return .failJob(job, reason: .cancelled)
        case 10:
            return .replaceStage(
                job, attempt: 1, stage: UInt16(random.below(3)), code: .abandoned)
        case 11:
            let units = UInt128(1 + random.below(5_000_000))
            let address = World.address(UInt8(party.rawValue))
            return .observeChain(
                world.nextReference(),
                random.below(2) == 0
                    ? .deposited(account: address, chainUnits: units)
                    : .bonded(account: address, chainUnits: units))
        case 12:
            let offer = world.offer(
                node: 1 + random.below(4), World.range(0, 30), price: 200 + random.below(300))
            return .postOffer(offer)
        case 13: return settlement(&world)
        case 14:
            let verdict = VerdictID(1 + random.below(UInt64(world.house.verdicts.count) + 1))
            guard let record = world.house.verdict(verdict) else { return .closeEpoch }
            return record.state == .appealed
                ? .resolveAppeal(verdict, upheld: random.below(2) == 0)
                : .openAppeal(verdict, by: record.accused)
        default: return random.below(3) == 0 ? .closeEpoch : .pulse
        }
    }

    private func settlement(_ world: inout World) -> Command {
        guard let batch = world.house.batches.last else { return .cutBatch }
        switch batch.state {
        case .cut:
            let root = World.digest(batch.id.rawValue)
            if batch.id.rawValue % 3 == 0 { return .sealBatch(batch.id, root: root) }
            let owed = World.commitment(batch.id, world.house)
            return .sealBatch(batch.id, root: root, liabilities: owed)
        case .sealed:
            return .observeChain(
                world.nextReference(), .rootCommitted(batch: batch.id, root: batch.root))
        case .confirmed: return .cutBatch
        }
    }
}
