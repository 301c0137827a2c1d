import Chains
import Cryptography
import Primitives
import Testing

/// Who wants things carried out in a `ManagerWorld`, and looks at what comes of them.
protocol WorldPayer {
    /// The contract on the chain, if there is one.
    var vault: SimulatedVault? { get }
    /// A second of the world's time begins.
    mutating func secondBegins(_ chain: inout SimulatedChain)
    /// What it tells the manager next in this second; `nil` if that was all.
    mutating func nextInput(_ manager: EVMManager, now: UInt64) -> EVMManagerInput?
    /// An input of this payer's, or another, is durable.
    mutating func taken(_ input: EVMManagerInput)
    /// The manager's process began anew; what was durable is still there.
    mutating func restarted()
    /// What the nodes estimate.
    mutating func estimate(_ intent: EVMIntent, _ chain: SimulatedChain) -> EVMManagerInput
    /// Writes an outcome down; what is wrong with it, if anything is.
    mutating func note(_ id: Digest, _ outcome: EVMIntentOutcome) -> String?
    /// Whether all it wants is over.
    func isDone(_ manager: EVMManager) -> Bool
}

/// When the manager's process ends, and whether nodes misbehave.
enum WorldWeather {
    /// Nodes fail, lie and forget, blocks are reorganised away, and the process ends once in so
    /// many actions.
    case foul(onceIn: UInt64)
    /// All is well, but the process ends at this step.
    case crash(atStep: Int)
}

/// An EVM manager over three nodes.
struct ManagerWorld<Payer: WorldPayer>: MachineWorld {
    private(set) var payer: Payer
    let policy: EVMManagerPolicy
    private let keys: [Secp256k1.PrivateKey]
    private(set) var chain: SimulatedChain
    var process: MachineProcess<EVMManager>
    var problems: [String] = []
    private(set) var fillers = 0
    private(set) var replacements = 0

    private var endpoints: [SimulatedEndpoint]
    private var random: SplitMix64
    private(set) var now: UInt64 = 1_000_000
    private var decoded: [Digest: SimulatedChain.Transaction] = [:]
    /// A long run has no more crashes than a short one: each costs a replay of a large state.
    private let rarity: UInt64
    private let weather: WorldWeather
    /// How often the process might have ended so far.
    private(set) var steps = 0

    var manager: EVMManager { process.machine }

