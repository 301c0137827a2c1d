import Chains
public import Clearing
public import Cryptography
import Foundation
import Logging
public import Primitives
import Storage
import Synchronization

/// What the house does on its chain: books what the contract logs, sends slashes and roots.
///
/// What is to be sent follows from the books each time, and is an intent of the transaction
/// manager, whose id follows from it too: so nothing is sent twice, whatever is lost between the
/// two. What was sent is closed only by the contract's log, read from blocks that are deep enough.
public final class SettlementService: Sendable {
    /// The chain's id.
    public let chainID: UInt64
    /// The settlement contract.
    public let contract: EVMAddress
    /// The dollar token.
    public let usd: EVMAddress
    /// The incentive token.
    public let tly: EVMAddress
    /// Blocks, its own included, until a log counts.
    public let confirmations: UInt64
    /// When the chain is believed.
    public let finality: HouseConfiguration.Finality
    /// The account that settles and slashes.
    public let key: EVMAddress
    /// How many nodes are asked, and how many must say the same.
    public let endpoints: (count: Int, needed: Int)

    let startBlock: UInt64
    let nodes: EVMNodes
    let artifact: ContractArtifact
    /// Asks the contract what it holds and promises.
    let reader: SettlementReader
    let driver: EVMManagerDriver
    let records: RecordLog
    let notes: ManagerNotes
    /// The number of the last record of before this process.
    let firstRecord: Int64
    let watcher: LogWatcher
    let sequencer: Sequencer
    let liabilities: LiabilityBook
    let metrics: HouseMetrics
    let log: Logger
    let pollInterval = Duration.milliseconds(250)
    let state: Mutex<State>
    private let trees = ClaimTrees()
    /// Under which books dispersals are made.
    let sealing: DispersalSealing
    /// Whose tokens are sent, if the house settles by plan.
    let payer: DispersalPayer?
    /// What leaves its account.
    let payerWatch: PayerWatch?
    /// What was found of stray transfers, and how far they were searched for.
    let strayRecords: RecordLog
    /// Who pays through channels.
    let channels: ChannelPayer

    struct State {
        /// Payment channels with money of the house's own that should move, and since when this
        /// process has seen each as it is.
        var channels = FirstSeen<ChannelID, HouseChannel.Standing>()
        /// Since when this process has seen that the chain has no request of a slash.
        var unrequested = FirstSeen<Digest, Bool>()
        /// Who waits to be paid, and when that was looked up.
        var unpaid: (view: UnpaidView, at: Timestamp)?
        /// Bonds on their way out as they were last told, and the place of the next to be asked.
        var leavingBonds: (told: [EVMAddress: LeavingBond], next: Int) = ([:], 0)
        var isHalted = false
        /// The booked block that the chain no longer has, if that is why it halted.
        var goneBlock: UInt64?
        /// Blocks with a root or a slash of ours that the chain no longer has.
        var orphans: Set<Digest> = []
        /// Everything up to this block is booked; `nil` before the first page of logs.
        var watchedTo: UInt64?
        /// The batch whose root pays, as far as the contract was asked.
        var activeBatch: BatchID?
        /// The last batch on chain if its root pays or may be made to: no guardian can drop it.
        var undisputed: BatchID?
        /// Slashes that the contract holds requests for.
        var requestedSlashes: Set<Digest> = []
        var refusedActivations = 0
        var refusedExecutions = 0
        /// Whether nodes did not tell last who holds a token.
        var isHolderUntold = false
        /// The last reconciliation, and what is known of tokens that were sent straight.
        var reconciliation: Reconciliation?
        /// Dollars, in chain units, that may be missing: a person has accepted it.
        var acceptedShortfall: UInt128 = 0
        var strays: StrayTransfers
        /// The account that pays on Solana, if there is one.
        var solana: SolanaWatch?
        var orders: SettlementOrders
        var refusedSlashes = 0
        var refusedRoots = 0
        /// Dispersals that the chain refuses, or for which the payer's money is not enough.
        var waitingDispersals = 0
        /// Dispersals that were refused and whose payees are not to blame, by their names.
        var blameless: [Digest: BlamelessRefusal] = [:]
        var isApproved = false
        /// Deposits in channels and withdrawals from them that the chain refuses.
        var waitingChannels = 0
        var nextChannels = ContinuousClock.now
        var rollup = RollupKnowledge()
        /// The last voucher that was signed, by channel.
        var vouchers: [ChannelID: SignedVoucher] = [:]
        /// What a signer gave no signature for.
        var unsigned: [UnsignedPaper: WithheldSignature] = [:]
        var costMarks = CostMarks()
        var pulse = HeartbeatMarks()
    }

