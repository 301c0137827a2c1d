public import Economics
public import Primitives

/// Everything that can happen to the house, as data. A command carries no time: the sequencer
/// gives it one. Whatever had to be proved to be allowed to send it (a signature, an API key, a
/// chain log's depth) was proved by the shell; what is decided is decided here.
public enum Command: Hashable, Sendable {
    /// Sets or replaces the parameters. The first command of every journal.
    case configure(Parameters, chain: UInt64)
    /// Makes sure that an address has a party.
    case registerParty(address: EVMAddress)
    /// Gives a party the name that people see.
    case nameParty(PartyID, name: String)
    /// Adds a node to a party.
    case registerNode(PartyID, key: PublicKey, kernel: String)
    /// Says whether a node is connected. Matching only uses nodes that are.
    case setPresence(NodeID, online: Bool)
    /// Books what the house has measured of nodes: matching by time goes by it.
    case recordMeasures([NodeMeasurement])
    /// Registers a model by its manifest.
    case registerModel(ModelDraft)
    /// Lets a node audit jobs of a model.
    case enlistVerifier(NodeID, model: ModelID)
    /// Stores the hash of a new API key.
    case issueKey(PartyID, hash: Digest, label: String)
    /// Forgets an API key.
    case revokeKey(PartyID, hash: Digest)

    /// Promises capacity at a price.
    case postOffer(OfferDraft)
    /// Takes an offer back; jobs that run on it go on.
    case withdrawOffer(PartyID, OfferID)

    /// Matches a demand and holds the buyer's money.
    case openJob(Demand)
    /// A stage failed: puts another node in its place and starts the next attempt.
    case replaceStage(JobID, attempt: UInt32, stage: UInt16, code: FaultCode)
    /// A stage has not been heard for a while: puts another node in its place if there is one, and
    /// otherwise leaves the job as it is. Nobody is blamed.
    case replaceDoubted(JobID, attempt: UInt32, stage: UInt16)
    /// A stage failed or is doubted, and this node, which has computed along, takes over if it can.
    case replaceByStandIn(
        JobID, attempt: UInt32, stage: UInt16, code: FaultCode, standIn: NodeID)
    /// Ends a job with what its stages signed; moves what was used into escrow.
    case submitReceipts(Delivery)
    /// Ends a job that delivered nothing that can be charged; frees the hold.
    case failJob(JobID, reason: FailureReason)

    /// Draws audits among the jobs delivered since the last beacon.
    case drawAudits(beacon: Digest)
    /// Records a verifier's verdict.
    case recordVerdict(Signed<Verdict>)
    /// The accused asks for the verdict to be re-run.
    case openAppeal(VerdictID, by: PartyID)
    /// The arbiter's answer to an appeal.
    case resolveAppeal(VerdictID, upheld: Bool)
    /// A node did not answer, or not rightly, when it was asked to show its weights.
    case noteUnprovenWeights(NodeID, challenge: Digest)

    /// A confirmed log of the settlement contract.
    case observeChain(ChainReference, ChainObservation)
    /// Moves available money to the next settlement.
    case withdraw(PartyID, asset: Asset, amount: Amount)
    /// Ends the running epoch and allots its emission to verified work.
    case closeEpoch
    /// Cuts a settlement batch of everything payable.
    case cutBatch
    /// The root of a batch was computed and is about to be sent, with what the house owes. Only
    /// journals of before there was such a commitment have batches without one.
    case sealBatch(BatchID, root: Digest, liabilities: LiabilityCommitment? = nil)

    /// A log that was booked is no longer in the chain: its entries are reversed by entries. Logs
    /// are taken back from the last one down; `previous` is the log that is the last one then.
    case reverseChain(ChainReference, ChainObservation, previous: ChainReference?)
    /// Cuts a batch in the place of the last one, whose root was disputed: it repeats its claims.
    /// If one was cut behind it before the dispute, that one repeats them, and is let go on.
    case replaceBatch
    /// A slash that the contract refuses because no bond is left there. In journals of before: it
    /// charges the house a second time what a withdrawal had charged it; see `forgoSlash`.
    case writeOffSlash(VerdictID)
    /// The contract has no bond left for a slash. With `isRequested` it holds the request for it
    /// still, so that a later bond may be cut.
    case forgoSlash(VerdictID, isRequested: Bool)
    /// Pays the house's fees to a party, with the next settlement.
    case collectFees(PartyID, amount: Amount)

    /// Settles everything payable by the cheapest plan for these quotes.
    case settle(SettlementQuotes)
    /// Says how a party is paid.
    case setPayout(PartyID, PayoutSettings)
    /// What a chain charged for a transaction of the house's.
    case bookCost(ChainCost)
    /// What became of a payment on Solana.
    case notePayment(DispersalID, payment: UInt32, PaymentNote)
    /// What became of a root of a pool on Solana.
    case notePool(DispersalID, PoolNote)
    /// The chain refuses a dispersal: its halves are tried apart.
    case splitDispersal(DispersalID)
    /// A dispersal that was never made and never will be is given up: its money is its payees'.
    case returnDispersal(DispersalID)
    /// These dispersals are made under these books: what the house owed at a head of its journal.
    case sealDispersals(
        first: DispersalID, last: DispersalID, books: LiabilityCommitment)
    /// So much is promised through these channels under these books.
    case sealVouchers([VoucherSum], books: LiabilityCommitment)
    /// Pays a party at once what it asks for, under a key of its own.
    case payOut(
        PartyID, asset: Asset, amount: Amount, key: Digest, quotes: SettlementQuotes)

