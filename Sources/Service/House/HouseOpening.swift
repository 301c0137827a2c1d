import Clearing
import Cryptography
import Economics
import Foundation
import Inference
import Logging
import Primitives
import Storage
import Transport

/// The steps from a folder and a configuration to a house that can run.
struct HouseOpening: Sendable {
    let configuration: HouseConfiguration
    let log: Logger

    /// What a house is made of.
    struct Parts {
        let sequencer: Sequencer
        let hub: NodeHub
        let models: ModelLibrary
        let evidence: EvidenceStore
        let settlement: SettlementService?
        let payouts: PayoutDesk?
        let liabilities: LiabilityBook
        let metrics: HouseMetrics
        let identity: Ed25519.PrivateKey
        let listener: SecureListener
        let publicHost: String
        let operatorTokenHash: Digest
        let auditInterval: Duration
        let weightInterval, weightPatience: Duration
        let measureInterval: Duration
        let settlesByItself: Bool
        let evidenceSeconds: Int64
        let gracePeriod: Duration
        let patience: JobSpec.Patience
    }

    private var folder: String { configuration.folder }
    private var journal: HouseJournal { HouseJournal(configuration, log: log) }

    func open() async throws(HouseError) -> House {
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700])
        } catch {
            throw HouseError(.configuration, "the folder \(folder) cannot be made")
        }
        let identity = try identity()
        let token = try secret(House.operatorTokenFile(in: folder))
        let liabilities = LiabilityBook(
            salt: try secret(LiabilityBook.saltFile(in: folder)),
            openJournal: { [journal] () throws(JournalError) in
                try journal.place.openForReading()
            })
        let files = try loadModels()
        let sequencer = try journal.open()
        do throws(HouseError) {
            return try await open(sequencer, liabilities, identity, token: token, files)
        } catch {
            try? await sequencer.stop()
            throw error
        }
    }

    private func open(
        _ sequencer: Sequencer, _ liabilities: LiabilityBook, _ identity: Ed25519.PrivateKey,
        token: [UInt8],
        _ files: [(ModelFile, ModelManifest)]
    ) async throws(HouseError) -> House {
        let metrics = HouseMetrics()
        let isOld = sequencer.head.sequence > 0
        let end = ContinuousClock.now + (isOld ? configuration.startPatience : .zero)
        var settlement: SettlementService?
        if let options = configuration.settlement {
            settlement = try await patiently(until: end) { () throws(HouseError) in
                try await SettlementService(
                    options, folder: folder, sequencer: sequencer, liabilities: liabilities,
                    house: identity.publicKey.value.bytes, metrics: metrics, log: log)
            }
        }
        let payouts = try await patiently(until: end) { () throws(HouseError) in
            try await desk(settlement, sequencer, metrics)
        }
        try await configure(sequencer, chain: settlement?.chainID ?? 0)
        try journal.remember()
        try await patiently(until: end) { () throws(HouseError) in
            try await settlement?.checkKeys(
                allowsAnyRoles: configuration.settlement?.allowsAnyRoles ?? false)
            try await checkWindows(settlement, sequencer)
            try await settlement?.checkDelays()
        }
        let models = try await register(files, sequencer)
        try await putRight(sequencer)
        let evidence: EvidenceStore
        do throws(JournalError) {
            evidence = try EvidenceStore(path: folder + "/evidence.sqlite")
        } catch {
            throw HouseError(.storage, "the evidence cannot be opened: \(error)")
        }
        let listener: SecureListener
        do throws(SecureLinkError) {
            listener = try await SecureListener.bind(
                host: configuration.wireHost, port: configuration.wirePort, identity: identity)
        } catch {
            throw HouseError(
                .network, "cannot listen for nodes on port \(configuration.wirePort): \(error)")
        }
        return House(
            Parts(
                sequencer: sequencer, hub: NodeHub(), models: models, evidence: evidence,
                settlement: settlement, payouts: payouts, liabilities: liabilities,
                metrics: metrics,
                identity: identity, listener: listener,
                publicHost: configuration.publicHost ?? configuration.wireHost,
                operatorTokenHash: SHA256.hash(Array(Hex.encode(token).utf8)),
                auditInterval: configuration.auditInterval,
                weightInterval: configuration.weightInterval,
                weightPatience: configuration.weightPatience,
                measureInterval: configuration.measureInterval,
                settlesByItself: configuration.settlesByItself,
                evidenceSeconds: configuration.evidenceSeconds,
                gracePeriod: isOld ? configuration.gracePeriod : .zero,
                patience: configuration.patience),
            log: log)
    }

    /// Does what asks a chain; for a house that ran before, again and again while its nodes do not
    /// answer: it was configured rightly once, and whoever starts it may not be there.
    private func patiently<Value>(
        until end: ContinuousClock.Instant, _ body: () async throws(HouseError) -> Value
    ) async throws(HouseError) -> Value {
        while true {
            do throws(HouseError) {
                return try await body()
            } catch {
                guard error.kind == .network, ContinuousClock.now < end else { throw error }
                log.warning("the start waits for a chain", metadata: ["why": "\(error)"])
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    /// The desk that pays, if the house settles by plan.
    private func desk(
        _ settlement: SettlementService?, _ sequencer: Sequencer, _ metrics: HouseMetrics
    ) async throws(HouseError) -> PayoutDesk? {
        guard let settlement, configuration.settlement?.payouts != nil else {
            if configuration.solana == nil { return nil }
            throw HouseError(
                .configuration, "paying on Solana goes with a chain that is settled on by plan")
        }
        var solana: SolanaSettlement?
        if let options = configuration.solana {
            solana = try await SolanaSettlement(
                options, claimant: settlement.key, folder: folder, sequencer: sequencer,
                sealing: settlement.sealing, metrics: metrics, log: log)
        }
        return PayoutDesk(
            sequencer: sequencer, settlement: settlement, solana: solana, log: log)
    }

    private func identity() throws(HouseError) -> Ed25519.PrivateKey {
        do throws(SecretFileError) {
            return try configuration.keys.identityMaking(folder + "/house.key")
        } catch {
            throw HouseError(.configuration, "\(error)")
        }
    }

    private func secret(_ path: String) throws(HouseError) -> [UInt8] {
        do {
            return try SecretFile.readOrCreate(path)
        } catch {
            throw HouseError(.configuration, "\(error)")
        }
    }

    private func loadModels() throws(HouseError) -> [(ModelFile, ModelManifest)] {
        var loaded: [(ModelFile, ModelManifest)] = []
        for source in configuration.models {
            let file: ModelFile
            do throws(ModelError) {
                file = try ModelFile(path: source.path)
            } catch {
                throw HouseError(.configuration, "\(source.path): \(error)")
            }
            let manifest = file.manifest(name: source.name)
            guard manifest.draft != nil else {
                throw HouseError(.configuration, "\(source.path): the model is too large")
            }
            loaded.append((file, manifest))
        }
        return loaded
    }

    private func configure(_ sequencer: Sequencer, chain: UInt64) async throws(HouseError) {
        let known = try await read(sequencer) { ($0.parameters, $0.chain) }
        let wanted = configuration.parameters ?? known.0 ?? Parameters()
        if known.0 == wanted, known.1 == chain { return }
        if let problem = wanted.problem {
            throw HouseError(.configuration, "the parameters are unsafe: \(problem)")
        }
        if known.0 != nil, known.1 != chain {
            throw HouseError(
                .configuration,
                "this journal settles on chain \(known.1), and the chain given is \(chain)")
        }
        try await submit(sequencer, .configure(wanted, chain: chain))
    }

    /// A bond must not leave the contract before everything it answers for is decided.
    private func checkWindows(
        _ settlement: SettlementService?, _ sequencer: Sequencer
    ) async throws(HouseError) {
        guard let settlement, let rules = try await read(sequencer, { $0.parameters }) else {
            return
        }
        let windows =
            rules.challengeWindow.nanoseconds + rules.auditTimeout.nanoseconds
            + rules.appealWindow.nanoseconds
            + UInt64(rules.jobTimeoutSeconds + 60) * 1_000_000_000
        let delay = try await settlement.unbondingDelay()
        guard delay.nanoseconds >= windows else {
            throw HouseError(
                .configuration,
                "the contract lets bonds leave after \(delay.nanoseconds / 1_000_000_000) s, and "
                    + "a job with its challenge, audit and appeal windows, and a minute for the "
                    + "slash, takes \(windows / 1_000_000_000) s")
        }
    }

    private func register(
        _ files: [(ModelFile, ModelManifest)], _ sequencer: Sequencer
    ) async throws(HouseError) -> ModelLibrary {
        var served: [ServedModel] = []
        for (file, manifest) in files {
            let root = manifest.root
            if try await read(sequencer, { $0.model(root: root)?.id }) == nil,
                let draft = manifest.draft
            {
                try await submit(sequencer, .registerModel(draft))
            }
            guard let id = try await read(sequencer, { $0.model(root: root)?.id }) else {
                throw HouseError(.configuration, "\(manifest.name) could not be registered")
            }
            served.append(ServedModel(id: id, manifest: manifest, file: file))
            try await withdrawMismatched(id, manifest, sequencer)
        }
        return ModelLibrary(served)
    }

    /// Offers that were posted under other weights than the file's could never be judged.
    private func withdrawMismatched(
        _ id: ModelID, _ manifest: ModelManifest, _ sequencer: Sequencer
    ) async throws(HouseError) {
        let live = try await read(sequencer) { house in
            (house.model(id)?.offers ?? []).compactMap { house.offer($0) }
        }
        for offer in live where manifest.weightsRoot(of: offer.draft.layers) != offer.draft.weights
        {
            try await submit(sequencer, .withdrawOffer(offer.party, offer.id))
        }
    }

    /// After a start nobody is connected and nothing runs, whatever the books say.
    private func putRight(_ sequencer: Sequencer) async throws(HouseError) {
        let (online, running) = try await read(sequencer) { house in
            (
                house.nodes.filter(\.online).map(\.id),
                house.jobs.filter { $0.state == .running }.map(\.id)
            )
        }
        let commands =
            online.map { Command.setPresence($0, online: false) }
            + running.map { Command.failJob($0, reason: .interrupted) }
        for start in stride(from: 0, to: commands.count, by: 1_000) {
            let part = Array(commands[start..<min(start + 1_000, commands.count)])
            do {
                _ = try await sequencer.submit(batch: part)
            } catch {
                throw HouseError(.storage, "\(error)")
            }
        }
    }

    private func read<Value: Sendable>(
        _ sequencer: Sequencer, _ body: @escaping @Sendable (borrowing ClearingHouse) -> Value
    ) async throws(HouseError) -> Value {
        do {
            return try await sequencer.read(body)
        } catch {
            throw HouseError(.storage, "\(error)")
        }
    }

    private func submit(_ sequencer: Sequencer, _ command: Command) async throws(HouseError) {
        let outcome: Sequencer.Outcome
        do {
            outcome = try await sequencer.submit(command)
        } catch {
            throw HouseError(.storage, "\(error)")
        }
        if case .failure(let rejection) = outcome {
            throw HouseError(.configuration, "\(rejection.message) (\(rejection.rawValue))")
        }
    }
}
