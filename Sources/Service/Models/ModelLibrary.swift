public import Clearing
public import Inference
public import Primitives

/// A model the house can count and write tokens of.
public struct ServedModel: Sendable {
    /// Its number in the books.
    public let id: ModelID
    /// Its manifest, under the name it is registered as.
    public let manifest: ModelManifest
    /// Its file: tokenizer and chat template.
    public let file: ModelFile
    /// The most bytes of text one token can stand for.
    public let longestToken: Int

    /// A registered model with its file.
    public init(id: ModelID, manifest: ModelManifest, file: ModelFile) {
        self.id = id
        self.manifest = manifest
        self.file = file
        longestToken = (0..<Int32(file.tokenizer.count)).reduce(1) {
            max($0, file.tokenizer.bytes(of: $1).count)
        }
    }
}

/// The models whose files this house was given. Never changes while it runs.
public struct ModelLibrary: Sendable {
    private let models: [ServedModel]

    /// A library of these models.
    public init(_ models: [ServedModel]) {
        self.models = models
    }

    /// All of them, in the order given.
    public var all: [ServedModel] { models }

    /// The model that buyers call `name`.
    public func model(named name: String) -> ServedModel? {
        models.first { $0.manifest.name == name }
    }

    /// The model with this number.
    public func model(_ id: ModelID) -> ServedModel? { models.first { $0.id == id } }
}

extension ModelManifest {
    /// What is registered of it. `nil` if its numbers do not fit.
    public var draft: ModelDraft? {
        guard let layers = UInt16(exactly: layers), let context = UInt32(exactly: context) else {
            return nil
        }
        return ModelDraft(
            name: name, root: root, layers: layers, context: context, profile: profile,
            manifest: canonicalBytes())
    }
}
