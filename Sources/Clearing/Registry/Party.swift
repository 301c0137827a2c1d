public import Primitives

/// Whoever owns money: a buyer, a provider, a verifier, or all of them at once. Party 0 is the
/// house itself and has no record.
public struct Party: Hashable, Sendable {
    /// The party's number.
    public let id: PartyID
    /// The chain address that deposits are credited from and payouts are claimed by.
    public let address: EVMAddress
    /// The name people see; empty until given.
    public internal(set) var name: String = ""
    /// When the party was first seen.
    public let createdAt: Timestamp
    /// Convicted for good: it never serves again.
    public internal(set) var tombstoned = false
    /// Objective faults whose penalty was executed.
    public internal(set) var objectiveFaults: UInt32 = 0
    /// Liveness faults on record.
    public internal(set) var livenessFaults: UInt32 = 0
    /// The party earns no emission until this epoch is over, for a conviction.
    public internal(set) var rewardLostUntil: EpochID = .none
    /// The party earns no emission until this epoch is over, for not answering.
    public internal(set) var livenessLostUntil: EpochID = .none
    /// Work verified in the running epoch, in token-layers, as far as fees back it.
    public internal(set) var epochWork: UInt64 = 0
    /// Work verified ever, in token-layers.
    public internal(set) var totalWork: UInt64 = 0
    /// The most that the party's jobs in flight and in their challenge window could steal.
    public internal(set) var exposure: Amount = .zero
    /// Jobs it bought that have not been delivered.
    public internal(set) var runningJobs = 0
    /// Its nodes.
    public internal(set) var nodes: [NodeID] = []
    /// The hashes of its API keys.
    public internal(set) var keys: [APIKey] = []
    /// What settlement batches have allotted it in all, in chain units, by asset.
    public internal(set) var allotted: [UInt128] = [0, 0]
    /// What settlement knows of it beside.
    var payee = PayeeRecord()
    /// What the house advanced for credits of its that a reorganisation took back.
    var advances = Advances()

    /// What settlement batches have allotted it in all, in chain units of `asset`.
    public func allotted(_ asset: Asset) -> UInt128 { allotted[asset.slot] }
}

/// An API key as the house knows it: by its hash.
public struct APIKey: Hashable, Sendable {
    /// The hash of the key.
    public let hash: Digest
    /// What its owner calls it.
    public let label: String
    /// When it was issued.
    public let createdAt: Timestamp
}

extension Asset {
    /// This asset's place in a list that has one entry per asset.
    var slot: Int { Int(rawValue) - 1 }
}

/// A machine of a provider.
public struct NodeRecord: Hashable, Sendable {
    /// The node's number.
    public let id: NodeID
    /// Its owner.
    public let party: PartyID
    /// Its Ed25519 key.
    public let key: PublicKey
    /// The kernel class it runs, for the correlated-fault breaker: `numerics-v1/avx2`.
    public let kernel: String
    /// When it was registered.
    public let createdAt: Timestamp
    /// Whether it is connected.
    public internal(set) var online = false
    /// What the house has measured of it.
    public internal(set) var measures = NodeMeasures()
    /// Models it audits.
    public internal(set) var verifies: [ModelID] = []
    /// Its offers, live or ended.
    public internal(set) var offers: [OfferID] = []
    /// Audits it is to answer now.
    public internal(set) var openAudits: UInt32 = 0
}

/// A registered model.
public struct Model: Hashable, Sendable {
    /// The model's number.
    public let id: ModelID
    /// What was registered.
    public let draft: ModelDraft
    /// When it was registered.
    public let createdAt: Timestamp
    /// Offers of it that may be live, in order of id.
    public internal(set) var offers: [OfferID] = []
    /// Nodes that audit it, in order of id.
    public internal(set) var verifiers: [NodeID] = []
}
