import Chains
import Cryptography
import Primitives
import Testing

/// A Solana manager over three nodes, whose numbers change when its process begins anew.
struct SolanaWorld: MachineWorld {
    let payouts: [SolanaPayout]
    private(set) var policy: SolanaManagerPolicy
    private let key: Ed25519.PrivateKey
    private(set) var cluster: SimulatedCluster
    var process: MachineProcess<SolanaManager>
    var problems: [String] = []
    private(set) var outcomes: [Digest: SolanaPayoutOutcome] = [:]
    private(set) var signatures = 0
    private(set) var quarantined = 0
    private var nodes = Array(repeating: SimulatedClusterNode(), count: 3)
    private var random: SplitMix64
    private(set) var now: UInt64 = 1_000_000
    private var drafts: [Signature: SolanaDraft] = [:]
    private var submitted = 0
    private let crashOnceIn: UInt64

    var manager: SolanaManager { process.machine }

    /// Payouts to 500 owners, of which some have no account and some a frozen one.
    init(payouts count: Int, nonces: Int, seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        key = try #require(Ed25519.PrivateKey(seed: [UInt8](repeating: 7, count: 32)))
        let owners = (0..<500).map { SolanaAddress(Digest(words: (5, 5, seed, $0))) }
        payouts = (0..<count).map { number in
            SolanaPayout(
                id: Digest(words: (random.next(), 1, 1, UInt64(number))),
                to: owners[Int(random.next() % 500)], amount: random.next() % 1_000_000 + 1)
        }
        let accounts = (0..<nonces).map { SolanaAddress(Digest(words: (6, 6, 6, UInt64($0)))) }
        var policy = SolanaManagerPolicy(
            mint: SolanaAddress(Digest(words: (4, 4, 4, 4))), decimals: 6,
            payer: SolanaAddress(key.publicKey))
        policy.nonces = accounts
        policy.minimumPrice = 100
        policy.pollInterval = .seconds(1)
        policy.rebroadcastAfter = .seconds(3)
        policy.resubmitAfter = .seconds(6)
        policy.retryAfter = .seconds(4)
        policy.recheckAfter = .seconds(60)
        policy.unknownAfter = .seconds(40)
        policy.staleAfter = .seconds(10)
        policy.blockhashLifetime = SimulatedCluster.validBlocks
        policy.expiryMargin = 1
        policy.inFlight = 24
        self.policy = policy
        cluster = SimulatedCluster(nonces: accounts, seed: random.next())
        for (number, owner) in owners.enumerated() {
            let kind = number % 10
            cluster.set(
                owner, kind == 0 ? .missing : kind == 1 ? .quarantined(.frozen) : .ready)
        }
        process = MachineProcess(
            SolanaManager(policy: policy), snapshotEvery: max(2_000, count / 2))
        crashOnceIn = UInt64(max(200, count / 12))
        self.random = random
        // A table with half of the owners' accounts.
        let table = SolanaLookupTable(
            SolanaAddress(Digest(words: (3, 3, 3, 3))),
            owners.prefix(250).map { .tokenAccount(of: $0, mint: policy.mint) })
        take(.tables([table]))
    }

    private mutating func chance(_ once: UInt64) -> Bool { random.next() % once == 0 }

    /// Runs until every payout is settled and told; `false` if that takes longer than `seconds`.
    mutating func run(seconds: UInt64) -> Bool {
        let end = now + seconds
        while now < end, problems.isEmpty {
            now += 1
            moveCluster()
            for _ in 0..<150 where submitted < payouts.count && !isCrashing {
                take(.submit(payouts[submitted]))
                if !isCrashing { submitted += 1 }
            }
            if submitted > 0, !isCrashing {
                take(.submit(payouts[Int(random.next() % UInt64(submitted))]))
            }
            deliver()
            take(.tick)
            if isCrashing { restart() }
            if submitted == payouts.count, manager.openPayouts == 0, isAllTold { return true }
        }
        return false
    }

