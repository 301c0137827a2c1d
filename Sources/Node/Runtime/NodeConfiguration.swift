public import Primitives
public import Transport

/// What a node is told by whoever runs it. Keys are given as paths, never as values.
public struct NodeConfiguration: Sendable {
    /// A promise to serve some layers at a price.
    public struct Offer: Hashable, Sendable {
        /// The layers; `nil` for the whole model.
        public var layers: LayerRange?
        /// Dollars per million prompt tokens, as decimal text.
        public var inputPrice: String
        /// Dollars per million output tokens, as decimal text.
        public var outputPrice: String
        /// Jobs served at the same time.
        public var concurrency: UInt16
        /// The longest prompt plus output; `nil` for the model's context.
        public var context: UInt32?

        /// An offer with all its fields.
        public init(
            layers: LayerRange?, inputPrice: String, outputPrice: String, concurrency: UInt16 = 2,
            context: UInt32? = nil
        ) {
            self.layers = layers
            self.inputPrice = inputPrice
            self.outputPrice = outputPrice
            self.concurrency = concurrency
            self.context = context
        }
    }

    /// A server that computes the whole model for this node.
    public struct Upstream: Hashable, Sendable {
        /// Its address, such as `http://127.0.0.1:8081`, without a path.
        public var url: String
        /// What kind of server it is; `nil` to find out.
        public var kind: UpstreamKind?
        /// What it calls the model; `nil` for the first it lists.
        public var model: String?
        /// The file with its API key, one line; `nil` if it wants none.
        public var keyFile: String?
        /// How long it may take for the next token. Less than the house's patience, or the house
        /// finds the node at fault before the node can decline.
        public var patience = Duration.seconds(15)

        /// A server at this address.
        public init(url: String) { self.url = url }
    }

    /// The house's address, such as `https://house.example`, without a path.
    public var house: String
    /// The file with the node's Ed25519 seed; made if it is not there.
    public var identityFile: String
    /// The file with the provider's EVM private key. It signs, at each start, that this node may
    /// work for that address.
    public var keyFile: String
    /// How those two are opened if they are sealed.
    public var keys = KeyAccess()
    /// The model's GGUF file.
    public var modelPath: String
    /// What the house calls the model; `nil` to find it by its weights.
    public var modelName: String?
    /// What is offered; may be empty for a node that only verifies.
    public var offers: [Offer]
    /// Whether the node also audits others' jobs of this model.
    public var isVerifier: Bool
    /// Whether the node computes stages of others along, unpaid, to take them over when they are
    /// lost.
    public var standsIn: Bool
    /// Threads that compute; `nil` for one per processor.
    public var threads: Int?
    /// The provider's name, for people; `nil` to leave it as it is.
    public var name: String?
    /// Where the node is, for buyers.
    public var region: String
    /// The chain the house settles on; `nil` to ask the house.
    public var chain: UInt64?
    /// How long an offer stands, in seconds.
    public var offerSeconds: UInt64
    /// **Fault injection, for tests and the demo**: run these weights instead of the ones offered.
    public var serveWeights: String?
    /// Who computes; `nil` for this process. With an upstream the node offers the whole model, as
    /// statistical work.
    public var upstream: Upstream?

    /// A node that offers nothing yet.
    public init(house: String, identityFile: String, keyFile: String, modelPath: String) {
        self.house = house
        self.identityFile = identityFile
        self.keyFile = keyFile
        self.modelPath = modelPath
        offers = []
        isVerifier = false
        standsIn = false
        region = ""
        offerSeconds = 86_400
    }

    /// Checks what can be checked without the model; throws `badConfiguration` for the first
    /// field that cannot be.
    public func check() throws(NodeError) {
        guard house.hasPrefix("http://") || house.hasPrefix("https://") else {
            throw NodeError(.badConfiguration, "the house's address must start with http(s)://")
        }
        if offers.isEmpty && !isVerifier {
            throw NodeError(.badConfiguration, "a node offers layers, verifies, or both")
        }
        if standsIn && (offers.isEmpty || upstream != nil) {
            throw NodeError(
                .badConfiguration, "a stand-in offers layers that this process computes")
        }
        for offer in offers {
            for price in [offer.inputPrice, offer.outputPrice] {
                guard let amount = Asset.usd.parse(price), amount.units <= UInt64.max else {
                    throw NodeError(
                        .badConfiguration,
                        "'\(price)' is not a price in dollars per million tokens, such as 0.10")
                }
            }
            if offer.concurrency == 0 || offer.context.map({ $0 < 2 }) == true {
                throw NodeError(.badConfiguration, "concurrency and context must be above zero")
            }
        }
        try checkUpstream()
        if let threads, !(1...256).contains(threads) {
            throw NodeError(.badConfiguration, "threads must be from 1 to 256")
        }
    }

    private func checkUpstream() throws(NodeError) {
        guard let upstream else { return }
        guard upstream.url.hasPrefix("http://") || upstream.url.hasPrefix("https://") else {
            throw NodeError(
                .badConfiguration, "the upstream's address must start with http(s)://")
        }
        // The address is reported; a key in it would be, too.
        if upstream.url.contains(where: { "@?#".contains($0) }) {
            throw NodeError(
                .badConfiguration,
                "the upstream's address is scheme, host and port; its key goes into a file")
        }
        guard offers.count == 1, offers[0].layers == nil else {
            throw NodeError(
                .badConfiguration, "an upstream computes whole models: offer all layers, once")
        }
        if serveWeights != nil {
            throw NodeError(.badConfiguration, "with an upstream there are no weights to replace")
        }
        if upstream.patience < .seconds(1) || upstream.patience > .seconds(600) {
            throw NodeError(.badConfiguration, "the upstream's patience is from 1 to 600 seconds")
        }
    }
}

extension LayerRange {
    /// Reads `0..<10`; `nil` for anything else.
    public init?(text: some StringProtocol) {
        let parts = text.split(separator: "..<", omittingEmptySubsequences: false)
        guard parts.count == 2, let first = UInt16(parts[0]), let end = UInt16(parts[1]) else {
            return nil
        }
        self.init(first, end)
    }
}
