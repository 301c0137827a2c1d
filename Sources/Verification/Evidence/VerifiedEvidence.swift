public import Cryptography
public import Primitives

/// Evidence that was checked: its receipts are signed by their signers and are about this job, and
/// every byte in it that a stage will be judged by is a byte that stage committed to.
///
/// It can only be made by `EvidenceBundle.verified()`.
public struct VerifiedEvidence: Sendable {
    /// The bundle that was checked.
    public let bundle: EvidenceBundle
    /// The bundle's identity.
    public let digest: Digest
    /// The stages' receipts, by stage; `nil` where a stage signed none.
    public let receipts: [Verified<Receipt>?]
    /// A fault that shows without running anything.
    let documentaryFault: DocumentaryFault?
}

/// A fault that the signed documents show by themselves.
struct DocumentaryFault: Sendable {
    let code: FaultCode
    let stage: UInt16
    let root: Digest
    let reason: String
}

extension EvidenceBundle {
    /// Reads a bundle from bytes a stranger sent.
    public init(untrusted bytes: [UInt8]) throws(EvidenceRejection) {
        do {
            try self.init(canonicalBytes: bytes)
        } catch {
            throw EvidenceRejection(.unreadable, "the bytes are not an evidence bundle: \(error)")
        }
    }

    /// How many positions were processed.
    public var positions: Int { tokens.count }

    /// Bytes of one activation row; 0 if there is only one stage.
    public var rowBytes: Int { boundaries.isEmpty ? 0 : boundaries[0].count / positions }

    /// Checks everything that can be checked without running the model, in the order of
    /// `EvidenceRejection.Code`. O(size of the bundle), dominated by hashing the boundaries.
    public func verified() throws(EvidenceRejection) -> VerifiedEvidence {
        try checkCounts()
        try checkLayers()
        try checkBoundaries()
        let prompt = tokens[0..<Int(promptTokens)]
        guard Transcript.request(prompt: prompt, sampling: sampling) == request else {
            throw EvidenceRejection(
                .requestMismatch, "prompt and sampling parameters are not those of the request")
        }
        let receipts = try checkReceipts()
        try checkChain(receipts)
        try checkCommitments(receipts)
        return VerifiedEvidence(
            bundle: self, digest: digest, receipts: receipts,
            documentaryFault: try findDocumentaryFault(receipts))
    }

    private func checkCounts() throws(EvidenceRejection) {
        let prompt = Int(promptTokens)
        guard prompt > 0, !output.isEmpty, tokens.count <= Self.maximumPositions,
            tokens.count == prompt + output.count - 1
        else {
            throw EvidenceRejection(
                .wrongCounts,
                "\(tokens.count) positions do not fit \(promptTokens) prompt tokens and "
                    + "\(output.count) output tokens")
        }
        guard tokens[prompt...] == output.dropLast() else {
            throw EvidenceRejection(
                .wrongCounts, "the tokens fed after the prompt are not the output")
        }
        let lastSigned = stages.last?.receipt != nil
        guard logits.count == (lastSigned ? output.count : 0) else {
            throw EvidenceRejection(
                .wrongCounts,
                "\(logits.count) logits hashes for \(output.count) output tokens and "
                    + (lastSigned ? "a" : "no") + " receipt of the last stage")
        }
    }

    private func checkLayers() throws(EvidenceRejection) {
        guard !stages.isEmpty, stages.count <= Self.maximumStages else {
            throw EvidenceRejection(.wrongLayers, "\(stages.count) stages")
        }
        var next: UInt16 = 0
        for (index, stage) in stages.enumerated() {
            guard stage.layers.first == next else {
                throw EvidenceRejection(
                    .wrongLayers, stage: UInt16(index),
                    "stage \(index) starts at layer \(stage.layers.first), not at \(next)")
            }
            next = stage.layers.end
        }
    }

    private func checkBoundaries() throws(EvidenceRejection) {
        guard boundaries.count == stages.count - 1 else {
            throw EvidenceRejection(
                .wrongBoundary, "\(boundaries.count) boundaries for \(stages.count) stages")
        }
        for (index, boundary) in boundaries.enumerated() {
            guard !boundary.isEmpty, boundary.count <= Self.maximumBoundary,
                boundary.count == boundaries[0].count,
                boundary.count.isMultiple(of: 4 * positions)
            else {
                throw EvidenceRejection(
                    .wrongBoundary, stage: UInt16(index),
                    "the boundary after stage \(index) has \(boundary.count) bytes, which are "
                        + "not \(positions) rows of one width")
            }
        }
    }

