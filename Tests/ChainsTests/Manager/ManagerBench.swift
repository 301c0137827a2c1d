import Chains
import Cryptography
import Primitives
import Testing

/// A manager with one lane and a chain that says what a test wants.
struct ManagerBench {
    private(set) var manager: EVMManager
    let key: Secp256k1.PrivateKey
    /// Seconds.
    var now: UInt64 = 1_000
    /// What the next looks find.
    var head: UInt64 = 100
    var count: UInt64 = 5
    var pendingCount: UInt64?
    var finalCount: UInt64?
    var balance: UInt128 = 1_000_000_000_000_000_000
    var market = EVMFeeMarket(baseFee: 10_000_000_000, tip: 2_000_000_000)
    var included: [Digest: EVMInclusion] = [:]
    var isAgreed = true
    var anchorHash = Digest.zero
    /// What was to be done since the last `done()`.
    private var actions: [EVMManagerAction] = []
    private var lastQuestion = EVMQuestion(
        finalHeight: nil, anchorHeight: nil, lanes: [], transactions: [])

    static func policy(_ change: (inout EVMManagerPolicy) -> Void = { _ in }) -> EVMManagerPolicy {
        var policy = EVMManagerPolicy(chainID: 31_337)
        policy.finalDepth = 10
        change(&policy)
        return policy
    }

    /// With its lane open and the chain seen once, unless told otherwise.
    init(_ policy: EVMManagerPolicy = ManagerBench.policy(), isOpen: Bool = true) throws {
        manager = EVMManager(policy: policy)
        key = try #require(Secp256k1.PrivateKey([UInt8](repeating: 9, count: 32)))
        guard isOpen else { return }
        try take(.openLane(key.address))
        try look()
        _ = done()
    }

    mutating func take(_ input: EVMManagerInput) throws {
        let new = try manager.apply(input, at: Timestamp(seconds: now))
        for case .ask(let question) in new { lastQuestion = question }
        actions += new
    }

    /// What was to be done since this was asked last.
    mutating func done() -> [EVMManagerAction] {
        defer { actions = [] }
        return actions
    }

    mutating func pass(_ seconds: UInt64) throws {
        now += seconds
        try take(.tick)
    }

    /// Time for a look passes, and it is answered.
    mutating func look(after seconds: UInt64 = 12) throws {
        try pass(seconds)
        try take(.observed(observation(of: lastQuestion)))
    }

    func observation(of question: EVMQuestion) -> EVMObservation {
        let account = EVMAccountAnswer(
            count: count, pendingCount: pendingCount ?? count, finalCount: finalCount,
            balance: balance)
        return EVMObservation(
            question: question, head: head, finalized: nil, finalHash: anchorHash,
            anchorHash: anchorHash, market: market, accounts: question.lanes.map { _ in account },
            receipts: question.transactions.map { hash in
                guard isAgreed else { return .unknown }
                return included[hash].map { .included($0, head: head, finalized: nil) } ?? .absent
            })
    }

    /// The drafts to be signed since the last `done()`.
    mutating func drafts() -> [EVMTransaction] {
        done().compactMap { if case .sign(let draft, _) = $0 { draft } else { nil } }
    }

    /// Signs a draft and returns its hash.
    @discardableResult
    mutating func sign(_ draft: EVMTransaction) throws -> Digest {
        let signed = draft.signed(by: key)
        try take(.signed(signed))
        return signed.hash
    }

    /// Submits an intent, signs its transaction and lets the nodes take it.
    @discardableResult
    mutating func send(_ intent: EVMIntent) throws -> Digest {
        _ = done()
        try take(.submit(intent))
        let hash = try sign(try #require(drafts().first))
        try take(.answered(transaction: hash, .accepted, ""))
        _ = done()
        return hash
    }

    /// Puts a transaction into the block at a height, undone or not.
    @discardableResult
    mutating func include(
        _ hash: Digest, at block: UInt64, succeeded: Bool = true
    ) -> EVMInclusion {
        let inclusion = EVMInclusion(
            transaction: hash, blockNumber: block, blockHash: Digest(words: (block, 1, 1, 1)),
            index: 0, succeeded: succeeded, gasUsed: 21_000, gasPrice: 12_000_000_000)
        included[hash] = inclusion
        return inclusion
    }

    /// An intent of this lane; the number makes the id.
    func intent(
        _ number: UInt64, value: UInt128 = 1_000, gas: UInt64 = 21_000,
        feeLimit: UInt128 = 10_000_000_000_000_000
    ) -> EVMIntent {
        EVMIntent(
            id: Digest(words: (0, 0, 0, number)), from: key.address, to: .zero, value: value,
            gasLimit: gas, feeLimit: feeLimit)
    }
}
