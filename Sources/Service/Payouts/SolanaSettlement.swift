public import Chains
import Clearing
import Foundation
import Logging
public import Primitives
import Storage
import Synchronization

/// What the house does on Solana: sends parties their dollars, books what became of it.
///
/// What is to be sent follows from the books each time; whether it was, the payout manager alone
/// knows, from `solana.sqlite`. No contract there refuses a second payment, so a house that has
/// sent something is not started without that file, nor with an older copy of it.
public final class SolanaSettlement: Sendable {
    /// The cluster's first block.
    public let genesis: Digest
    /// The dollar token.
    public let mint: SolanaAddress
    /// Whose tokens are sent.
    public let payer: SolanaAddress
    /// Where buyers send dollars to: the payer's token account, its token program, and the least
    /// that is credited, in the token's units. No account before it is watched: what came then
    /// would be credited to nobody.
    public var deposits: (account: String?, program: String, minimum: UInt64) {
        (watch.hasBegun ? "\(watch.account)" : nil, "\(program)", watch.minimumDeposit)
    }
    /// The same two in base58.
    public var names: (mint: String, payer: String) { ("\(mint)", "\(payer)") }
    /// When a payment is told to be made.
    public let finality: HouseConfiguration.Finality
    /// How many nodes are asked, and how many must say the same.
    public let endpoints: (count: Int, needed: Int)

    let nodes: SolanaNodes
    let driver: SolanaManagerDriver
    let records: RecordLog
    let firstRecord: Int64
    let tableRecords: RecordLog
    let tables: LookupTableKeeper
    let program: SolanaAddress
    let sequencer: Sequencer
    let metrics: HouseMetrics
    let log: Logger
    let notes: SolanaNotes
    /// What was signed and is not booked.
    let spending: SolanaSpending
    /// The token account that is paid from, against the books.
    let watch: SolanaWatch
    /// Whose record it is, in words: the cluster, the token and who pays.
    let owner: String
    /// How far the record is, for the journal.
    let pinning: SolanaPinning
    /// The durable nonces that payments use.
    let nonces: NonceKeeper
    /// Under which books payments are made.
    let books: SolanaBooks
    let sealing: DispersalSealing
    /// The pool whose roots are compared with transfers, if there is one.
    let pool: SolanaPool?
    let trees: PoolTrees
    let state = Mutex(State())

    /// Work beside the payments, which do not wait for it.
    enum Errand {
        case tables
        case books
        case pool
    }

    /// When an errand is done next, and how it went.
    struct Round {
        var next = ContinuousClock.now
        /// Why the last look came to nothing.
        var trouble: String?
    }

    struct State {
        /// The tables that the manager was told of last.
        var tables: [SolanaLookupTable] = []
        /// Before which dispersals everything is booked.
        var costMark = 0
        /// Before which dispersals the manager has forgotten everything.
        var forgotMark = 0
        /// Whether there was a look at what it could forget since the start.
        var hasForgotten = false
        /// How many dispersals, from the first on, were over at the start; -1 before that is asked.
        var overAtStart = -1
        /// The nonces that the manager was told of last.
        var nonces: [SolanaAddress] = []
        var nextNonces: ContinuousClock.Instant? = ContinuousClock.now
        var errands: [Errand: Round] = [:]
        var nextCosts = ContinuousClock.now
        /// Signed transactions that no block takes any more, and until when the nodes are not asked
        /// again for a proof that none has.
        var unproven: [Signature: ContinuousClock.Instant] = [:]
    }

