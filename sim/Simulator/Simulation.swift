public import Clearing
import Economics
import Primitives

/// One run: agents that act on the production state machine itself.
///
/// Party numbers are dense: providers first (the cheaters before the honest), then verifiers, then
/// buyers. Time is simulated; nothing outside the scenario reaches the result, so the same scenario
/// gives the same bits on any machine.
public struct Simulation: Sendable {
    /// What is simulated.
    public let scenario: Scenario
    /// The house, after the last step.
    public private(set) var house = ClearingHouse()
    /// Money spent on computing, per provider, in ledger units.
    private(set) var computeCost: [Amount]
    /// Jobs a provider cheated on.
    private(set) var cheatedJobs: [Int]
    /// Jobs that no provider could take.
    private(set) var unservedJobs = 0

    private let draws: Draws
    private let honest: Bool
    private var seconds: UInt64 = 1_000_000
    private var block: UInt64 = 0
    private var wasCheated: [Bool] = []
    private var drawnAt: UInt64 = 0
    private var pendingAudits: [(JobID, NodeID)] = []
    private var running: [RunningJob] = []

    private struct RunningJob {
        let id: JobID
        let output: UInt32
        let endsAt: UInt64
    }

    /// A run of `scenario`; with `honest`, the cheaters serve what they sell and all else is equal.
    public init(_ scenario: Scenario, honest: Bool = false) {
        self.scenario = scenario
        self.honest = honest
        draws = Draws(seed: scenario.seed)
        computeCost = Array(repeating: .zero, count: scenario.providers)
        cheatedJobs = Array(repeating: 0, count: scenario.providers)
        open()
    }

    /// Runs to the end, telling how many jobs are done after each simulated second.
    public mutating func run(progress: (Int) -> Void = { _ in }) {
        var asked = 0
        while asked < scenario.jobs {
            let batch = min(scenario.jobsPerSecond, scenario.jobs - asked)
            for _ in 0..<batch {
                serve(UInt64(asked))
                asked += 1
            }
            advance(bySeconds: 1)
            progress(asked)
        }
        advance(bySeconds: scenario.jobSeconds)
        // Lets every window pass, so that all money is where it belongs.
        for _ in 0..<6 {
            drawAudits()
            advance(bySeconds: 120)
        }
    }

    // MARK: Setting up

    private var layers: LayerRange {
        guard let range = LayerRange(0, 30) else { preconditionFailure("not empty") }
        return range
    }

    private func digest(_ kind: UInt64, _ number: UInt64) -> Digest {
        Digest(words: (kind, 0, 0, number))
    }

    private func address(_ number: Int) -> EVMAddress {
        var writer = ByteWriter()
        writer.write(UInt128(number))
        writer.write(UInt32(0))
        return EVMAddress(writer.bytes) ?? .zero
    }

    private mutating func open() {
        apply(.configure(scenario.parameters, chain: 1))
        apply(
            .registerModel(
                ModelDraft(
                    name: "model", root: digest(1, 1), layers: 30, context: 8_192,
                    profile: digest(2, 2), manifest: [])))
        let servers = scenario.providers + scenario.verifiers
        for place in 1...(servers + scenario.buyers) {
            let isBuyer = place > servers
            let dollars: UInt64 = isBuyer ? 1_000_000 : scenario.bondDollars
            let units = UInt128(dollars) * 1_000_000
            observe(
                isBuyer
                    ? .deposited(account: address(place), chainUnits: units)
                    : .bonded(account: address(place), chainUnits: units))
        }
        for place in 1...servers {
            let party = PartyID(UInt64(place))
            let key = PublicKey(digest(3, UInt64(place)))
            apply(.registerNode(party, key: key, kernel: "numerics-v1"))
            let node = NodeID(UInt64(place))
            apply(.setPresence(node, online: true))
            if place > scenario.providers {
                apply(.enlistVerifier(node, model: ModelID(1)))
            } else {
                offer(place)
            }
        }
    }

    private mutating func offer(_ place: Int) {
        let span = scenario.priceMicros * scenario.spreadPerMille / 1_000
        let drawn = draw(.price, UInt64(place), below: 2 * span + 1)
        let micros = scenario.priceMicros - span + drawn
        apply(
            .postOffer(
                OfferDraft(
                    node: NodeID(UInt64(place)), model: ModelID(1), layers: layers,
                    weights: digest(4, 4), inputPrice: Price(perMillion: micros * 250_000),
                    outputPrice: Price(perMillion: micros * 1_000_000), concurrency: 8,
                    context: 8_192, region: "", expiresAt: Timestamp(seconds: 9_000_000_000))))
    }

    private func draw(
        _ purpose: Draws.Purpose, _ number: UInt64, below limit: UInt64
    ) -> UInt64 {
        UInt64(draws.stream(purpose).below(Int64(limit), Int(number)))
    }

    // MARK: One job

