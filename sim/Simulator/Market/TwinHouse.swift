import Clearing
import Economics
import Primitives

/// The production clearing house, driven through its commands with simulated time and a simulated
/// chain. The simulator stands where the shell has checked signatures and chain logs already.
struct TwinHouse: House {
    let roster: Roster
    let terms: JobTerms
    var house = ClearingHouse()
    var now: UInt64
    var block: UInt64 = 0
    var requests: UInt128 = 0
    /// Jobs opened before the running step.
    var jobsBefore: UInt64 = 0
    /// Each provider's live offer; 0 for none.
    var offers: Column<UInt64>
    /// Penalties that were taken in this step: slashed on chain at its end.
    var taken: [VerdictID] = []
    private let evidence = Digest(words: (9, 0, 0, 0))
    private let signature: Signature

    init(_ roster: Roster, _ terms: JobTerms, rules: Parameters) {
        self.roster = roster
        self.terms = terms
        now = 1_000_000_000_000_000
        offers = Column(roster.providers, 0)
        guard let signature = Signature(Array(repeating: 0, count: 64)) else {
            preconditionFailure("64 bytes")
        }
        self.signature = signature
        begin(rules)
    }

    mutating func visit(_ visitor: inout some ColumnVisitor) { visitor.visit(&offers) }

    mutating func visitScratch(_ visitor: inout some ColumnVisitor) {}

    mutating func configure(_ rules: Parameters) { apply(.configure(rules, chain: 1)) }

    private mutating func begin(_ rules: Parameters) {
        apply(.configure(rules, chain: 1))
        apply(
            .registerModel(
                ModelDraft(
                    name: "model", root: TwinHouse.digest(1, 1), layers: JobTerms.layers,
                    context: .max, profile: TwinHouse.digest(2, 2), manifest: [])))
        for party in 0..<roster.parties {
            apply(.registerParty(address: TwinHouse.address(party)))
        }
        for party in 0..<roster.bonded {
            let node = NodeID(UInt64(party) + 1)
            apply(
                .registerNode(
                    PartyID(UInt64(party) + 1), key: TwinHouse.key(party), kernel: "numerics-v1"))
            apply(.setPresence(node, online: true))
            if party >= roster.providers { apply(.enlistVerifier(node, model: ModelID(1))) }
        }
    }

    // MARK: Opening

    mutating func open(_ orders: StepOrders, _ books: inout Books, _ result: inout StepResult) {
        for entry in orders.chain { observe(entry) }
        post(orders, books)
        jobsBefore = UInt64(house.jobs.count)
        for turn in 0..<roster.buyers { buy(Int(orders.turns[turn]), orders, &result) }
        result.jobs = house.jobs.count - Int(jobsBefore)
        for place in result.fills.indices { deliver(result.fills[place]) }
    }

    private mutating func observe(_ entry: ChainEntry) {
        let account = TwinHouse.address(Int(entry.party))
        let units = UInt128(entry.units)
        switch entry.kind {
        case .deposit: observe(.deposited(account: account, chainUnits: units))
        case .bond: observe(.bonded(account: account, chainUnits: units))
        case .unbond: observe(.unbondRequested(account: account, chainUnits: units))
        case .withdraw: observe(.bondWithdrawn(account: account, chainUnits: units))
        }
    }

