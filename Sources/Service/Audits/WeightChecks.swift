import Clearing
import Cryptography
import Inference
import Logging
public import Primitives
import Synchronization
public import Verification

/// Asks nodes to show that they hold the weights they offer, and notes who does not
/// (docs/reference/weight-proofs.md). What is open is in memory only: a house that starts again
/// blames nobody for what it had asked.
public final class WeightChecks: Sendable {
    private struct Open {
        let challenge: WeightChallenge
        let node: NodeID
        let model: ServedModel
        let deadline: ContinuousClock.Instant
    }

    /// An offer that a node can be asked about.
    private struct Candidate: Sendable {
        let node: NodeID
        let key: PublicKey
        let model: ModelID
        let layers: LayerRange
    }

    private let sequencer: Sequencer
    private let hub: NodeHub
    private let models: ModelLibrary
    private let patience: Duration
    private let log: Logger
    private let open = Mutex<[Digest: Open]>([:])

    init(
        sequencer: Sequencer, hub: NodeHub, models: ModelLibrary, patience: Duration, log: Logger
    ) {
        self.sequencer = sequencer
        self.hub = hub
        self.models = models
        self.patience = patience
        self.log = log
    }

    /// How many answers are awaited.
    public var openCount: Int { open.withLock { $0.count } }

    /// Asks every node that is online and owes no answer about one of its exact offers; `beacon`,
    /// which nobody could know before, says which and draws the rows.
    public func ask(beacon: Digest) async {
        let candidates = await candidates()
        let asked = open.withLock { open in Set(open.values.map(\.node)) }
        for (key, offers) in candidates where !asked.contains(offers[0].node) {
            var writer = ByteWriter()
            writer.write("exchequer-weight-nonce-v1")
            writer.write(beacon)
            writer.write(key)
            let nonce = SHA256.hash(writer.bytes)
            let offer = offers[Int(nonce.words.3 % UInt64(offers.count))]
            guard let model = models.model(offer.model),
                (try? model.manifest.disputeModel) != nil
            else { continue }
            send(
                WeightChallenge(
                    node: key, model: model.manifest.root, layers: offer.layers, nonce: nonce),
                to: offer.node, about: model)
        }
    }

    /// The live exact offers of nodes that are online, by node.
    private func candidates() async -> [(PublicKey, [Candidate])] {
        let found = try? await sequencer.read { house in
            house.nodes.filter(\.online).map { node in
                let offers = node.offers.compactMap { id -> Candidate? in
                    guard let offer = house.offer(id), offer.state == .live,
                        offer.draft.numerics == .exact
                    else { return nil }
                    return Candidate(
                        node: node.id, key: node.key, model: offer.draft.model,
                        layers: offer.draft.layers)
                }
                return (node.key, offers)
            }
        }
        return (found ?? []).filter { !$0.1.isEmpty }
    }

    private func send(_ challenge: WeightChallenge, to node: NodeID, about model: ServedModel) {
        let id = challenge.digest
        open.withLock {
            $0[id] = Open(
                challenge: challenge, node: node, model: model, deadline: .now + patience)
        }
        let event = NodeEvent(
            "weights",
            "{\"challenge\":\"\(Hex.encode(challenge.canonicalBytes()))\","
                + "\"milliseconds\":\(Int(patience / .milliseconds(1)))}")
        if !hub.send(event, to: challenge.node) { open.withLock { $0[id] = nil } }
    }

    /// Takes a node's answer. What is wrong with it is said, and it can answer again in time.
    public func take(_ bytes: [UInt8], from node: PublicKey) throws(WeightProofRejection) {
        let proof: Signed<WeightProof>
        do {
            proof = try Signed(canonicalBytes: bytes)
        } catch {
            throw WeightProofRejection(.unreadable, "the bytes are not a signed proof: \(error)")
        }
        let id = proof.body.challenge
        guard let asked = open.withLock({ $0[id] }), asked.challenge.node == node else {
            throw WeightProofRejection(.otherChallenge, "this node was not asked challenge \(id)")
        }
        guard let model = try? asked.model.manifest.disputeModel else { return }
        let executor = SingleOperations(asked.model.manifest.architecture)
        try asked.challenge.check(proof, model: model) { executor.rowBytes(type: $0, columns: $1) }
        open.withLock { $0[id] = nil }
    }

    /// The node's stream or link ended: what it was asked may never have come.
    func lose(_ node: PublicKey) {
        open.withLock { open in open = open.filter { $0.value.challenge.node != node } }
    }

    /// Notes a fault of each node that has not answered in time.
    func closeOverdue() async {
        let overdue = open.withLock { open in
            let overdue = open.filter { $0.value.deadline <= .now }
            for id in overdue.keys { open[id] = nil }
            return overdue
        }
        for (id, asked) in overdue {
            log.notice("a node did not show its weights", metadata: ["node": "\(asked.node)"])
            _ = try? await sequencer.submit(.noteUnprovenWeights(asked.node, challenge: id))
        }
    }
}
