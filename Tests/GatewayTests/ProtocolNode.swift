import Clearing
import Cryptography
import Foundation
import Inference
import Node
import Primitives
import Service
import Synchronization
import Testing
import Transport

/// A node that speaks the protocol by hand, so that it can break it: signed requests, a link and an
/// event stream, and real engine work unless it is told to do something else.
final class ProtocolNode: Sendable {
    /// What it does instead of its duty.
    struct Misdeeds: Sendable {
        /// Changes each frame it would send; several frames, or none.
        var alter: @Sendable (WireFrame) -> [[UInt8]] = { [$0.encoded()] }
        /// Changes the receipt it would hand in; `nil` for none.
        var sign: @Sendable (Signed<Receipt>, Ed25519.PrivateKey) -> Signed<Receipt>? = {
            receipt, _ in
            receipt
        }
        /// Never says that it is ready.
        var isSilent = false
        /// After so many results it hears and says nothing more, with its link still up.
        var isGoneAfter = Int.max
        /// How long it waits before it sends a result.
        var delay = Duration.zero
        /// Computes stages of others along.
        var standsIn = false
    }

    let signer: RequestSigner
    private let house: RunningHouse
    private let link: SecureLink
    private let work: Mutex<JobTable>
    private let misdeeds: Misdeeds
    private let tasks = Mutex<[Task<Void, Never>]>([])
    /// Results sent, and positions computed.
    let results = Mutex((frames: 0, positions: 0))
    /// Statuses the house answered receipts with.
    let receiptAnswers = Mutex<[HTTPResponse]>([])

    private struct Registration: Decodable {
        struct Wire: Decodable {
            let host: String
            let port: Int
        }
        let house_key: String
        let wire: Wire
    }

    private init(
        house: RunningHouse, signer: RequestSigner, link: SecureLink, stage: ServedStage,
        misdeeds: Misdeeds
    ) {
        self.house = house
        self.signer = signer
        self.link = link
        self.misdeeds = misdeeds
        work = Mutex(JobTable(identity: signer.identity, served: [stage]))
    }

    /// The body of a registration of this node for account `number`.
    static func registration(
        _ signer: RequestSigner, account number: UInt8, name: String
    ) throws -> String {
        let account = try RunningHouse.account(number)
        let text = NodeTexts.authorisation(
            node: signer.identity.publicKey, address: account.address, chain: 0)
        let signature = account.sign(EIP191.digest(Array(text.utf8)))
        return """
            {"address":"\(account.address.hex)","authorisation":"\(Hex.encode(signature.bytes))",\
            "kernel":"test","name":"\(name)"}
            """
    }

    /// Registers, bonds, offers `layers` at a low price, connects.
    static func start(
        _ house: RunningHouse, _ number: UInt8, name: String, layers: LayerRange,
        misdeeds: Misdeeds = Misdeeds()
    ) async throws -> ProtocolNode {
        let key = try #require(Ed25519.PrivateKey(seed: [UInt8](repeating: number, count: 32)))
        let signer = RequestSigner(identity: key)
        let account = try RunningHouse.account(number)
        try await house.observe(.bonded(account: account.address, chainUnits: 100_000_000))
        let registration: Registration = try await house.signed(
            signer, "POST", "/v1/node/register",
            json: registration(signer, account: number, name: name)
        ).decoded()
        let model = try #require(house.house.models.model(named: "smol"))
        let stage = ServedStage(
            stage: try Stage(model: model.file, layers: layers, threads: 1),
            manifest: model.manifest, concurrency: 4, context: 512)
        let link = try await SecureLink.connect(
            host: registration.wire.host, port: registration.wire.port, identity: key,
            expecting: Digest(hex: registration.house_key).map(PublicKey.init))
        let node = ProtocolNode(
            house: house, signer: signer, link: link, stage: stage, misdeeds: misdeeds)
        try await node.connect()
        let offer = try await house.signed(
            signer, "POST", "/v1/node/offers",
            json: """
                {"model":"\(model.manifest.root.hex)","layers":[\(layers.first),\(layers.end)],\
                "weights":"\(model.manifest.weightsRoot(of: layers).hex)","input_price":"0.01",\
                "output_price":"0.01","concurrency":4,"context":512,"expires_in":3600}
                """)
        #expect(offer.status == 200, "\(offer.text)")
        try await eventually("\(name) is online") { house.house.hub.isOnline(key.publicKey) }
        try await eventually("\(name) is in the books") {
            try await house.house.sequencer.read { $0.node(key: key.publicKey)?.online == true }
        }
        return node
    }

    private func connect() async throws {
        let path = "/v1/node/events" + (misdeeds.standsIn ? "?stand_in=1" : "")
        var request = HTTPRequest(method: "GET", url: house.base + path)
        request.headers = signer.headers(method: "GET", path: path, body: [])
        request.timeout = nil
        let stream = try await HTTPClient.shared.open(request)
        #expect(stream.head.status == 200)
        let events = Task {
            var parser = ServerSentEventParser()
            while let chunk = try? await stream.next() {
                guard let found = try? parser.feed(chunk) else { return }
                for event in found where event.event == "job" {
                    guard !self.misdeeds.isSilent, let job = try? Assignment(json: event.data)
                    else { continue }
                    await self.perform(self.work.withLock { $0.assign(job, at: .zero) })
                }
            }
        }
        let frames = Task {
            while let bytes = try? await self.link.receive() {
                await self.perform(
                    self.work.withLock { work in
                        var effects = work.receive(bytes, at: .zero)
                        while work.hasWork { effects += work.runPass(at: .zero) }
                        return effects
                    })
            }
        }
        tasks.withLock { $0 += [events, frames] }
    }

    private func perform(_ effects: [JobTable.Effect]) async {
        for effect in effects {
            switch effect {
            case .send(let frame):
                let isWork = frame.kind == .activations || frame.kind == .sampled
                let sent = results.withLock { results in
                    if isWork {
                        results.frames += 1
                        results.positions += Int(frame.count)
                    }
                    return results.frames
                }
                if sent > misdeeds.isGoneAfter { continue }
                if isWork, misdeeds.delay > .zero { try? await Task.sleep(for: misdeeds.delay) }
                for bytes in isWork ? misdeeds.alter(frame) : [frame.encoded()] {
                    try? await link.send(bytes)
                }
            case .submit(let receipt, let logits):
                guard let receipt = misdeeds.sign(receipt, signer.identity) else { continue }
                await submit(receipt, logits)
            case .started, .dropped, .ask, .hangUp: continue
            }
        }
    }

    private func submit(_ receipt: Signed<Receipt>, _ logits: [Digest]) async {
        let body = """
            {"receipt":"\(Hex.encode(receipt.canonicalBytes()))",\
            "logits":"\(logits.map(\.hex).joined())"}
            """
        guard
            let answer = try? await house.signed(
                signer, "POST", "/v1/node/receipts", json: body)
        else { return }
        receiptAnswers.withLock { $0.append(answer) }
    }

    /// Cuts the link without a word.
    func vanish() {
        link.close()
        for task in tasks.withLock({ $0 }) { task.cancel() }
    }
}