    /// Whether the chain contradicts what was booked, or what is to be done cannot be written
    /// down: nothing more is booked or sent until a person has looked.
    public var isHalted: Bool { state.withLock { $0.isHalted } }

    /// Slashes that the contract refused and that are waiting to be tried again.
    public var refusedSlashes: Int { state.withLock { $0.refusedSlashes } }

    /// Roots that the contract refused and that are waiting to be tried again: 0 or 1.
    public var refusedRoots: Int { state.withLock { $0.refusedRoots } }

    /// Dispersals that the chain refuses, or for which the payer's money is not enough.
    public var waitingDispersals: Int { state.withLock { $0.waitingDispersals } }

    /// The file in a house's folder that holds what the transaction manager knows.
    public static func recordFile(in folder: String) -> String { folder + "/settlement.sqlite" }

    /// Asks the nodes who they are and the contract for its tokens, and reads what the transaction
    /// manager knew. `house` is the house's own key.
    init(
        _ options: HouseConfiguration.Settlement, folder: String, sequencer: Sequencer,
        liabilities: LiabilityBook, house: [UInt8], metrics: HouseMetrics, log: Logger
    ) async throws(HouseError) {
        let artifact = try Self.artifact(in: options.artifacts)
        let nodes = try await Self.nodes(options)
        let address = options.contract
        do {
            usd = try await Self.token("USDC", of: address, artifact, nodes)
            tly = try await Self.token("TLY", of: address, artifact, nodes)
            watcher = try LogWatcher(
                nodes: nodes, contract: address, artifact: artifact,
                usesFinalizedTag: options.finality == .finalized)
        } catch {
            throw HouseError(
                .network, "the contract at \(options.contract.hex) does not answer: \(error)")
        }
        chainID = nodes.chainID
        contract = options.contract
        confirmations = options.confirmations
        finality = options.finality
        key = options.key.address
        endpoints = (nodes.all.count, nodes.quorum.needed)
        payer = try options.payouts.map { payouts throws(HouseError) in
            try DispersalPayer(
                payouts, account: options.key.address, folder: options.artifacts, house: house)
        }
        channels = try await ChannelPayer(options, usd: usd, payer, nodes)
        startBlock = options.startBlock
        self.nodes = nodes
        self.artifact = artifact
        self.sequencer = sequencer
        self.liabilities = liabilities
        self.metrics = metrics
        self.log = log
        let orders = SettlementOrders(
            contract: contract, artifact: artifact, sender: options.key.address,
            feeLimit: options.feeLimit)
        let height: UInt64
        do {
            reader = try await SettlementReader(
                nodes: nodes, contract: address, artifact: artifact)
            height = try await nodes.commonHeight()
        } catch {
            throw HouseError(
                .network, "the contract at \(options.contract.hex) does not answer: \(error)")
        }
        let owner = "eip155:\(chainID):\(contract.hex)"
        let (strays, known) = try Self.strays(folder, owner, reader, options.startBlock, log)
        strayRecords = known
        state = Mutex(State(strays: strays, orders: orders))
        notes = ManagerNotes(metrics: metrics, log: log)
        do {
            records = try RecordLog(
                path: Self.recordFile(in: folder), owner: owner)
            firstRecord = records.lastNumber
            driver = try Self.driver(nodes, options, records, notes)
            payerWatch = try await Self.watch(
                payer, reader, height: height, folder: folder, sequencer, log)
            sealing = DispersalSealing(
                sequencer: sequencer, liabilities: liabilities, driver: driver, log: log)
        } catch {
            throw HouseError(.storage, "the record of settlement cannot be read: \(error)")
        }
    }

    /// What was found of stray transfers, and the file; nothing yet without one that can be read.
    private static func strays(
        _ folder: String, _ owner: String, _ reader: SettlementReader, _ start: UInt64,
        _ log: Logger
    ) throws(HouseError) -> (StrayTransfers, RecordLog) {
        let none = StrayTransfers(reader, from: start)
        do {
            let records = try RecordLog(path: folder + "/strays.sqlite", owner: owner)
            guard let bytes = try records.load().state else { return (none, records) }
            do throws(CodecError) {
                return (try StrayTransfers(reader, canonicalBytes: bytes), records)
            } catch {
                log.error(
                    "stray transfers are searched for anew: strays.sqlite is damaged",
                    metadata: ["why": "\(error)"])
                return (none, records)
            }
        } catch {
            throw HouseError(.storage, "the record of stray transfers cannot be read: \(error)")
        }
    }