    /// Asks the nodes for their cluster and the mint, and reads what the payout manager knew.
    ///
    /// - Parameter claimant: who takes over the claims of those that are paid.
    init(
        _ options: HouseConfiguration.Solana, claimant: EVMAddress, folder: String,
        sequencer: Sequencer, sealing: DispersalSealing, metrics: HouseMetrics, log: Logger
    ) async throws(HouseError) {
        try await Self.checkRecord(folder, sequencer)
        let nodes = try Self.nodes(options)
        let found = try await Self.cluster(of: nodes, options.mint)
        let pool = try await SolanaPool.find(options, nodes, genesis: found.genesis, sequencer)
        self.nodes = nodes
        genesis = found.genesis
        program = found.program
        mint = options.mint
        payer = options.key.address
        endpoints = (nodes.all.count, nodes.quorum.needed)
        finality = options.finality
        self.sequencer = sequencer
        self.sealing = sealing
        (self.metrics, self.log) = (metrics, log)
        let notes = SolanaNotes(metrics: metrics, log: log)
        self.notes = notes
        let owner = "solana:\(SolanaAddress(genesis)):\(mint):\(payer)"
        self.owner = owner
        do {
            let records = try RecordLog(path: Self.recordFile(in: folder), owner: owner)
            self.records = records
            let tableRecords = try RecordLog(path: folder + "/solana-tables.sqlite", owner: owner)
            self.tableRecords = tableRecords
            firstRecord = records.lastNumber
            let known = try records.load()
            let isNew = known.state == nil && known.records.isEmpty
            let check = try await Self.check(sequencer, owner, Self.recordFile(in: folder))
            let mark = isNew ? try Self.begin(check(SolanaMark(), true), log) : nil
            let pinning = SolanaPinning(sequencer, owner: owner)
            self.pinning = pinning
            let spending = try SolanaSpending(
                path: folder + "/solana-costs.sqlite", owner: owner, after: found.slot)
            self.spending = spending
            let key = NotedSigner(signer: options.key, spending: spending)
            driver = try SolanaManagerDriver(
                nodes: nodes.all, quorum: nodes.quorum,
                policy: Self.policy(options, found.program), key: key,
                state: known.state, records: known.records, after: mark,
                hooks: Self.hooks(records, notes, pinning),
                clock: { .systemNow }, tick: .milliseconds(250))
            if !isNew { _ = try Self.begin(check(driver.mark, false), log) }
            await sealing.use(driver)
            nonces = NonceKeeper(nodes, key: key, count: options.durableNonces)
            books = SolanaBooks(nodes, key: key, sequencer: sequencer)
            let trees = PoolTrees(sequencer, mint: options.mint, cluster: found.genesis)
            self.trees = trees
            let keeper = pool.map { [log] in
                SolanaPool($0, nodes, options, key: key, sequencer, sealing, trees, log: log)
            }
            self.pool = keeper
            tables = try Self.tables(nodes, key, options, found.program, tableRecords)
            let (mint, program) = (options.mint, found.program)
            watch = try SolanaWatch(
                SolanaWatch.Parts(
                    nodes: nodes, payer: payer, claimant: claimant,
                    treasuries: options.treasuries, minimumDeposit: options.minimumDeposit,
                    tokenAccount: { .tokenAccount(of: $0, mint: mint, program: program) },
                    driver: driver, pool: keeper, sequencer: sequencer, metrics: metrics,
                    log: log),
                path: folder + "/solana-watch.sqlite", owner: owner)
        } catch let error as HouseError {
            throw error
        } catch {
            throw HouseError(.storage, "the record of Solana's payouts cannot be read: \(error)")
        }
    }

    /// The file in a house's folder that holds what the payout manager knows.
    public static func recordFile(in folder: String) -> String { folder + "/solana.sqlite" }

    private static func hooks(
        _ records: RecordLog, _ notes: SolanaNotes, _ pinning: SolanaPinning
    ) -> SolanaManagerHooks {
        SolanaManagerHooks(
            durable: { try await records.append($0) }, report: { notes.report($0, $1) },
            alert: { notes.alert($0) }, pin: { try await pinning.pin($0) })
    }

    /// The keeper of the lookup tables whose addresses are on record.
    private static func tables(
        _ nodes: SolanaNodes, _ key: NotedSigner, _ options: HouseConfiguration.Solana,
        _ program: SolanaAddress, _ records: RecordLog
    ) throws -> LookupTableKeeper {
        LookupTableKeeper(
            nodes, key: key, mint: options.mint, program: program,
            hidesMint: options.namesMint, threshold: options.tableThreshold,
            known: try addresses(records.load().state ?? [])
        ) { addresses in
            var writer = ByteWriter()
            for address in addresses { writer.write(address) }
            try await records.replace(upTo: records.lastNumber, with: writer.bytes)
        }
    }

    /// How a record compares with the journal, by its mark and whether it is new.
    private static func check(
        _ sequencer: Sequencer, _ owner: String, _ file: String
    ) async throws -> (SolanaMark, Bool) -> SolanaRecordCheck {
        let (past, hasOpen) = try await sequencer.read { house in
            (
                house.solanaRecords,
                house.openDispersals.contains { $0.rail == .solana && $0.isOpen }
            )
        }
        return { mark, isNew in
            SolanaRecordCheck(
                past, owner: owner, mark: mark, isNew: isNew, hasOpen: hasOpen, file: file)
        }
    }

    private static func addresses(_ bytes: [UInt8]) throws(CodecError) -> [SolanaAddress] {
        var reader = ByteReader(bytes)
        var found: [SolanaAddress] = []
        for _ in 0..<bytes.count / 32 { found.append(try reader.read()) }
        try reader.finish()
        return found
    }

    /// Refuses to go on without the only record of what is on its way. The file is made when a
    /// house is first opened with this rail, before there is anything to send.
    private static func checkRecord(
        _ folder: String, _ sequencer: Sequencer
    ) async throws(HouseError) {
        if FileManager.default.fileExists(atPath: recordFile(in: folder)) { return }
        let hasSent: Bool
        do {
            hasSent = try await sequencer.read { house in
                house.dispersals.contains { $0.rail == .solana && $0.isOpen }
            }
        } catch {
            throw HouseError(.storage, "\(error)")
        }
        if hasSent {
            throw HouseError(
                .storage,
                "\(recordFile(in: folder)) is gone, and it alone knows which of the open "
                    + "Solana payouts were sent: put it back, as it was when the house stopped")
        }
    }

