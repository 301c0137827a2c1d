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

    /// The request that lets this node work for the provider's address.
    func registration(chain: UInt64) -> HouseMessages.Register {
        let address = account.address.hex
        let text = NodeTexts.authorisation(
            node: identity.publicKey, address: account.address, chain: chain)
        let signature = account.sign(EIP191.digest(Array(text.utf8)))
        return HouseMessages.Register(
            address: address, authorisation: Hex.encode(signature.bytes),
            name: configuration.name, kernel: "exchequer-c numerics-v1")
    }

    /// What is promised for served stage `index`.
    func offer(_ index: Int) -> HouseMessages.Offer {
        let offer = configuration.offers[index]
        let layers = served[index].stage.layers
        return HouseMessages.Offer(
            model: manifest.root.hex, layers: [layers.first, layers.end],
            weights: served[index].weights.hex, inputPrice: offer.inputPrice,
            outputPrice: offer.outputPrice, concurrency: offer.concurrency,
            context: UInt32(served[index].context), region: configuration.region,
            expiresIn: configuration.offerSeconds)
    }
}
