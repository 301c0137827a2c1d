import Cryptography
import Foundation
import Inference
import Primitives

/// A node with its keys read, its model loaded and matched with one of the house's.
struct PreparedNode: Sendable {
    let configuration: NodeConfiguration
    let identity: Ed25519.PrivateKey
    let account: Secp256k1.PrivateKey
    let file: ModelFile
    let manifest: ModelManifest
    let served: [ServedStage]
    /// The server that computes instead of `served`.
    var upstream: PreparedUpstream?

    /// An upstream that was checked, and what is offered of it.
    struct PreparedUpstream: Sendable {
        let server: UpstreamServer
        let served: ServedUpstream
    }

    /// Loads what `configuration` names. Takes seconds and blocks.
    static func load(
        _ configuration: NodeConfiguration, identity: Ed25519.PrivateKey,
        account: Secp256k1.PrivateKey
    ) throws(NodeError) -> PreparedNode {
        let file = try open(configuration.modelPath)
        let manifest = file.manifest(name: configuration.modelName)
        return PreparedNode(
            configuration: configuration, identity: identity, account: account, file: file,
            manifest: manifest, served: [])
    }

    private static func open(_ path: String) throws(NodeError) -> ModelFile {
        do {
            return try ModelFile(path: path)
        } catch {
            throw NodeError(.badModel, "\(path): \(error)")
        }
    }

    /// The same node, its model called as the house calls it. Throws `modelMismatch`, saying what
    /// differs, if the house has no model with this file's weights.
    func matched(with client: HouseClient) async throws(NodeError) -> PreparedNode {
        var manifest = manifest
        var entries = try await client.models()
        if let name = configuration.modelName { entries.removeAll { $0.id != name } }
        for entry in entries {
            manifest.name = entry.id
            if manifest.root.hex == entry.root { return with(manifest, served) }
        }
        var differences: [String] = []
        for entry in entries.prefix(8) {
            let bytes = try await client.manifest(root: entry.root)
            guard let theirs = try? ModelManifest(canonicalBytes: bytes) else { continue }
            let difference = ModelMatch.difference(manifest, theirs) ?? "another name"
            differences.append("\(entry.id) (\(difference))")
        }
        throw NodeError(
            .modelMismatch,
            "the house has no model with the weights of \(configuration.modelPath); it has "
                + (differences.isEmpty
                    ? "no such model at all" : differences.joined(separator: ", ")))
    }

    /// The same node with the offered layers ready to compute. Takes seconds and blocks.
    func withStages() throws(NodeError) -> PreparedNode {
        var weights = file
        if let other = configuration.serveWeights {
            weights = try Self.open(other)
            guard weights.architecture == file.architecture else {
                throw NodeError(.badModel, "\(other): another architecture than the model's")
            }
        }
        var stages: [ServedStage] = []
        for offer in configuration.offers {
            guard let layers = offer.layers ?? file.architecture.allLayers,
                Int(layers.end) <= manifest.layers
            else {
                throw NodeError(
                    .badConfiguration,
                    "layers \(offer.layers?.description ?? "all") of a model with "
                        + "\(manifest.layers)")
            }
            let context = min(offer.context.map { Int($0) } ?? manifest.context, manifest.context)
            do {
                let stage = try Stage(
                    model: weights, layers: layers,
                    threads: configuration.threads ?? Stage.defaultThreads)
                stages.append(
                    ServedStage(
                        stage: stage, manifest: manifest, concurrency: Int(offer.concurrency),
                        context: context))
            } catch {
                throw NodeError(.badModel, "\(configuration.modelPath): \(error)")
            }
        }
        return with(manifest, stages)
    }

    private func with(_ manifest: ModelManifest, _ served: [ServedStage]) -> PreparedNode {
        PreparedNode(
            configuration: configuration, identity: identity, account: account, file: file,
            manifest: manifest, served: served)
    }

    /// The same node with its upstream found and checked. Throws `upstreamUnreachable` while it is
    /// not there yet.
    func withUpstream() async throws(NodeError) -> PreparedNode {
        var node = self
        node.upstream = try await connectedUpstream()
        return node
    }

    /// The configured upstream, found and checked.
    func connectedUpstream() async throws(NodeError) -> PreparedUpstream {
        guard let settings = configuration.upstream, let offer = configuration.offers.first,
            let layers = file.architecture.allLayers
        else { throw NodeError(.badConfiguration, "no upstream is configured") }
        var key: String?
        if let path = settings.keyFile { key = try UpstreamLink.key(inFile: path) }
        let server: UpstreamServer
        do throws(UpstreamError) {
            server = try await UpstreamServer.find(
                at: settings.url, kind: settings.kind, model: settings.model, key: key,
                patience: settings.patience, tokenizer: file.tokenizer)
        } catch {
            throw NodeError(error)
        }
        try await UpstreamCheck.check(server, file, manifest)
        let told = server.description
        let context = min(
            offer.context.map { Int($0) } ?? manifest.context, manifest.context,
            told.context ?? manifest.context)
        return PreparedUpstream(
            server: server,
            served: ServedUpstream(
                manifest: manifest, layers: layers,
                concurrency: min(Int(offer.concurrency), told.slots ?? Int(offer.concurrency)),
                context: context))
    }

    /// How many offers there are.
    var offerCount: Int { upstream == nil ? served.count : 1 }

    /// The layers of offer `index`.
    func layers(_ index: Int) -> LayerRange {
        upstream?.served.layers ?? served[index].stage.layers
    }

    /// The request that lets this node work for the provider's address.
    func registration(chain: UInt64) -> HouseMessages.Register {
        let address = account.address.hex
        let text = NodeTexts.authorisation(
            node: identity.publicKey, address: account.address, chain: chain)
        let signature = account.sign(EIP191.digest(Array(text.utf8)))
        return HouseMessages.Register(
            address: address, authorisation: Hex.encode(signature.bytes),
            name: configuration.name,
            kernel: upstream.map { "\($0.server.kind.rawValue) statistical" }
                ?? "exchequer-c numerics-v1")
    }

    /// What is promised as offer `index`.
    func offer(_ index: Int) -> HouseMessages.Offer {
        let offer = configuration.offers[index]
        let layers = layers(index)
        let (weights, context, concurrency, numerics) =
            upstream.map { upstream in
                (
                    upstream.served.weights, upstream.served.context,
                    UInt16(upstream.served.concurrency), Numerics.statistical
                )
            } ?? (served[index].weights, served[index].context, offer.concurrency, .exact)
        return HouseMessages.Offer(
            model: manifest.root.hex, layers: [layers.first, layers.end],
            weights: weights.hex, inputPrice: offer.inputPrice, outputPrice: offer.outputPrice,
            concurrency: concurrency, context: UInt32(context), region: configuration.region,
            expiresIn: configuration.offerSeconds, numerics: numerics.name)
    }
}