    private mutating func post(_ orders: StepOrders, _ books: Books) {
        for provider in 0..<roster.providers where books.offered[provider] != 0 {
            if orders.asks[provider] == books.offered[provider] { continue }
            apply(.withdrawOffer(PartyID(UInt64(provider) + 1), OfferID(offers[provider])))
            offers[provider] = 0
            books.offered[provider] = 0
        }
        for provider in 0..<roster.providers where books.offered[provider] == 0 {
            let ask = orders.asks[provider]
            if ask == 0 { continue }
            let draft = OfferDraft(
                node: NodeID(UInt64(provider) + 1), model: ModelID(1), layers: TwinHouse.layers,
                weights: TwinHouse.digest(4, 4),
                inputPrice: Price(perMillion: UInt64(ask) * 250_000),
                outputPrice: Price(perMillion: UInt64(ask) * 1_000_000),
                concurrency: orders.slots[provider], context: .max, region: "",
                expiresAt: Timestamp(nanoseconds: .max))
            guard case .success = apply(.postOffer(draft), mayFail: true) else { continue }
            offers[provider] = UInt64(house.offers.count)
            books.offered[provider] = ask
        }
    }

    /// Opens a buyer's jobs one by one until one is refused: the next would be, too.
    private mutating func buy(_ buyer: Int, _ orders: StepOrders, _ result: inout StepResult) {
        if orders.wanted[buyer] == 0 { return }
        let kind = orders.kinds[buyer]
        var demand = Demand(
            buyer: PartyID(UInt64(roster.firstBuyer + buyer) + 1), request: 0, model: ModelID(1),
            promptTokens: terms.prompt(kind), maxTokens: terms.output(kind),
            input: TwinHouse.digest(5, UInt64(buyer)))
        demand.maxOutputPrice = Price(perMillion: UInt64(orders.limits[buyer]) * 1_000_000)
        if orders.sellers[buyer] >= 0 {
            demand.only = [PartyID(UInt64(orders.sellers[buyer]) + 1)]
        }
        for _ in 0..<orders.wanted[buyer] {
            requests += 1
            demand.request = requests
            guard case .success = apply(.openJob(demand), mayFail: true) else { return }
            let job = Int32(house.jobs.count - 1 - Int(jobsBefore))
            let stage = house.jobs[house.jobs.count - 1].pipeline[0]
            let provider = Int32(stage.party.rawValue - 1)
            result.used[Int(provider)] += 1
            if let last = result.fills.last, last.buyer == Int32(buyer), last.provider == provider {
                result.fills[result.fills.count - 1] = Fill(
                    buyer: last.buyer, provider: provider, first: last.first,
                    count: last.count + 1, kind: kind, ask: last.ask)
            } else {
                let ask = house.offers[Int(stage.offer.rawValue) - 1].draft.outputPrice
                result.fills.append(
                    Fill(
                        buyer: Int32(buyer), provider: provider, first: job, count: 1,
                        kind: kind, ask: Int32(ask.perMillion / 1_000_000)))
            }
        }
    }

    private mutating func deliver(_ fill: Fill) {
        let key = TwinHouse.key(Int(fill.provider))
        let (prompt, output) = (terms.prompt(fill.kind), terms.output(fill.kind))
        for place in fill.first..<fill.first + fill.count {
            let id = JobID(jobsBefore + UInt64(place) + 1)
            let receipt = Receipt(
                job: id, attempt: 1, stage: 0, stages: 1, layers: TwinHouse.layers,
                model: TwinHouse.digest(1, 1), weights: TwinHouse.digest(4, 4),
                profile: TwinHouse.digest(2, 2), positions: prompt + output - 1,
                promptTokens: prompt, outputTokens: output,
                inputRoot: TwinHouse.digest(6, id.rawValue),
                outputRoot: TwinHouse.digest(7, id.rawValue), startedAt: .zero,
                finishedAt: .zero, previous: .zero)
            let delivery = Delivery(
                job: id, attempt: 1, outputTokens: output, output: TwinHouse.digest(8, id.rawValue),
                receipts: [Signed(body: receipt, signer: key, signature: signature)])
            apply(.submitReceipts(delivery))
        }
    }

    // MARK: Audits