    private mutating func serve(_ number: UInt64) {
        let servers = UInt64(scenario.providers + scenario.verifiers)
        let buyer = servers + 1 + draw(.buyer, number, below: UInt64(scenario.buyers))
        let prompt = UInt32(50 + draw(.promptTokens, number, below: 1_000))
        let output = UInt32(20 + draw(.outputTokens, number, below: 500))
        let demand = Demand(
            buyer: PartyID(buyer), request: UInt128(number), model: ModelID(1),
            promptTokens: prompt, maxTokens: output, input: digest(5, number))
        guard case .success = apply(.openJob(demand), mayFail: true) else {
            unservedJobs += 1
            return
        }
        let id = JobID(UInt64(house.jobs.count))
        guard let job = house.job(id), let stage = job.pipeline.first else { return }
        let provider = Int(stage.party.rawValue) - 1
        let luck = draw(.cheat, number, below: 1_000)
        let cheats =
            !honest && provider < scenario.cheaters && luck < UInt64(scenario.cheatPerMille)
        wasCheated.append(cheats)
        if cheats { cheatedJobs[provider] += 1 }
        let micros = cheats ? scenario.cheatCostMicros : scenario.honestCostMicros
        // A prompt token costs a quarter of an output token to compute, as it does to buy.
        let quarters = UInt64(prompt) + 4 * UInt64(output)
        computeCost[provider] += Amount(UInt128(micros) * UInt128(quarters) / 4)
        running.append(
            RunningJob(id: id, output: output, endsAt: seconds + scenario.jobSeconds))
    }

    /// Jobs end in the order they began, since all run equally long.
    private mutating func deliver() {
        let done = running.prefix { $0.endsAt <= seconds }
        running.removeFirst(done.count)
        for entry in done {
            guard let job = house.job(entry.id), let stage = job.pipeline.first else { continue }
            apply(.submitReceipts(delivery(job, stage, output: entry.output)))
        }
    }

    private func delivery(_ job: Job, _ stage: StageAssignment, output: UInt32) -> Delivery {
        let receipt = Receipt(
            job: job.id, attempt: 1, stage: 0, stages: 1, layers: layers, model: digest(1, 1),
            weights: digest(4, 4), profile: digest(2, 2),
            positions: job.demand.promptTokens + output - 1,
            promptTokens: job.demand.promptTokens, outputTokens: output,
            inputRoot: digest(6, job.id.rawValue), outputRoot: digest(7, job.id.rawValue),
            startedAt: .zero, finishedAt: .zero, previous: .zero)
        return Delivery(
            job: job.id, attempt: 1, outputTokens: output, output: digest(8, job.id.rawValue),
            receipts: [signed(receipt, by: stage.node)])
    }

    /// The simulator stands where the shell has checked signatures already.
    private func signed<Body>(_ body: Body, by node: NodeID) -> Signed<Body> {
        guard let signature = Signature(Array(repeating: 0, count: 64)) else {
            preconditionFailure("64 bytes")
        }
        return Signed(
            body: body, signer: PublicKey(digest(3, node.rawValue)), signature: signature)
    }

    // MARK: Time

    private mutating func advance(bySeconds span: UInt64) {
        seconds += span
        deliver()
        if seconds >= drawnAt + scenario.drawSeconds { drawAudits() }
        answerAudits()
        apply(.pulse)
        apply(.closeEpoch, mayFail: true)
        for place in 1...scenario.providers { returnToMarket(place) }
    }

    private mutating func drawAudits() {
        drawnAt = seconds
        let beacons = draws.stream(.beacon)
        let beacon = Digest(
            words: (
                beacons[Int(seconds)], beacons[~Int(seconds)], seconds, 1
            ))
        guard case .success(let events) = apply(.drawAudits(beacon: beacon), mayFail: true) else {
            return
        }
        for case .auditAssigned(let job, let node) in events { pendingAudits.append((job, node)) }
    }

    /// Verifiers re-execute at once and byte equality never errs.
    private mutating func answerAudits() {
        for (id, node) in pendingAudits {
            let guilty = wasCheated[Int(id.rawValue) - 1]
            let verdict = Verdict(
                job: id, attempt: 1, code: guilty ? .outputMismatch : .reproduced,
                accusedStage: guilty ? 0 : nil, recomputedRoot: .zero,
                evidence: digest(9, id.rawValue))
            apply(.recordVerdict(signed(verdict, by: node)), mayFail: true)
        }
        pendingAudits = []
    }

    /// A convicted provider that is not tombstoned offers again.
    private mutating func returnToMarket(_ place: Int) {
        let node = NodeID(UInt64(place))
        guard house.node(node)?.offers.isEmpty == true,
            house.party(PartyID(UInt64(place)))?.tombstoned == false,
            house.balance(.bonded, .usd, of: PartyID(UInt64(place)))
                >= scenario.parameters.minimumBond
        else { return }
        offer(place)
    }

    private mutating func observe(_ observation: ChainObservation) {
        block += 1
        let reference = ChainReference(
            chain: 1, block: block, logIndex: 0, blockHash: digest(10, block),
            transaction: digest(11, block))
        apply(.observeChain(reference, observation))
    }

    @discardableResult
    private mutating func apply(
        _ command: Command, mayFail: Bool = false
    ) -> Result<[Event], Rejection> {
        let result = house.apply(command, at: Timestamp(seconds: seconds))
        if case .failure(let rejection) = result {
            precondition(mayFail, "the house refused a step of the simulation: \(rejection)")
        }
        return result
    }
}
