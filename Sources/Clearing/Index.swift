import Ledger
public import Primitives

/// Ways to find a record that is not named by its number. Only ever looked up, never iterated: the
/// order of a dictionary differs in every process and must not reach an outcome.
struct Index: Sendable {
    struct RequestKey: Hashable, Sendable {
        let buyer: PartyID
        let request: UInt128
    }

    var partyByAddress: [EVMAddress: PartyID] = [:]
    var partyByName: [String: PartyID] = [:]
    var partyByKey: [Digest: PartyID] = [:]
    var nodeByKey: [PublicKey: NodeID] = [:]
    var modelByRoot: [Digest: ModelID] = [:]
    var modelByName: [String: ModelID] = [:]
    var jobByRequest: [RequestKey: JobID] = [:]
    var verdictBySlashKey: [Digest: VerdictID] = [:]

    struct WithdrawalKey: Hashable, Sendable {
        let party: PartyID
        let key: Digest
    }

    var dispersalByName: [Digest: DispersalID] = [:]
    var withdrawalByKey: [WithdrawalKey: DispersalID] = [:]
    var costByTransaction: [[UInt8]: Int] = [:]
    var costsBySubject: [ChainCost.Subject: [Int]] = [:]
    /// Up to which dispersals the books were stated on Solana, ascending, and by which cost.
    var statements: [(last: DispersalID, place: Int)] = []

    mutating func add(_ cost: ChainCost, at place: Int) {
        costByTransaction[cost.transaction] = place
        costsBySubject[cost.subject, default: []].append(place)
        if case .books(let last) = cost.subject,
            last.rawValue > statements.last?.last.rawValue ?? 0
        {
            statements.append((last, place))
        }
    }

    /// The payments that one transaction on Solana made.
    struct PaidTogether: Sendable {
        /// The first of their dispersals.
        var first: DispersalID
        var count: UInt64
    }

    var paidTogether: [Signature: PaidTogether] = [:]

    /// What owners were ever owed through pools on Solana, and each pool's sum.
    var poolOwed: [PoolPayee: UInt128] = [:]
    var poolTotals: [Digest: UInt128] = [:]
    /// The last root of a pool that pays, and the last that was committed.
    var poolPaying: [Digest: DispersalID] = [:]
    var poolCommitted: [Digest: DispersalID] = [:]
    /// As which owners a party was paid through pools, in the order of its first payments.
    var poolOwners: [PartyID: [PoolPayee]] = [:]

    mutating func add(payment transaction: Signature, of dispersal: DispersalID) {
        var all = paidTogether[transaction] ?? PaidTogether(first: dispersal, count: 0)
        all.first = min(all.first, dispersal)
        all.count += 1
        paidTogether[transaction] = all
    }

    struct ChannelOwner: Hashable, Sendable {
        let party: PartyID
        let asset: Asset
    }

    /// What names a transfer on Solana: one place of one transaction.
    struct TransferName: Hashable, Sendable {
        let transaction: Signature
        let instruction: UInt32

        init(_ transfer: TokenTransfer) {
            transaction = transfer.transaction
            instruction = transfer.instruction
        }
    }

    var depositors: [Digest: PartyID] = [:]
    var depositByTransfer: [TransferName: DepositID] = [:]

    var channelByKey: [Digest: ChannelID] = [:]
    /// The last channel of a party in an asset.
    var channelByOwner: [ChannelOwner: ChannelID] = [:]
    /// Channels through which more is promised than is sealed.
    var unsealedVouchers: Set<ChannelID> = []
    /// The journal's place of the newest books of vouchers.
    var voucherBooks: UInt64 = 0
}

