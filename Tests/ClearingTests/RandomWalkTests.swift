import Clearing
import ClearingWorld
import Economics
import Ledger
import Primitives
import Testing

/// Random commands, sensible and senseless, and what must hold after every one of them.
@Suite struct RandomWalkTests {
    // Each of these meets all that is looked for at the end.
    @Test(arguments: [UInt64](1...4) + (6...12))
    func moneyIsConservedAndReplayIsExact(_ seed: UInt64) throws {
        var world = World {
            $0.auditRatePerMillion = 400_000
            $0.challengeWindow = .seconds(20)
            $0.appealWindow = .seconds(30)
            $0.jobTimeoutSeconds = 40
        }
        let start = world
        var twin = world
        var random = SplitMix64(seed: seed)
        var others = SplitMix64(seed: seed + 1_000)
        var coins = SplitMix64(seed: seed + 2_000)
        var accepted: [(Command, UInt64)] = []
        var outcomes: [Int: Int] = [:]
        for step in 0..<1_500 {
            let kind = Int(random.below(UInt64(World.kinds)))
            let command = mixed(world.command(kind, &random), &others)
            world.seconds += random.below(3)
            // A house that was read back from its encoding must answer everything as this one.
            if step % 25 == 24 {
                #expect(twin.house.canonicalBytes() == world.house.canonicalBytes())
                twin.house = try world.house.restored()
            }
            // Between them buyers deposit on Solana.
            let deposits = coins.below(6) == 0 ? [world.depositCommand(&coins)] : []
            for command in [command] + deposits {
                twin.seconds = world.seconds
                let answer = world.apply(command)
                #expect(twin.apply(command) == answer)
                if case .success = answer {
                    accepted.append((command, world.seconds))
                    outcomes[kind, default: 0] += 1
                }
            }
            check(world.house)
        }
        #expect(outcomes.count >= 14, "accepted kinds: \(outcomes.keys.sorted())")
        #expect(world.house.jobs.contains { isStatistical($0, world.house) && $0.cost > .zero })
        #expect(world.house.deposits.contains { $0.credited > 0 })
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
            if isStatistical(job, house) {
                #expect(job.demand.acceptsStatistical && !job.suspect)
                #expect(![.auditing, .disputed, .refunded].contains(job.state))
            }
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

    /// The same command, now and then of statistical work.
    private func mixed(_ command: Command, _ random: inout SplitMix64) -> Command {
        switch command {
        case .openJob(var demand):
            demand.acceptsStatistical = random.below(4) > 0
            return .openJob(demand)
        case .postOffer(var offer):
            if random.below(2) == 0 { offer.numerics = .statistical }
            return .postOffer(offer)
        default: return command
        }
    }

    private func isStatistical(_ job: Job, _ house: ClearingHouse) -> Bool {
        job.pipeline.contains { house.offer($0.offer)?.draft.numerics == .statistical }
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
}