    private var isAllTold: Bool {
        payouts.allSatisfy { if case .settled? = outcomes[$0.id] { true } else { false } }
    }

    private mutating func moveCluster() {
        for place in nodes.indices where chance(20) {
            nodes[place].fault = .next(
                for: place, of: nodes.map(\.fault), lag: 16, random: &random)
        }
        cluster.price = chance(30) ? 40_000 : chance(5) ? 1_000 : cluster.price
        if chance(40) { cluster.fork(Int(random.next() % 8) + 1, keep: chance(2)) }
        if chance(8) {
            // Somebody's account is frozen, or closed; most are thawed again in time.
            let owner = payouts[Int(random.next() % UInt64(payouts.count))].owner
            let isClosed = chance(3)
            cluster.set(owner, isClosed ? .missing : .quarantined(.frozen))
        }
        for payout in payouts.prefix(2_000) where chance(600) {
            if case .quarantined = cluster.state(of: payout.owner) {
                cluster.set(payout.owner, .ready)
            }
        }
        cluster.tick()
    }

    // MARK: The manager's process

    mutating func ends(_ once: UInt64) -> Bool { chance(once * crashOnceIn) }

    /// Begins anew with other numbers; what was written down is read under those of then, whatever
    /// it is read with.
    private mutating func restart() {
        policy.inFlight = Int(random.next() % 24) + 4
        policy.maximumPrice = chance(3) ? 2_000 : 10_000_000
        let flags = policy
        if let problem = process.restart({ try SolanaManager(policy: flags, stateBytes: $0) }) {
            return problems.append(problem)
        }
        take(.configured(policy))
        take(.restarted)
    }

    private mutating func post(_ input: SolanaManagerInput) {
        // A lost answer never comes.
        if !chance(25) { process.post(input, due: now + random.next() % 3) }
    }

    mutating func carryOut(_ action: SolanaManagerAction) {
        switch action {
        case .look(let owners):
            post(.looked(owners.map { SolanaRecipient($0, cluster.state(of: $0)) }))
        case .sign(let draft): sign(draft)
        case .broadcast(_, let id, _): broadcast(id)
        case .ask(let question):
            let cluster = cluster
            var answers: [SolanaEndpointAnswer?] = []
            let candidates = nodes.compactMap { $0.candidate(cluster, random: &random) }
            for node in nodes {
                answers.append(node.answer(question, candidates, cluster, random: &random))
            }
            let merged = Quorum(needed: 2).merge(answers, to: question)
            post(merged.map { .observed($0) } ?? .unanswered)
        case .report(let id, let outcome): note(id, outcome)
        case .alert(.reportChanged(let id)): problems.append("what was said of \(id) changed")
        case .alert(.wrongSignature): problems.append("a right signature was not taken")
        case .alert: break
        }
    }

    private mutating func sign(_ draft: SolanaDraft) {
        do {
            let transaction = try SolanaTransaction(draft.message(policy), signedBy: [key])
            drafts[transaction.id] = draft
            signatures += 1
            post(.signed(batch: draft.batch, transaction.id, transaction.bytes))
        } catch {
            problems.append("a draft cannot be signed: \(error)")
        }
    }

    private mutating func broadcast(_ id: Signature) {
        guard let draft = drafts[id] else {
            problems.append("what nobody signed was sent")
            return
        }
        for node in nodes {
            switch node.fault {
            case .unreachable, .lying, .forgetful: continue
            case .none, .lagging: break
            }
            if chance(4) { continue }
            cluster.pool[id] = (draft, chance(3) ? cluster.price : 0)
        }
    }

    private mutating func note(_ id: Digest, _ outcome: SolanaPayoutOutcome) {
        if case .settled? = outcomes[id], outcomes[id] != outcome {
            problems.append("\(id) ended twice")
        }
        if case .quarantined = outcome { quarantined += 1 }
        outcomes[id] = outcome
        post(.acknowledged(id, outcome))
    }
}