extension Array {
    /// How many elements there are before the first that is not so, all of which come first.
    /// O(log count).
    func places(before isBefore: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if isBefore(self[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Whether there is one with this number; nothing is copied.
    func has<Kind>(_ id: Identifier<Kind>) -> Bool {
        id.rawValue > 0 && id.rawValue <= UInt64(count)
    }

    /// The element that a dense identifier names, or `nil`.
    func at<Kind>(_ id: Identifier<Kind>) -> Element? {
        id.rawValue >= 1 && id.rawValue <= UInt64(count) ? self[Int(id.rawValue) - 1] : nil
    }

    /// The element that a dense identifier names; a programmer's error if there is none.
    subscript<Kind>(_ id: Identifier<Kind>) -> Element {
        get { self[Int(id.rawValue) - 1] }
        _modify { yield &self[Int(id.rawValue) - 1] }
    }
}

extension ClearingHouse {
    /// The party with this number. O(1), like every lookup here.
    public func party(_ id: PartyID) -> Party? { parties.at(id) }
    /// The party of this chain address.
    public func party(address: EVMAddress) -> Party? {
        index.partyByAddress[address].flatMap(parties.at)
    }
    /// The party with this name.
    public func party(named name: String) -> Party? {
        index.partyByName[name].flatMap(parties.at)
    }
    /// The node with this number.
    public func node(_ id: NodeID) -> NodeRecord? { nodes.at(id) }
    /// The node with this key.
    public func node(key: PublicKey) -> NodeRecord? { index.nodeByKey[key].flatMap(nodes.at) }
    /// The model with this number.
    public func model(_ id: ModelID) -> Model? { models.at(id) }
    /// The model with this root.
    public func model(root: Digest) -> Model? { index.modelByRoot[root].flatMap(models.at) }
    /// The model with this name.
    public func model(named name: String) -> Model? {
        index.modelByName[name].flatMap(models.at)
    }
    /// The offer with this number.
    public func offer(_ id: OfferID) -> Offer? { offers.at(id) }
    /// The job with this number.
    public func job(_ id: JobID) -> Job? { jobs.at(id) }
    /// The job a buyer opened with its own request id.
    public func job(buyer: PartyID, request: UInt128) -> JobID? {
        index.jobByRequest[.init(buyer: buyer, request: request)]
    }
    /// The verdict with this number.
    public func verdict(_ id: VerdictID) -> VerdictRecord? { verdicts.at(id) }
    /// The batch with this number.
    public func batch(_ id: BatchID) -> Batch? { batches.at(id) }
    /// Whose API key has this hash.
    public func keyOwner(hash: Digest) -> PartyID? { index.partyByKey[hash] }

    /// What an owner can still move out of an account: posted credits less debits, posted and
    /// pending. Zero for an account that does not exist.
    public func balance(_ purpose: Purpose, _ asset: Asset, of owner: PartyID = .none) -> Amount {
        ledger.account(AccountID(purpose, asset, of: owner))?.creditAvailable ?? .zero
    }

    /// What is reserved by open holds or captures on an account.
    public func pending(_ purpose: Purpose, _ asset: Asset, of owner: PartyID = .none) -> Amount {
        ledger.account(AccountID(purpose, asset, of: owner))?.debitsPending ?? .zero
    }
}

extension ClearingHouse {
    /// How many delivered jobs wait for the next beacon.
    public var undrawnCount: Int { undrawn.count }

    /// The jobs that are not final, in order of number; among them may be some that are. O(1).
    public var openJobs: ArraySlice<Job> { jobs[min(oldestOpenJob, jobs.count)...] }

    /// Moves the mark before which every job is final. Amortised O(1).
    mutating func passFinalJobs() {
        while oldestOpenJob < jobs.count, jobs[oldestOpenJob].state.isFinal { oldestOpenJob += 1 }
    }

    /// The jobs this node is to audit now. O(open jobs), O(1) if there are none.
    public func audits(of node: NodeID) -> [Job] {
        guard let record = nodes.at(node), record.openAudits > 0 else { return [] }
        return openJobs.filter { $0.state == .auditing && $0.auditor == node }
    }

    /// Slashes that were executed here and are not final on chain yet, leaving out those that are
    /// too small for the chain. O(verdicts).
    public var unsettledSlashes: [VerdictRecord] {
        verdicts.filter {
            $0.state == .executed && !$0.settledOnChain && Asset.usd.chainUnits($0.captured) > 0
        }
    }

    /// Slashes that were forgone here and whose request the contract still holds. O(verdicts).
    public var heldSlashes: [VerdictRecord] {
        verdicts.filter { $0.state == .forgone && !$0.settledOnChain }
    }
}
