import Chains
import Clearing
import Cryptography
import Economics
import Foundation
import Logging
import Primitives
import Service
import Testing
import Transport

/// A house whose contract gives slashes a veto window: it carries them out by itself when the
/// window is over, and gives the bond back in the books when an arbiter vetoed one.
@Suite(.timeLimit(.minutes(10))) struct VetoWindowTests {
    private static let window: UInt64 = 500
    private static let million: UInt128 = 1_000_000

    /// A chain of its own with the contracts; account 0 owns them and is the arbiter, 1 is the
    /// house, 2 and 3 have bonds, 4 has dollars in the house.
    private final class Stage {
        let process: Process
        let chain: EVMChain
        let keys: [Secp256k1.PrivateKey]
        let contract: SettlementContract
        /// The house's folder.
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "exchequer-veto-\(UUID().uuidString)")

        init() async throws {
            process = Process()
            let output = Pipe()
            let root = RunningHouse.repository
            process.executableURL = root.appending(path: ".venv/bin/python")
            process.arguments = [
                root.appending(path: "Tests/Harness/evm_node.py").path(), "--port", "0",
                "--accounts", "5", "--exit-with-parent",
            ]
            process.standardOutput = output
            try process.run()
            var line = Data()
            while !line.contains(0x0A) {
                let more = output.fileHandleForReading.availableData
                if more.isEmpty { break }
                line.append(more)
            }
            struct Said: Decodable {
                struct Account: Decodable { let privateKey: String }
                let listening: String
                let chainId: UInt64
                let accounts: [Account]
            }
            let said = try JSONDecoder().decode(Said.self, from: line)
            keys = try said.accounts.map {
                try #require(Hex.decode($0.privateKey).flatMap(Secp256k1.PrivateKey.init))
            }
            chain = EVMChain(
                rpc: JSONRPC(url: said.listening), chainID: said.chainId, confirmations: 1,
                pollInterval: .milliseconds(5))
            contract = try await Stage.deploy(EVMSender(chain: chain, key: keys[0]), keys)
        }

        deinit {
            process.terminate()
            process.waitUntilExit()
            try? FileManager.default.removeItem(at: folder)
        }

        /// Lets so many seconds pass on the chain, and a block be made.
        func pass(_ seconds: UInt64) async throws {
            let _: Int64 = try await chain.rpc.call("evm_increaseTime", [.quantity(seconds)])
            try await mine(1)
        }

        func mine(_ blocks: UInt64) async throws {
            let _: String? = try await chain.rpc.callOptional("anvil_mine", [.quantity(blocks)])
        }

        /// Takes back what is in the last blocks.
        func undo(_ blocks: UInt64) async throws {
            let _: String = try await chain.rpc.call(
                "anvil_reorg", [.quantity(blocks), .bool(false)])
        }

        /// From when the contract lets a verdict be executed; `nil` without a request.
        func moment(_ verdict: Digest) async throws -> UInt64? {
            let head = try await chain.head().number
            return try await reader().executableFrom([verdict], at: head).moments[0]
        }

        /// What a slash can reach of the convicted provider.
        func left() async throws -> UInt128 {
            let head = try await chain.head().number
            return try await reader().slashable([keys[2].address], at: head)[0]
        }

        func reader() async throws -> SettlementReader {
            try await SettlementReader(
                nodes: EVMNodes(chain), contract: contract.address,
                artifact: contract.contract.artifact)
        }

        /// Has the contract's owner, who may do all, call it.
        func own(_ function: String, _ arguments: [ABIValue]) async throws {
            let owner = EVMSender(chain: chain, key: keys[0])
            try Stage.done(await contract.contract.send(function, arguments, from: owner))
        }

        /// Adds to the convicted provider's bond.
        func bond(_ amount: UInt128) async throws {
            let owner = EVMSender(chain: chain, key: keys[0])
            let guest = EVMSender(chain: chain, key: keys[2])
            let reader = try await reader()
            let usd = TokenContract(
                chain: chain, address: reader.usd,
                artifact: try ContractArtifact(
                    contentsOf: Stage.artifacts.appending(path: "Token.json")))
            try Stage.done(await usd.transfer(amount, to: guest.address, from: owner))
            try Stage.done(await usd.approve(amount, for: contract.address, from: guest))
            try Stage.done(await contract.bond(amount, from: guest))
        }

        static var artifacts: URL { RunningHouse.repository.appending(path: "contracts-abi/evm") }

        private static func deploy(
            _ owner: EVMSender, _ keys: [Secp256k1.PrivateKey]
        ) async throws -> SettlementContract {
            func artifact(_ name: String) throws -> ContractArtifact {
                try ContractArtifact(contentsOf: artifacts.appending(path: "\(name).json"))
            }
            let supply = million * million
            let usd = try await TokenContract.deploy(
                artifact("Token"), name: "USD Coin", symbol: "USDC", version: "2", decimals: 6,
                supply: supply, from: owner)
            let tly = try await TokenContract.deploy(
                artifact("Token"), name: "Tally", symbol: "TLY", version: "1", decimals: 9,
                supply: supply, from: owner)
            let contract = try await SettlementContract.deploy(
                artifact("Exchequer"), vault: artifact("Vault"), usd: usd.address,
                tly: tly.address,
                delays: SettlementDelays(unbonding: 100_000, veto: window), from: owner)
            // Settler and slasher.
            try done(
                await contract.contract.send(
                    "grantRoles", [.address(keys[1].address), .uint(3)], from: owner))
            for key in keys[2...4] {
                let guest = EVMSender(chain: owner.chain, key: key)
                try done(await usd.transfer(100 * million, to: guest.address, from: owner))
                try done(await usd.approve(100 * million, for: contract.address, from: guest))
                try done(
                    key.address == keys[4].address
                        ? await contract.deposit(10 * million, from: guest)
                        : await contract.bond(100 * million, from: guest))
            }
            return contract
        }

        static func done(_ outcome: TransactionOutcome) throws {
            guard case .settled = outcome else { throw TransactionError(outcome) }
        }
    }

    /// A house on the stage, which works until the body has returned.
    private func withHouse(
        _ stage: Stage, confirmations: UInt64 = 1, _ body: (House) async throws -> Void
    ) async throws {
        var configuration = HouseConfiguration(
            folder: stage.folder.path(),
            models: [.init(path: try RunningHouse.modelPath(), name: "m")])
        configuration.settlement = HouseConfiguration.Settlement(
            endpoints: [stage.chain.rpc.url], contract: stage.contract.address,
            key: stage.keys[1], confirmations: confirmations, artifacts: Stage.artifacts.path())
        var rules = RunningHouse.rules
        rules.appealWindow = .seconds(1)
        configuration.parameters = rules
        configuration.auditInterval = .seconds(3_600)
        configuration.settlesByItself = false
        var log = Logger(label: "test") { StreamLogHandler.standardError(label: $0) }
        log.logLevel = .critical
        let house = try await House.open(configuration, log: log)
        let running = Task { try await house.run() }
        do {
            try await body(house)
        } catch {
            running.cancel()
            _ = await running.result
            throw error
        }
        running.cancel()
        _ = await running.result
    }

    private func submit(_ command: Command, _ house: House) async throws {
        _ = try await house.sequencer.submit(command).get()
    }

    private func key(_ number: UInt64) -> PublicKey { PublicKey(Digest(words: (7, 0, 0, number))) }

    private func signed<Body>(_ body: Body, by number: UInt64) throws -> Signed<Body> {
        let signature = try #require(Signature([UInt8](repeating: 0, count: 64)))
        return Signed(body: body, signer: key(number), signature: signature)
    }

    /// A job of the first provider's that the second one finds to be wrong. The house judges what
    /// was checked at its doors, so any signature will do here.
    private func convict(_ house: House, _ stage: Stage) async throws -> VerdictRecord {
        let addresses = stage.keys.map(\.address)
        try await eventually("bonds and deposit are booked") {
            try await house.sequencer.read { house in
                let buyer = house.party(address: addresses[4])
                return house.parties.count == 3
                    && buyer.map { !house.balance(.available, .usd, of: $0.id).isZero } == true
            }
        }
        let parties = try await house.sequencer.read { house in
            addresses.map { house.party(address: $0)?.id ?? .none }
        }
        for (number, party) in [(UInt64(1), parties[2]), (2, parties[3])] {
            try await submit(
                .registerNode(party, key: key(number), kernel: "numerics-v1/scalar"), house)
            try await submit(.setPresence(NodeID(number), online: true), house)
        }
        try await submit(.enlistVerifier(NodeID(2), model: ModelID(1)), house)
        let model = try #require(try await house.sequencer.read { $0.model(ModelID(1)) })
        let layers = try #require(LayerRange(0, model.draft.layers))
        let price = Price(perMillion: 400_000_000_000)
        let offer = OfferDraft(
            node: NodeID(1), model: ModelID(1), layers: layers,
            weights: Digest(words: (1, 2, 3, 4)),
            inputPrice: price, outputPrice: price, concurrency: 1, context: 512, region: "",
            expiresAt: .systemNow + .seconds(1_000))
        try await submit(.postOffer(offer), house)
        let demand = Demand(
            buyer: parties[4], request: 1, model: ModelID(1), promptTokens: 10, maxTokens: 20,
            input: .zero)
        try await submit(.openJob(demand), house)
        let receipt = Receipt(
            job: JobID(1), attempt: 1, stage: 0, stages: 1, layers: layers, model: model.draft.root,
            weights: offer.weights, profile: model.draft.profile, positions: 14, promptTokens: 10,
            outputTokens: 5, inputRoot: .zero, outputRoot: .zero, startedAt: .zero,
            finishedAt: .zero, previous: .zero)
        try await submit(
            .submitReceipts(
                Delivery(
                    job: JobID(1), attempt: 1, outputTokens: 5, output: .zero,
                    receipts: [try signed(receipt, by: 1)])), house)
        try await submit(.drawAudits(beacon: Digest(words: (9, 9, 9, 9))), house)
        let verdict = Verdict(
            job: JobID(1), attempt: 1, code: .outputMismatch, accusedStage: 0,
            recomputedRoot: .zero, evidence: Digest(words: (5, 5, 5, 5)))
        try await submit(.recordVerdict(try signed(verdict, by: 2)), house)
        return try #require(try await house.sequencer.read { $0.verdicts.first })
    }

    @Test(arguments: [false, true]) func aSlashWaitsForItsWindow(isVetoed: Bool) async throws {
        let stage = try await Stage()
        let held = try await wei(stage)
        try await withHouse(stage) { house in
            let record = try await convict(house, stage)
            let settlement = try #require(house.settlement)
            try await eventually("the slash is requested") {
                try await stage.moment(record.slashKey) != nil
            }
            #expect(try await settlement.reconcile(StrandingRules()).isBalanced)
            if isVetoed {
                try await stage.own("vetoSlash", [.bytes32(record.slashKey)])
            } else {
                try await stage.pass(Self.window)
            }
            try await eventually("the books know") {
                try await house.sequencer.read {
                    $0.unsettledSlashes.isEmpty && !$0.verdicts.isEmpty
                }
            }
            let provider = stage.keys[2].address
            let left = try await stage.left()
            let booked = try await house.sequencer.read { house in
                house.balance(.bonded, .usd, of: house.party(address: provider)?.id ?? .none)
            }
            let captured = Asset.usd.chainUnits(record.captured)
            if isVetoed {
                #expect(left == 100 * Self.million)
                // The verifier's bounty was paid out, and is the house's loss.
                #expect(Asset.usd.chainUnits(booked) > left - captured)
            } else {
                #expect(left == 100 * Self.million - captured)
                #expect(Asset.usd.chainUnits(booked) == left)
                #expect(try await settlement.reconcile(StrandingRules()).isBalanced)
            }
            // Whatever the house sent is in its books, to the wei.
            let spent = held - (try await wei(stage))
            try await eventually("what the slash cost is booked") {
                try await house.sequencer.read { $0.expense(.wei).units == spent }
            }
            let costs = try await house.sequencer.read { $0.costs(of: .verdict(record.id)) }
            #expect(costs.count == (isVetoed ? 1 : 2))
            #expect(costs.reduce(0) { $0 + $1.units } == spent)
        }
    }

    /// The record of what was sent is lost while the slash waits, as when the house is started on
    /// another machine: the contract says that it is requested.
    @Test func aRequestOutlivesTheRecordOfIt() async throws {
        let stage = try await Stage()
        var found: VerdictRecord?
        try await withHouse(stage) { house in
            let record = try await convict(house, stage)
            found = record
            try await eventually("the slash is requested") {
                try await stage.moment(record.slashKey) != nil
            }
        }
        let record = try #require(found)
        let files = FileManager.default
        for name in try files.contentsOfDirectory(atPath: stage.folder.path())
        where name.hasPrefix("settlement.sqlite") {
            try files.removeItem(at: stage.folder.appending(path: name))
        }
        try await withHouse(stage) { house in
            try await stage.pass(Self.window)
            try await eventually("the slash is carried out") {
                try await house.sequencer.read { $0.unsettledSlashes.isEmpty }
            }
            let captured = Asset.usd.chainUnits(record.captured)
            #expect(try await stage.left() == 100 * Self.million - captured)
            let settlement = try #require(house.settlement)
            #expect(try await settlement.reconcile(StrandingRules()).isBalanced)
            #expect(settlement.refusedExecutions == 0)
        }
    }

    /// The house's key may not slash, so the contract never hears of it.
    @Test func aSlashThatIsNotRequestedIsTold() async throws {
        let stage = try await Stage()
        let slasher: [ABIValue] = [.address(stage.keys[1].address), .uint(2)]
        try await stage.own("revokeRoles", slasher)
        try await withHouse(stage) { house in
            let record = try await convict(house, stage)
            let settlement = try #require(house.settlement)
            var atOnce = StrandingRules()
            atOnce.overdue = .seconds(0)
            func told(_ rules: StrandingRules) async throws -> [StrandedItem] {
                try await settlement.reconcile(rules).stranded
                    .filter { $0.kind == .slashNotExecuted }
            }
            try await eventually("it is told") { try await !told(atOnce).isEmpty }
            let item = try #require(try await told(atOnce).first)
            #expect(item.amount == Asset.usd.chainUnits(record.captured) && item.number == 1)
            // It may be on its way for an hour.
            #expect(try await told(StrandingRules()).isEmpty)
            #expect(try await stage.moment(record.slashKey) == nil)
            try await stage.own("grantRoles", slasher)
            try await eventually("the slash is requested") {
                _ = await settlement.resume()
                return try await stage.moment(record.slashKey) != nil
            }
            try await eventually("it waits for its window") { try await told(atOnce).isEmpty }
            try await stage.pass(Self.window)
            try await eventually("the books know") {
                try await house.sequencer.read { $0.unsettledSlashes.isEmpty }
            }
        }
    }

    /// A node that is behind knows of no bond yet: a slash is not written off for that.
    @Test func oneNodesWordEndsNoSlash() async throws {
        let stage = try await Stage()
        try await withHouse(stage) { house in
            let settlement = try #require(house.settlement)
            let _: Bool = try await stage.chain.rpc.call(
                "test_fault",
                [
                    .object([
                        "method": "eth_estimateGas", "kind": "error", "code": .integer(3),
                        "message": "execution reverted: no bond",
                    ])
                ])
            let record = try await convict(house, stage)
            try await eventually("it was refused") { settlement.refusedSlashes == 1 }
            let state = try await house.sequencer.read { $0.verdicts.first?.state }
            #expect(state != .forgone)
            try await eventually("the slash is requested") {
                // What was refused is tried at once.
                _ = await settlement.resume()
                return try await stage.moment(record.slashKey) != nil
            }
        }
    }

    /// Another slash has taken all when the window is over. The books stop waiting; the contract
    /// does not, and the request reaches a later bond, or is taken back when it is void.
    @Test(arguments: [false, true]) func aSlashWithoutABond(bondsAgain: Bool) async throws {
        let stage = try await Stage()
        let held = try await wei(stage)
        let other = Digest(words: (8, 8, 8, 8))
        let provider = stage.keys[2].address
        try await stage.own(
            "slash",
            [.address(provider), .uint(100 * Self.million), .uint(0), .bytes32(other)])
        try await stage.pass(Self.window - 100)
        try await withHouse(stage) { house in
            let record = try await convict(house, stage)
            let settlement = try #require(house.settlement)
            try await eventually("the slash is requested") {
                try await stage.moment(record.slashKey) != nil
            }
            try await stage.pass(200)
            try await stage.own("executeSlash", [.bytes32(other)])
            #expect(try await stage.left() == 0)
            try await stage.pass(Self.window)
            func verdict() async throws -> VerdictRecord? {
                try await house.sequencer.read { $0.verdicts.first }
            }
            func bonded() async throws -> UInt128 {
                try await house.sequencer.read { house in
                    let party = house.party(address: provider)?.id ?? .none
                    return Asset.usd.chainUnits(house.balance(.bonded, .usd, of: party))
                }
            }
            try await eventually("it is forgone") { try await verdict()?.state == .forgone }
            #expect(try await verdict()?.settledOnChain == false)
            #expect(try await stage.moment(record.slashKey) != nil)
            let told = try await settlement.reconcile(StrandingRules()).stranded
            #expect(told.contains { $0.kind == .slashForgone && $0.number == 1 })
            let before = try await bonded()
            if bondsAgain {
                try await stage.bond(50 * Self.million)
                try await eventually("the new bond is booked") { try await bonded() > before }
            } else {
                try await stage.pass(SettlementReader.executionWindow)
            }
            try await eventually("it is over") {
                // What was refused is tried at once.
                _ = await settlement.resume()
                return try await verdict()?.settledOnChain == true
            }
            #expect(try await stage.moment(record.slashKey) == nil)
            let captured = Asset.usd.chainUnits(record.captured)
            let more = bondsAgain ? 50 * Self.million - captured : 0
            #expect(try await stage.left() == more)
            #expect(try await bonded() == before + more)
            #expect(try await settlement.reconcile(StrandingRules()).stranded.isEmpty)
            let spent = held - (try await wei(stage))
            try await eventually("what it cost is booked") {
                try await house.sequencer.read { $0.expense(.wei).units == spent }
            }
            #expect(try await house.sequencer.read { $0.costs(of: .verdict(record.id)) }.count == 2)
        }
    }

    /// Another slash has taken all, in a block that a reorganisation takes back: meanwhile nothing
    /// is written off, and then it is carried out.
    @Test func aBondIsGoneOnlyWhenTheBooksAreThere() async throws {
        let stage = try await Stage()
        let other = Digest(words: (8, 8, 8, 8))
        try await stage.own(
            "slash",
            [
                .address(stage.keys[2].address), .uint(100 * Self.million), .uint(0),
                .bytes32(other),
            ])
        try await stage.pass(Self.window - 100)
        try await stage.mine(8)
        try await withHouse(stage, confirmations: 8) { house in
            let record = try await convict(house, stage)
            let settlement = try #require(house.settlement)
            try await eventually("the slash is requested") {
                try await stage.moment(record.slashKey) != nil
            }
            try await stage.pass(200)
            try await stage.mine(8)
            try await stage.own("executeSlash", [.bytes32(other)])
            try await stage.pass(Self.window)
            for _ in 1...3 {
                try await eventually("it finds no bond") { settlement.refusedExecutions == 1 }
                _ = await settlement.resume()
            }
            #expect(try await stage.left() == 0)
            #expect(try await house.sequencer.read { $0.verdicts.first?.state } == .executed)
            try await stage.undo(2)
            try await stage.pass(Self.window)
            try await eventually("the slash is carried out") {
                _ = await settlement.resume()
                try await stage.mine(1)
                return try await house.sequencer.read { $0.unsettledSlashes.isEmpty }
            }
            #expect(try await house.sequencer.read { $0.verdicts.first?.state } == .executed)
            let captured = Asset.usd.chainUnits(record.captured)
            #expect(try await stage.left() == 100 * Self.million - captured)
        }
    }

    /// What the house's account holds.
    private func wei(_ stage: Stage) async throws -> UInt128 {
        let text: String = try await stage.chain.rpc.call(
            "eth_getBalance", [.string(stage.keys[1].address.hex), .string("latest")])
        return try #require(UInt128(text.dropFirst(2), radix: 16))
    }
}