    /// The watch over what moves at the payer's account. Without a file it begins at the newest log
    /// of the books, since what came after it may be news, or now if there is none, since what the
    /// account did before the house was there is nobody's business.
    private static func watch(
        _ payer: DispersalPayer?, _ reader: SettlementReader, height: UInt64, folder: String,
        _ sequencer: Sequencer, _ log: Logger
    ) async throws -> PayerWatch? {
        guard let payer else { return nil }
        let booked = try await sequencer.read {
            $0.chainCursor.any ? $0.chainCursor.block : UInt64.max
        }
        return try PayerWatch(
            reader, account: payer.account, payer.options, from: min(booked, height + 1),
            folder: folder,
            owner: "eip155:\(reader.nodes.chainID):\(reader.contract.hex)", log: log)
    }

    private static func artifact(in folder: String) throws(HouseError) -> ContractArtifact {
        do throws(ABIError) {
            return try ContractArtifact(
                contentsOf: URL(fileURLWithPath: "\(folder)/Exchequer.json"))
        } catch {
            throw HouseError(
                .configuration, "\(folder) has no interface of the contract: \(error)")
        }
    }

    /// The nodes, of which enough must say that they serve the same chain.
    private static func nodes(
        _ options: HouseConfiguration.Settlement
    ) async throws(HouseError) -> EVMNodes {
        do throws(RepeatedEndpoint) {
            try RPCEndpoints.requireDistinct(options.endpoints)
        } catch {
            throw HouseError(.configuration, "--rpc-url: \(error)")
        }
        let count = options.endpoints.count
        let needed = options.quorum ?? count / 2 + 1
        guard count > 0, needed <= count, needed > count / 2 else {
            throw HouseError(
                .configuration,
                "of \(count) nodes \(count / 2 + 1) to \(count) must agree, not \(needed)")
        }
        func nodes(_ id: UInt64) -> EVMNodes {
            EVMNodes(
                options.endpoints.map { url in
                    EVMChain(
                        rpc: JSONRPC(url: url, timeout: .seconds(5)), chainID: id,
                        confirmations: options.confirmations)
                }, quorum: Quorum(needed: needed))
        }
        do {
            let id = try await nodes(0).agreed { node throws(ChainError) in
                try await EVMChain.chainID(at: node.rpc)
            }
            return nodes(id)
        } catch {
            let names = RPCEndpoints.shown(options.endpoints)
            throw HouseError(.network, "the chain at \(names) does not answer: \(error)")
        }
    }

    private static func driver(
        _ nodes: EVMNodes, _ options: HouseConfiguration.Settlement, _ records: RecordLog,
        _ notes: ManagerNotes
    ) throws -> EVMManagerDriver {
        var policy = EVMManagerPolicy(chainID: nodes.chainID)
        policy.finality =
            switch options.finality {
            case .submitted: .submitted
            case .confirmed: .confirmed(options.confirmations)
            case .finalized: .finalized
            }
        policy.finalDepth = options.confirmations
        policy.usesFinalizedTag = options.finality == .finalized
        policy.maximumFeePerGas = options.maximumFeePerGas
        policy.minimumBalance = options.minimumBalance
        policy.dayLimit = options.dayLimit
        policy.pollInterval = .seconds(1)
        let known = try records.load()
        return try EVMManagerDriver(
            nodes: nodes.all, quorum: nodes.quorum, policy: policy, keys: [options.key],
            retiring: options.retiring, state: known.state, records: known.records,
            hooks: EVMManagerHooks(
                durable: { try await records.append($0) },
                report: { notes.report($0, $1) },
                alert: { notes.alert($0) }),
            clock: { .systemNow }, tick: .milliseconds(250))
    }

    /// How long a bond takes to leave the contract.
    func unbondingDelay() async throws(HouseError) -> Timestamp.Span {
        do {
            let value = try await Self.read("UNBONDING_DELAY", of: contract, artifact, nodes)
            return .seconds(try value.uint64("UNBONDING_DELAY"))
        } catch {
            throw HouseError(.network, "the contract does not answer: \(error)")
        }
    }

    /// Says so if the contract gives nobody time to object to what the house's key does.
    func checkDelays() async throws(HouseError) {
        let delays = [
            ("ACTIVATION_DELAY", "a root pays at once", "--activation-delay"),
            ("VETO_WINDOW", "a slash counts at once", "--veto-window"),
            ("ROLE_DELAY", "a granted role counts at once", "--role-delay"),
        ]
        do {
            for (getter, effect, option) in delays {
                let delay = try await Self.read(getter, of: contract, artifact, nodes)
                guard try delay.uint64(getter) == 0 else { continue }
                log.warning(
                    "\(effect): nobody can object if the key is stolen",
                    metadata: ["advice": "deploy with \(option) where there is money"])
            }
        } catch {
            throw HouseError(.network, "the contract does not answer: \(error)")
        }
    }

