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
/// What is to be sent follows from the books each time, and is compared with the chain before it
/// is sent: a root has its number and a slash its verdict, and the contract takes each once. So a
/// crash, a lost answer or an unknown outcome is put right by looking again, never by guessing.
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

    private let startBlock: UInt64
    private let chain: EVMChain
    private let settlement: SettlementContract
    private let sender: EVMSender
    private let watcher: LogWatcher
    private let sequencer: Sequencer
    private let liabilities: LiabilityBook
    private let metrics: HouseMetrics
    private let log: Logger
    private let pollInterval = Duration.milliseconds(250)
    /// How long to wait before something that the contract refused is tried again.
    private let refusalPause = Duration.seconds(30)
    private let state = Mutex(State())

    private struct State {
        var isHalted = false
        /// Slashes the contract refused, and when to try again.
        var refused: [VerdictID: ContinuousClock.Instant] = [:]
        /// The last tree that was asked for: everyone wants the newest.
        var tree: (batch: BatchID, tree: ClaimTree)?
    }

    /// Whether the chain contradicts what was booked: nothing more is booked or sent until a
    /// person has looked.
    public var isHalted: Bool { state.withLock { $0.isHalted } }

    /// Slashes and roots that the contract refused and that are waiting to be tried again.
    public var refusedSlashes: Int { state.withLock { $0.refused.count } }

    /// Asks the node who it is and the contract for its tokens.
    init(
        _ options: HouseConfiguration.Settlement, sequencer: Sequencer,
        liabilities: LiabilityBook, metrics: HouseMetrics, log: Logger
    ) async throws(HouseError) {
        let artifact: ContractArtifact
        do throws(ABIError) {
            let file = URL(fileURLWithPath: "\(options.artifacts)/Exchequer.json")
            artifact = try ContractArtifact(contentsOf: file)
        } catch {
            throw HouseError(
                .configuration, "\(options.artifacts) has no interface of the contract: \(error)")
        }
        let rpc = JSONRPC(url: options.rpc)
        do {
            chainID = try await EVMChain.chainID(at: rpc)
            chain = EVMChain(
                rpc: rpc, chainID: chainID, confirmations: options.confirmations,
                pollInterval: .milliseconds(200))
            settlement = SettlementContract(
                chain: chain, address: options.contract, artifact: artifact)
            usd = try await SettlementService.token("USDC", of: settlement)
            tly = try await SettlementService.token("TLY", of: settlement)
            watcher = try settlement.watcher()
        } catch {
            throw HouseError(
                .network, "the chain at \(options.rpc) or its contract does not answer: \(error)")
        }
        contract = options.contract
        confirmations = options.confirmations
        startBlock = options.startBlock
        sender = EVMSender(chain: chain, key: options.key)
        self.sequencer = sequencer
        self.liabilities = liabilities
        self.metrics = metrics
        self.log = log
    }

    /// How long a bond takes to leave the contract.
    func unbondingDelay() async throws(HouseError) -> Timestamp.Span {
        do {
            guard let value = try await settlement.contract.read("UNBONDING_DELAY").first else {
                throw ChainError.inconsistentNode("the contract has no unbonding delay")
            }
            return .seconds(try value.uint64("UNBONDING_DELAY"))
        } catch {
            throw HouseError(.network, "the contract does not answer: \(error)")
        }
    }

    private static func token(
        _ getter: String, of settlement: SettlementContract
    ) async throws -> EVMAddress {
        guard let value = try await settlement.contract.read(getter).first else {
            throw ChainError.inconsistentNode("the contract names no \(getter)")
        }
        return try value.address(getter)
    }

    /// The hash of the newest block; `nil` if the node does not answer.
    func newestBlock() async -> Digest? { try? await chain.head().hash }

    /// Works until the task is cancelled.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.watch() }
            group.addTask { await self.act() }
            await group.waitForAll()
        }
    }

    // MARK: What the chain says

    private func watch() async {
        guard var cursor = await bookedCursor() else { return }
        var complained = false
        while !Task.isCancelled {
            do throws(ChainError) {
                let page = try await watcher.read(from: cursor)
                complained = false
                if await book(page.records) {
                    cursor = page.cursor
                    if page.hasMore { continue }
                }
            } catch {
                metrics.chainFailed()
                if case .deepReorg(let block) = error { return halt(block) }
                if !complained {
                    log.warning("the chain cannot be read", metadata: ["error": "\(error)"])
                }
                complained = true
            }
            try? await Task.sleep(for: pollInterval)
        }
    }

    /// Books a page of logs; false if the house could not take them, so that they come again.
    private func book(_ records: [ChainRecord]) async -> Bool {
        let commands = records.compactMap { command(for: $0) }
        for start in stride(from: 0, to: commands.count, by: 1_000) {
            let part = Array(commands[start..<min(start + 1_000, commands.count)])
            do throws(SequencerError) {
                for (command, outcome) in zip(part, try await sequencer.submit(batch: part)) {
                    note(command, outcome)
                }
            } catch {
                log.warning("chain logs wait to be booked", metadata: ["why": "\(error)"])
                return false
            }
        }
        return true
    }

    private func note(_ command: Command, _ outcome: Sequencer.Outcome) {
        switch outcome {
        case .success: metrics.bookedLog()
        // Read again after a restart.
        case .failure(.chainEventReplayed): return
        case .failure(let rejection):
            metrics.refusedLog()
            log.error(
                "a chain log was refused",
                metadata: ["rejection": "\(rejection)", "log": "\(command)"])
        }
    }

    private func halt(_ block: UInt64) {
        state.withLock { $0.isHalted = true }
        log.critical(
            "a final block is gone from the chain: settlement stops, a person decides",
            metadata: ["block": "\(block)"])
    }

    private func command(for record: ChainRecord) -> Command? {
        guard let observation = ChainObservation(record.event, usd: usd, tly: tly) else {
            log.error("a claim of an unknown token", metadata: ["log": "\(record.event)"])
            return nil
        }
        let place = record.reference
        return .observeChain(
            Clearing.ChainReference(
                chain: place.chainID, block: place.blockNumber,
                logIndex: UInt32(clamping: place.logIndex), blockHash: place.blockHash,
                transaction: place.transaction), observation)
    }

    /// Where reading goes on: at the block of the last log in the books, which is read again and
    /// booked once. `nil` if the task was cancelled, or the chain has another block there.
    private func bookedCursor() async -> LogCursor? {
        while !Task.isCancelled {
            do {
                let (booked, hash) = try await sequencer.read { ($0.chainCursor, $0.chainBlock) }
                guard booked.any else { return LogCursor(nextBlock: startBlock) }
                guard let block = try await chain.block(booked.block) else {
                    throw ChainError.inconsistentNode("block \(booked.block) is not there yet")
                }
                if block.hash == hash { return LogCursor(nextBlock: booked.block) }
                halt(booked.block)
                return nil
            } catch {
                metrics.chainFailed()
                log.warning("the chain cannot be read", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: .seconds(2))
            }
        }
        return nil
    }

    // MARK: What the chain is told

    private func act() async {
        while !Task.isCancelled, !isHalted {
            try? await Task.sleep(for: pollInterval)
            do throws(ChainError) {
                // A root that pays slashed money is refused until the slash is mined.
                if try await sendSlashes() { try await sendRoot() }
            } catch {
                metrics.chainFailed()
                log.warning("settlement waits for the chain", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: .seconds(2))
            }
        }
    }

    /// Sends what is executed in the books and not on chain; whether roots may go on. A slash that
    /// the contract refuses holds nobody else's money back: it is tried again later, and counted.
    private func sendSlashes() async throws(ChainError) -> Bool {
        guard
            let due = try? await sequencer.read({ house in
                house.unsettledSlashes.map { ($0, house.party($0.accused)?.address) }
            })
        else { return false }
        var isClear = true
        for (record, address) in due {
            let retry = state.withLock { $0.refused[record.id] }
            if let retry, retry > .now { continue }
            guard let address, try await !settlement.isVerdictUsed(record.slashKey) else {
                // It is in the chain already, and its log comes.
                isClear = false
                continue
            }
            let outcome = await settlement.slash(
                address, amount: Asset.usd.chainUnits(record.captured),
                burned: Asset.usd.chainUnits(record.burned), verdict: record.slashKey,
                from: sender)
            tell("slash", "verdict \(record.id)", outcome)
            if Self.findsNoBond(outcome) {
                _ = try? await sequencer.submit(.writeOffSlash(record.id))
                continue
            }
            let isRefused =
                if case .failed(.reverted) = outcome { true } else { wasRefused(outcome) }
            state.withLock { $0.refused[record.id] = isRefused ? .now + refusalPause : nil }
            if !isRefused { isClear = false }
        }
        return isClear
    }

    /// Whether the contract says for good that there is no bond left to take.
    private static func findsNoBond(_ outcome: TransactionOutcome) -> Bool {
        switch outcome {
        case .failed(.reverted(let reason, _)), .failed(.notSent(.reverted(let reason))):
            reason.contains("no bond")
        default: false
        }
    }

    /// Whether the contract refused before anything was sent.
    private func wasRefused(_ outcome: TransactionOutcome) -> Bool {
        if case .failed(.notSent(.reverted)) = outcome { true } else { false }
    }

    /// Sends the root of the last batch if the chain does not have it.
    private func sendRoot() async throws(ChainError) {
        guard let last = (try? await sequencer.read { $0.batches.last }) ?? nil else { return }
        switch last.state {
        case .confirmed:
            return
        case .cut:
            let root = claimTree(of: last).root
            guard let owed = try? await liabilities.commit(last.id, from: sequencer) else { return }
            _ = try? await sequencer.submit(.sealBatch(last.id, root: root, liabilities: owed))
        case .sealed:
            guard try await settlement.batch() < last.id.rawValue else { return }
            var totals: [Asset: UInt128] = [:]
            for line in last.lines { totals[line.asset, default: 0] += line.cumulative }
            let outcome = await settlement.commitRoot(
                batch: last.id.rawValue, root: last.root, totalUSD: totals[.usd] ?? 0,
                totalTLY: totals[.tly] ?? 0, journalHead: sequencer.head.hash,
                liabilities: last.liabilities?.root ?? .zero, from: sender)
            tell("root", "batch \(last.id)", outcome)
            if case .failed = outcome {
                metrics.chainFailed()
                try? await Task.sleep(for: refusalPause)
            }
        }
    }

    private func tell(_ what: String, _ name: String, _ outcome: TransactionOutcome) {
        switch outcome {
        case .settled(let receipt):
            log.info(
                "\(what) settled",
                metadata: ["of": "\(name)", "transaction": "0x\(receipt.transaction.hex)"])
        case .failed(let failure):
            log.error("\(what) failed", metadata: ["of": "\(name)", "why": "\(failure)"])
        case .unknown(let hash, let error):
            log.warning(
                "the outcome of a \(what) is unknown; the chain will tell",
                metadata: [
                    "of": "\(name)", "transaction": "0x\(hash.hex)", "why": "\(error)",
                ])
        }
    }

    // MARK: Claims

    /// The claims a batch allots, in the order of its lines.
    public func claims(of batch: Batch) -> [Claim] {
        batch.lines.map { line in
            Claim(
                chainID: chainID, contract: contract, token: line.asset == .usd ? usd : tly,
                account: line.address, cumulative: line.cumulative)
        }
    }

    /// The tree whose root a batch commits. O(lines) the first time, then remembered until another
    /// batch is asked for.
    public func claimTree(of batch: Batch) -> ClaimTree {
        if let last = state.withLock({ $0.tree }), last.batch == batch.id { return last.tree }
        let tree = ClaimTree(claims: claims(of: batch))
        state.withLock { $0.tree = (batch.id, tree) }
        return tree
    }
}

extension ChainObservation {
    /// What a log of the contract means to the books; `nil` for a claim of an unknown token.
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
            self = .slashed(
                account: provider, chainUnits: amount, burned: burned, verdict: verdict)
        case .rootCommitted(let batch, let root, _, _, _, _, _):
            self = .rootCommitted(batch: BatchID(batch), root: root)
        case .claimed(let token, let account, let amount, _):
            guard let asset: Asset = token == usd ? .usd : token == tly ? .tly : nil else {
                return nil
            }
            self = .claimed(account: account, asset: asset, chainUnits: amount)
        }
    }
}
