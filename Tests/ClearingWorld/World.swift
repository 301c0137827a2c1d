public import Clearing
public import Economics
import Ledger
public import Primitives
public import Testing

/// A small house with everything in it: three shard providers (parties 1 to 3, nodes 1 to 3), a
/// whole-model provider (party 4), a verifier (party 5) and a buyer (party 6). Time advances by one
/// second a command.
public struct World: Sendable {
    public var house = ClearingHouse()
    public var seconds: UInt64 = 1_000
    public var request: UInt128 = 0
    public var block: UInt64 = 0
    public var parameters: Parameters
    /// What was accepted, and when: the house's journal.
    public private(set) var accepted: [(command: Command, time: Timestamp)] = []

    public static let buyer = PartyID(6)
    public static let verifier = PartyID(5)
    public static let whole = PartyID(4)
    public static let model = ModelID(1)
    public static let layers: UInt16 = 30
    public static let dollar = Amount(1_000_000_000_000)

    public static func key(_ number: UInt64) -> PublicKey {
        PublicKey(Digest(words: (7, 0, 0, number)))
    }
    /// What a house owes, as a batch commits it; the hashes are the shell's, so any will do.
    public static func commitment(_ batch: BatchID, _ house: ClearingHouse) -> LiabilityCommitment {
        LiabilityCommitment(
            batch: batch, sequence: 7, head: digest(70), depth: 4,
            totals: AssetSums(usd: house.owed(.usd), tly: house.owed(.tly)), top: digest(71))
    }
    public static func digest(_ number: UInt64) -> Digest { Digest(words: (9, 9, 9, number)) }
    public static func address(_ number: UInt8) -> EVMAddress {
        EVMAddress(Array(repeating: number, count: 20)) ?? .zero
    }
    public static func range(_ first: UInt16, _ end: UInt16) -> LayerRange {
        guard let range = LayerRange(first, end) else { preconditionFailure("empty range") }
        return range
    }

    /// A house without parameters.
    public static var empty: World { World(parameters: Parameters()) }

    private init(parameters: Parameters) { self.parameters = parameters }

    /// The standard house; `tune` changes its parameters first.
    public init(_ tune: (inout Parameters) -> Void = { _ in }) {
        parameters = Parameters()
        parameters.auditRatePerMillion = 1_000_000
        parameters.challengeWindow = .seconds(100)
        parameters.auditTimeout = .seconds(50)
        parameters.appealWindow = .seconds(200)
        parameters.epochLength = .seconds(10)
        tune(&parameters)
        run(.configure(parameters, chain: 31337))
        for number in UInt8(1)...6 {
            run(.registerParty(address: World.address(number)))
            if number < 6 {
                observe(.bonded(account: World.address(number), chainUnits: 100_000_000))
            }
        }
        observe(.deposited(account: World.address(6), chainUnits: 10_000_000))
        for number in UInt64(1)...5 {
            run(
                .registerNode(PartyID(number), key: World.key(number), kernel: "numerics-v1/scalar")
            )
            run(.setPresence(NodeID(number), online: true))
        }
        run(
            .registerModel(
                ModelDraft(
                    name: "smol", root: World.digest(1), layers: World.layers, context: 2048,
                    profile: World.digest(2), manifest: [1, 2, 3])))
        run(.enlistVerifier(NodeID(5), model: World.model))
        for number in UInt64(1)...3 {
            let first = UInt16(number - 1) * 10
            run(.postOffer(offer(node: number, World.range(first, first + 10), price: 100)))
        }
        run(.postOffer(offer(node: 4, World.range(0, World.layers), price: 400)))
    }

    public func offer(node: UInt64, _ layers: LayerRange, price: UInt64) -> OfferDraft {
        OfferDraft(
            node: NodeID(node), model: World.model, layers: layers,
            weights: World.digest(100 + node),
            inputPrice: Price(perMillion: price * 1_000_000_000),
            outputPrice: Price(perMillion: price * 2_000_000_000), concurrency: 4, context: 2048,
            region: "here", expiresAt: Timestamp(seconds: 1_000_000))
    }

    public func demand(prompt: UInt32 = 10, output: UInt32 = 20) -> Demand {
        Demand(
            buyer: World.buyer, request: request + 1, model: World.model, promptTokens: prompt,
            maxTokens: output, input: World.digest(50))
    }

