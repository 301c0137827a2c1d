import Cryptography
import Primitives
import Testing
import Verification

/// Evidence that is damaged or forged is refused with a number and convicts nobody.
struct EvidenceBundleTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let code: EvidenceRejection.Code
        let change: @Sendable (EvidenceBundle) throws -> EvidenceBundle

        var testDescription: String { name }

        init(
            _ name: String, _ code: EvidenceRejection.Code,
            edit: @escaping @Sendable (inout EvidenceBundle) throws -> Void
        ) {
            self.name = name
            self.code = code
            change = { bundle in
                var bundle = bundle
                try edit(&bundle)
                return bundle
            }
        }

        /// A receipt that its node signed so.
        static func signed(
            _ name: String, _ code: EvidenceRejection.Code, stage: Int,
            _ edit: @escaping @Sendable (inout Receipt) -> Void
        ) -> Case {
            Case(name, code) { $0 = try $0.signing(stage, edit) }
        }
    }

    static let counts: [Case] = [
        Case("empty prompt", .wrongCounts) { $0.promptTokens = 0 },
        Case("longer prompt", .wrongCounts) { $0.promptTokens += 1 },
        Case("no output", .wrongCounts) { $0.output = [] },
        Case("lost token", .wrongCounts) { $0.tokens.removeLast() },
        Case("no tokens", .wrongCounts) { $0.tokens = [] },
        Case("output not fed", .wrongCounts) { $0.output[0] ^= 1 },
        Case("fed not output", .wrongCounts) { $0.tokens[4] ^= 1 },
        Case("lost logits hash", .wrongCounts) { $0.logits.removeLast() },
        Case("no receipt for the logits", .wrongCounts) { $0.stages[2].receipt = nil },
    ]

    static let shapes: [Case] = [
        Case("no stages", .wrongLayers) {
            $0.stages = []; $0.logits = []
        },
        Case("first layers missing", .wrongLayers) { $0.stages.removeFirst() },
        Case("swapped stages", .wrongLayers) { $0.stages.swapAt(0, 1) },
        Case("gap", .wrongLayers) { $0.stages.remove(at: 1) },
        Case("boundary missing", .wrongBoundary) { $0.boundaries.removeLast() },
        Case("boundary too many", .wrongBoundary) { $0.boundaries.append($0.boundaries[0]) },
        Case("truncated boundary", .wrongBoundary) { $0.boundaries[1].removeLast(12) },
        Case("ragged boundary", .wrongBoundary) { $0.boundaries[0].removeLast() },
        Case("empty boundary", .wrongBoundary) {
            $0.boundaries[0] = []; $0.boundaries[1] = []
        },
        Case("last layers missing", .wrongBoundary) { $0.stages.removeLast() },
        Case("other prompt", .requestMismatch) { $0.tokens[0] ^= 1 },
        Case("other sampling", .requestMismatch) { $0.sampling[0] ^= 1 },
        Case("other request", .requestMismatch) { $0.request = .zero },
    ]

    static let receipts: [Case] = [
        Case("no receipts", .nothingSigned) {
            for index in $0.stages.indices { $0.stages[index].receipt = nil }
            $0.logits = []
        },
        Case("other signer", .badSignature) {
            let receipt = try #require($0.stages[0].receipt)
            $0.stages[0].receipt = Signed(
                body: receipt.body, signer: try ToyJob.key(9).publicKey,
                signature: receipt.signature)
        },
        Case("tampered root", .badSignature) {
            let receipt = try #require($0.stages[1].receipt)
            var body = receipt.body
            body.outputRoot = .zero
            $0.stages[1].receipt = Signed(
                body: body, signer: receipt.signer, signature: receipt.signature)
        },
        Case("swapped receipts", .misaddressed) {
            let receipt = $0.stages[0].receipt
            $0.stages[0].receipt = $0.stages[1].receipt
            $0.stages[1].receipt = receipt
        },
        Case("other job", .misaddressed) { $0.job = JobID(43) },
        Case("other attempt", .misaddressed) { $0.attempt = 1 },
        .signed("stage of a longer pipeline", .misaddressed, stage: 1) { $0.stages = 4 },
        .signed("receipt for another job", .misaddressed, stage: 2) { $0.job = JobID(1) },
        Case("other model", .wrongWork) { $0.model = .zero },
        Case("other profile", .wrongWork) { $0.profile = .zero },
        Case("other weights", .wrongWork) { $0.stages[1].weights = .zero },
        .signed("receipt for other weights", .wrongWork, stage: 1) { $0.weights = .zero },
        .signed("receipt for other layers", .wrongWork, stage: 0) { $0.layers = .all },
    ]

    static let roots: [Case] = [
        .signed("receiver denies its input", .brokenChain, stage: 1) { $0.inputRoot = .zero },
        .signed("sender denies its output", .brokenChain, stage: 1) { $0.outputRoot = .zero },
        Case("tampered boundary", .notCommitted) { $0.boundaries[0][5] ^= 1 },
        Case("boundary signed by one side only", .notCommitted) {
            $0.boundaries[0][5] ^= 1
            $0.stages[0].receipt = nil
        },
        Case("tampered logits", .notCommitted) { $0.logits[2] = .zero },
        Case("tampered last token", .notCommitted) { $0.output[3] ^= 1 },
        Case("tampered token, fed as well", .notCommitted) {
            $0.output[1] ^= 1
            $0.tokens[4] ^= 1
        },
        Case("other sampling with its request", .notCommitted) {
            $0.sampling[0] ^= 1
            $0.request = Transcript.request(prompt: $0.tokens[0..<3], sampling: $0.sampling)
        },
        .signed("last stage signed other outputs", .notCommitted, stage: 2) {
            $0.outputRoot = .zero
        },
        Case("counts nobody can settle", .countsUnproven) {
            $0 = try $0.signing(0) { $0.outputTokens += 1 }
            $0.stages[2].receipt = nil
            $0.logits = []
        },
    ]

    @Test(arguments: counts + shapes + receipts + roots)
    func isRefused(_ row: Case) throws {
        let bundle = try row.change(try ToyJob().bundle())
        expect(row.code) { _ = try bundle.verified() }
    }

    /// Each code that evidence can be refused with has a row above or a test in `JudgeTests`.
    @Test func everyCodeHasARow() {
        let rows = Set((Self.counts + Self.shapes + Self.receipts + Self.roots).map(\.code))
        let elsewhere: Set<EvidenceRejection.Code> = [
            .unreadable, .otherModel, .reexecutionFailed, .noConflict, .otherVerdict,
        ]
        #expect(rows.union(elsewhere) == Set(EvidenceRejection.Code.allCases))
    }

    @Test func bytesComeBackTheSame() throws {
        let bundle = try ToyJob().bundle()
        let bytes = bundle.canonicalBytes()
        let again = try EvidenceBundle(untrusted: bytes)
        #expect(again == bundle)
        #expect(again.canonicalBytes() == bytes)
        #expect(bundle.digest == SHA256.hash(bytes))
    }

    @Test func garbageIsUnreadable() throws {
        let bytes = try ToyJob().bundle().canonicalBytes()
        var version = bytes
        version[4 + EvidenceBundle.domain.utf8.count - 1] ^= 3
        let garbage: [[UInt8]] = [
            [], [0], [UInt8](repeating: 255, count: 64), bytes + [0], Array(bytes.dropLast()),
            version, Array("not a bundle at all, but text".utf8),
        ]
        for bytes in garbage { expect(.unreadable) { _ = try EvidenceBundle(untrusted: bytes) } }
        for end in stride(from: 0, to: bytes.count, by: 3) {
            expect(.unreadable) { _ = try EvidenceBundle(untrusted: Array(bytes[0..<end])) }
        }
    }

    /// A bundle over a limit is refused by its count, before anything of that size is made.
    @Test func hugeCountsAreUnreadable() throws {
        let bundle = try ToyJob().bundle()
        let tokens = 4 + EvidenceBundle.domain.utf8.count + 8 + 4 + 96 + 4
        var bytes = bundle.canonicalBytes()
        bytes.replaceSubrange(tokens..<tokens + 4, with: [255, 255, 255, 127])
        expect(.unreadable) { _ = try EvidenceBundle(untrusted: bytes) }
        var many = bundle
        many.sampling = [UInt8](repeating: 0, count: EvidenceBundle.maximumSampling + 1)
        expect(.unreadable) { _ = try EvidenceBundle(untrusted: many.canonicalBytes()) }
    }

    /// Whatever bit of honest evidence is turned, nobody is convicted: every byte that could
    /// matter is covered by a signature or by the request.
    @Test func noTurnedBitConvictsAnHonestStage() throws {
        let bytes = try ToyJob().bundle().canonicalBytes()
        var refused = 0
        for bit in 0..<8 * bytes.count {
            var changed = bytes
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            refused += outcome(of: changed) == nil ? 1 : 0
        }
        #expect(refused == 8 * bytes.count)
    }

    /// And turning bits of a liar's evidence never moves the blame to somebody else.
    @Test func noTurnedBitMovesTheBlame() throws {
        var job = ToyJob()
        job.models[1].secret = 2
        let bytes = try job.bundle().canonicalBytes()
        var dice = Dice(state: 42)
        var refused = 0
        for _ in 0..<3_000 {
            var changed = bytes
            for _ in 0...dice.roll(3) {
                changed[dice.roll(bytes.count)] ^= 1 << UInt8(dice.roll(8))
            }
            guard changed != bytes else { continue }
            if let judgement = outcome(of: changed) {
                #expect(judgement.accusedStage == 1)
            } else {
                refused += 1
            }
        }
        #expect(refused > 2_900)
    }

    private func outcome(of bytes: [UInt8]) -> Judgement? {
        do {
            let evidence = try EvidenceBundle(untrusted: bytes).verified()
            return try Judge.judge(evidence, with: ToyModel())
        } catch {
            return nil
        }
    }
}
