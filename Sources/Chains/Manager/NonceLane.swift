import Primitives

/// One transaction that was signed for a nonce.
struct SignedAttempt: Hashable, Sendable {
    let hash: Digest
    let fees: EVMFees
    /// Whether it is the empty transaction that fills the nonce, not the intent's.
    let isFiller: Bool
}

/// Why a nonce is being filled by an empty transaction.
enum FillReason: Hashable, Sendable {
    case gap
    case cancelled
    case refused(String)
    case declined(String)
}

/// One nonce of a lane from its reservation until it is final. All transactions ever signed for it
/// stay here: any of them may be the one that the chain takes.
struct NonceSlot: Hashable, Sendable {
    let nonce: UInt64
    /// `nil` if the nonce belongs to nobody here: it was used or left open by another program.
    let intent: EVMIntent?
    let gasLimit: UInt64
    let reservedAt: Timestamp
    var filling: FillReason?
    /// What is to be signed next, if anything is.
    var pendingFees: EVMFees?
    var attempts: [SignedAttempt] = []
    /// The bytes of the last attempt.
    var raw: [UInt8] = []
    /// When the last attempt was signed.
    var signedAt = Timestamp.zero
    /// When the last attempt was last given to the nodes, or its signature was last asked for;
    /// zero: do it again at once.
    var actedAt = Timestamp.zero
    /// Whether a pool asked for a better price.
    var wantsBump = false
    var refusals: UInt32 = 0
    /// How many looks in a row found its nonce used and none of its transactions.
    var missingLooks: UInt32 = 0
    var inclusion: EVMInclusion?
    /// What was reported about the intent, if anything was.
    var reported: EVMIntentOutcome?
    /// Whether the limit on fees was complained about.
    var isOverLimit = false
    /// Whether it is over, and waits for those below it to be.
    var isFinal = false

    /// Whether nothing was ever signed for it, as far as the log knows: then no node has heard of
    /// it.
    var isUnsigned: Bool { attempts.isEmpty && inclusion == nil }

    /// What its transaction in a block cost, in wei.
    var included: UInt128 {
        guard let inclusion else { return 0 }
        let value = isIntentIncluded && inclusion.succeeded ? intent?.value ?? 0 : 0
        return inclusion.cost.saturatingSum(value)
    }

    /// Whether the included transaction is the intent's own.
    var isIntentIncluded: Bool {
        guard intent != nil, let inclusion else { return false }
        return attempts.contains { $0.hash == inclusion.transaction && !$0.isFiller }
    }
}

/// An intent whose turn has come and that cannot start yet: its gas is not known, or gas costs
/// more than it may.
struct IntentAside: Hashable, Sendable {
    let intent: EVMIntent
    /// 0 while it is not known.
    var gas: UInt64
    var askedAt: Timestamp
    var isOverLimit: Bool
}

/// One account's nonces and the intents that wait for one.
struct NonceLane: Sendable {
    let address: EVMAddress
    /// The nonce of the first slot, or of the next one if there is none; `nil` until the chain has
    /// told it.
    var first: UInt64?
    /// Consecutive nonces from `first` on.
    var slots: [NonceSlot] = []
    /// The account's transactions in the chain, as last agreed on.
    var count: UInt64 = 0
    /// Wei, as last agreed on.
    var balance: UInt128 = 0
    var isBalanceLow = false
    /// What the intent costs that could not be covered.
    var shortfall: UInt128 = 0
    /// Whether it only ends what it began.
    var isRetiring = false
    /// The last day on which a transaction became final, and what those of that day cost in wei.
    private(set) var day: UInt64 = 0
    private(set) var spent: UInt128 = 0
    /// The day whose limit keeps intents waiting.
    var overDay: UInt64?
    var aside: [IntentAside] = []
    private(set) var waiting: [EVMIntent] = []
    private var taken = 0

    init(address: EVMAddress) {
        self.address = address
    }

    /// The next nonce to give out.
    var next: UInt64? { first.map { $0 + UInt64(slots.count) } }

    func place(of nonce: UInt64) -> Int? {
        guard let first, nonce >= first, nonce - first < UInt64(slots.count) else { return nil }
        return Int(nonce - first)
    }

    var waitingCount: Int { waiting.count - taken }

    var waitingIntents: ArraySlice<EVMIntent> { waiting[taken...] }

    mutating func enqueue(_ intent: EVMIntent) { waiting.append(intent) }

    mutating func dequeue() -> EVMIntent? {
        guard taken < waiting.count else { return nil }
        defer {
            taken += 1
            if taken >= 1_024, taken * 2 >= waiting.count {
                waiting.removeFirst(taken)
                taken = 0
            }
        }
        return waiting[taken]
    }

    /// Takes an intent out before its turn. O(waiting).
    mutating func withdraw(_ id: Digest) {
        aside.removeAll { $0.intent.id == id }
        waiting.removeFirst(taken)
        taken = 0
        waiting.removeAll { $0.id == id }
    }

    /// Takes out all that has no nonce; their ids. O(waiting).
    mutating func takeWaiting() -> [Digest] {
        let ids = aside.map(\.intent.id) + waitingIntents.map(\.id)
        aside = []
        waiting = []
        taken = 0
        return ids
    }

    /// What the transactions that are in no block may still cost, saturating.
    var committed: UInt128 { committed(besides: nil) }

    private func committed(besides place: Int?) -> UInt128 {
        var sum: UInt128 = 0
        for (index, slot) in slots.enumerated()
        where slot.inclusion == nil && !slot.isFinal && index != place {
            let fees = slot.pendingFees ?? slot.attempts.last?.fees
            sum = sum.saturatingSum(fees?.cost(gas: slot.gasLimit) ?? 0)
            sum = sum.saturatingSum(slot.intent?.value ?? 0)
        }
        return sum
    }

    // MARK: The day

    /// What the lane's transactions cost on a day: those that became final on it, those in blocks
    /// that are not final, and what those in no block may cost at worst. Whatever is under way at
    /// midnight counts on both days.
    func cost(on day: UInt64, besides place: Int? = nil) -> UInt128 {
        var sum = self.day == day ? spent : 0
        for slot in slots where !slot.isFinal { sum = sum.saturatingSum(slot.included) }
        return sum.saturatingSum(committed(besides: place))
    }

    /// Counts what a transaction cost that is final now.
    mutating func spend(_ cost: UInt128, on day: UInt64) {
        if day != self.day { spent = 0 }
        self.day = day
        spent = spent.saturatingSum(cost)
    }

    mutating func restoreDay(_ day: UInt64, spent: UInt128) {
        self.day = day
        self.spent = spent
    }
}