    mutating func draw(
        _ beacon: (UInt64, UInt64), _ orders: StepOrders, _ books: Books,
        _ result: inout StepResult
    ) {
        result.audits.removeAll(keepingCapacity: true)
        let digest = Digest(words: (beacon.0, beacon.1, 0, 0))
        guard case .success(let events) = apply(.drawAudits(beacon: digest)) else { return }
        for case .auditAssigned(let id, let node) in events {
            let job = Int32(id.rawValue - jobsBefore - 1)
            let place = result.fills.place(of: job)
            result.audits.append(
                AuditCase(
                    job: job, fill: Int32(place), provider: result.fills[place].provider,
                    verifier: Int32(node.rawValue) - 1 - Int32(roster.providers)))
        }
    }

    mutating func judge(_ rulings: [Ruling], _ books: inout Books, _ result: inout StepResult) {
        for (place, ruling) in rulings.enumerated() {
            if ruling == .silent { continue }
            let entry = result.audits[place]
            let isClear = ruling == .clear
            let id = JobID(jobsBefore + UInt64(entry.job) + 1)
            let verdict = Verdict(
                job: id, attempt: 1, code: isClear ? .reproduced : .outputMismatch,
                accusedStage: isClear ? nil : 0, recomputedRoot: .zero, evidence: evidence)
            let key = TwinHouse.key(roster.providers + Int(entry.verifier))
            note(
                apply(
                    .recordVerdict(Signed(body: verdict, signer: key, signature: signature))),
                &result)
            if isClear { continue }
            offers[Int(entry.provider)] = 0
            books.offered[Int(entry.provider)] = 0
            if ruling == .convict { continue }
            let number = VerdictID(UInt64(house.verdicts.count))
            apply(.openAppeal(number, by: PartyID(UInt64(entry.provider) + 1)))
            note(
                apply(.resolveAppeal(number, upheld: ruling == .overturned)), &result)
            guard ruling == .overturned, let record = house.verdict(number) else { continue }
            result.taken[Int(entry.provider)] -= Int64(record.captured.units)
        }
    }

    /// What events say of penalties.
    mutating func note(_ outcome: Result<[Event], Rejection>, _ result: inout StepResult) {
        guard case .success(let events) = outcome else { return }
        for event in events {
            switch event {
            case .bondCaptured(_, let party, let amount):
                result.taken[Int(party.rawValue) - 1] += Int64(amount.units)
            case .jobRefunded(_, let amount): result.refunded += amount.units
            case .slashExecuted(let id, let party, let amount, let burned):
                result.slashed += amount.units
                result.burned += burned.units
                taken.append(id)
                if house.verdict(id)?.code == .falseAccusation {
                    result.taken[Int(party.rawValue) - 1] += Int64(amount.units)
                }
            default: break
            }
        }
    }

    mutating func observe(_ observation: ChainObservation) {
        block += 1
        let reference = ChainReference(
            chain: 1, block: block, logIndex: 0, blockHash: TwinHouse.digest(10, block),
            transaction: TwinHouse.digest(11, block))
        apply(.observeChain(reference, observation))
    }

    @discardableResult
    mutating func apply(
        _ command: Command, mayFail: Bool = false
    ) -> Result<[Event], Rejection> {
        let result = house.apply(command, at: Timestamp(nanoseconds: now))
        if case .failure(let rejection) = result {
            precondition(mayFail, "the house refused a step of the simulation: \(rejection)")
        }
        return result
    }
}

extension TwinHouse {
    static func digest(_ kind: UInt64, _ number: UInt64) -> Digest {
        Digest(words: (kind, 0, 0, number))
    }

    static func key(_ party: Int) -> PublicKey { PublicKey(digest(3, UInt64(party) + 1)) }

    static func address(_ party: Int) -> EVMAddress {
        var writer = ByteWriter()
        writer.write(UInt128(party + 1))
        writer.write(UInt32(0))
        return EVMAddress(writer.bytes) ?? .zero
    }

    static var layers: LayerRange {
        guard let range = LayerRange(0, JobTerms.layers) else { preconditionFailure("not empty") }
        return range
    }
}