    private func checkReceipts() throws(EvidenceRejection) -> [Verified<Receipt>?] {
        guard stages.contains(where: { $0.receipt != nil }) else {
            throw EvidenceRejection(.nothingSigned, "no stage signed a receipt")
        }
        var receipts: [Verified<Receipt>?] = []
        for (index, stage) in stages.enumerated() {
            guard let signed = stage.receipt else {
                receipts.append(nil)
                continue
            }
            guard let receipt = signed.verified() else {
                throw EvidenceRejection(
                    .badSignature, stage: UInt16(index),
                    "the receipt of stage \(index) was not signed by \(signed.signer.value)")
            }
            receipts.append(receipt)
        }
        for (index, receipt) in receipts.enumerated() {
            if let receipt { try checkAddress(receipt.body, index) }
        }
        for (index, receipt) in receipts.enumerated() {
            if let receipt { try checkWork(receipt.body, index) }
        }
        return receipts
    }

    private func checkAddress(_ receipt: Receipt, _ index: Int) throws(EvidenceRejection) {
        guard receipt.job == job, receipt.attempt == attempt, Int(receipt.stage) == index,
            Int(receipt.stages) == stages.count
        else {
            throw EvidenceRejection(
                .misaddressed, stage: UInt16(index),
                "the receipt shown for stage \(index) of \(stages.count) of job \(job), attempt "
                    + "\(attempt), is for stage \(receipt.stage) of \(receipt.stages) of job "
                    + "\(receipt.job), attempt \(receipt.attempt)")
        }
    }

    private func checkWork(_ receipt: Receipt, _ index: Int) throws(EvidenceRejection) {
        let stage = stages[index]
        guard receipt.model == model, receipt.profile == profile, receipt.layers == stage.layers,
            receipt.weights == stage.weights
        else {
            throw EvidenceRejection(
                .wrongWork, stage: UInt16(index),
                "the receipt of stage \(index) names another model, layer range, weights root or "
                    + "arithmetic than the stage was assigned")
        }
    }

    private func checkChain(_ receipts: [Verified<Receipt>?]) throws(EvidenceRejection) {
        for index in receipts.indices.dropLast() {
            guard let before = receipts[index], let after = receipts[index + 1] else { continue }
            guard before.body.outputRoot == after.body.inputRoot else {
                throw EvidenceRejection(
                    .brokenChain, stage: UInt16(index + 1),
                    "stage \(index) signed output root \(before.body.outputRoot), stage "
                        + "\(index + 1) signed input root \(after.body.inputRoot)")
            }
        }
    }

    /// Boundaries and outputs must be what was signed. The first stage's tokens are not checked
    /// here: the request vouches for them, so that a difference is the stage's fault.
    private func checkCommitments(_ receipts: [Verified<Receipt>?]) throws(EvidenceRejection) {
        for (index, boundary) in boundaries.enumerated() {
            let signed = receipts[index]?.body.outputRoot ?? receipts[index + 1]?.body.inputRoot
            guard let signed else { continue }
            guard Transcript.root(boundary: boundary, width: rowBytes) == signed else {
                throw EvidenceRejection(
                    .notCommitted, stage: UInt16(index),
                    "the activations after stage \(index) are not those whose root was signed")
            }
        }
        guard let last = receipts[receipts.count - 1] else { return }
        let root = Transcript.root(
            sampled: output, logits: logits, sampling: SHA256.hash(sampling),
            promptTokens: Int(promptTokens))
        guard root == last.body.outputRoot else {
            throw EvidenceRejection(
                .notCommitted, stage: UInt16(receipts.count - 1),
                "the output tokens, logits hashes and sampling parameters are not those whose "
                    + "root the last stage signed")
        }
    }

    private func findDocumentaryFault(
        _ receipts: [Verified<Receipt>?]
    ) throws(EvidenceRejection) -> DocumentaryFault? {
        if let first = receipts[0]?.body {
            let root = Transcript.root(tokens: tokens)
            if root != first.inputRoot {
                return DocumentaryFault(
                    code: .inputMismatch, stage: 0, root: root,
                    reason: "stage 0 signed input root \(first.inputRoot), but the prompt of the "
                        + "request and the tokens sent to it have root \(root)")
            }
        }
        for (index, receipt) in receipts.enumerated() {
            guard let receipt = receipt?.body, !countsAreRight(receipt) else { continue }
            guard receipts[receipts.count - 1] != nil else {
                throw EvidenceRejection(
                    .countsUnproven, stage: UInt16(index),
                    "stage \(index) counts other tokens than the bundle, and the last stage has "
                        + "signed nothing that would settle it")
            }
            return DocumentaryFault(
                code: .falseTokenCount, stage: UInt16(index), root: receipt.outputRoot,
                reason: "stage \(index) signed \(receipt.promptTokens) prompt tokens, "
                    + "\(receipt.outputTokens) output tokens and \(receipt.positions) positions; "
                    + "the signed output holds \(promptTokens), \(output.count) and \(positions)")
        }
        return nil
    }

    private func countsAreRight(_ receipt: Receipt) -> Bool {
        receipt.promptTokens == promptTokens && Int(receipt.outputTokens) == output.count
            && Int(receipt.positions) == positions
    }
}