    /// Opens a payment channel to a party that asked for one.
    case openChannel(ChannelDraft)
    /// Raises what is to be deposited in a channel, from its opening on, to so many chain units.
    case fundChannel(ChannelID, total: UInt128)
    /// Uses a channel no more: what is left of the deposit is taken back.
    case closeChannel(ChannelID)

    /// Writes down how far the record of what was signed on Solana is.
    case pinSolana(SolanaPin)
    /// The record of an owner is about to forget payouts that are over, in this round.
    case forgetSolana(String, round: UInt64)
    /// Says that transfers of this owner on Solana are a party's deposits.
    case registerDepositor(PartyID, owner: Digest)
    /// Gives such an owner up.
    case removeDepositor(PartyID, owner: Digest)
    /// From now on this address's party has the dollars that come in on Solana, and sells its
    /// claims for them.
    case takeDeposits(payer: EVMAddress)
    /// Dollars came in on Solana.
    case bookDeposit(TokenTransfer)

    /// Lets time pass: closes windows, executes slashes, expires holds and offers.
    case pulse
}

/// A model to register.
public struct ModelDraft: Hashable, Sendable {
    /// The name buyers ask for.
    public var name: String
    /// The Merkle root of the manifest; everything refers to the model by it.
    public var root: Digest
    /// Number of layers.
    public var layers: UInt16
    /// The longest prompt plus output, in tokens.
    public var context: UInt32
    /// The hash of the arithmetic contract its stages follow.
    public var profile: Digest
    /// The canonical bytes of the manifest itself, kept so that anyone can check the root.
    public var manifest: [UInt8]

    /// A draft with all its fields.
    public init(
        name: String, root: Digest, layers: UInt16, context: UInt32, profile: Digest,
        manifest: [UInt8]
    ) {
        self.name = name
        self.root = root
        self.layers = layers
        self.context = context
        self.profile = profile
        self.manifest = manifest
    }
}

/// An offer to post.
public struct OfferDraft: Hashable, Sendable {
    /// The node that will serve.
    public var node: NodeID
    /// The model served.
    public var model: ModelID
    /// The layers served; all of them for a whole-model offer.
    public var layers: LayerRange
    /// The weights root of these layers, from the registered manifest.
    public var weights: Digest
    /// Price of prompt tokens.
    public var inputPrice: Price
    /// Price of output tokens.
    public var outputPrice: Price
    /// Jobs served at the same time.
    public var concurrency: UInt16
    /// The longest prompt plus output served, in tokens.
    public var context: UInt32
    /// Where the node is, free text for buyers.
    public var region: String
    /// When the offer ends by itself.
    public var expiresAt: Timestamp
    /// What the arithmetic can be held to. Statistical offers are for whole models only.
    public var numerics: Numerics

    /// A draft with all its fields.
    public init(
        node: NodeID, model: ModelID, layers: LayerRange, weights: Digest, inputPrice: Price,
        outputPrice: Price, concurrency: UInt16, context: UInt32, region: String,
        expiresAt: Timestamp, numerics: Numerics = .exact
    ) {
        self.node = node
        self.model = model
        self.layers = layers
        self.weights = weights
        self.inputPrice = inputPrice
        self.outputPrice = outputPrice
        self.concurrency = concurrency
        self.context = context
        self.region = region
        self.expiresAt = expiresAt
        self.numerics = numerics
    }
}

/// Which of all pipelines a buyer wants. Numbers are stable for ever.
public enum RouteSort: UInt8, CaseIterable, Hashable, Sendable {
    /// The cheapest.
    case price = 0
    /// The one with the first token soonest.
    case latency = 1
    /// The one with the most tokens a second.
    case throughput = 2
}

/// What a buyer wants.
public struct Demand: Hashable, Sendable {
    /// Who pays.
    public var buyer: PartyID
    /// The buyer's own id for the request: a second job with it is refused.
    public var request: UInt128
    /// The model wanted.
    public var model: ModelID
    /// Tokens in the prompt, counted by the house with the model's tokenizer.
    public var promptTokens: UInt32
    /// The most output tokens wanted.
    public var maxTokens: UInt32
    /// The most to pay per million prompt tokens over the whole pipeline; `nil` for any price.
    public var maxInputPrice: Price?
    /// The most to pay per million output tokens over the whole pipeline; `nil` for any price.
    public var maxOutputPrice: Price?
    /// Providers to try alone, one after the other, before anyone else.
    public var order: [PartyID]
    /// The only providers allowed; empty for all.
    public var only: [PartyID]
    /// Providers never to use.
    public var ignore: [PartyID]
    /// Whether providers outside `order` may serve when none inside can.
    public var allowFallbacks: Bool
    /// Whether work that no audit can re-execute will do: without it only exact offers are matched.
    public var acceptsStatistical: Bool
    /// Which of the pipelines within the limits it is to be.
    public var sort: RouteSort
    /// The hash of prompt, sampling parameters and seed: what the job is about.
    public var input: Digest

