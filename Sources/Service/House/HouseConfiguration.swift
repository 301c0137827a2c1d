public import Chains
public import Economics
public import Primitives
public import Storage
public import Transport

/// What a house is told by whoever runs it.
public struct HouseConfiguration: Sendable {
    /// A model to serve.
    public struct ModelSource: Hashable, Sendable {
        /// The GGUF file.
        public var path: String
        /// What buyers call it; the file's own name if `nil`.
        public var name: String?

        /// A model file.
        public init(path: String, name: String? = nil) {
            self.path = path
            self.name = name
        }
    }

    /// When the chain is believed.
    public enum Finality: String, CaseIterable, Sendable {
        /// A root counts as sent when a node took it; the books still follow `confirmations`.
        case submitted
        /// So many blocks deep as `confirmations` says.
        case confirmed
        /// Where the nodes say that the chain is final: their `finalized` block.
        case finalized
    }

    /// The chain that is settled on.
    public struct Settlement: Sendable {
        /// The JSON-RPC endpoints, all of one chain.
        public var endpoints: [String]
        /// How many of them must say the same; more than half if `nil`.
        public var quorum: Int?
        /// The settlement contract.
        public var contract: EVMAddress
        /// Whoever signs for the account with the settler and slasher roles.
        public var key: any EVMSigner
        /// Whoever signs for accounts that had them before, until they have nothing under way.
        public var retiring: [any EVMSigner] = []
        /// Whether the account may have more roles on the contract than it needs.
        public var allowsAnyRoles = false
        /// Blocks, its own included, until a log counts.
        public var confirmations: UInt64
        /// When the chain is believed.
        public var finality = Finality.confirmed
        /// The most wei that the gas of one transaction may cost.
        public var feeLimit: UInt128 = 50_000_000_000_000_000
        /// The most wei that a unit of gas may cost; above it nothing new is sent.
        public var maximumFeePerGas: UInt128 = 500_000_000_000
        /// The most wei that the account's transactions may cost in a day of UTC; above it they
        /// wait for the next: a whole coin.
        public var dayLimit: UInt128 = 1_000_000_000_000_000_000
        /// The wei below which nothing new is sent.
        public var minimumBalance: UInt128 = 0
        /// Settling by plan; without it everything is a leaf of a root.
        public var payouts: Payouts?
        /// Payment channels to payees; they go with settling by plan.
        public var channels: Channels?
        /// Nothing before this block is read.
        public var startBlock: UInt64
        /// The folder with the contracts' interfaces.
        public var artifacts: String

        /// A chain with its contract.
        public init(
            endpoints: [String], contract: EVMAddress, key: any EVMSigner,
            confirmations: UInt64, startBlock: UInt64 = 0, artifacts: String
        ) {
            self.endpoints = endpoints
            self.contract = contract
            self.key = key
            self.confirmations = confirmations
            self.startBlock = startBlock
            self.artifacts = artifacts
        }
    }

    /// The folder with evidence and keys, and with the journal unless `journal` says otherwise;
    /// made if it is not there.
    public var folder: String
    /// Where the journal is; `House.journal(in: folder)` if `nil`.
    public var journal: JournalPlace?
    /// The models.
    public var models: [ModelSource]
    /// The chain; without one no money can come in.
    public var settlement: Settlement?
    /// The Solana cluster for parties that want to be paid there; goes with settling by plan.
    public var solana: Solana?
    /// How the house's own key is opened if it is sealed.
    public var keys = KeyAccess()
    /// The rules; `nil` for those in the journal, or the defaults in a new one.
    public var parameters: Parameters?
    /// Where to listen for nodes' links.
    public var wireHost = "127.0.0.1"
    /// The port for nodes' links, 0 for any free one.
    public var wirePort = 0
    /// Under which name nodes reach the wire port; `wireHost` if `nil`.
    public var publicHost: String?
    /// How long to wait between two draws of audits.
    public var auditInterval = Duration.seconds(10)
    /// How long to wait between two times that every node has to show its weights.
    public var weightInterval = Duration.seconds(600)
    /// How long a node has for it.
    public var weightPatience = Duration.seconds(30)
    /// How often what was measured of nodes is booked, if it is news.
    public var measureInterval = Duration.seconds(10)
    /// Whether epochs close and batches are cut by themselves.
    public var settlesByItself = true
    /// How long evidence of a job is kept after its delivery, in seconds; never less than until
    /// the job is final.
    public var evidenceSeconds: Int64 = 30 * 86_400
    /// How long nothing is closed as overdue after a house was started again.
    public var gracePeriod = Duration.seconds(60)
    /// How long a house that ran before waits at its start for chains that do not answer.
    public var startPatience = Duration.seconds(60)
    /// How long nodes have for what, in milliseconds.
    public var patience = JobSpec.Patience()

    /// A house of this folder and these models, without a chain.
    public init(folder: String, models: [ModelSource]) {
        self.folder = folder
        self.models = models
    }
}

/// Why a house does not start, or stops. The text is for a person and never holds a secret.
public struct HouseError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of thing is wrong.
    public enum Kind: Hashable, Sendable {
        /// A file or setting.
        case configuration
        /// The journal or the evidence.
        case storage
        /// A port or the chain.
        case network
    }

    /// What kind of thing is wrong.
    public let kind: Kind
    /// What is wrong and what to do, in one sentence without its full stop.
    public let description: String

    /// An error of a kind.
    public init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}