    private static func token(
        _ getter: String, of contract: EVMAddress, _ artifact: ContractArtifact, _ nodes: EVMNodes
    ) async throws -> EVMAddress {
        try await read(getter, of: contract, artifact, nodes).address(getter)
    }

    private static func read(
        _ getter: String, of contract: EVMAddress, _ artifact: ContractArtifact, _ nodes: EVMNodes
    ) async throws(ChainError) -> ABIValue {
        let values = try await nodes.agreed { node throws(ChainError) in
            try await Contract(chain: node, address: contract, artifact: artifact).read(getter)
        }
        guard let value = values.first else {
            throw .inconsistentNode("the contract has no \(getter)")
        }
        return value
    }

    /// The hash of the newest block of the first node that answers; `nil` if none does.
    func newestBlock() async -> Digest? {
        for node in nodes.all {
            if let head = try? await node.head() { return head.hash }
        }
        return nil
    }

    /// Works until the task is cancelled.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.watch() }
            group.addTask { await self.act() }
            group.addTask { await self.drive() }
            group.addTask { await self.keepUp() }
            group.addTask { await self.reconcileNowAndThen() }
            await group.waitForAll()
        }
        await records.rest(after: firstRecord, in: driver.stateAtRest(), log)
    }

    /// Closes the files of records.
    func close() {
        records.close()
        strayRecords.close()
        payerWatch?.close()
    }

    /// Takes an account on Solana into every reconciliation from now on.
    func reconcile(with solana: SolanaWatch) { state.withLock { $0.solana = solana } }

    /// Stops booking and sending until a person has looked.
    func halt(_ why: Logger.Message, _ metadata: Logger.Metadata) {
        state.withLock { $0.isHalted = true }
        log.critical(why, metadata: metadata)
    }

    // MARK: Claims

    /// The claims a batch allots, in the order of its lines.
    public func claims(of batch: Batch) -> [Claim] {
        batch.lines.map { claim(of: $0) }
    }

    /// What a line of a batch allots.
    public func claim(of line: BatchLine) -> Claim {
        Claim(
            chainID: chainID, contract: contract, token: token(of: line.asset),
            account: line.address, cumulative: line.cumulative)
    }

    /// The tree whose root a batch commits. O(lines) the first time, then kept for as long as the
    /// batch is one of the last two or pays.
    public func claimTree(of batch: Batch) async -> ClaimTree {
        if let tree = trees.known(batch.id) { return tree }
        let paying = state.withLock { $0.activeBatch }
        return await trees.tree(of: batch.id, paying: paying) {
            ClaimTree(claims: self.claims(of: batch))
        }
    }
}

extension ChainObservation {
    /// What a log of the contract means to the books; `nil` for a claim of an unknown token, and
    /// for what moves nothing in them.
    init?(_ event: ChainEvent, usd: EVMAddress, tly: EVMAddress) {
        switch event {
        case .deposited(let account, let amount):
            self = .deposited(account: account, chainUnits: amount)
        case .bonded(let provider, let amount):
            self = .bonded(account: provider, chainUnits: amount)
        case .unbondRequested(let provider, let amount, _):
            self = .unbondRequested(account: provider, chainUnits: amount)
        case .bondWithdrawn(let provider, let amount):
            self = .bondWithdrawn(account: provider, chainUnits: amount)
        case .slashed(let provider, let verdict, let amount, let burned, _):
            self = .bondCut(
                account: provider, chainUnits: amount, burned: burned, verdict: verdict)
        case .rootCommitted(let batch, let root, _, _, _, _, _):
            self = .rootCommitted(batch: BatchID(batch), root: root)
        case .claimed(let token, let account, let amount, _):
            guard let asset: Asset = token == usd ? .usd : token == tly ? .tly : nil else {
                return nil
            }
            self = .claimed(account: account, asset: asset, chainUnits: amount)
        case .dispersed(_, let name, _, _): self = .dispersed(name: name)
        case .rootDisputed(let batch, _, _): self = .rootDropped(batch: BatchID(batch))
        case .slashVetoed(let verdict, _), .slashLapsed(let verdict):
            self = .slashReleased(verdict: verdict)
        case .channel(let key, let event): self.init(key, event)
        // The contract is asked for these when it matters, or a person is told.
        case .rootActivated, .slashRequested, .slashAppealed, .abandoned, .administered: return nil
        }
    }
}