    /// The mark after which a new record goes on, if there was one before it; throws if the record
    /// must not be gone on with.
    private static func begin(
        _ check: SolanaRecordCheck, _ log: Logger
    ) throws(HouseError) -> SolanaMark? {
        switch check {
        case .newest: return nil
        case .begins(let mark): return mark
        case .journalBehind(let count):
            log.critical(
                "the journal is an older copy: on Solana more was signed than it knows of",
                metadata: [
                    "transactions": "\(count)",
                    "advice": "payments since are in no book: see exchequer reconcile",
                ])
            return nil
        case .refused(let why): throw HouseError(.storage, why)
        }
    }

    private static func nodes(
        _ options: HouseConfiguration.Solana
    ) throws(HouseError) -> SolanaNodes {
        do throws(RepeatedEndpoint) {
            try RPCEndpoints.requireDistinct(options.endpoints)
        } catch {
            throw HouseError(.configuration, "--solana-rpc-url: \(error)")
        }
        let count = options.endpoints.count
        let needed = options.quorum ?? count / 2 + 1
        guard count > 0, needed <= count, needed > count / 2 else {
            throw HouseError(
                .configuration,
                "of \(count) Solana nodes \(count / 2 + 1) to \(count) must agree, not \(needed)")
        }
        return SolanaNodes(
            options.endpoints.map { SolanaChain(rpc: JSONRPC(url: $0, timeout: .seconds(5))) },
            quorum: Quorum(needed: needed))
    }

    /// The same as `look`, with a slot that is final.
    private static func cluster(
        of nodes: SolanaNodes, _ mint: SolanaAddress
    ) async throws(HouseError) -> (genesis: Digest, program: SolanaAddress, slot: UInt64) {
        do throws(ChainError) {
            let found = try await look(at: mint, nodes)
            return (found.genesis, found.program, try await nodes.finalSlot())
        } catch {
            throw HouseError(.network, "the Solana cluster does not answer as it must: \(error)")
        }
    }

    /// The cluster's name and the token's program; throws if the token is not counted as dollars
    /// are.
    private static func look(
        at mint: SolanaAddress, _ nodes: SolanaNodes
    ) async throws(ChainError) -> (genesis: Digest, program: SolanaAddress) {
        let genesis = try await nodes.agreed { node throws(ChainError) in
            try await node.genesis()
        }
        let account = try await nodes.agreed { node throws(ChainError) in
            try await node.accounts([mint])
        }[0]
        // `spl_token::state::Mint`: the decimals are the byte at 44, whether it is ready at 45.
        guard let account, [.token, .token2022].contains(account.owner),
            account.data.count >= 82, account.data[45] == 1
        else { throw .inconsistentNode("\(mint) is no token") }
        // Of a fee the payee gets less than is booked; a delegate may take it; a hook may refuse.
        guard account.data.count == 82 else {
            throw .inconsistentNode("\(mint) is a token with extensions, which are not taken")
        }
        guard Int(account.data[44]) == Asset.usd.chainDecimals else {
            throw .inconsistentNode("\(mint) has \(account.data[44]) decimals")
        }
        return (genesis, account.owner)
    }

    private static func policy(
        _ options: HouseConfiguration.Solana, _ program: SolanaAddress
    ) -> SolanaManagerPolicy {
        var policy = SolanaManagerPolicy(
            mint: options.mint, decimals: UInt8(Asset.usd.chainDecimals),
            payer: options.key.address)
        policy.program = program
        policy.feeLimit = options.feeLimit
        policy.dayLimit = options.dayLimit
        policy.pollInterval = options.pollInterval
        policy.finality = options.finality == .finalized ? .finalized : .confirmed
        policy.reportsSubmission = options.finality == .submitted
        return policy
    }

    /// The dollars that the payer's account holds in a final block, as the books follow those: what
    /// open dispersals have taken since is not taken off twice.
    /// Nothing is sent while the pool has a root that the books do not know: an older copy of the
    /// journal would pay a second time what is a leaf of it.
    func float() async throws(ChainError) -> Amount {
        if let trouble = pool?.hindrance { throw .waits(trouble) }
        let source = SolanaAddress.tokenAccount(of: payer, mint: mint, program: program)
        await spending.passed(try await nodes.finalSlot())
        let slot = await spending.finalSlot
        let account = try await nodes.agreed { node throws(ChainError) in
            try await node.accounts([source], .finalized, since: slot)
        }[0]
        return Asset.usd.amount(chainUnits: UInt128(account?.tokens ?? 0)) ?? .zero
    }

    /// Works until the task is cancelled.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.drive() }
            group.addTask { await self.act() }
            group.addTask { await self.sayBooks() }
            group.addTask { await self.moveRoots() }
            group.addTask { await self.watch.run() }
            await group.waitForAll()
        }
        await records.rest(after: firstRecord, in: driver.stateAtRest(), log)
    }

    /// Closes the files of records.
    func close() {
        records.close()
        tableRecords.close()
        spending.close()
        watch.close()
    }
}