    /// Applies one command a second later.
    public mutating func apply(_ command: Command) -> Result<[Event], Rejection> {
        seconds += 1
        let time = Timestamp(seconds: seconds)
        let answer = house.apply(command, at: time)
        if case .success = answer { accepted.append((command, time)) }
        return answer
    }

    /// Applies a command that must be accepted.
    @discardableResult
    public mutating func run(
        _ command: Command, _ location: SourceLocation = #_sourceLocation
    ) -> [Event] {
        switch apply(command) {
        case .success(let events): return events
        case .failure(let rejection):
            Issue.record("rejected with \(rejection)", sourceLocation: location)
            return []
        }
    }

    /// A confirmed log in the next block.
    public mutating func observe(_ observation: ChainObservation) {
        run(.observeChain(nextReference(), observation))
    }

    public mutating func nextReference() -> ChainReference {
        block += 1
        return ChainReference(
            chain: 31337, block: block, logIndex: 0, blockHash: World.digest(block),
            transaction: World.digest(1_000 + block))
    }

    /// Opens a job of the standard demand.
    public mutating func open(_ change: (inout Demand) -> Void = { _ in }) -> JobID {
        var demand = demand()
        change(&demand)
        request += 1
        run(.openJob(demand))
        return JobID(UInt64(house.jobs.count))
    }

    /// The receipts an honest pipeline signs.
    public func receipts(_ id: JobID, output: UInt32 = 5) -> [Signed<Receipt>] {
        guard let job = house.job(id), let model = house.model(job.demand.model) else { return [] }
        return job.pipeline.enumerated().compactMap { place, stage in
            guard let node = house.node(stage.node), let offer = house.offer(stage.offer) else {
                return nil
            }
            let receipt = Receipt(
                job: id, attempt: job.attempt, stage: UInt16(place),
                stages: UInt16(job.pipeline.count), layers: stage.layers, model: model.draft.root,
                weights: offer.draft.weights, profile: offer.profile(of: model.draft),
                positions: job.demand.promptTokens + output - 1,
                promptTokens: job.demand.promptTokens, outputTokens: output,
                inputRoot: World.digest(id.rawValue * 100 + UInt64(place)),
                outputRoot: World.digest(id.rawValue * 100 + UInt64(place) + 1),
                startedAt: .zero, finishedAt: .zero, previous: .zero)
            return World.sign(receipt, by: node.key)
        }
    }

    public func delivery(_ id: JobID, output: UInt32 = 5) -> Delivery {
        Delivery(
            job: id, attempt: house.job(id)?.attempt ?? 0, outputTokens: output,
            output: World.digest(77), receipts: receipts(id, output: output))
    }

    /// Opens and delivers a job.
    public mutating func deliver(_ change: (inout Demand) -> Void = { _ in }) -> JobID {
        let id = open(change)
        run(.submitReceipts(delivery(id)))
        return id
    }

    /// Opens, delivers and draws a job for audit.
    public mutating func audited(_ change: (inout Demand) -> Void = { _ in }) -> JobID {
        let id = deliver(change)
        run(.drawAudits(beacon: World.digest(5_000 + id.rawValue)))
        return id
    }

    public func verdict(
        _ id: JobID, _ code: FaultCode, stage: UInt16? = nil, by node: UInt64 = 5
    ) -> Signed<Verdict> {
        World.sign(
            Verdict(
                job: id, attempt: 1, code: code, accusedStage: stage,
                recomputedRoot: World.digest(1), evidence: World.digest(id.rawValue)),
            by: World.key(node))
    }

    /// Clearing takes records whose signatures the shell has checked, so any will do here.
    public static func sign<Body>(_ body: Body, by key: PublicKey) -> Signed<Body> {
        guard let signature = Signature(Array(repeating: 0, count: 64)) else {
            preconditionFailure("64 bytes")
        }
        return Signed(body: body, signer: key, signature: signature)
    }

    public func balance(_ purpose: Purpose, _ party: PartyID = .none, _ asset: Asset = .usd)
        -> Amount
    {
        house.balance(purpose, asset, of: party)
    }
}
