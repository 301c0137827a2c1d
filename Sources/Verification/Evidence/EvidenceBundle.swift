import Cryptography
public import Primitives

/// Everything about one attempt at one job that is needed to say, offline and without trusting
/// whoever hands it over, whether it was done right and if not by whom
/// (`docs/reference/evidence.md`).
///
/// **Nothing in it has been checked.** `verified()` turns it into `VerifiedEvidence`, which is what
/// `Judge` takes. The bundle's identity is the SHA-256 of its canonical bytes.
public struct EvidenceBundle: Hashable, Sendable {
    /// One stage as it was assigned, and what its node signed.
    public struct Stage: Hashable, Sendable {
        /// The layers the stage was to run.
        public var layers: LayerRange
        /// The registered weights root of these layers.
        public var weights: Digest
        /// The stage's receipt; `nil` if it never signed one.
        public var receipt: Signed<Receipt>?

        /// A stage with its parts.
        public init(layers: LayerRange, weights: Digest, receipt: Signed<Receipt>?) {
            self.layers = layers
            self.weights = weights
            self.receipt = receipt
        }

        public static func == (left: Stage, right: Stage) -> Bool {
            left.layers == right.layers && left.weights == right.weights
                && left.receipt == right.receipt
        }

        public func hash(into hasher: inout Hasher) {
            hasher.combine(layers)
            hasher.combine(weights)
            hasher.combine(receipt?.body)
        }
    }

    /// The most stages.
    public static let maximumStages = 64
    /// The most positions.
    public static let maximumPositions = 1 << 20
    /// The most bytes of sampling parameters.
    public static let maximumSampling = 48 << 10
    /// The most bytes of one boundary: 256 MiB.
    public static let maximumBoundary = 256 << 20

    /// The job.
    public var job: JobID
    /// The attempt.
    public var attempt: UInt32
    /// The root of the model the job was sold as.
    public var model: Digest
    /// The hash of the arithmetic contract.
    public var profile: Digest
    /// `Transcript.request` of the prompt and the sampling: the job's `input` in the journal.
    public var request: Digest
    /// How many of `tokens` are the prompt.
    public var promptTokens: UInt32
    /// The tokens the first stage was given, one a position: the prompt and all output but the
    /// last token.
    public var tokens: [Int32]
    /// The tokens the buyer was given.
    public var output: [Int32]
    /// The SHA-256 of the logits each output token was chosen from, as the last stage handed them
    /// in with its receipt; empty if it has no receipt. They open its output root.
    public var logits: [Digest]
    /// The canonical sampling parameters; this floor does not read them.
    public var sampling: [UInt8]
    /// The stages, in order.
    public var stages: [Stage]
    /// What went from each stage to the next: one row of F32 little endian a position. One fewer
    /// than there are stages.
    public var boundaries: [[UInt8]]

    /// A bundle with all its fields.
    public init(
        job: JobID, attempt: UInt32, model: Digest, profile: Digest, request: Digest,
        promptTokens: UInt32, tokens: [Int32], output: [Int32], logits: [Digest],
        sampling: [UInt8], stages: [Stage], boundaries: [[UInt8]]
    ) {
        self.job = job
        self.attempt = attempt
        self.model = model
        self.profile = profile
        self.request = request
        self.promptTokens = promptTokens
        self.tokens = tokens
        self.output = output
        self.logits = logits
        self.sampling = sampling
        self.stages = stages
        self.boundaries = boundaries
    }

    /// The identity of this bundle, which verdicts name: SHA-256 of its canonical bytes.
    public var digest: Digest { SHA256.hash(canonicalBytes()) }
}

extension EvidenceBundle.Stage: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(layers)
        writer.write(weights)
        writer.write(receipt)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            layers: try reader.read(), weights: try reader.readDigest(),
            receipt: try reader.readOptional())
    }
}

extension EvidenceBundle: CanonicalCodable {
    /// The text a bundle starts with; it names the version of the format.
    public static let domain = "exchequer-evidence-v1"

    public func encode(into writer: inout ByteWriter) {
        writer.write(Self.domain)
        writer.write(job)
        writer.write(attempt)
        for digest in [model, profile, request] { writer.write(digest) }
        writer.write(promptTokens)
        Self.write(tokens, into: &writer)
        Self.write(output, into: &writer)
        writer.write(UInt32(logits.count))
        for digest in logits { writer.write(digest) }
        writer.write(sampling)
        writer.write(stages)
        writer.write(UInt32(boundaries.count))
        for boundary in boundaries { writer.write(boundary) }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        guard try reader.readString(limit: Self.domain.utf8.count) == Self.domain else {
            throw .invalidValue("evidence version")
        }
        let job: JobID = try reader.read()
        let attempt = try reader.readUInt32()
        let (model, profile) = (try reader.readDigest(), try reader.readDigest())
        let request = try reader.readDigest()
        let promptTokens = try reader.readUInt32()
        let tokens = try Self.readTokens(&reader)
        let output = try Self.readTokens(&reader)
        var logits: [Digest] = []
        for _ in 0..<(try reader.readCount(limit: Self.maximumPositions)) {
            logits.append(try reader.readDigest())
        }
        let sampling = try reader.readBytes(limit: Self.maximumSampling)
        let stages: [Stage] = try reader.readArray(limit: Self.maximumStages)
        var boundaries: [[UInt8]] = []
        for _ in 0..<(try reader.readCount(limit: Self.maximumStages)) {
            boundaries.append(try reader.readBytes(limit: Self.maximumBoundary))
        }
        self.init(
            job: job, attempt: attempt, model: model, profile: profile, request: request,
            promptTokens: promptTokens, tokens: tokens, output: output, logits: logits,
            sampling: sampling, stages: stages, boundaries: boundaries)
    }

    private static func write(_ tokens: [Int32], into writer: inout ByteWriter) {
        writer.write(UInt32(tokens.count))
        for token in tokens { writer.write(UInt32(bitPattern: token)) }
    }

    private static func readTokens(_ reader: inout ByteReader) throws(CodecError) -> [Int32] {
        var tokens: [Int32] = []
        for _ in 0..<(try reader.readCount(limit: maximumPositions)) {
            tokens.append(Int32(bitPattern: try reader.readUInt32()))
        }
        return tokens
    }
}