    /// A demand for a model at any price from anyone whose work can be re-executed.
    public init(
        buyer: PartyID, request: UInt128, model: ModelID, promptTokens: UInt32,
        maxTokens: UInt32, input: Digest
    ) {
        self.buyer = buyer
        self.request = request
        self.model = model
        self.promptTokens = promptTokens
        self.maxTokens = maxTokens
        self.input = input
        order = []
        only = []
        ignore = []
        allowFallbacks = true
        acceptsStatistical = false
        sort = .price
    }
}

/// What came of a job: the stages' receipts.
public struct Delivery: Hashable, Sendable {
    /// The job.
    public var job: JobID
    /// The attempt that completed.
    public var attempt: UInt32
    /// Tokens that reached the buyer.
    public var outputTokens: UInt32
    /// The hash of the delivered token ids.
    public var output: Digest
    /// The receipts, in order of stage. A stage without one is not paid and not charged.
    public var receipts: [Signed<Receipt>]

    /// A delivery with all its fields.
    public init(
        job: JobID, attempt: UInt32, outputTokens: UInt32, output: Digest,
        receipts: [Signed<Receipt>]
    ) {
        self.job = job
        self.attempt = attempt
        self.outputTokens = outputTokens
        self.output = output
        self.receipts = receipts
    }
}

/// Why a job ended without being charged. Numbers are stable for ever.
public enum FailureReason: UInt8, CaseIterable, Hashable, Sendable {
    /// No node could take the place of one that failed.
    case noReplacement = 1
    /// The buyer went away before the first token.
    case cancelled = 2
    /// The house restarted while the job ran.
    case interrupted = 3
    /// The job ran longer than it may.
    case timedOut = 4
    /// Too many attempts failed.
    case tooManyAttempts = 5
    /// The stages that took over chose other tokens than those the buyer had been sent already.
    case diverged = 6
    /// The answer ended, but no stage signed for it.
    case unsigned = 7
}

/// Which log of which chain: the identity of a chain event.
public struct ChainReference: Hashable, Sendable {
    /// The chain's id (EIP-155).
    public var chain: UInt64
    /// The block's number.
    public var block: UInt64
    /// The log's index in the block.
    public var logIndex: UInt32
    /// The block's hash.
    public var blockHash: Digest
    /// The transaction's hash.
    public var transaction: Digest

    /// A reference with all its fields.
    public init(
        chain: UInt64, block: UInt64, logIndex: UInt32, blockHash: Digest, transaction: Digest
    ) {
        self.chain = chain
        self.block = block
        self.logIndex = logIndex
        self.blockHash = blockHash
        self.transaction = transaction
    }
}

/// What a confirmed log of the settlement contract says. Amounts are in chain units.
public enum ChainObservation: Hashable, Sendable {
    /// Money came in to be spent on inference.
    case deposited(account: EVMAddress, chainUnits: UInt128)
    /// A bond came in.
    case bonded(account: EVMAddress, chainUnits: UInt128)
    /// A provider began to take its bond out.
    case unbondRequested(account: EVMAddress, chainUnits: UInt128)
    /// A provider took its bond out.
    case bondWithdrawn(account: EVMAddress, chainUnits: UInt128)
    /// A bond was slashed on chain, for a verdict. In journals of before; see `bondCut`.
    case slashed(account: EVMAddress, chainUnits: UInt128, burned: UInt128, verdict: Digest)
    /// A batch's root was committed.
    case rootCommitted(batch: BatchID, root: Digest)
    /// A payee took what a root allots.
    case claimed(account: EVMAddress, asset: Asset, chainUnits: UInt128)
    /// A dispersal of the house's own was carried out.
    case dispersed(name: Digest)
    /// A guardian dropped a batch's root before it paid: the number is used up. In journals of
    /// before; see `rootDropped`.
    case rootDisputed(batch: BatchID)
    /// A requested slash was vetoed, or nobody executed it in time: the bond is free again.
    case slashReleased(verdict: Digest)
    /// A payment channel's deposit changed, or will.
    case channelMoved(Digest, ChannelMove)
    /// A payee claimed so much through a channel, and with it `total` from its opening on.
    case channelClaimed(Digest, total: UInt128, chainUnits: UInt128)
    /// A bond was cut on chain for a verdict; `burned` of it is destroyed.
    case bondCut(account: EVMAddress, chainUnits: UInt128, burned: UInt128, verdict: Digest)
    /// A guardian dropped a batch's root before it paid: the number is used up, and a batch that
    /// was cut behind it waits for a person.
    case rootDropped(batch: BatchID)
}
