import Chains
import Cryptography
import Primitives
import Testing

/// A Solana manager and what it last wanted done, with one payee that is ready.
struct SolanaBench {
    var manager: SolanaManager
    var actions: [SolanaManagerAction] = []
    let key: Ed25519.PrivateKey
    let owner = SolanaAddress(Digest(words: (9, 9, 9, 9)))
    var now: UInt64 = 1_000
    var price: UInt64 = 1_000
    /// What the payer holds, as endpoints tell.
    var (lamports, tokens): (UInt64, UInt64) = (1 << 40, 1 << 40)

    /// What was given to the manager.
    private(set) var log: [(at: UInt64, bytes: [UInt8])] = []

    init(
        nonces: [SolanaAddress] = [], finality: SolanaCommitment = .finalized,
        dayLimit: UInt64 = .max
    ) throws {
        key = try #require(Ed25519.PrivateKey(seed: [UInt8](repeating: 3, count: 32)))
        var policy = SolanaManagerPolicy(
            mint: SolanaAddress(Digest(words: (4, 4, 4, 4))), decimals: 6,
            payer: SolanaAddress(key.publicKey))
        policy.nonces = nonces
        policy.finality = finality
        policy.dayLimit = dayLimit
        manager = SolanaManager(policy: policy)
        try take(.configured(policy))
    }

    mutating func take(_ input: SolanaManagerInput) throws {
        actions = try manager.apply(input, at: Timestamp(seconds: now))
        log.append((now, input.canonicalBytes()))
    }

    /// The manager of the log, read by a process that was started with other numbers.
    func replayed(from first: Int = 0, _ policy: SolanaManagerPolicy) throws -> SolanaManager {
        var manager = SolanaManager(policy: policy)
        for entry in log.dropFirst(first) {
            let input = try SolanaManagerInput(canonicalBytes: entry.bytes)
            _ = try manager.apply(input, at: Timestamp(seconds: entry.at))
        }
        return manager
    }

    func payout(_ number: UInt64, _ amount: UInt64? = nil) -> SolanaPayout {
        SolanaPayout(
            id: Digest(words: (1, 1, 1, number)), to: owner, amount: amount ?? number + 4)
    }

    /// An endpoint that has finalized `height`.
    func answer(
        _ height: UInt64, _ statuses: [SolanaStatusAnswer], nonces: [Digest?] = [],
        recent: [Digest] = [Digest(words: (8, 8, 8, 8))], history: UInt64? = 0
    ) -> SolanaEndpointAnswer {
        // Slots are ahead of heights, as some have no block.
        SolanaEndpointAnswer(
            recent: recent, height: height, price: price, lamports: lamports, tokens: tokens,
            nonces: nonces, statuses: statuses, slot: height + 5_000, history: history)
    }

    /// Asks, and gives the manager what two of these endpoints agree on.
    mutating func look(
        _ make: (SolanaBench, SolanaQuestion) -> [SolanaEndpointAnswer?]
    ) throws {
        now += 60
        try take(.tick)
        let questions = actions.compactMap { action -> SolanaQuestion? in
            if case .ask(let question) = action { question } else { nil }
        }
        let question = try #require(questions.first)
        let merged = Quorum(needed: 2).merge(make(self, question), to: question)
        try take(merged.map { .observed($0) } ?? .unanswered)
    }

    var drafts: [SolanaDraft] {
        actions.compactMap { if case .sign(let draft) = $0 { draft } else { nil } }
    }

    /// Signs what is to be signed; its name.
    mutating func sign() throws -> Signature {
        let draft = try #require(drafts.first)
        let signed = try SolanaTransaction(draft.message(manager.policy), signedBy: [key])
        try take(.signed(batch: draft.batch, signed.id, signed.bytes))
        #expect(actions.contains(.broadcast(batch: draft.batch, signed.id, signed.bytes)))
        return signed.id
    }

    /// Submits a payout whose recipient is ready; what there is to sign follows.
    mutating func add(_ number: UInt64, _ amount: UInt64? = nil) throws {
        try take(.submit(payout(number, amount)))
        try take(.tick)
        try take(.looked([SolanaRecipient(owner, .ready)]))
    }

    /// A payout up to its first transaction.
    mutating func send(nonces: [Digest?] = []) throws -> Signature {
        try take(.submit(payout(1)))
        try look { bench, _ in
            [bench.answer(1_000, [], nonces: nonces), bench.answer(1_000, [], nonces: nonces)]
        }
        #expect(drafts.isEmpty)
        try take(.looked([SolanaRecipient(owner, .ready)]))
        return try sign()
    }
}
