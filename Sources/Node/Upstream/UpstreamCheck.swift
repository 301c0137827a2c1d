import Inference
import Primitives

/// Finds out whether an upstream serves what the node offers, before anything is offered: the same
/// tokenizer, sizes as far as it tells them, and token ids in its answers.
///
/// It finds what is set up wrongly. It does not find an upstream that lies with care: what a node
/// serves is its provider's word (docs/decisions/0023-statistical-providers.md).
enum UpstreamCheck {
    /// Texts whose tokens differ between tokenizers: words, digits, blanks, code, scripts, joined
    /// emoji, combining marks, and names of special tokens.
    static let probes = [
        "The quick brown fox jumps over the lazy dog.", "don't we'll I'VE it's",
        "0 12 345 6789 3.14159 1,000,000", "   three spaces\n\n\ttab\r\n end ",
        "func f(x: Int) -> [UInt8] { return x << 2 != 0 ? [] : nil }  // \"quoted\"",
        "Größenwahn, déjà vu, Ångström, ﬁ", "日本語のテキスト、中文文本。한국어",
        "مرحبا بالعالم שלום עולם नमस्ते", "👩‍👩‍👧‍👦 🏳️‍🌈 🦖", "e\u{301} o\u{308} \u{200D}\u{FEFF}x",
        "<|im_start|>user\nhi<|im_end|>", "</s> <s> [INST] <|endoftext|>",
    ]

    /// Tokens that must come back from a short completion.
    private static let probeTokens = 8

    /// Throws `upstreamMismatch` or `upstreamUnusable`, saying what is wrong, or
    /// `upstreamUnreachable`.
    static func check(
        _ server: UpstreamServer, _ file: ModelFile, _ manifest: ModelManifest
    ) async throws(NodeError) {
        let told = server.description
        guard told.context ?? 2 >= 2, told.slots ?? 1 >= 1 else {
            throw NodeError(.upstreamUnusable, "the upstream says that it has room for no request")
        }
        for (what, theirs, ours) in [
            ("tokens in the vocabulary", told.vocabulary, manifest.vocabulary),
            ("numbers in a row of activations", told.hidden, manifest.hidden),
        ] {
            if let theirs, theirs != ours {
                throw NodeError(
                    .upstreamMismatch, "the upstream has \(theirs) \(what), the model \(ours)")
            }
        }
        do throws(UpstreamError) {
            try await compareTokens(server, file.tokenizer)
            try await probe(server, file.tokenizer)
        } catch {
            throw NodeError(error)
        }
    }

    private static func compareTokens(
        _ server: UpstreamServer, _ tokenizer: Tokenizer
    ) async throws(UpstreamError) {
        for (place, text) in probes.enumerated() {
            let ours = try tokens(of: text, tokenizer)
            let theirs = try await server.tokenize(text)
            if ours != theirs {
                throw .mismatch(
                    "another tokenizer: probe \(place) is \(theirs.count) tokens there and "
                        + "\(ours.count) here, or other ones")
            }
        }
    }

    private static func probe(
        _ server: UpstreamServer, _ tokenizer: Tokenizer
    ) async throws(UpstreamError) {
        let request = UpstreamRequest(
            job: .none, attempt: 0, prompt: try tokens(of: probes[0], tokenizer),
            maxTokens: probeTokens, sampling: .greedy)
        try await server.complete(request) { _ in }
    }

    private static func tokens(
        of text: String, _ tokenizer: Tokenizer
    ) throws(UpstreamError) -> [Int32] {
        do throws(ModelError) {
            return try tokenizer.encode(text, parseSpecial: true)
        } catch {
            throw .mismatch("our own tokenizer cannot take a probe: \(error)")
        }
    }
}

extension NodeError {
    /// What an upstream's failure means to a node that is not serving yet.
    init(_ error: UpstreamError) {
        switch error {
        case .unreachable, .timedOut, .cancelled:
            self.init(.upstreamUnreachable, "\(error)")
        case .refused:
            self.init(
                error.isTransient ? .upstreamUnreachable : .upstreamUnusable, "\(error)")
        case .mismatch:
            self.init(.upstreamMismatch, "\(error)")
        case .badAnswer:
            self.init(.upstreamUnusable, "\(error)")
        }
    }
}
