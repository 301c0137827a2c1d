import Clearing
import Cryptography
import Economics
import Foundation
import Inference
import Node
import Primitives
import Service
import Storage
import Testing
import Transport
import Verification

/// Audits, convictions and appeals through the running house.
@Suite(.serialized, .timeLimit(.minutes(10))) struct AuditTests {
    private func ask(_ house: RunningHouse, _ key: String) async throws -> UInt64 {
        // Beside other tests a node may be offline for a moment: then one asks again later.
        var reply: HTTPResponse?
        try await eventually("the job is taken") {
            let said = try await house.call(
                "POST", "/v1/completions",
                json: "{\"model\":\"smol\",\"prompt\":\"Once\",\"max_tokens\":8,\"temperature\":0}",
                bearer: key)
            reply = said
            return said.status != 503
        }
        let answer: Completion = try #require(reply).decoded()
        return try #require(answer.exchequer).job
    }

    private func draw(_ house: RunningHouse) async throws {
        let drawn = try await house.call(
            "POST", "/v1/operator/draw-audits", json: "{}", bearer: house.operatorToken)
        #expect(drawn.status == 200, "\(drawn.text)")
    }

    /// A copy of the model with one bit fewer in every weight of one layer.
    private func tampered(_ house: RunningHouse) throws -> String {
        let model = try ModelFile(path: RunningHouse.modelPath())
        var bytes = try Data(contentsOf: URL(filePath: RunningHouse.modelPath()))
        for tensor in model.file.tensors
        where tensor.type == .q4_1 && tensor.name.hasPrefix("blk.12.") {
            for block in stride(from: tensor.offset, to: tensor.offset + tensor.byteCount, by: 20) {
                for place in block + 4..<block + 20 { bytes[place] &= 0xEE }
            }
        }
        let path = house.folder.appending(path: "tampered.gguf")
        try bytes.write(to: path)
        return path.path()
    }

    /// One of three stages computes with other weights: it, and only it, is convicted; the honest
    /// stages are paid and the buyer has its money back when the window ends.
    @Test func theGuiltyStageAndOnlyItIsConvicted() async throws {
        var rules = RunningHouse.rules
        rules.appealWindow = .seconds(1)
        try await RunningHouse.with(rules: rules) { house in
            try await house.startNode(1, name: "alder", layers: LayerRange(0, 10))
            try await house.startNode(
                2, name: "thorn", layers: LayerRange(10, 20), weights: tampered(house))
            try await house.startNode(3, name: "cedar", layers: LayerRange(20, 30))
            try await house.startNode(4, name: "judge", offers: false, verifies: true)
            let key = try await house.buyer()
            let job = try await ask(house, key)
            try await draw(house)
            try await eventually("the job is refunded") {
                try await house.job(job).state == .refunded
            }
            let record = try #require(
                try await house.house.sequencer.read { $0.verdicts.first })
            #expect(record.verdict.body.accusedStage == 1)
            #expect(record.code == .outputMismatch)
            let (thorn, faults, back) = try await house.house.sequencer.read { state in
                (
                    state.party(named: "thorn")?.id, state.parties.map(\.objectiveFaults),
                    state.balance(.available, .usd, of: state.job(JobID(job))!.demand.buyer)
                )
            }
            #expect(record.accused == thorn)
            #expect(faults.reduce(0, +) == 1)
            #expect(back == Asset.usd.amount(chainUnits: 5_000_000))
            // Anyone with the evidence and the file comes to the same verdict.
            let bundle = try #require(try await house.house.evidence.bundle(of: JobID(job)))
            let model = try #require(house.house.models.model(named: "smol"))
            let judgement = try Judge.judge(
                EvidenceBundle(untrusted: bundle).verified(),
                with: ModelReexecutor(file: model.file, manifest: model.manifest))
            #expect(judgement.accusedStage == 1)
        }
    }

    /// An honest provider `oak`, its audited job, and a verifier `liar` that accuses it of what it
    /// did not do; the accusation is not handed in yet.
    private func falselyAccuse(
        _ house: RunningHouse
    ) async throws -> (job: UInt64, liar: ProtocolNode, verdict: Signed<Verdict>) {
        try await house.startNode(1, name: "oak")
        // Bonded like a node, enlisted as a verifier, and lying about what it found.
        let liar = try await ProtocolNode.start(
            house, 9, name: "liar", layers: try #require(LayerRange(0, 1)))
        let model = try #require(house.house.models.model(named: "smol"))
        let enlisted = try await house.signed(
            liar.signer, "POST", "/v1/node/verifier",
            json: "{\"model\":\"\(model.manifest.root.hex)\"}")
        #expect(enlisted.status == 200)
        let job = try await ask(house, house.buyer())
        try await draw(house)
        #expect(try await house.job(job).state == .auditing)
        let evidence = try await house.signed(liar.signer, "GET", "/v1/jobs/\(job)/evidence")
        #expect(evidence.status == 200)
        let verdict = Verdict(
            job: JobID(job), attempt: 1, code: .outputMismatch, accusedStage: 0,
            recomputedRoot: SHA256.hash([1]), evidence: SHA256.hash(evidence.body)
        ).signed(by: liar.signer.identity)
        return (job, liar, verdict)
    }

    /// Waits until the job is paid, and expects that the liar paid for its accusation.
    private func expectOverturned(_ house: RunningHouse, _ job: UInt64) async throws {
        try await eventually("the accusation is overturned") {
            try await house.job(job).state == .paid
        }
        let (bonds, states) = try await house.house.sequencer.read { state in
            (
                ["oak", "liar"].map { name in
                    state.party(named: name).map { state.balance(.bonded, .usd, of: $0.id) }
                },
                state.verdicts.map(\.state)
            )
        }
        #expect(bonds[0] == Asset.usd.amount(chainUnits: 100_000_000))
        #expect(bonds[1] == Asset.usd.amount(chainUnits: 99_000_000))
        #expect(states == [.overturned, .executed])
    }

    /// A verifier accuses honest work: the accused appeals, the house runs the evidence again, and
    /// the verifier pays.
    @Test func aFalseAccusationFallsBackOnTheVerifier() async throws {
        try await RunningHouse.with { house in
            let (job, liar, verdict) = try await falselyAccuse(house)
            let recorded = try await house.signed(
                liar.signer, "POST", "/v1/node/verdicts",
                json: "{\"verdict\":\"\(Hex.encode(verdict.canonicalBytes()))\"}")
            #expect(recorded.status == 200, "\(recorded.text)")

            // Only the accused can appeal.
            let meddling = try await house.signed(
                liar.signer, "POST", "/v1/verdicts/1/appeal", json: "{}")
            #expect(try meddling.failure().rejection == Rejection.notTheAccused.rawValue)
            let oak = try SecretFile.read(house.folder.appending(path: "oak.identity").path())
            let accused = RequestSigner(
                identity: try #require(Ed25519.PrivateKey(seed: oak)))
            let appeal = try await house.signed(
                accused, "POST", "/v1/verdicts/1/appeal", json: "{}")
            // The house looks by itself as well, and may have been faster.
            let faster = [Rejection.alreadyAppealed, .notAppealable].map(\.rawValue)
            #expect(
                try appeal.status == 200 || faster.contains(appeal.failure().rejection ?? 0),
                "\(appeal.text)")
            try await expectOverturned(house, job)
            liar.vanish()
        }
    }

    /// The house goes down between a conviction and its own look at it: it looks after the
    /// restart, without anybody's appeal.
    @Test func aConvictionIsLookedAtAfterARestart() async throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "exchequer-review-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        var job: UInt64 = 0
        var verdict: Signed<Verdict>?
        try await RunningHouse.with(folder: folder) { house in
            let liar: ProtocolNode
            (job, liar, verdict) = try await falselyAccuse(house)
            liar.vanish()
        }
        // The verdict is the last command in the journal that the next house finds.
        let books = try Sequencer(
            journal: SQLiteJournal(path: folder.appending(path: "journal.sqlite").path()),
            clock: { .systemNow })
        _ = try await books.submit(.recordVerdict(#require(verdict))).get()
        try await books.stop()
        try await RunningHouse.with(folder: folder) { house in
            try await expectOverturned(house, job)
        }
    }

    /// Evidence holds what was asked and answered: it is not for everyone.
    @Test func evidenceIsForThoseWhoAreConcerned() async throws {
        try await RunningHouse.with { house in
            try await house.startNode(1, name: "oak")
            let key = try await house.buyer()
            let job = try await ask(house, key)
            let path = "/v1/jobs/\(job)/evidence"
            #expect(try await house.call("GET", path).status == 401)
            let other = try await house.buyer(201)
            #expect(try await house.call("GET", path, bearer: other).status == 403)
            #expect(try await house.call("GET", path, bearer: key).status == 200)
            #expect(try await house.call("GET", path, bearer: house.operatorToken).status == 200)
            let stranger = try await ProtocolNode.start(
                house, 9, name: "elm", layers: try #require(LayerRange(0, 1)))
            #expect(try await house.signed(stranger.signer, "GET", path).status == 403)
            stranger.vanish()
        }
    }

    /// The house ends and starts again on the same folder: nothing acknowledged is gone, nobody is
    /// online, and what ran is ended uncharged.
    @Test func aRestartedHouseGoesOnWhereItStopped() async throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "exchequer-restart-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        var key = ""
        var job: UInt64 = 0
        try await RunningHouse.with(folder: folder) { house in
            try await house.startNode(1, name: "oak")
            key = try await house.buyer()
            job = try await ask(house, key)
        }
        try await RunningHouse.with(folder: folder) { house in
            #expect(try await house.job(job).state == .delivered)
            #expect(try await house.house.evidence.bundle(of: JobID(job)) != nil)
            #expect(try await house.house.sequencer.read { !$0.nodes.contains(where: \.online) })
            #expect(try await house.call("GET", "/v1/balance", bearer: key).status == 200)
            let nobody = try await house.call(
                "POST", "/v1/completions",
                json: "{\"model\":\"smol\",\"prompt\":\"One\",\"max_tokens\":1}", bearer: key)
            #expect(try nobody.failure().rejection == Rejection.noOffers.rawValue)
        }
    }
}
