import Chains
public import Clearing
public import Cryptography
import Foundation
import Logging
public import Primitives
import Storage

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

    private let chain: EVMChain
    private let settlement: SettlementContract
    private let sender: EVMSender
    private let watcher: LogWatcher
    private let sequencer: Sequencer
    private let metrics: HouseMetrics
    private let log: Logger
    private let cursorFile: URL
    private let pollInterval = Duration.milliseconds(250)

    /// Asks the node who it is and the contract for its tokens.
    init(
        _ options: HouseConfiguration.Settlement, folder: String, sequencer: Sequencer,
        metrics: HouseMetrics, log: Logger
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
            chainID = try await SettlementService.chainID(rpc)
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
        sender = EVMSender(chain: chain, key: options.key)
        self.sequencer = sequencer
        self.metrics = metrics
        self.log = log
        cursorFile = URL(fileURLWithPath: folder + "/chain.cursor")
    }

    private static func chainID(_ rpc: JSONRPC) async throws -> UInt64 {
        let text: String = try await rpc.call("eth_chainId")
        guard let id = UInt64(text.dropFirst(2), radix: 16) else {
            throw ChainError.inconsistentNode("the chain has no id")
        }
        return id
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
        var cursor = await storedCursor()
        var complained = false
        while !Task.isCancelled {
            do throws(ChainError) {
                let page = try await watcher.read(from: cursor)
                complained = false
                if await book(page.records) {
                    cursor = page.cursor
                    store(cursor)
                    if page.hasMore { continue }
                }
            } catch {
                metrics.chainFailed()
                if case .deepReorg(let block) = error {
                    log.critical(
                        "a final block is gone from the chain: watching stops, a person decides",
                        metadata: ["block": "\(block)"])
                    return
                }
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
        if commands.isEmpty { return true }
        guard let outcomes = try? await sequencer.submit(batch: commands) else { return false }
        for (command, outcome) in zip(commands, outcomes) {
            switch outcome {
            case .success: metrics.bookedLog()
            // Read again after a restart.
            case .failure(.chainEventReplayed): continue
            case .failure(let rejection):
                metrics.refusedLog()
                log.error(
                    "a chain log was refused",
                    metadata: ["rejection": "\(rejection)", "log": "\(command)"])
            }
        }
        return true
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

    /// Where reading stopped: the cursor file, or else what the books say. Both may be behind,
    /// never ahead; what is read twice is booked once.
    private func storedCursor() async -> LogCursor {
        if let data = try? Data(contentsOf: cursorFile),
            let cursor = try? LogCursor(canonicalBytes: Array(data))
        {
            return cursor
        }
        let booked = try? await sequencer.read { $0.chainCursor }
        return LogCursor(nextBlock: booked.map { $0.any ? $0.block : 0 } ?? 0)
    }

    private func store(_ cursor: LogCursor) {
        try? Data(cursor.canonicalBytes()).write(to: cursorFile, options: .atomic)
    }

    // MARK: What the chain is told

    private func act() async {
        while !Task.isCancelled {
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

    /// Sends what is executed in the books and not on chain; whether nothing is left to send.
    private func sendSlashes() async throws(ChainError) -> Bool {
        guard
            let due = try? await sequencer.read({ house in
                house.unsettledSlashes.map { ($0, house.party($0.accused)?.address) }
            })
        else { return false }
        for (record, address) in due {
            guard let address, try await !settlement.isVerdictUsed(record.slashKey) else {
                continue
            }
            let outcome = await settlement.slash(
                address, amount: Asset.usd.chainUnits(record.captured),
                burned: Asset.usd.chainUnits(record.burned), verdict: record.slashKey,
                from: sender)
            tell("slash", "verdict \(record.id)", outcome)
        }
        return due.isEmpty
    }

    private func sendRoot() async throws(ChainError) {
        guard let last = (try? await sequencer.read { $0.batches.last }) ?? nil else { return }
        switch last.state {
        case .confirmed:
            return
        case .cut:
            let root = claimTree(of: last).root
            _ = try? await sequencer.submit(.sealBatch(last.id, root: root))
        case .sealed:
            guard try await settlement.batch() < last.id.rawValue else { return }
            var totals: [Asset: UInt128] = [:]
            for line in last.lines { totals[line.asset, default: 0] += line.cumulative }
            let outcome = await settlement.commitRoot(
                batch: last.id.rawValue, root: last.root, totalUSD: totals[.usd] ?? 0,
                totalTLY: totals[.tly] ?? 0, journalHead: sequencer.head.hash, from: sender)
            tell("root", "batch \(last.id)", outcome)
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

    /// The tree whose root a batch commits. O(lines).
    public func claimTree(of batch: Batch) -> ClaimTree { ClaimTree(claims: claims(of: batch)) }
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
        case .rootCommitted(let batch, let root, _, _, _, _):
            self = .rootCommitted(batch: BatchID(batch), root: root)
        case .claimed(let token, let account, let amount, _):
            guard let asset: Asset = token == usd ? .usd : token == tly ? .tly : nil else {
                return nil
            }
            self = .claimed(account: account, asset: asset, chainUnits: amount)
        }
    }
}