    /// A world with so many lanes; `size` is about how many intents there will be.
    init(
        lanes: UInt8, size count: Int, seed: UInt64, weather: WorldWeather,
        payer make: ([EVMAddress], inout SplitMix64) throws -> Payer
    ) throws {
        var random = SplitMix64(seed: seed)
        var keys: [Secp256k1.PrivateKey] = []
        for lane in 1...lanes {
            let bytes = [UInt8](repeating: lane, count: 32)
            keys.append(try #require(Secp256k1.PrivateKey(bytes)))
        }
        self.keys = keys
        let senders = keys.map(\.address)
        payer = try make(senders, &random)
        self.weather = weather
        var policy = EVMManagerPolicy(chainID: 31_337)
        policy.finalDepth = 7
        policy.maximumFeePerGas = 100_000_000_000
        policy.inFlight = 40
        policy.pollInterval = .seconds(2)
        policy.rebroadcastAfter = .seconds(8)
        policy.resubmitAfter = .seconds(12)
        policy.retryAfter = .seconds(4)
        policy.gapAfter = .seconds(30)
        policy.unknownAfter = .seconds(120)
        policy.staleAfter = .seconds(20)
        self.policy = policy
        chain = SimulatedChain(senders: senders, seed: random.next(), vault: payer.vault)
        for sender in senders { chain.fund(sender, 10_000_000_000_000_000_000) }
        endpoints = SimulatedEndpoint.Dialect.all.map {
            SimulatedEndpoint(dialect: $0, senders: senders.count)
        }
        process = MachineProcess(
            EVMManager(policy: policy), snapshotEvery: min(max(2_000, count / 2), 20_000))
        rarity = UInt64(max(1, count / 10_000))
        self.random = random
    }

    private mutating func chance(_ once: UInt64) -> Bool { random.next() % once == 0 }

    // MARK: Running

    /// Runs until every payout has ended and its end is acknowledged; `false` if that takes longer
    /// than `seconds` of simulated time.
    mutating func run(seconds: UInt64) -> Bool {
        for key in keys { take(.openLane(key.address)) }
        let end = now + seconds
        while now < end, problems.isEmpty {
            now += 1
            moveChain()
            for address in chain.senders where chain.balance(address) < 1_000_000_000_000_000_000 {
                chain.fund(address, 5_000_000_000_000_000_000)
            }
            payer.secondBegins(&chain)
            while !isCrashing, problems.isEmpty, let input = payer.nextInput(manager, now: now) {
                take(input)
            }
            deliver()
            take(.tick)
            if isCrashing { restart() }
            if payer.isDone(manager) { return true }
        }
        return false
    }

    private mutating func moveChain() {
        guard case .foul = weather else {
            chain.mine(from: endpoints[0].pools)
            for place in endpoints.indices { endpoints[place].prune(chain) }
            return
        }
        for place in endpoints.indices where chance(20) {
            endpoints[place].fault = .next(
                for: place, of: endpoints.map(\.fault), lag: 12, random: &random)
        }
        gossip()
        if chance(400) { chain.baseFee *= 30 }
        if chance(60), chain.head > 8 {
            let lost = chain.rewind(Int(random.next() % 6) + 1)
            if chance(2) {
                for transaction in lost { _ = endpoints[0].admit(transaction, chain) }
            } else {
                for place in endpoints.indices where chance(2) {
                    endpoints[place].pools = endpoints[place].pools.map { _ in [:] }
                }
            }
        }
        // Blocks come about every two seconds, and now and then not for long.
        guard !chance(3), now / 64 % 11 != 0 else { return }
        chain.mine(from: endpoints[Int(random.next() % 3)].pools)
        for place in endpoints.indices { endpoints[place].prune(chain) }
    }

    private mutating func gossip() {
        for from in endpoints.indices {
            for pool in endpoints[from].pools where !pool.isEmpty {
                for nonce in pool.keys.sorted() where chance(2) {
                    guard let transaction = pool[nonce] else { continue }
                    let to = (from + 1 + Int(random.next() % 2)) % 3
                    _ = endpoints[to].admit(transaction, chain)
                }
            }
        }
    }

    private mutating func post(_ input: EVMManagerInput) {
        // A lost answer never comes.
        if isCalm || !chance(25) { process.post(input, due: now + random.next() % 4) }
    }

    // MARK: The manager's process

    mutating func ends(_ once: UInt64) -> Bool {
        steps += 1
        switch weather {
        case .foul(let actions): return chance(actions * once * rarity)
        case .crash(let step): return steps == step
        }
    }

    private var isCalm: Bool { if case .foul = weather { false } else { true } }

    func mayRefuse(_ input: EVMManagerInput, _ rejection: EVMManagerRejection) -> Bool {
        if case .cancel = input { rejection == .alreadyClosed } else { false }
    }

    mutating func taken(_ input: EVMManagerInput) { payer.taken(input) }

    private mutating func restart() {
        let policy = policy
        if let problem = process.restart({ try EVMManager(policy: policy, stateBytes: $0) }) {
            return problems.append(problem)
        }
        payer.restarted()
        for key in keys { take(.openLane(key.address)) }
        take(.restarted)
    }

    mutating func carryOut(_ action: EVMManagerAction) {
        switch action {
        case .estimate(let intent): post(payer.estimate(intent, chain))
        case .sign(let draft, let address): sign(draft, address)
        case .broadcast(let hash, let raw): broadcast(hash, raw)
        case .ask(let question):
            let phantom: UInt64 = chain.counts.count > 3 && chain.counts[3] == 0 ? 2 : 0
            let answers = endpoints.map { endpoint in
                endpoint.answer(
                    question, chain, phantom: phantom, random: &random)
            }
            let merged = Quorum(needed: 2).merge(answers, to: question)
            post(merged.map { .observed($0) } ?? .unanswered)
        case .report(let id, let outcome): note(id, outcome)
        case .alert(let alert): check(alert)
        }
    }

    private mutating func sign(_ draft: EVMTransaction, _ address: EVMAddress) {
        guard let sender = chain.senders.firstIndex(of: address) else { return }
        guard draft.data != Payout.forbidden else {
            return post(
                .declined(
                    draft: draft.signingHash, by: address, nonce: draft.nonce, "forbidden"))
        }
        let signed = draft.signed(by: keys[sender])
        if decoded[signed.hash] == nil {
            let others = decoded.count
            decoded[signed.hash] = SimulatedChain.Transaction(
                hash: signed.hash, draft: draft, sender: sender)
            if draft.to == address { fillers += 1 }
            replacements = others + 1
        }
        post(.signed(signed))
    }

    private mutating func broadcast(_ hash: Digest, _ raw: [UInt8]) {
        guard let transaction = decoded[hash], Keccak256.hash(raw) == hash else {
            problems.append("bytes were sent that nobody signed")
            return
        }
        var answers: [BroadcastAnswer] = []
        for place in endpoints.indices {
            if !isCalm, chance(15) {
                answers.append(.unknown)
                continue
            }
            let answer = endpoints[place].send(transaction, chain)
            answers.append(!isCalm && chance(15) ? .unknown : answer)
        }
        post(.answered(transaction: hash, BroadcastAnswer.merge(answers, needed: 2), "refused"))
    }

    // MARK: The payer

    private mutating func note(_ id: Digest, _ outcome: EVMIntentOutcome) {
        if let problem = payer.note(id, outcome) { problems.append(problem) }
        post(.acknowledged(id, outcome))
    }

    private mutating func check(_ alert: EVMManagerAlert) {
        switch alert {
        case .opened(.deepReorg), .opened(.keyUsedElsewhere), .reportChanged:
            problems.append("\(alert) in a world where it is not so")
        default: break
        }
    }
}
